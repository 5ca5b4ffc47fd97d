"""Overlapping windows of videos: stretches of equal length that nothing of a video lies outside of."""

import dataclasses
import math
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.video.reader import VideoReader
from jaxmm.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """A stretch of a video.

    Attributes:
        frames: Its frames.
        start: Time at which it begins, in seconds.
        end: Time at which it ends.

    Example:
        >>> Window(frames=np.zeros((16, 8, 8, 3), np.uint8), start=2.0, end=4.0).end
        4.0
    """

    frames: UInt8[np.ndarray, "frames size size 3"]
    start: float
    end: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Windows:
    """How videos are cut: into windows that overlap, of which the last ends where the video does.

    A video that is shorter is one window.

    Attributes:
        seconds: How long a window lasts, > 0.
        hop: Seconds from the beginning of one to that of the next, > 0; not more than a window lasts, so that nothing
            is passed over.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> frames = [np.zeros((8, 8, 3), np.uint8)] * 9
        >>> [(own.start, own.end) for own in Windows(seconds=1.0, hop=0.5).of(frames, fps=4.0)]
        [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0), (1.25, 2.25)]
    """

    seconds: float
    hop: float

    def __post_init__(self) -> None:
        if not 0 < self.seconds < math.inf:
            raise ConfigError(f"a window lasts {self.seconds:g} s; give a time above zero")
        if not 0 < self.hop <= self.seconds:
            raise ConfigError(
                f"a hop between windows is {self.hop:g} s; give a time above zero, of at most {self.seconds:g} s, "
                "which a window lasts"
            )

    def of(self, frames: Iterable[UInt8[np.ndarray, "size size 3"]], *, fps: float) -> Iterator[Window]:
        """Yields the windows of a video as its frames come, holding one window at a time.

        Args:
            frames: Its frames.
            fps: Their rate.
        """
        length, step = (max(1, round(time * fps)) for time in (self.seconds, self.hop))
        last: deque[np.ndarray] = deque(maxlen=length)
        count, told = 0, 0
        for frame in frames:
            last.append(frame)
            count += 1
            if count >= length and (count - length) % step == 0:
                told = count
                yield _window(last, count, fps)
        if count > told:
            yield _window(last, count, fps)

    def read(self, path: Path, reader: VideoReader, data: ActionVideos) -> Iterator[Window]:
        """Yields the windows of all of a file, at the rate of settings.

        Raises:
            DataError: If the file cannot be read; an error may come after windows.
            MissingExtraError: If the extra `video` is not installed.
        """
        fps = data.fps or reader.info(path).fps
        return self.of(reader.stream(path, fps=data.fps), fps=fps)


def _window(last: Collection[UInt8[np.ndarray, "size size 3"]], count: int, fps: float) -> Window:
    """Returns the window of the last frames of so many."""
    return Window(frames=np.stack(list(last)), start=(count - len(last)) / fps, end=count / fps)
