"""Folders and tables of labelled videos."""

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import get_args

from jaxmm.data.inventory import Inventory, Problem, existing_folder
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.splits import Split
from jaxmm.data.video.clip import ActionVideo, VideoFile
from jaxmm.data.video.listing import files_of, inventory_of, is_video, outside
from jaxmm.data.video.lists import Row, label_of, list_table, path_of, vocabulary_of_names

_SPLITS: tuple[Split, ...] = get_args(Split)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassFolders:
    """A folder that has a folder of videos, or pictures, for each class, named as the class.

    Videos may lie in folders of it, too; files of other kinds are passed over.

    Attributes:
        split_folders: Whether the folders of classes lie in folders `train`, `val` and `test`, of which each video
            carries the tag `split`; any of them may be missing.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "air drumming").mkdir()
        >>> (root / "air drumming" / "a.mp4").touch()
        >>> next(ClassFolders().inventory(root).items()).label
        'air_drumming'
    """

    split_folders: bool = False

    def inventory(self, root: Path | None) -> Inventory[ActionVideo]:
        """Lists the videos without reading them.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        root = existing_folder(root, "a folder of videos for each class")
        files, problems = list[ActionVideo](), list[Problem]()
        for split, folder in self._folders(root):
            paths = [path for path in sorted(folder.rglob("*")) if is_video(path)]
            if not paths:
                message = f"{folder}: holds no video; add some, or remove the folder"
                problems.append(Problem(kind="labels", message=message))
            tags = {} if split is None else {"split": split}
            label = label_of(folder.name)
            files += (
                VideoFile(key=path.relative_to(root).as_posix(), path=path, label=label, tags=tags) for path in paths
            )
        return inventory_of(files, problems, partial(self.vocabulary, root))

    def vocabulary(self, root: Path | None) -> Vocabulary:
        """Returns the classes in the order of their names.

        Raises:
            DataError: If there is none, or a name cannot be a label.
        """
        root = existing_folder(root, "a folder of videos for each class")
        names = sorted({folder.name for _, folder in self._folders(root)})
        return vocabulary_of_names(names, str(root))

    def outside(self, root: Path | None) -> tuple[Path, ...]:
        """Returns nothing: all files lie below the root."""
        del root
        return ()

    def _folders(self, root: Path) -> Iterator[tuple[Split | None, Path]]:
        tops: dict[Split | None, Path] = {None: root}
        if self.split_folders:
            tops = {split: root / split for split in _SPLITS}
        for split, top in tops.items():
            for folder in sorted(top.iterdir()) if top.is_dir() else ():
                if folder.is_dir() and not folder.name.startswith("."):
                    yield split, folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoTable:
    r"""A CSV table of videos: columns `path` and `label`, perhaps `split` and `group`; further ones become tags too.

    A group holds recordings that belong together, such as pieces of one, which no split should part.

    Attributes:
        table: The table, below the root.
        videos: Folder that paths are below: one of the root, or another where it is absolute.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> _ = (root / "videos.csv").write_text("path,label,split\na.mp4,jump,train\n")
        >>> next(VideoTable().inventory(root).items()).tags
        {'split': 'train'}
    """

    table: str = "videos.csv"
    videos: str = "."

    def inventory(self, root: Path | None) -> Inventory[ActionVideo]:
        """Lists the videos without reading them.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        root = existing_folder(root, self.table)
        rows, problems = list_table(root / self.table, columns=("path", "label"))

        def file(row: Row) -> VideoFile:
            tags = dict(row.values)
            path, label = path_of(row.where, tags.pop("path")), tags.pop("label")
            return VideoFile(key=path.as_posix(), path=root / self.videos / path, label=label_of(label), tags=tags)

        files, wrong = files_of(rows, file)
        return inventory_of(files, [*problems, *wrong], partial(self.vocabulary, root))

    def vocabulary(self, root: Path | None) -> Vocabulary:
        """Returns the classes in the order of their names.

        Raises:
            DataError: If the table names none, or a name cannot be a label.
        """
        root = existing_folder(root, self.table)
        rows, _ = list_table(root / self.table, columns=("path", "label"))
        return vocabulary_of_names(sorted({row.values["label"] for row in rows}), str(root / self.table))

    def outside(self, root: Path | None) -> tuple[Path, ...]:
        """Returns the folder of the videos where it is not below the root."""
        return outside(root, (self.videos,))
