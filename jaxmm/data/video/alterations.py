"""What copies of videos suffer on their way: drawn once a clip, so that what changes between frames is the video's own.

Learning from copies that are made is that of Self-Supervised Video Similarity Learning, arXiv:2304.03378.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import UInt8

from jaxmm.data.video.augmentation import ClipChange
from jaxmm.data.video.encoding import reencoded
from jaxmm.data.video.logo import Logo
from jaxmm.errors import ConfigError, brief

AlterationKind: TypeAlias = Literal[
    "reencoded",
    "cropped",
    "scaled",
    "retimed",
    "colour",
    "letterboxed",
    "logo",
    "spliced",
    "mirrored",
    "mixed",
]
"""How a copy differs from its original; `mixed` is several of the first seven at once."""

ALTERATION_KINDS: tuple[AlterationKind, ...] = get_args(AlterationKind)
"""All of them."""

# Those that leave what is shown, and in which direction, as it is.
_MIXED = ALTERATION_KINDS[:7]
_FEWEST_MIXED, _MOST_MIXED = 2, 4
_LETTERS = np.array(list("ABCDEFGHIKLMNOPRSTUVXYZ"))
# What turning hues leaves, and what it moves between red, green and blue (W3C, Filter Effects, hueRotate).
_LUMA = np.broadcast_to(np.array([0.213, 0.715, 0.072], np.float32), (3, 3))
_TURNED = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]], np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Alteration:
    """What one copy of a clip suffers, all of its frames alike (D8); by default nothing.

    Attributes:
        kind: Its kind.
        speed: How many times as fast the clip is shown; frames are left out, or shown again.
        box: What is cut out: left, top, width and height as shares of the picture.
        mirrors: Whether left and right are exchanged.
        brightness: Multiplies every value, >= 0.
        contrast: Multiplies how far values are from the mean grey of the clip, >= 0.
        saturation: Multiplies how far colours are from grey, >= 0.
        hue: How far colours are turned, in degrees.
        scale: Multiplies height and width, > 0.
        bars: Share of the altered picture that black bars beyond both of its longer sides take, in [0, 1).
        logo: What is drawn on it.
        splice: Where the stretch begins that is kept, of where it can; what share of the frames it is; and where it
            comes between those of another video, of where it can. All are in [0, 1], and there are as many frames as
            before. None keeps all.
        crf: Constant rate factor of the H.264 encoding that it goes through, from 0 on; a greater one leaves less, and
            beyond 30 it is seen. None leaves it out.

    Example:
        >>> clip = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1).repeat(12, axis=0).repeat(3, axis=3)
        >>> Alteration(kind="cropped", box=(0.25, 0.0, 0.75, 1.0))(clip).shape
        (12, 8, 6, 3)
        >>> Alteration.drawn(np.random.default_rng(0), kind="retimed")(clip).shape
        (7, 8, 8, 3)
    """

    kind: AlterationKind
    speed: float = 1.0
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    mirrors: bool = False
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    scale: float = 1.0
    bars: float = 0.0
    logo: Logo | None = None
    splice: tuple[float, float, float] | None = None
    crf: int | None = None

    @classmethod
    def drawn(cls, rng: np.random.Generator, *, kind: AlterationKind) -> "Alteration":
        """Draws one of a kind, so strong that it is seen.

        Args:
            rng: Draws it.
            kind: One of `ALTERATION_KINDS`.

        Raises:
            ConfigError: If there is no such kind.
        """
        if kind not in ALTERATION_KINDS:
            raise ConfigError(f"no copy is {brief(kind)}; choose one of {', '.join(ALTERATION_KINDS)}")
        names = [kind]
        if kind == "mixed":
            count = rng.integers(_FEWEST_MIXED, _MOST_MIXED, endpoint=True)
            names = [_MIXED[place] for place in sorted(rng.permutation(len(_MIXED))[:count])]
        fields: dict[str, Any] = {}
        for name in names:
            fields |= _DRAWS[name](rng)
        return cls(kind=kind, **fields)

    def __call__(
        self,
        frames: UInt8[np.ndarray, "time height width 3"],
        others: UInt8[np.ndarray, "_time _height _width 3"] | None = None,
    ) -> UInt8[np.ndarray, "new_time new_height new_width 3"]:
        """Returns the altered clip, of a length and size of its own.

        Args:
            frames: RGB values of the clip, one frame or more.
            others: Those of another video, one or more, which a spliced copy shows around its own; scaled to its size.

        Raises:
            ConfigError: If it is to be spliced, and there are no others.
            MissingExtraError: If the extra `video` is needed and not installed.
        """
        if self.speed != 1:
            frames = frames[_retimed(len(frames), self.speed)]
        if self.box != (0.0, 0.0, 1.0, 1.0):
            frames = _cropped(frames, self.box)
        shades = ClipChange(
            flips=self.mirrors, brightness=self.brightness, contrast=self.contrast, saturation=self.saturation
        )
        frames = shades(frames)
        if self.hue:
            frames = _turned(frames, self.hue)
        if self.scale != 1:
            height, width = (max(1, round(side * self.scale)) for side in frames.shape[1:3])
            frames = _resized(frames, height, width)
        if self.bars:
            frames = _between_bars(frames, self.bars)
        if self.logo is not None:
            frames = self.logo(frames)
        if self.splice is not None:
            if others is None:
                raise ConfigError("a spliced copy shows another video too; give frames of one")
            frames = _spliced(frames, others, *self.splice)
        return frames if self.crf is None else reencoded(frames, crf=self.crf)


def fitted(
    frames: UInt8[np.ndarray, "time height width 3"], height: int, width: int
) -> UInt8[np.ndarray, "time new_height new_width 3"]:
    """Returns the centre of frames, as much of it as has a shape, scaled to a size.

    Args:
        frames: RGB values.
        height: Pixels from top to bottom, >= 1.
        width: Pixels from left to right, >= 1.

    Example:
        >>> fitted(np.zeros((2, 6, 8, 3), np.uint8), 3, 3).shape
        (2, 3, 3, 3)
    """
    from PIL import Image, ImageOps

    centres = np.empty((len(frames), height, width, 3), np.uint8)
    for centre, own in zip(centres, frames, strict=True):
        centre[:] = np.asarray(ImageOps.fit(Image.fromarray(own), (width, height), Image.Resampling.BICUBIC))
    return centres


def _retimed(num_frames: int, speed: float) -> np.ndarray:
    """Returns which frames are shown."""
    count = max(1, round(num_frames / speed))
    return np.minimum((np.arange(count) * speed).astype(np.int64), num_frames - 1)


def _cropped(
    frames: UInt8[np.ndarray, "time height width 3"], box: tuple[float, float, float, float]
) -> UInt8[np.ndarray, "time new_height new_width 3"]:
    left, top, width, height = box
    (first_row, num_rows), (first_column, num_columns) = (
        (round(start * size), max(1, round(share * size)))
        for start, share, size in ((top, height, frames.shape[1]), (left, width, frames.shape[2]))
    )
    return frames[:, first_row : first_row + num_rows, first_column : first_column + num_columns]


def _turned(frames: UInt8[np.ndarray, "time height width 3"], hue: float) -> UInt8[np.ndarray, "time height width 3"]:
    cosine, sine = math.cos(math.radians(hue)), math.sin(math.radians(hue))
    matrix = _LUMA + np.float32(cosine) * (np.eye(3, dtype=np.float32) - _LUMA) + np.float32(sine) * _TURNED
    return np.clip(np.rint(frames @ matrix.T), 0, 255).astype(np.uint8)


def _resized(
    frames: UInt8[np.ndarray, "time height width 3"], height: int, width: int
) -> UInt8[np.ndarray, "time new_height new_width 3"]:
    from PIL import Image

    resized = (Image.fromarray(own).resize((width, height), Image.Resampling.BICUBIC) for own in frames)
    return np.stack([np.asarray(own) for own in resized])


def _between_bars(
    frames: UInt8[np.ndarray, "time height width 3"], bars: float
) -> UInt8[np.ndarray, "time new_height new_width 3"]:
    """Puts bars above and below a picture that is wider than high, and beside one that is not."""
    axis = 1 if frames.shape[1] <= frames.shape[2] else 2
    added = round(frames.shape[axis] * bars / (1 - bars))
    around = [(0, 0)] * 4
    around[axis] = (added // 2, added - added // 2)
    return np.pad(frames, around)


def _spliced(
    frames: UInt8[np.ndarray, "time height width 3"],
    others: UInt8[np.ndarray, "_time _height _width 3"],
    start: float,
    share: float,
    place: float,
) -> UInt8[np.ndarray, "time height width 3"]:
    kept = max(1, round(share * len(frames)))
    missing = len(frames) - kept
    first, before = round(start * missing), round(place * missing)
    around = fitted(others[np.arange(missing) % len(others)], *frames.shape[1:3])
    return np.concatenate([around[:before], frames[first : first + kept], around[before:]])


def _draw_speed(rng: np.random.Generator) -> dict[str, Any]:
    return {"speed": float(2.0 ** (rng.uniform(0.3, 1.0) * rng.choice((-1, 1))))}


def _draw_box(rng: np.random.Generator) -> dict[str, Any]:
    width, height = rng.uniform(0.75, 0.95, 2)
    left, top = rng.random(2) * (1 - width, 1 - height)
    return {"box": (float(left), float(top), float(width), float(height))}


def _draw_shades(rng: np.random.Generator) -> dict[str, Any]:
    brightness, contrast = rng.uniform(0.65, 1.35, 2)
    saturation, hue = rng.uniform(0.3, 1.7), rng.uniform(6.0, 20.0) * rng.choice((-1, 1))
    return {
        "brightness": float(brightness),
        "contrast": float(contrast),
        "saturation": float(saturation),
        "hue": float(hue),
    }


def _draw_scale(rng: np.random.Generator) -> dict[str, Any]:
    lowest, highest = ((0.3, 0.7), (1.25, 2.0))[rng.integers(2)]
    return {"scale": float(rng.uniform(lowest, highest))}


def _draw_logo(rng: np.random.Generator) -> dict[str, Any]:
    logo = Logo(
        text="".join(rng.choice(_LETTERS, rng.integers(3, 6))),
        place=(float(rng.random()), float(rng.random())),
        width=float(rng.uniform(0.2, 0.4)),
        colour=(int(rng.integers(256)), int(rng.integers(256)), int(rng.integers(256))),
        opacity=float(rng.uniform(0.6, 1.0)),
        is_round=bool(rng.integers(2)),
    )
    return {"logo": logo}


def _draw_splice(rng: np.random.Generator) -> dict[str, Any]:
    # Its own frames come last, first, or between others.
    place = (1.0, 0.0, float(rng.uniform(0.2, 0.8)))[rng.integers(3)]
    return {"splice": (float(rng.random()), float(rng.uniform(0.5, 0.8)), place)}


_DRAWS: Mapping[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    "reencoded": lambda rng: {"crf": int(rng.integers(28, 41))},
    "cropped": _draw_box,
    "scaled": _draw_scale,
    "retimed": _draw_speed,
    "colour": _draw_shades,
    "letterboxed": lambda rng: {"bars": float(rng.uniform(0.15, 0.4))},
    "logo": _draw_logo,
    "spliced": _draw_splice,
    "mirrored": lambda _: {"mirrors": True},
}
