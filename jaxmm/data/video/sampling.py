"""Which frames of a video stand for it: indices, drawn in training and in the middle of what they stand for else."""

import dataclasses
from typing import TypeAlias

import numpy as np
from jaxtyping import Int64

from jaxmm.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class UniformFrames:
    """Frames as far from each other as the whole video allows; training shifts all of them alike.

    A video of no more frames than are asked for gives each of its frames once: none is made up, and a batch masks the
    rest.

    Example:
        >>> UniformFrames().pick(10, 4).tolist(), UniformFrames().pick(3, 4).tolist()
        ([1, 3, 6, 8], [0, 1, 2])
    """

    def pick(self, num_frames: int, most: int, rng: np.random.Generator | None = None) -> Int64[np.ndarray, "picked"]:
        """Returns indices of frames, distinct and ascending.

        Args:
            num_frames: Frames of the video, >= 1.
            most: Frames to return where the video has as many, >= 1.
            rng: Draws them, for training; None takes the middle, the same every time.
        """
        if num_frames <= most:
            return np.arange(num_frames)
        shift = 0.5 if rng is None else rng.random()
        places = np.floor((np.arange(most) + shift) * (num_frames / most)).astype(np.int64)
        return np.minimum(places, num_frames - 1)  # a draw next to 1 is rounded up


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentFrames:
    """One frame of each of as many equal parts of the video as frames are asked for; training draws it in its part.

    A video of no more frames than are asked for gives each of its frames once: none is made up, and a batch masks the
    rest.

    Example:
        >>> SegmentFrames().pick(10, 4).tolist(), SegmentFrames().pick(10, 4, np.random.default_rng(0)).tolist()
        ([1, 3, 6, 8], [1, 2, 5, 7])

    Reference: Temporal Segment Networks, arXiv:1608.00859.
    """

    def pick(self, num_frames: int, most: int, rng: np.random.Generator | None = None) -> Int64[np.ndarray, "picked"]:
        """Returns indices of frames, distinct and ascending; arguments are those of `UniformFrames.pick`."""
        if num_frames <= most:
            return np.arange(num_frames)
        bounds = np.arange(most + 1) * num_frames // most
        places = np.full(most, 0.5) if rng is None else rng.random(most)
        return bounds[:-1] + np.floor(places * np.diff(bounds)).astype(np.int64)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DenseFrames:
    """Frames at equal distances, near each other, from somewhere in the video; else from its middle.

    A video that is too short for all of them gives those that it has, from its first one on: none is made up, and a
    batch masks the rest.

    Attributes:
        stride: Frames from one to the next, >= 1.

    Raises:
        ConfigError: If the stride is out of its range.

    Example:
        >>> DenseFrames(stride=2).pick(11, 4).tolist(), DenseFrames(stride=2).pick(5, 4).tolist()
        ([2, 4, 6, 8], [0, 2, 4])
    """

    stride: int = 1

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise ConfigError(f"sampling.stride is {self.stride}; give 1 or more")

    def pick(self, num_frames: int, most: int, rng: np.random.Generator | None = None) -> Int64[np.ndarray, "picked"]:
        """Returns indices of frames, distinct and ascending; arguments are those of `UniformFrames.pick`."""
        spare = max(0, num_frames - ((most - 1) * self.stride + 1))
        start = spare // 2 if rng is None else int(rng.integers(spare + 1))
        return np.arange(start, num_frames, self.stride)[:most]


FrameSampling: TypeAlias = UniformFrames | SegmentFrames | DenseFrames
"""Any way of choosing frames."""
