"""How a figure looks: the proportions of its body, and what it wears."""

import colorsys
import dataclasses
from typing import TypeAlias

import numpy as np

Colour: TypeAlias = tuple[float, float, float]
"""Red, green and blue, 0 to 1."""

_SKINS: tuple[Colour, ...] = (
    (0.96, 0.80, 0.69),
    (0.88, 0.67, 0.53),
    (0.76, 0.54, 0.40),
    (0.55, 0.37, 0.26),
    (0.36, 0.24, 0.17),
)
_HAIRS: tuple[Colour, ...] = (
    (0.10, 0.08, 0.07),
    (0.27, 0.17, 0.10),
    (0.48, 0.31, 0.17),
    (0.80, 0.65, 0.38),
    (0.55, 0.54, 0.53),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Appearance:
    """A person's body and clothes.

    Attributes:
        thickness: Factor of all widths.
        legs: Factor of the legs' length, and of the steps that they take.
        arms: Factor of the arms' length.
        head: Factor of the head's radius.
        skin: Colour of face, hands, and what is bare.
        hair: Its colour.
        shirt: Colour of trunk and sleeves.
        trousers: Colour of hips and legs.
        shoes: Colour of the feet.
        bare_arms: Whether the forearms are.
        bare_legs: Whether the shanks are.
        long_hair: Whether it falls on the shoulders.

    Example:
        >>> Appearance.drawn(np.random.default_rng(0)) == Appearance.drawn(np.random.default_rng(0))
        True
    """

    thickness: float = 1.0
    legs: float = 1.0
    arms: float = 1.0
    head: float = 1.0
    skin: Colour = _SKINS[1]
    hair: Colour = _HAIRS[1]
    shirt: Colour = (0.25, 0.45, 0.72)
    trousers: Colour = (0.22, 0.23, 0.30)
    shoes: Colour = (0.12, 0.11, 0.11)
    bare_arms: bool = False
    bare_legs: bool = False
    long_hair: bool = False

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Appearance":
        """Draws a person by chance."""
        return cls(
            thickness=float(rng.uniform(0.85, 1.3)),
            legs=float(rng.uniform(0.92, 1.08)),
            arms=float(rng.uniform(0.93, 1.07)),
            head=float(rng.uniform(0.92, 1.12)),
            skin=_SKINS[rng.integers(len(_SKINS))],
            hair=_HAIRS[rng.integers(len(_HAIRS))],
            shirt=vivid(rng),
            trousers=vivid(rng, darkest=0.15, lightest=0.75),
            shoes=vivid(rng, darkest=0.08, lightest=0.9, most=0.5),
            bare_arms=bool(rng.random() < 0.45),
            bare_legs=bool(rng.random() < 0.25),
            long_hair=bool(rng.random() < 0.35),
        )


def vivid(rng: np.random.Generator, *, darkest: float = 0.3, lightest: float = 0.95, most: float = 0.9) -> Colour:
    """Draws a colour of any hue.

    Args:
        rng: Decides.
        darkest: Lowest value, 0 to 1.
        lightest: Highest value, 0 to 1.
        most: Highest saturation, 0 to 1.

    Example:
        >>> all(0 <= part <= 1 for part in vivid(np.random.default_rng(0)))
        True
    """
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 1) * most, rng.uniform(darkest, lightest))
