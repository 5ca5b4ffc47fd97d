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
    folder = packed_folder("videos", source, root, fps=source.fps)
    if not folder.is_dir():
        _LOG.info("packing %s, once, into %s", type(source).__name__, folder)
        vocabulary, dims = source.vocabulary(root), set[int]()

        def rows() -> Iterable[tuple[str, np.ndarray, Mapping[str, Any]]]:
            for video in source.inventory(root).items():
                dims.add(video.dim)
                if len(dims) > 1:
                    raise DataError(f"{video.key}: has {video.dim} features a frame, others {min(dims - {video.dim})}")
                yield video.key, video.features, {"runs": _runs(video.labels), "tags": dict(video.tags)}

        store(rows(), folder, fps=source.fps, about=lambda: {**dataclasses.asdict(vocabulary), "dim": min(dims)})
    stored = open_stored(folder, shape=lambda about: (about["dim"],))
    try:
        for length, note in zip(np.diff(stored.offsets), stored.notes, strict=True):
            if sum(count for _, count in note["runs"]) != length or not isinstance(note["tags"], dict):
                raise ValueError("a video is described by other labels")
    except (TypeError, ValueError, KeyError) as error:
        raise unreadable(folder, error) from error
    return stored


def _runs(labels: Int32[np.ndarray, "time"]) -> list[list[int]]:
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    return [
        [int(labels[start]), int(count)]
        for start, count in zip(starts, np.diff(starts, append=len(labels)), strict=True)
    ]
