"""The files of a folder of labelled videos: which there are of each video, and reading them together."""

import dataclasses
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from jaxtyping import Float32, Int32

from jaxmm.data.inventory import Problem
from jaxmm.data.segmentation.bundles import list_bundle
from jaxmm.data.segmentation.features import Orientation, read_features
from jaxmm.data.segmentation.labels import read_frame_labels
from jaxmm.data.segmentation.video import LabelledVideo
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.splits import Split
from jaxmm.errors import DataError, brief

_BUNDLE = re.compile(r"(train|val|test)\.split(\d{1,6})\.bundle", re.ASCII)
_SPLITS = "splits"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """How the files of a video are read.

    Attributes:
        dim: Number of features of a frame in each folder of features; empty where it is not known.
        orientation: Which axis of the features comes first; None tells it by their shape.
        fps: Frames per second.
        tolerance: How many frames the lengths of a video's files may differ by.

    Example:
        >>> Reading(dim=(56,), fps=15.0).tolerance
        0
    """

    dim: tuple[int, ...] = ()
    orientation: Orientation | None = None
    fps: float
    tolerance: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoFiles:
    """The files of one video.

    Attributes:
        key: Name of the video.
        split: The part of the data that a bundle puts it in.
        features: One file from each folder of features.
        labels: The label of every frame.

    Example:
        >>> VideoFiles(key="a", split="train", features=(Path("features/a.npy"),), labels=Path("groundTruth/a.txt")).key
        'a'
    """

    key: str
    split: Split
    features: tuple[Path, ...]
    labels: Path

    def read(self, vocabulary: Vocabulary, reading: Reading, *, report: Callable[[str], None]) -> LabelledVideo:
        """Reads the video, its features side by side.

        Args:
            vocabulary: The labels that frames may have.
            reading: How the files are read.
            report: Is told of frames that are cut off where lengths differ within the tolerance (D9).

        Raises:
            DataError: If a file cannot be read, or lengths differ by more than the tolerance.
        """
        labels, features, errors = self.parts(vocabulary, reading)
        if errors or labels is None:
            raise errors[0]
        return self.joined(labels, features, reading, report=report)

    def joined(
        self,
        labels: Int32[np.ndarray, "time"],
        features: Sequence[Float32[np.ndarray, "_ _"]],
        reading: Reading,
        *,
        report: Callable[[str], None],
    ) -> LabelledVideo:
        """Puts together what `parts` read; arguments and errors are those of `read`."""
        lengths = {self.labels: len(labels), **dict(zip(self.features, map(len, features), strict=True))}
        (short, fewest), (long, most) = (pick(lengths.items(), key=lambda item: item[1]) for pick in (min, max))
        if most - fewest > reading.tolerance:
            raise DataError(
                f"{short}: has {fewest} frames where {long} has {most}; repair one of them, or set tolerance to "
                f"{most - fewest} or more, which cuts off what is too long"
            )
        if most > fewest:
            report(f"{short}: has {fewest} frames where {long} has {most}; those beyond are cut off")
        return LabelledVideo(
            key=self.key,
            features=np.concatenate([frames[:fewest] for frames in features], axis=1),
            labels=labels[:fewest],
            fps=reading.fps,
            tags={"split": self.split},
        )

    def parts(
        self, vocabulary: Vocabulary, reading: Reading
    ) -> tuple[Int32[np.ndarray, "time"] | None, list[Float32[np.ndarray, "_ _"]], list[DataError]]:
        """Returns the labels, the features of each folder, and what is wrong with files that cannot be read."""
        errors: list[DataError] = []
        labels = None
        try:
            labels = read_frame_labels(self.labels, vocabulary)
        except DataError as error:
            errors.append(error)
        if labels is None and not reading.dim and reading.orientation is None:
            return labels, [], errors  # without labels, nothing tells which axis is time
        features: list[Float32[np.ndarray, "_ _"]] = []
        for path, dim in zip(self.features, reading.dim or (None,) * len(self.features), strict=True):
            try:
                frames = read_features(
                    path,
                    dim=dim,
                    num_frames=None if labels is None else len(labels),
                    tolerance=reading.tolerance,
                    orientation=reading.orientation,
                )
                features.append(frames)
            except DataError as error:
                errors.append(error)
        return labels, features, errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """The videos of a split, listed without reading them.

    Attributes:
        videos: Those that have all files, in the order of the bundles of train, val and test.
        problems: What is wrong with the bundles, and which files are missing.
        undescribed: Files of videos that are in no bundle of the split.

    Example:
        >>> Listing().videos
        ()
    """

    videos: tuple[VideoFiles, ...] = ()
    problems: tuple[Problem, ...] = ()
    undescribed: tuple[str, ...] = ()


def list_videos(root: Path, *, features: Sequence[str], labels: str, split: int) -> Listing:
    """Lists the videos that `splits/{train,val,test}.split<K>.bundle` name; each of the three may be missing.

    Args:
        root: The folder.
        features: Folders of features below `root`, or elsewhere where a path is absolute.
        labels: Folder of the labels of frames.
        split: Number of the split, K.

    Example:
        >>> import tempfile
        >>> list_videos(Path(tempfile.mkdtemp()), features=["features"], labels="groundTruth", split=1).videos
        ()
    """
    lines, problems = _assigned(root, split)
    folders = [(name, ".npy") for name in features] + [(labels, ".txt")]
    present: dict[tuple[str, str], Collection[str]] = {}
    paths: dict[str, str] = {}
    for name, ending in folders:
        folder = root / name
        present[name, ending] = {path.name.removesuffix(ending) for path in folder.glob(f"*{ending}")}
        if folder.is_dir():
            paths[name] = str(folder)
        else:
            message = f"{folder}: no such folder; add it, or name the folder of the videos' {ending} files"
            problems.append(Problem(kind="files", message=message))
    videos: list[VideoFiles] = []
    for key, (part, where) in lines.items():
        missing = [(name, ending) for name, ending in folders if key not in present[name, ending]]
        if lacking := [f"{brief(f'{key}{ending}')} in {paths[name]}" for name, ending in missing if name in paths]:
            message = f"{where}: no file {' and no '.join(lacking)}; add what is missing, or remove the line"
            problems.append(Problem(kind="files", message=message))
        if not missing:
            own = tuple(root / name / f"{key}.npy" for name in features)
            videos.append(VideoFiles(key=key, split=part, features=own, labels=root / labels / f"{key}.txt"))
    others = {f"{name}/{key}{ending}" for name, ending in folders for key in set(present[name, ending]) - lines.keys()}
    return Listing(videos=tuple(videos), problems=tuple(problems), undescribed=tuple(sorted(others)))


def bundle_path(root: Path, part: Split, split: int) -> Path:
    """Returns where the bundle of one part of a split lies.

    Example:
        >>> bundle_path(Path("50salads"), "test", 2).as_posix()
        '50salads/splits/test.split2.bundle'
    """
    return root / _SPLITS / f"{part}.split{split}.bundle"


def split_numbers(root: Path) -> list[int]:
    """Returns the numbers of the splits that a folder has bundles of, in ascending order.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "splits").mkdir()
        >>> bundle_path(root, "test", 2).touch()
        >>> split_numbers(root)
        [2]
    """
    found = (_BUNDLE.fullmatch(path.name) for path in (root / _SPLITS).glob("*.bundle"))
    # Not those with leading zeros, which nothing would look for.
    return sorted({int(match[2]) for match in found if match and str(int(match[2])) == match[2]})


def _assigned(root: Path, split: int) -> tuple[dict[str, tuple[Split, str]], list[Problem]]:
    """Returns the part and the line of every video of a split, and what is wrong with its bundles."""
    assigned: dict[str, tuple[Split, str]] = {}
    problems: list[Problem] = []
    bundles = [(part, path) for part in get_args(Split) if (path := bundle_path(root, part, split)).exists()]
    if not bundles:
        numbers = ", ".join(map(str, split_numbers(root)))
        remedy = f"choose split {brief(numbers)}" if numbers else "write the videos' names into them, one a line"
        message = f"{bundle_path(root, 'train', split)}: no such file, nor one for test; {remedy}"
        return {}, [Problem(kind="splits", message=message)]
    for part, path in bundles:
        lines, found = list_bundle(path)
        problems += found
        for key, line in lines.items():
            if key in assigned:
                message = f"{path}:{line}: {brief(key)} is in {assigned[key][0]} already; keep it in one"
                problems.append(Problem(kind="leakage", message=message))
            else:
                assigned[key] = (part, f"{path}:{line}")
    if not assigned and not problems:
        message = f"{bundles[0][1]}: names no video, nor does another bundle of split {split}; write one a line"
        problems.append(Problem(kind="splits", message=message))
    return assigned, problems
