"""Packed videos: the features of a source in one memory-mapped array, with the labels of their frames."""

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32

from jaxmm.data.cache import packed_folder
from jaxmm.data.segmentation.sources import SegmentationSource
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.store import Stored, open_stored, store, unreadable
from jaxmm.errors import DataError

_LOG = logging.getLogger(__name__)


def packed_videos(source: SegmentationSource, root: Path | None) -> Stored:
    """Opens the packed form of a source, packing it first when its files or settings are new.

    Args:
        source: The source.
        root: Folder of the source's files; None for the procedural source.

    Returns:
        The videos; the note of each has `runs`, pairs of a label's number and its number of frames, and `tags`.

    Raises:
        DataError: If the source cannot be read, or its packed form is damaged.
    """
    folder = packed_folder("videos", source, root, fps=source.fps, others=source.outside(root))
    if not folder.is_dir():
        _LOG.info("packing %s, once, into %s", type(source).__name__, folder)
        vocabulary, dims = source.vocabulary(root), dict[int, str]()

        def rows() -> Iterable[tuple[str, np.ndarray, Mapping[str, Any]]]:
            for video in source.inventory(root).items():
                dims.setdefault(video.dim, video.key)
                if len(dims) > 1:
                    (dim, first), _ = dims.items()
                    raise DataError(
                        f"{video.key}: has {video.dim} features a frame where {first} has {dim}; compute them anew"
                    )
                yield video.key, video.features, {"runs": _runs(video.labels), "tags": dict(video.tags)}

        store(rows(), folder, fps=source.fps, about=lambda: {**dataclasses.asdict(vocabulary), "dim": min(dims)})
    stored = open_stored(folder, shape=lambda about: (about["dim"],))
    try:
        num_labels = vocabulary_of(stored.about).num_labels
        for length, note in zip(np.diff(stored.offsets), stored.notes, strict=True):
            _check_note(note, int(length), num_labels)
    except (TypeError, ValueError, KeyError, DataError) as error:
        raise unreadable(folder, error) from error
    return stored


def vocabulary_of(fields: Mapping[str, Any]) -> Vocabulary:
    """Returns the vocabulary that was kept as JSON values, among others.

    Raises:
        KeyError: If a field is missing.
        TypeError: If one is no list of words.
        DataError: If they are no vocabulary.

    Example:
        >>> vocabulary_of({"labels": ["cut"], "descriptions": ["cut it up"], "dim": 56}).labels
        ('cut',)
    """
    lists = (fields["labels"], fields["descriptions"])
    if not all(isinstance(own, list) and all(isinstance(word, str) for word in own) for own in lists):
        raise TypeError("labels and descriptions are not lists of words")
    return Vocabulary(*map(tuple, lists))


def _check_note(note: Mapping[str, Any], length: int, num_labels: int) -> None:
    """Raises an error where what is said of a video is not what `packed_videos` keeps."""
    numbers, counts = zip(*note["runs"], strict=True)
    if not all(type(number) is int and 0 <= number < num_labels for number in numbers):
        raise ValueError("a video has labels that do not exist")
    if not all(type(count) is int and count > 0 for count in counts) or sum(counts) != length:
        raise ValueError("a video has another number of frames than labels")
    tags = note["tags"]
    if not isinstance(tags, dict) or not all(isinstance(tag, str) for tag in tags.values()):
        raise ValueError("a video has tags that are no words")


def _runs(labels: Int32[np.ndarray, "time"]) -> list[list[int]]:
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    return [
        [int(labels[start]), int(count)]
        for start, count in zip(starts, np.diff(starts, append=len(labels)), strict=True)
    ]
