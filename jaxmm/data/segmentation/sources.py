"""Where labelled videos come from: made by rules, or folders in the layout of MS-TCN."""

import dataclasses
import logging
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

from jaxmm.data.inventory import Inventory, Problem, Recording, existing_folder, list_synthetic
from jaxmm.data.motion import FASTEST_FPS, SLOWEST_FPS
from jaxmm.data.segmentation.bundles import checked_key, write_bundle
from jaxmm.data.segmentation.features import Orientation, write_features
from jaxmm.data.segmentation.folder import Listing, Reading, VideoFiles, bundle_path, list_videos, split_numbers
from jaxmm.data.segmentation.labels import (
    read_vocabulary,
    write_descriptions,
    write_frame_labels,
    write_mapping,
)
from jaxmm.data.segmentation.video import LabelledVideo
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.splits import Split, TagSplit
from jaxmm.errors import ConfigError, DataError, brief

FEATURES, LABELS, MAPPING = "features", "groundTruth", "mapping.txt"
"""Names in a folder."""

_DESCRIPTIONS = "*_description.txt"
_WRITTEN_DESCRIPTIONS = "action_description.txt"
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProceduralSegments:
    """Synthetic videos of recipes, as made-up features of described actions; every video carries the tag `split`.

    Attributes:
        seed: Seed of the subjects and of the videos, >= 0.
        num_train: Videos of training, >= 0.
        num_val: Videos of validation, >= 0.
        num_test: Videos of testing, >= 0.
        dim: Number of features of a frame, >= 8.
        num_unseen: Actions, 0 to 5, that only test videos show; training shows their verbs and objects in others.

    Example:
        >>> next(ProceduralSegments(num_train=1).inventory(None).items()).tags["origin"]
        'synthetic'
    """

    seed: int = 0
    num_train: int = 40
    num_val: int = 8
    num_test: int = 12
    dim: int = 32
    num_unseen: int = 0

    @property
    def fps(self) -> float:
        """Frames per second of every video."""
        from jaxmm.data.segmentation.procedural import FPS

        return FPS

    @property
    def unseen(self) -> tuple[str, ...]:
        """Labels of the actions that only test videos show."""
        from jaxmm.data.segmentation.procedural import unseen_labels

        return unseen_labels(self.num_unseen)

    def inventory(self, root: Path | None) -> Inventory[LabelledVideo]:
        """Lists the splits, each as one recording.

        Raises:
            DataError: If a root is given: this source reads no files.
        """
        from jaxmm.data.segmentation.procedural import segments

        counts: dict[Split, int] = {"train": self.num_train, "val": self.num_val, "test": self.num_test}
        made = {
            split: partial(segments, split, seed=self.seed, num_videos=count, dim=self.dim, num_unseen=self.num_unseen)
            for split, count in counts.items()
        }
        return list_synthetic(root, made, instead="SegmentationFolder")

    def vocabulary(self, root: Path | None) -> Vocabulary:
        """Returns the labels of the actions, of no action and of mistakes."""
        from jaxmm.data.segmentation.procedural import VOCABULARY

        del root
        return VOCABULARY

    def outside(self, root: Path | None) -> tuple[Path, ...]:
        """Returns nothing: it reads no files."""
        del root
        return ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentationFolder:
    """A folder of features, labels of frames, `mapping.txt` and `splits`, as those of MS-TCN.

    The videos are those of `splits/{train,val,test}.split<K>.bundle`, of which each carries the tag `split`; that of
    val may be missing. Features are `.npy` files (dim, time) or (time, dim), labels `.txt` files of one a line.

    Attributes:
        features: Folders of features below the root, or elsewhere where a path is absolute; those of several folders
            stand side by side.
        dim: Number of features of a frame in each of them; where empty, the number of labels tells which axis is time.
        orientation: Which axis of features comes first; None tells it by their shape, where square arrays of the given
            `dim` are taken as (dim, time) and others refused (D10).
        labels: Folder of the labels of frames.
        mapping: File of the labels and their numbers.
        descriptions: File that describes the labels; None takes the only `*_description.txt` of the root, if any.
        split: Number of the split, K.
        fps: Frames per second.
        tolerance: How many frames the lengths of a video's files may differ by; what is too long is cut off (D9).

    Raises:
        ConfigError: If a number is out of its range, no folder of features is named, or one twice.

    Example:
        >>> SegmentationFolder(features=("features", "/runs/7/enhanced_features"), dim=(56, 384)).split
        1

    Reference: Abu Farha and Gall, MS-TCN, CVPR 2019; seed 002, "Data Format".
    """

    features: tuple[str, ...] = (FEATURES,)
    dim: tuple[int, ...] = ()
    orientation: Orientation | None = None
    labels: str = LABELS
    mapping: str = MAPPING
    descriptions: str | None = None
    split: int = 1
    fps: float = 15.0
    tolerance: int = 0

    def __post_init__(self) -> None:
        if not self.features or len(set(self.features)) != len(self.features):
            raise ConfigError(f"data.source.features is {self.features}; name one folder or more, each once")
        if self.dim and (len(self.dim) != len(self.features) or min(self.dim) < 1):
            raise ConfigError(
                f"data.source.dim is {self.dim}; give one number above zero for each of {self.features}, or none"
            )
        for name in ("split", "tolerance"):
            if getattr(self, name) < 0:
                raise ConfigError(f"data.source.{name} is {getattr(self, name)}; give a number from 0 on")
        if not SLOWEST_FPS <= self.fps <= FASTEST_FPS:
            raise ConfigError(f"data.source.fps is {self.fps}; give a rate from {SLOWEST_FPS} to {FASTEST_FPS}")

    @property
    def reading(self) -> Reading:
        """How the files of each video are read."""
        return Reading(dim=self.dim, orientation=self.orientation, fps=self.fps, tolerance=self.tolerance)

    def inventory(self, root: Path | None) -> Inventory[LabelledVideo]:
        """Lists the videos of the split without reading them.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        root = existing_folder(root, self.mapping)
        listing = self.listing(root)
        try:
            vocabulary = self.vocabulary(root)
        except DataError as error:
            problems = (Problem(kind="labels", message=str(error)), *listing.problems)
            return Inventory(problems=problems, undescribed=listing.undescribed)

        def recording(files: VideoFiles) -> Recording[LabelledVideo]:
            return Recording(key=files.key, read=lambda: (files.read(vocabulary, self.reading, report=_LOG.warning),))

        return Inventory(
            recordings=tuple(map(recording, listing.videos)),
            problems=listing.problems,
            undescribed=listing.undescribed,
        )

    def listing(self, root: Path) -> Listing:
        """Lists the files of each video of the split."""
        return list_videos(root, features=self.features, labels=self.labels, split=self.split)

    def vocabulary(self, root: Path | None) -> Vocabulary:
        """Reads the labels and their descriptions.

        Raises:
            DataError: If `root` is no folder, a file is malformed, or several might hold the descriptions.
        """
        root = existing_folder(root, self.mapping)
        found = sorted(root.glob(_DESCRIPTIONS)) if self.descriptions is None else [root / self.descriptions]
        if len(found) > 1:
            names = brief(", ".join(path.name for path in found), 200)
            raise DataError(f"{root}: holds {names}; choose one as data.source.descriptions")
        return read_vocabulary(root / self.mapping, found[0] if found else None)

    def outside(self, root: Path | None) -> tuple[Path, ...]:
        """Returns the folders and files that are read but lie elsewhere than below the root, be it by a link."""
        if root is None:
            return ()
        splits = bundle_path(root, "train", self.split).parent.name
        described = () if self.descriptions is None else (self.descriptions,)
        names = (*self.features, self.labels, self.mapping, splits, *described)
        return tuple(root / name for name in names if not (root / name).resolve().is_relative_to(root.resolve()))


SegmentationSource: TypeAlias = ProceduralSegments | SegmentationFolder
"""Any of the sources."""


def segmentation_source_of(root: Path) -> SegmentationFolder | None:
    """Returns the source that reads a folder of labelled videos, by the files it holds; None for one of something else.

    Its split is the first of which the folder has bundles.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> segmentation_source_of(root)
        >>> (root / LABELS).mkdir()
        >>> (root / MAPPING).touch()
        >>> segmentation_source_of(root).split
        1
    """
    if not (root / MAPPING).is_file() or not (root / LABELS).is_dir():
        return None
    return SegmentationFolder(split=next(iter(split_numbers(root)), 1))


def read_segmentation_folder(
    root: Path, *, source: SegmentationFolder | None = None
) -> tuple[Iterator[LabelledVideo], Vocabulary]:
    """Reads the videos of a folder one by one, and their labels.

    Args:
        root: The folder.
        source: What the folder is read by; None for the usual names, split 1 and 15 frames a second.

    Raises:
        DataError: If anything is missing or malformed; the message names the file and the line.

    Example:
        >>> import tempfile
        >>> read_segmentation_folder(Path(tempfile.mkdtemp()))
        Traceback (most recent call last):
        jaxmm.errors.DataError: ...mapping.txt: cannot be read (No such file or directory); check the path and...
    """
    source = SegmentationFolder() if source is None else source
    vocabulary = source.vocabulary(root)
    return source.inventory(root).items(), vocabulary


def write_segmentation_folder(videos: Iterable[LabelledVideo], vocabulary: Vocabulary, folder: Path) -> int:
    """Writes videos as `read_segmentation_folder` reads them; the mapping is written last.

    Of their tags, `split` is kept, as split 1; frame rates have no place in such a folder.

    Args:
        videos: One or more, of as many features, with distinct keys and the tag `split`.
        vocabulary: Their labels.
        folder: Folder to write, which must not hold videos yet.

    Returns:
        Number of videos.

    Raises:
        DataError: If the folder holds videos already, there is none to write, or one cannot be written.

    Example:
        >>> import tempfile
        >>> source = ProceduralSegments(num_train=2, num_val=0, num_test=1)
        >>> folder = Path(tempfile.mkdtemp()) / "recipes"
        >>> write_segmentation_folder(source.inventory(None).items(), source.vocabulary(None), folder)
        3
        >>> [video.key for video in read_segmentation_folder(folder)[0]]
        ['train-0', 'train-1', 'test-0']
    """
    if (folder / MAPPING).exists():
        raise DataError(f"{folder}: holds videos already; choose another folder")
    for name in (FEATURES, LABELS, bundle_path(folder, "train", 1).parent.name):
        (folder / name).mkdir(parents=True, exist_ok=True)
    splits: dict[str, Split] = {}
    dim: int | None = None
    for video in videos:
        if checked_key(video.key) in splits:
            raise DataError(f"{video.key}: two videos have this key; give each its own")
        if dim not in (None, video.dim):
            raise DataError(f"{video.key}: has {video.dim} features a frame, and others {dim}; give all as many")
        dim = video.dim
        splits |= TagSplit().assign({video.key: video.tags})
        write_features(folder / FEATURES / f"{video.key}.npy", video.features)
        write_frame_labels(folder / LABELS / f"{video.key}.txt", video.labels, vocabulary)
    if not splits:
        raise DataError("there is no video to write; give one or more")
    for part in dict.fromkeys(splits.values()):
        write_bundle(bundle_path(folder, part, 1), [key for key, own in splits.items() if own == part])
    described = dict(zip(vocabulary.labels, vocabulary.descriptions, strict=True))
    write_descriptions(folder / _WRITTEN_DESCRIPTIONS, described)
    write_mapping(folder / MAPPING, vocabulary.labels)
    return len(splits)
