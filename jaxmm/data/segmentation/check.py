"""What is wrong with labelled videos: every problem, file by file."""

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxmm.data.check import Findings, Report, first_of, read_on
from jaxmm.data.inventory import Inventory, Problem, Recording, existing_folder
from jaxmm.data.segmentation.folder import Listing, VideoFiles, bundle_path, split_numbers
from jaxmm.data.segmentation.sources import SegmentationFolder, SegmentationSource
from jaxmm.data.segmentation.video import LabelledVideo
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.splits import FileSplit, HashSplit, Split, TagSplit
from jaxmm.errors import DataError

_NEEDED: tuple[Split, ...] = ("train", "test")


def check_segments(
    source: SegmentationSource, root: Path | None, *, split: HashSplit | FileSplit | TagSplit | None = None
) -> Report:
    r"""Reads all videos of a source, and goes on where something is wrong.

    Of a folder, the bundles of all splits are checked, and the videos of the source's own are read.

    Args:
        source: The source.
        root: Folder of the source's files; None for the procedural source.
        split: How videos are assigned, to find the same one in two splits; None takes the source's own bundles.

    Raises:
        DataError: If `root` is no folder.

    Example:
        >>> import tempfile
        >>> from jaxmm.data.segmentation.sources import ProceduralSegments, write_segmentation_folder
        >>> made, root = ProceduralSegments(num_train=2, num_test=1), Path(tempfile.mkdtemp()) / "recipes"
        >>> _ = write_segmentation_folder(made.inventory(None).items(), made.vocabulary(None), root)
        >>> (root / "groundTruth" / "test-0.txt").write_text("sing\n")
        5
        >>> for problem in check_segments(SegmentationFolder(), root).problems:
        ...     print(problem.kind, problem.message)
        labels .../test-0.txt:1: 'sing' is no label of the mapping (1 such lines); correct it, or add it to the mapping
    """
    split = TagSplit() if split is None else split
    if not isinstance(source, SegmentationFolder):
        findings = SegmentFindings(source.vocabulary(root))
        return _with_summary(read_on(source.inventory(root), findings, split=split), findings, [])
    root = existing_folder(root, source.mapping)
    try:
        vocabulary = source.vocabulary(root)
    except DataError as error:
        problem = Problem(kind="labels", message=str(error))
        return Report(counts={}, problems=(problem, *source.listing(root).problems))
    return _check_folder(source, root, vocabulary, split)


def _check_folder(
    source: SegmentationFolder, root: Path, vocabulary: Vocabulary, split: HashSplit | FileSplit | TagSplit
) -> Report:
    listing = source.listing(root)
    findings = SegmentFindings(vocabulary)
    unreadable: list[Problem] = []

    def lengths_differ(message: str) -> None:
        unreadable.append(Problem(kind="lengths", message=message))

    def read(files: VideoFiles) -> tuple[LabelledVideo, ...]:
        """Reads a video, or notes what is wrong with each of its files."""
        labels, features, errors = files.parts(vocabulary, source.reading)
        if errors or labels is None:
            kinds = ("labels" if labels is None and place == 0 else "features" for place in range(len(errors)))
            unreadable.extend(Problem(kind=kind, message=str(error)) for kind, error in zip(kinds, errors, strict=True))
            return ()
        try:
            return (files.joined(labels, features, source.reading, report=lengths_differ),)
        except DataError as error:
            lengths_differ(str(error))
            return ()

    inventory = Inventory(
        recordings=tuple(Recording(key=files.key, read=partial(read, files)) for files in listing.videos),
        problems=(*listing.problems, *_missing_parts(source, root, listing), *_other_splits(source, root, listing)),
        undescribed=listing.undescribed,
    )
    readable = read_on(inventory, findings, split=split)
    return _with_summary(readable, findings, unreadable)


def _missing_parts(source: SegmentationFolder, root: Path, listing: Listing) -> Iterator[Problem]:
    """Yields the parts without which there is nothing to train on, or nothing to test."""
    present = {files.split for files in listing.videos}
    for part in _NEEDED:
        if present and part not in present:
            path = bundle_path(root, part, source.split)
            yield Problem(kind="splits", message=f"{path}: brings no video to {part}; name some, one a line")


def _other_splits(source: SegmentationFolder, root: Path, listing: Listing) -> Iterator[Problem]:
    """Yields what is wrong with the bundles of other splits, but not again what is wrong with all."""
    told = {problem.message for problem in listing.problems}
    for number in split_numbers(root):
        if number != source.split:
            problems = dataclasses.replace(source, split=number).listing(root).problems
            yield from (problem for problem in problems if problem.message not in told)


def _with_summary(report: Report, findings: "SegmentFindings", further: list[Problem]) -> Report:
    return Report(counts=report.counts, problems=(*report.problems, *further, *findings.summary()))


class SegmentFindings(Findings[LabelledVideo]):
    """What has been read of labelled videos.

    Args:
        vocabulary: The labels that frames may have.
    """

    noun = "videos"
    description = "line in a bundle of the split"

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self._used = np.zeros(vocabulary.num_labels, bool)
        self._num_segments = 0
        self._first: LabelledVideo | None = None
        self._constant = np.zeros(0, bool)

    def counts(self) -> dict[str, float]:
        """Returns the numbers of what was read."""
        return {
            **super().counts(),
            "dim": 0 if self._first is None else self._first.dim,
            "segments": self._num_segments,
            "labels": self._vocabulary.num_labels,
            "unused_labels": int((~self._used).sum()),
        }

    def summary(self) -> Iterator[Problem]:
        """Yields what is wrong with the features of all videos together."""
        if len(constant := np.flatnonzero(self._constant)):
            message = f"features {first_of([str(place) for place in constant])} never change, in any video; drop them"
            yield Problem(kind="constant", message=message)

    def _content(self, clip: LabelledVideo) -> Float32[np.ndarray, "time dim"]:
        return clip.features

    def _suspicions(self, clip: LabelledVideo) -> Iterator[Problem]:
        self._used[clip.labels] = True
        self._num_segments += 1 + int(np.count_nonzero(np.diff(clip.labels)))
        if self._first is None:
            self._first = clip
            self._constant = np.ones(clip.dim, bool)
        if clip.dim != self._first.dim:
            message = f"{clip.key}: has {clip.dim} features a frame where {self._first.key} has {self._first.dim}; "
            yield Problem(kind="dim", message=f"{message}compute them anew")
            return
        self._constant &= (clip.features == self._first.features[0]).all(axis=0)
        if clip.num_frames > 1 and (clip.features == clip.features[0]).all():
            message = f"{clip.key}: its features never change; compute them anew, or drop the video"
            yield Problem(kind="constant", message=message)
