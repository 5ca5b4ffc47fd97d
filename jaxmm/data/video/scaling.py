"""From a decoded frame, or a picture, to the RGB values that are kept of it."""

from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import UInt8

_MAX_PIXELS = 8192 * 8192
_MOST_OBLONG = 20.0
_ASPECTS = (Fraction(1, 4), 4)  # of a pixel; beyond, a file is wrong about it


class DecodeError(Exception):
    """A file cannot be decoded; the message says why."""


class Scaler:
    """Makes RGB values of frames: turned, with square pixels, scaled and cut; all frames of a file get one size.

    Args:
        size: Pixels of the shorter side of a frame; None leaves frames as they are.
        square: Whether the centre of a frame is cut out, as wide as high.

    Attributes:
        aspect: Width of a pixel by its height; None where a file does not say.

    Example:
        >>> Scaler(size=2, square=True)(np.zeros((4, 8, 3), np.uint8)).shape
        (2, 2, 3)
    """

    def __init__(self, *, size: int | None, square: bool) -> None:
        from av.video.reformatter import VideoReformatter

        self._size, self._square = size, square
        self.aspect: Fraction | None = None
        self._reformatter = VideoReformatter()
        self._target: tuple[int, int] | None = None

    def shown(self, frame: Any) -> tuple[int, int]:
        """Returns height and width of a frame as it is to be shown.

        Args:
            frame: A frame of PyAV, or the RGB values of a picture.

        Raises:
            DecodeError: If it is enormous, or no more than a line.
        """
        if isinstance(frame, np.ndarray):
            height, width = frame.shape[:2]
        else:
            height, width = frame.height, frame.width
            if self.aspect and _ASPECTS[0] <= self.aspect <= _ASPECTS[1]:
                width = max(1, round(width * self.aspect))
            if _orientation(frame)[0]:
                height, width = width, height
        check_shape(height, width)
        return height, width

    def __call__(self, frame: Any) -> UInt8[np.ndarray, "height width 3"]:
        """Returns the RGB values of a frame; arguments and errors are those of `shown`."""
        if self._target is None:
            height, width = self.shown(frame)
            scale = Fraction(1) if self._size is None else Fraction(self._size, min(height, width))
            self._target = round(height * scale), round(width * scale)
        height, width = self._target
        pixels = self._resized(frame, height, width)
        if self._square:
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            pixels = pixels[top : top + side, left : left + side]
        return np.ascontiguousarray(pixels)

    def _resized(self, frame: Any, height: int, width: int) -> UInt8[np.ndarray, "height width 3"]:
        if isinstance(frame, np.ndarray):
            from PIL import Image

            if frame.shape[:2] == (height, width):
                return frame
            return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC))
        swaps, mirrors, upside_down = _orientation(frame)
        if swaps:
            height, width = width, height
        scaled = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation="BICUBIC", threads=1
        )
        pixels = scaled.to_ndarray()
        pixels = pixels.swapaxes(0, 1) if swaps else pixels
        return pixels[:: -1 if upside_down else 1, :: -1 if mirrors else 1]


def _orientation(frame: Any) -> tuple[bool, bool, bool]:
    """Returns whether rows become columns to show a frame, and after it left becomes right, and top bottom."""
    from av.sidedata.sidedata import Type

    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return False, False, False
    # A pixel at (x, y) is shown at (a x + c y, b x + d y), moved into sight.
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    return (True, c < 0, b < 0) if abs(b) > abs(a) else (False, a < 0, d < 0)


def check_shape(height: int, width: int) -> None:
    """Refuses a shape that no picture has.

    Raises:
        DecodeError: If it is enormous, or no more than a line.

    Example:
        >>> check_shape(1080, 1920)
    """
    if height * width > _MAX_PIXELS or max(height, width) > _MOST_OBLONG * min(height, width):
        raise DecodeError(f"its frames measure {width} x {height} pixels")


def read_still(path: str) -> UInt8[np.ndarray, "height width 3"]:
    """Reads a picture, turned as it says.

    Raises:
        DecodeError: If it is enormous, or no more than a line.
    """
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # it warns, where `check_shape` refuses
    with Image.open(path, formats=("JPEG", "PNG", "BMP", "WEBP")) as image:
        check_shape(image.height, image.width)
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # conversion would cut all values off at 255
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return np.asarray(image.convert("RGB"))
