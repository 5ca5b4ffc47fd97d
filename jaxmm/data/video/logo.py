"""Signs that are drawn over a clip, as those of broadcasters are."""

import dataclasses

import numpy as np
from jaxtyping import UInt8, UInt16

_SHAPE, _LETTER_SHARE = 0.4, 0.6  # its height by its width, and that of letters by its own


@dataclasses.dataclass(frozen=True, kw_only=True)
class Logo:
    """A sign with letters that stays at one place of the picture; places are within its centre, as wide as high.

    Attributes:
        text: The letters.
        place: How far it is from the left and from the top, of how far it can be, in [0, 1].
        width: How wide it is, as a share of the shorter side of the picture, in (0, 1].
        colour: Red, green and blue of the sign; its letters are black or white.
        opacity: How much of the picture it hides, in (0, 1].
        is_round: Whether it is an ellipse, not a box.

    Example:
        >>> Logo(text="NEWS", place=(0.9, 0.1), width=0.3, colour=(200, 0, 0), opacity=0.8).is_round
        False
    """

    text: str
    place: tuple[float, float]
    width: float
    colour: tuple[int, int, int]
    opacity: float
    is_round: bool = False

    def __call__(self, frames: UInt8[np.ndarray, "time height width 3"]) -> UInt8[np.ndarray, "time height width 3"]:
        """Draws it on every frame."""
        num_rows, num_columns = frames.shape[1:3]
        side = min(num_rows, num_columns)
        width = max(2, round(self.width * side))
        height = max(1, round(width * _SHAPE))
        left = (num_columns - side) // 2 + round(self.place[0] * (side - width))
        top = (num_rows - side) // 2 + round(self.place[1] * (side - height))
        sign, share = self._drawn(height, width)
        frames = frames.copy()
        hidden = frames[:, top : top + height, left : left + width]
        # 255 * 255 + 127 is the most that can come out, which 16 bits hold.
        hidden[:] = (hidden * (np.uint16(255) - share) + sign * share + np.uint16(127)) // np.uint16(255)
        return frames

    def _drawn(
        self, height: int, width: int
    ) -> tuple[UInt16[np.ndarray, "height width 3"], UInt16[np.ndarray, "height width 1"]]:
        """Returns the sign, and how much of it is seen in 255ths."""
        from PIL import Image, ImageDraw, ImageFont

        sign, share = Image.new("RGB", (width, height), self.colour), Image.new("L", (width, height))
        corners, shape = (0, 0, width - 1, height - 1), ImageDraw.Draw(share)
        draw = shape.ellipse if self.is_round else shape.rectangle
        draw(corners, fill=round(255 * self.opacity))
        letters = (0, 0, 0) if sum(self.colour) > 380 else (255, 255, 255)
        font = ImageFont.load_default(max(4.0, height * _LETTER_SHARE))
        ImageDraw.Draw(sign).text((width / 2, height / 2), self.text, fill=letters, font=font, anchor="mm")
        return np.asarray(sign).astype(np.uint16), np.asarray(share).astype(np.uint16)[..., None]
