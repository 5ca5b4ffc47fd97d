"""What is known of a video file, and by which endings such files are told."""

import dataclasses

VIDEO_ENDINGS = (".avi", ".flv", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv")
"""Endings of videos."""

STILL_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
"""Endings of pictures, which are read as videos of one frame."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a file holds.

    Attributes:
        num_frames: Number of frames.
        fps: Frames per second, on average; 1 of a picture.
        seconds: How long it lasts.
        width: Width in pixels as it is to be shown: turned, and with square pixels.
        height: Height in pixels as it is to be shown.
        counted: Whether the frames were counted by decoding them: the container states none, or another number.

    Example:
        >>> VideoInfo(num_frames=50, fps=25.0, seconds=2.0, width=320, height=240, counted=False).seconds
        2.0
    """

    num_frames: int
    fps: float
    seconds: float
    width: int
    height: int
    counted: bool
