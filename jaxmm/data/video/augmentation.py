"""Random changes of the pixels of a clip, drawn once a clip: what changes between frames is the video's own."""

import dataclasses
import math

import numpy as np
from jaxtyping import UInt8, UInt16

from jaxmm.errors import ConfigError

# Of red, green and blue in a grey of the same brightness, in 256ths (ITU-R BT.601).
_GREY = (77, 150, 29)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipAugmentation:
    """Random changes of a training clip, the same for all of its frames (D8); all off by default.

    Attributes:
        crop_area: Smallest and largest share of the picture that is cut out and scaled up again, in (0, 1].
        crop_aspect: Narrowest and widest shape of what is cut out, as width by height, > 0.
        flip_rate: Probability of exchanging left and right, in [0, 1]; leave it at 0 where they tell actions apart.
        brightness: Largest change of brightness, as a share of what it is, in [0, 1].
        contrast: Largest change of contrast, in [0, 1].
        saturation: Largest change of how strong colours are, in [0, 1].

    Raises:
        ConfigError: If a value is out of its range.

    Example:
        >>> ClipAugmentation(crop_area=(0.5, 1.0), brightness=0.2).flip_rate
        0.0
    """

    crop_area: tuple[float, float] = (1.0, 1.0)
    crop_aspect: tuple[float, float] = (1.0, 1.0)
    flip_rate: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.crop_area[0] <= self.crop_area[1] <= 1:
            raise ConfigError(f"augmentation.crop_area is {self.crop_area}; give 0 < smallest <= largest <= 1")
        if not 0 < self.crop_aspect[0] <= self.crop_aspect[1] < math.inf:
            raise ConfigError(f"augmentation.crop_aspect is {self.crop_aspect}; give 0 < narrowest <= widest")
        for name in ("flip_rate", "brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"augmentation.{name} is {getattr(self, name)}; give 0 to 1")

    def draw(self, rng: np.random.Generator) -> "ClipChange":
        """Draws the change of one clip; the same numbers are drawn whatever is switched on."""
        area, aspect, left, top, flips, *shades = rng.random(8)
        area = self.crop_area[0] + area * (self.crop_area[1] - self.crop_area[0])
        narrowest, widest = self.crop_aspect
        aspect = narrowest * (widest / narrowest) ** aspect
        width, height = min(1.0, math.sqrt(area * aspect)), min(1.0, math.sqrt(area / aspect))
        ranges = (self.brightness, self.contrast, self.saturation)
        brightness, contrast, saturation = (1 + (2 * own - 1) * most for own, most in zip(shades, ranges, strict=True))
        return ClipChange(
            box=(float(left * (1 - width)), float(top * (1 - height)), float(width), float(height)),
            flips=bool(flips < self.flip_rate),
            brightness=float(brightness),
            contrast=float(contrast),
            saturation=float(saturation),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipChange:
    """What an augmentation does to one clip; by default nothing.

    Attributes:
        box: What is cut out: left, top, width and height as shares of the picture.
        flips: Whether left and right are exchanged.
        brightness: Multiplies every value, >= 0.
        contrast: Multiplies how far values are from the mean grey of the clip, >= 0.
        saturation: Multiplies how far colours are from grey, >= 0.

    Example:
        >>> clip = np.arange(8, dtype=np.uint8).reshape(1, 2, 4, 1).repeat(3, axis=3)
        >>> ClipChange(flips=True)(clip)[0, :, :, 0].tolist()
        [[3, 2, 1, 0], [7, 6, 5, 4]]
    """

    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    flips: bool = False
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0

    def __call__(self, frames: UInt8[np.ndarray, "time height width 3"]) -> UInt8[np.ndarray, "time height width 3"]:
        """Changes all frames alike; their size stays."""
        if self.box != (0.0, 0.0, 1.0, 1.0):
            frames = cut_out(frames, self.box)
        if self.flips:
            frames = frames[:, :, ::-1]
        if self.saturation != 1:
            frames = _saturate(frames, self.saturation)
        if self.brightness != 1 or self.contrast != 1:
            frames = self._shades(frames)[frames]
        return frames

    def _shades(self, frames: UInt8[np.ndarray, "time height width 3"]) -> UInt8[np.ndarray, "256"]:
        """Returns what becomes of each value."""
        bright = np.minimum(np.arange(256) * self.brightness, 255)
        middle = 0.0 if self.contrast == 1 else bright[_grey(frames)].mean()
        return np.clip(np.rint(middle + (bright - middle) * self.contrast), 0, 255).astype(np.uint8)


def cut_out(
    frames: UInt8[np.ndarray, "time height width 3"], box: tuple[float, float, float, float]
) -> UInt8[np.ndarray, "time height width 3"]:
    """Cuts the same part out of every frame and scales it up to the size that frames had, linearly between pixels.

    Args:
        frames: RGB values.
        box: Left, top, width and height as shares of the picture.

    Example:
        >>> clip = np.array([0, 0, 100, 200], np.uint8).reshape(1, 1, 4, 1).repeat(3, axis=3)
        >>> cut_out(clip, (0.5, 0.0, 0.5, 1.0))[0, 0, :, 0].tolist()
        [100, 125, 175, 200]
    """
    left, top, width, height = box
    rows, row_part = _places(top, height, frames.shape[1])
    columns, column_part = _places(left, width, frames.shape[2])
    first, last = rows[0], min(rows[-1] + 2, frames.shape[1])  # blend no rows that are cut off
    frames = frames[:, first:last]
    frames = _blend(frames, rows - first, row_part[:, None, None], axis=1)
    return _blend(frames, columns, column_part[:, None], axis=2)


def _places(start: float, share: float, size: int) -> tuple[np.ndarray, UInt16[np.ndarray, "size"]]:
    """Returns from which pixel each new one comes, and how much of the next is in it, in 256ths."""
    lowest, highest = start * size, max((start + share) * size - 1, start * size)
    centres = np.clip((np.arange(size) + 0.5) * share + start * size - 0.5, lowest, min(highest, size - 1))
    whole = np.floor(centres).astype(np.int64)
    return whole, np.rint((centres - whole) * 256).astype(np.uint16)


def _blend(
    frames: UInt8[np.ndarray, "time height width 3"], places: np.ndarray, part: np.ndarray, *, axis: int
) -> UInt8[np.ndarray, "time new_height new_width 3"]:
    here = np.take(frames, places, axis=axis)
    beyond = np.take(frames, np.minimum(places + 1, frames.shape[axis] - 1), axis=axis)
    # 255 * 256 + 128 is the most that can come out, which 16 bits hold.
    mixed = here * (np.uint16(256) - part) + beyond * part + np.uint16(128)
    return (mixed >> np.uint16(8)).astype(np.uint8)


def _grey(frames: UInt8[np.ndarray, "time height width 3"]) -> UInt8[np.ndarray, "time height width"]:
    red, green, blue = (frames[..., channel] * np.uint16(share) for channel, share in enumerate(_GREY))
    return ((red + green + blue) >> np.uint16(8)).astype(np.uint8)


def _saturate(
    frames: UInt8[np.ndarray, "time height width 3"], saturation: float
) -> UInt8[np.ndarray, "time height width 3"]:
    grey = _grey(frames)[..., None].astype(np.int32)
    changed = grey + ((frames - grey) * round(saturation * 256) >> 8)
    return np.clip(changed, 0, 255).astype(np.uint8)
