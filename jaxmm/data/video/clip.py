"""One labelled video: a file, or one that is made in memory, and what is packed of it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8

from jaxmm.data.motion import FASTEST_FPS, SLOWEST_FPS
from jaxmm.data.video.reader import Frames, VideoReader
from jaxmm.errors import ConfigError

LARGEST_FRAME = 4096
"""Most pixels of a frame's side."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameView:
    """What is kept of a video: the centre of every frame, square, at one rate and size.

    Attributes:
        fps: Frames per second; a video of more loses some, one of fewer shows some again. None keeps each as it is.
        frame_size: Pixels of a side of a frame, to which its shorter side is scaled before the centre is cut out.
        max_frames: Most frames of a video; what comes after them is left out.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> FrameView(fps=8.0, frame_size=112, max_frames=480).frame_size
        112
    """

    fps: float | None = 8.0
    frame_size: int = 224
    max_frames: int = 480

    def __post_init__(self) -> None:
        if self.fps is not None and not SLOWEST_FPS <= self.fps <= FASTEST_FPS:
            raise ConfigError(f"data.fps is {self.fps}; give a rate from {SLOWEST_FPS} to {FASTEST_FPS}, or None")
        if not 1 <= self.frame_size <= LARGEST_FRAME:
            raise ConfigError(f"data.frame_size is {self.frame_size}; give 1 to {LARGEST_FRAME} pixels")
        if self.max_frames < 1:
            raise ConfigError(f"data.max_frames is {self.max_frames}; give 1 or more")

    def reader(self, *, time_limit_s: float) -> VideoReader:
        """Returns what reads files so.

        Args:
            time_limit_s: Longest time that a file may take, in seconds.
        """
        return VideoReader(size=self.frame_size, square=True, time_limit_s=time_limit_s)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoFile:
    """A labelled file, or a stretch of one.

    Attributes:
        key: Unique name within its source.
        path: The file.
        label: Label of its class.
        tags: What else is known, such as `split` and `group`.
        start: Time at which it begins, in seconds.
        end: Time at which it ends; None for the end of the file.

    Example:
        >>> VideoFile(key="YoYo/a.avi", path=Path("UCF-101/YoYo/a.avi"), label="YoYo").end
    """

    key: str
    path: Path
    label: str
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    start: float = 0.0
    end: float | None = None

    def frames(self, reader: VideoReader, view: FrameView) -> Frames:
        """Reads what is kept of it.

        Args:
            reader: Reads the file; made by `view.reader`.
            view: What is kept.

        Raises:
            DataError: If the file cannot be read.
            MissingExtraError: If the extra `video` is not installed.
        """
        return reader.read_clip(self.path, fps=view.fps, start=self.start, end=self.end, max_frames=view.max_frames)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MadeVideo:
    """A labelled video that is made in memory.

    Attributes:
        key: Unique name within its source.
        label: Label of its class.
        tags: What else is known, such as `split`.
        make: Makes its frames at a size.
        fps: Frames per second that it is made at.

    Example:
        >>> def black(size):
        ...     return np.zeros((16, size, size, 3), np.uint8)
        >>> video = MadeVideo(key="black", label="nothing", make=black, fps=8.0)
        >>> video.frames(None, FrameView(fps=4.0, frame_size=32)).pixels.shape
        (8, 32, 32, 3)
    """

    key: str
    label: str
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    make: Callable[[int], UInt8[np.ndarray, "frames size size 3"]]
    fps: float

    def frames(self, reader: VideoReader | None, view: FrameView) -> Frames:
        """Makes what is kept of it, as `VideoFile.frames` reads it."""
        del reader
        pixels, fps = self.make(view.frame_size), view.fps or self.fps
        places = np.floor(np.arange(len(pixels) * fps / self.fps) * (self.fps / fps) + 1e-6).astype(np.int64)
        kept = places[: view.max_frames]
        return Frames(pixels=pixels[kept], fps=fps, cut=len(kept) < len(places))


ActionVideo: TypeAlias = VideoFile | MadeVideo
"""Any labelled video."""
