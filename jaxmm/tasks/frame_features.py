"""Features of frames that are computed once, while what computes them does not change."""

import hashlib
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Array, Float32, UInt8

from jaxmm.data.action_videos import ActionVideosData
from jaxmm.data.video.cache import FeatureCache
from jaxmm.tasks.base import EmbedRows
from jaxmm.typing import Batch, Collections, Params

FEATURES = "features"
"""Name under which a batch holds the features of its frames, in place of the frames."""

_LOG = logging.getLogger(__name__)
_MIB = 2**20
_AT_ONCE = 32  # frames


def keep_features(
    see: Callable[[Params, Collections, Batch], Array],
    videos: ActionVideosData,
    split: str,
    embed: EmbedRows,
    *,
    dim: int,
    limit_mib: int,
) -> Callable[[Batch], Batch] | None:
    """Sees all packed frames of a split and returns what puts features into a batch; None where they take too much.

    What was seen before, in whatever run, is found on the disk by the content of the frames, and by what is seen in a
    picture of noise, which tells one backbone from another.

    Args:
        see: Makes the features of a batch's `frames` (batch, time, size, size, 3).
        videos: The videos.
        split: Whose frames.
        embed: Runs `see`, compiled.
        dim: Width of the features.
        limit_mib: Most memory for them, in MiB.
    """
    clips = list(videos.clips(split))
    num_frames = sum(len(clip.frames) for clip in clips)
    mib = -(-num_frames * dim * 4 // _MIB)
    if mib > limit_mib:
        _LOG.info(
            "frames are seen at every step: to keep their features takes %d MiB, task.features_mib is %d",
            *(mib, limit_mib),
        )
        return None
    seer = _Seer(see, embed)
    noise = np.random.default_rng(0).integers(256, size=(1, *clips[0].frames.shape[1:]), dtype=np.uint8)
    cache = FeatureCache(hashlib.sha256(seer(noise).tobytes()).hexdigest())
    table, starts = np.empty((num_frames, dim), np.float32), {}
    filled = 0
    for clip in clips:
        found = cache.features(content_of(clip.frames), lambda frames=clip.frames: seer(frames))
        starts[clip.index], filled = filled, filled + len(found)
        table[starts[clip.index] : filled] = found

    def put_in(batch: Batch) -> Batch:
        rows = zip(batch["clip"], batch["example_mask"], strict=True)
        first = np.array([starts[int(clip)] if is_row else 0 for clip, is_row in rows])
        rest = {name: values for name, values in batch.items() if name != "frames"}
        return {**rest, FEATURES: table[first[:, None] + batch["frame_index"]]}

    return put_in


def content_of(frames: UInt8[np.ndarray, "time size size 3"]) -> str:
    """Returns a digest of frames and of their number and size.

    Example:
        >>> content_of(np.zeros((2, 4, 4, 3), np.uint8)) == content_of(np.zeros((8, 2, 2, 3), np.uint8))
        False
    """
    digest = hashlib.sha256(json.dumps(frames.shape).encode())
    digest.update(np.ascontiguousarray(frames).data)
    return digest.hexdigest()


class _Seer:
    """Sees the frames of one clip after another, so many at once, by one compiled program."""

    def __init__(self, see: Callable[[Params, Collections, Batch], Array], embed: EmbedRows) -> None:
        self._waiting: deque[Batch] = deque()
        self._rows = embed(see, self._next())

    def _next(self) -> Iterator[Batch]:
        while self._waiting:
            yield self._waiting.popleft()

    def __call__(self, frames: UInt8[np.ndarray, "time size size 3"]) -> Float32[np.ndarray, "time dim"]:
        found = []
        for start in range(0, len(frames), _AT_ONCE):
            some = np.zeros((1, _AT_ONCE, *frames.shape[1:]), np.uint8)
            some[0, : len(frames) - start] = frames[start : start + _AT_ONCE]
            self._waiting.append({"frames": some})
            found.append(next(self._rows)[0])
        return np.concatenate(found)[: len(frames)]
