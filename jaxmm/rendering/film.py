"""MP4 files of pictures, the same bytes for the same pictures."""

import importlib.util
import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxmm.errors import DataError, MissingExtraError, reason
from jaxmm.files import whole_file

ORIGIN = "rendered from real motion"
"""What files of rendered motion say of themselves."""

# Without "mbtree=0" x264 reads memory beyond narrow pictures, and the same pictures give now and then another file.
# Colours are converted by BT.601; where a file does not say so, players take another matrix for large pictures.
_OPTIONS = {
    "preset": "veryfast",
    "crf": "20",
    "g": "15",
    "threads": "1",
    "x264-params": "mbtree=0:colormatrix=smpte170m:fullrange=off",
}


def write_mp4(
    path: Path, frames: Iterable[UInt8[np.ndarray, "height width 3"]], *, fps: float, comment: str = ORIGIN
) -> int:
    """Writes pictures as H.264 video, whole or not at all.

    Args:
        path: The file; its folder is created if absent.
        frames: One picture or more, all of one size, whose edges are even numbers of pixels.
        fps: Frames a second, > 0.
        comment: What the file says of itself.

    Returns:
        Number of frames.

    Raises:
        DataError: If there is no picture, or the file cannot be written.
        MissingExtraError: If the extra `video` is not installed.

    Example:
        >>> import tempfile
        >>> write_mp4(Path(tempfile.mkdtemp()) / "black.mp4", np.zeros((3, 32, 32, 3), np.uint8), fps=15.0)
        3
    """
    if importlib.util.find_spec("av") is None:
        raise MissingExtraError.of("av", extra="video")
    import av
    from av.error import FFmpegError

    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise DataError(f"{path}: there is no picture to write")
    count, form = 0, {"format": "mp4", "options": {"fflags": "+bitexact"}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as building, av.open(str(building), "w", **form) as container:
            container.metadata["comment"] = comment
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=_OPTIONS)
            stream.height, stream.width, stream.pix_fmt = *first.shape[:2], "yuv420p"
            for picture in itertools.chain([first], frames):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                count += 1
            container.mux(stream.encode())
    except (OSError, ValueError, FFmpegError) as error:
        raise DataError(f"{path}: cannot be written ({reason(error)}); choose another folder or size") from error
    return count
