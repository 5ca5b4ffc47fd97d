"""The lists of Kinetics and of UCF101."""

import dataclasses
import re
from functools import partial
from pathlib import Path

from jaxmm.data.inventory import Inventory, Problem, existing_folder
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.splits import Split
from jaxmm.data.video.clip import ActionVideo, VideoFile
from jaxmm.data.video.listing import files_of, inventory_of, is_video, outside
from jaxmm.data.video.lists import (
    Row,
    label_of,
    list_table,
    list_videos,
    path_of,
    read_numbered_names,
    seconds_of,
    vocabulary_of_names,
)
from jaxmm.errors import ConfigError, DataError, brief

_SPLITS: dict[str, Split] = {"train": "train", "val": "val", "validate": "val", "test": "test"}
_COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
_GROUP = re.compile(r"_(g\d+)_c\d+$", re.ASCII)


@dataclasses.dataclass(frozen=True, kw_only=True)
class KineticsTables:
    r"""The tables of Kinetics: columns `label`, `youtube_id`, `time_start`, `time_end` and `split`.

    A video is `<youtube_id>_<start>_<end>` with times of six digits, cut already, or `<youtube_id>`, whose stretch is
    read; either at any depth of a folder. Every video carries the tag `split`, in which `validate` is val.

    Attributes:
        tables: The tables, below the root; some may be missing.
        videos: Folder of the videos: one of the root, or another where it is absolute.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> _ = (root / "validate.csv").write_text(
        ...     "label,youtube_id,time_start,time_end,split\nair drumming,-1IlTIWPNs4,20,30,validate\n")
        >>> video = next(KineticsTables().inventory(root).items())
        >>> video.key, video.label, video.tags
        ('-1IlTIWPNs4_000020_000030', 'air_drumming', {'split': 'val'})

    Reference: Kay et al., arXiv:1705.06950.
    """

    tables: tuple[str, ...] = ("train.csv", "validate.csv", "test.csv")
    videos: str = "videos"

    def inventory(self, root: Path | None) -> Inventory[ActionVideo]:
        """Lists the videos without reading them; those that are not there are found missing when they are read.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        root = existing_folder(root, " or ".join(self.tables))
        rows, problems = self._rows(root)
        present: dict[str, Path] = {}
        for path in sorted((root / self.videos).rglob("*")):
            if is_video(path):
                present.setdefault(path.stem, path)

        def file(row: Row) -> VideoFile:
            name, split = row.values["youtube_id"], _SPLITS.get(row.values["split"])
            start, end = seconds_of(row, "time_start"), seconds_of(row, "time_end")
            if split is None or path_of(row.where, name).as_posix() != name or not start < end:
                said = ", ".join(row.values[column] for column in _COLUMNS[1:])
                raise DataError(f"{row.where}: {brief(said)} are no name, start before end, and split; correct the row")
            key = f"{name}_{start:06g}_{end:06g}"
            whole = name in present and key not in present
            return VideoFile(
                key=key,
                path=present[name] if whole else present.get(key, root / self.videos / f"{key}.mp4"),
                label=label_of(row.values["label"]),
                tags={"split": split},
                start=start if whole else 0.0,
                end=end if whole else None,
            )

        files, wrong = files_of(rows, file)
        return inventory_of(files, [*problems, *wrong], partial(self.vocabulary, root))

    def vocabulary(self, root: Path | None) -> Vocabulary:
        """Returns the classes in the order of their names.

        Raises:
            DataError: If the tables name none, or a name cannot be a label.
        """
        root = existing_folder(root, " or ".join(self.tables))
        return vocabulary_of_names(sorted({row.values["label"] for row in self._rows(root)[0]}), str(root))

    def outside(self, root: Path | None) -> tuple[Path, ...]:
        """Returns the folder of the videos where it is not below the root."""
        return outside(root, (self.videos,))

    def _rows(self, root: Path) -> tuple[list[Row], list[Problem]]:
        rows, problems = list[Row](), list[Problem]()
        present = [name for name in self.tables if (root / name).exists()]
        if not present:
            message = f"{root}: holds none of {', '.join(self.tables)}; add one, or name them as data.source.tables"
            problems.append(Problem(kind="lists", message=message))
        for name in present:
            own, wrong = list_table(root / name, columns=_COLUMNS)
            rows += own
            problems += wrong
        return rows, problems


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ucf101Lists:
    """The files of UCF101: `classInd.txt`, `trainlist<fold>.txt` and `testlist<fold>.txt`, and folders of classes.

    Every video carries the tags `split`, train or test, and `group`, by which its name tells recordings apart.

    Attributes:
        lists: Folder of the lists, below the root.
        videos: Folder of the folders of classes: one of the root, or another where it is absolute.
        fold: Number of the lists, 1 to 99.

    Raises:
        ConfigError: If the fold is out of its range.

    Example:
        >>> Ucf101Lists(fold=2).fold
        2

    Reference: Soomro et al., arXiv:1212.0402.
    """

    lists: str = "ucfTrainTestlist"
    videos: str = "UCF-101"
    fold: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.fold <= 99:
            raise ConfigError(f"data.source.fold is {self.fold}; give a number from 1 to 99")

    def inventory(self, root: Path | None) -> Inventory[ActionVideo]:
        """Lists the videos without reading them.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        root = existing_folder(root, f"{self.lists} and {self.videos}")
        try:
            names = read_numbered_names(root / self.lists / "classInd.txt")
        except DataError as error:
            return Inventory(problems=(Problem(kind="lists", message=str(error)),))
        rows, problems = list[Row](), list[Problem]()
        for split in ("train", "test"):
            own, wrong = list_videos(root / self.lists / f"{split}list{self.fold:02d}.txt", names=names)
            rows += (dataclasses.replace(row, values={**row.values, "split": split}) for row in own)
            problems += wrong

        def file(row: Row) -> VideoFile:
            path = path_of(row.where, row.values["path"])
            group = _GROUP.search(path.stem)
            tags = {"split": row.values["split"]} | ({"group": group[1]} if group else {})
            label = label_of(row.values["label"])
            return VideoFile(key=path.as_posix(), path=root / self.videos / path, label=label, tags=tags)

        files, wrong = files_of(rows, file)
        return inventory_of(files, [*problems, *wrong], partial(self.vocabulary, root))

    def vocabulary(self, root: Path | None) -> Vocabulary:
        """Returns the classes in the order of `classInd.txt`.

        Raises:
            DataError: If the file is malformed, or a name cannot be a label.
        """
        path = existing_folder(root, f"{self.lists} and {self.videos}") / self.lists / "classInd.txt"
        return vocabulary_of_names(list(read_numbered_names(path)), str(path))

    def outside(self, root: Path | None) -> tuple[Path, ...]:
        """Returns the folder of the videos where it is not below the root."""
        return outside(root, (self.lists, self.videos))
