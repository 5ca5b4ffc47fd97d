"""Packed videos: the frames that are kept of a source's videos, decoded once into one memory-mapped array."""

import dataclasses
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import UInt8

from jaxmm.data.cache import packed_folder
from jaxmm.data.segmentation.packed import vocabulary_of
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.store import Stored, open_stored, store, unreadable
from jaxmm.data.video.clip import ActionVideo, FrameView
from jaxmm.data.video.reader import Frames
from jaxmm.data.video.sources import ActionSource
from jaxmm.errors import ConfigError, DataError

OnBad: TypeAlias = Literal["fail", "skip"]
"""What is done about a video that cannot be read."""

_LOG = logging.getLogger(__name__)
_GIB = 2**30
_TELL_EVERY = 30.0  # seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Packing:
    """How a source is packed.

    Attributes:
        view: What is kept of a video.
        on_bad: What is done about a video that cannot be read.
        time_limit_s: Longest time that a file may take to decode, in seconds.
        packed_gib: Most GiB of the disk that all frames may take.
        num_workers: Videos that are decoded at once.

    Example:
        >>> Packing(view=FrameView(frame_size=32)).on_bad
        'fail'
    """

    view: FrameView
    on_bad: OnBad = "fail"
    time_limit_s: float = 60.0
    packed_gib: float = 64.0
    num_workers: int = 1


def packed_actions(source: ActionSource, root: Path | None, packing: Packing) -> Stored:
    """Opens the packed form of a source, packing it first when its files or settings are new.

    Args:
        source: The source.
        root: Folder of the source's files; None for the procedural source.
        packing: How it is packed.

    Returns:
        The videos. The note of each has the number of its `label`, its `fps`, whether it was `cut`, and `tags`; what
        is said of all has the vocabulary, and `bad`: the reason and tags of each video that cannot be read. Where
        every frame is kept, their rate is 1.

    Raises:
        ConfigError: If the frames take more of the disk than they may.
        DataError: If the source cannot be listed, a video cannot be read and that is to fail, or none can.
        MissingExtraError: If the extra `video` is needed and not installed.
    """
    view = packing.view
    folder = packed_folder(
        "actions",
        source,
        root,
        fps=view.fps,
        others=source.outside(root),
        form=(view.frame_size, view.max_frames, packing.time_limit_s),
    )
    if not folder.is_dir():
        _LOG.info("packing %s, once, into %s", type(source).__name__, folder)
        _pack(source, root, packing, folder)
    stored = open_stored(folder, shape=lambda about: (about["frame_size"], about["frame_size"], 3), dtype=np.uint8)
    try:
        num_labels = vocabulary_of(stored.about).num_labels
        for note in stored.notes:
            _check_note(num_labels, **note)
        bad = [(own["reason"], _tags(own["tags"])) for own in stored.about["bad"].values()]
    except (TypeError, ValueError, KeyError, AttributeError, DataError) as error:
        raise unreadable(folder, error) from error
    if bad and packing.on_bad == "fail":
        raise DataError(_bad_message(bad[0][0], len(bad)))
    if bad:
        _LOG.warning("%d of %d videos are left out, since they cannot be read", len(bad), len(bad) + len(stored))
    if cut := sum(note["cut"] for note in stored.notes):
        _LOG.info("of %d videos what comes after data.max_frames = %d is left out", cut, view.max_frames)
    return stored


def _pack(source: ActionSource, root: Path | None, packing: Packing, folder: Path) -> None:
    vocabulary, bad = source.vocabulary(root), dict[str, Any]()
    about = {**dataclasses.asdict(vocabulary), "frame_size": packing.view.frame_size, "bad": bad}
    rows = _rows(source.inventory(root).items(), vocabulary, packing, bad)
    store(rows, folder, fps=packing.view.fps or 1.0, about=lambda: about, dtype=np.uint8)


def _rows(
    videos: Iterable[ActionVideo], vocabulary: Vocabulary, packing: Packing, bad: dict[str, Any]
) -> Iterator[tuple[str, UInt8[np.ndarray, "time size size 3"], Mapping[str, Any]]]:
    """Yields what is stored of each video, and notes those that cannot be read."""
    count, num_bytes, told = 0, 0, time.monotonic()
    for video, frames in _decoded(videos, packing):
        try:
            pixels, fps, cut = (own := frames.result()).pixels, own.fps, own.cut
        except DataError as error:
            if packing.on_bad == "fail":
                raise DataError(_bad_message(str(error), 1)) from error
            _LOG.warning("left out: %s", error)
            bad[video.key] = {"reason": str(error), "tags": dict(video.tags)}
            continue
        count, num_bytes = count + 1, num_bytes + pixels.nbytes
        if num_bytes > packing.packed_gib * _GIB:
            raise ConfigError(
                f"the frames of the first {count} videos take more than data.packed_gib, {packing.packed_gib:g}; "
                "lower data.fps, data.frame_size or data.max_frames, or raise it"
            )
        if time.monotonic() - told > _TELL_EVERY:
            _LOG.info("%d videos are packed, %.1f GiB", count, num_bytes / _GIB)
            told = time.monotonic()
        note = {"label": vocabulary.index(video.label), "fps": fps, "cut": cut, "tags": dict(video.tags)}
        yield video.key, pixels, note
    if bad and not count:
        raise DataError(_bad_message(next(iter(bad.values()))["reason"], len(bad)))


def _decoded(videos: Iterable[ActionVideo], packing: Packing) -> Iterator[tuple[ActionVideo, Future[Frames]]]:
    """Yields videos in order with their frames; some are decoded ahead."""
    view = packing.view
    with view.reader(time_limit_s=packing.time_limit_s) as reader, ThreadPoolExecutor(packing.num_workers) as pool:
        ahead: deque[tuple[ActionVideo, Future[Frames]]] = deque()
        try:
            for video in videos:
                ahead.append((video, pool.submit(video.frames, reader, view)))
                if len(ahead) > packing.num_workers:
                    yield ahead.popleft()
            while ahead:
                yield ahead.popleft()
        finally:
            pool.shutdown(cancel_futures=True)


def _bad_message(reason: str, count: int) -> str:
    others = f" ({count} videos cannot be read)" if count > 1 else ""
    return f"{reason}; or set data.on_bad to 'skip', which leaves such videos out{others}"


def _check_note(num_labels: int, *, label: Any, fps: Any, cut: Any, tags: Any) -> None:
    """Raises a TypeError or ValueError where a note is not one that `_rows` writes."""
    if type(label) is not int or not 0 <= label < num_labels:
        raise ValueError("a video has a label that does not exist")
    if type(fps) not in (int, float) or type(cut) is not bool:
        raise ValueError("a video has no frame rate, or does not say whether it was cut")
    _tags(tags)


def _tags(tags: Any) -> Mapping[str, str]:
    if not isinstance(tags, dict) or not all(isinstance(tag, str) for tag in tags.values()):
        raise ValueError("a video has tags that are no words")
    return tags
