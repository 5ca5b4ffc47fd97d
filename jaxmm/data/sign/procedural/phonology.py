"""What signs are made of: hand shapes, places before the body, and movements, all invented.

Everything is written for the right arm: x grows inward from it, y downwards, z away from the viewer. The left arm is
its mirror image.
"""

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from jaxmm.data.procedural.curves import ease

ARM_DIM = 18
"""Numbers that place an arm: the hand's middle, its orientation, and its fingers."""
MIDDLE, ORIENTATION, FINGERS = slice(0, 3), slice(3, 6), slice(6, 18)

# Bend of index, middle, ring and little finger at the knuckle and at the middle joint in degrees, how far they spread
# from 0 to 1, and the thumb: its angle away from the fingers, its bend at each joint, its rise off the palm.
_STRAIGHT, _CURLED, _HOOKED = (3.0, 5.0), (82.0, 98.0), (20.0, 62.0)
_SHAPES = {
    "fist": (*_CURLED * 4, 0.0, 30.0, 45.0, 32.0),
    "flat": (*_STRAIGHT * 4, 0.0, 38.0, 12.0, 8.0),
    "spread": (*_STRAIGHT * 4, 1.0, 68.0, 6.0, 8.0),
    "claw": (*_HOOKED * 4, 1.0, 62.0, 22.0, 42.0),
    "point": (*_STRAIGHT, *_CURLED * 3, 0.0, 30.0, 45.0, 32.0),
    "vee": (*_STRAIGHT * 2, *_CURLED * 2, 0.8, 30.0, 45.0, 32.0),
    "ell": (*_STRAIGHT, *_CURLED * 3, 0.0, 86.0, 2.0, 4.0),
    "pinch": (62.0, 38.0, 64.0, 40.0, 66.0, 42.0, 68.0, 44.0, 0.0, 30.0, 6.0, 58.0),
    "relaxed": (22.0, 28.0, 26.0, 32.0, 30.0, 34.0, 34.0, 36.0, 0.3, 46.0, 12.0, 26.0),
}
# Where the middle of the hand is, in widths of the shoulders from their middle, and how the hand is turned, in degrees:
# fingers leaned inward from upright, tilted to the viewer from upright, palm twisted inward from facing the viewer.
_PLACES = {
    "forehead": (-0.13, -0.76, -0.40, 38.0, 0.0, 112.0),
    "cheek": (-0.27, -0.48, -0.38, 18.0, -16.0, 88.0),
    "chin": (-0.08, -0.26, -0.42, 42.0, -20.0, 152.0),
    "chest": (-0.15, 0.36, -0.38, 72.0, 12.0, 165.0),
    "centre": (-0.22, 0.30, -0.80, 44.0, 44.0, 80.0),
    "side": (-0.64, 0.02, -0.66, 4.0, 26.0, 6.0),
    "low": (-0.24, 0.82, -0.72, 92.0, 36.0, 88.0),
    "rest": (-0.20, 1.36, -0.44, 112.0, 14.0, 150.0),
}
_TAP = np.array([-0.12, 0.14, -0.20])

HAND_SHAPES = tuple(shape for shape in _SHAPES if shape != "relaxed")
"""Names of the hand shapes that signs use."""

PLACES = tuple(place for place in _PLACES if place != "rest")
"""Names of the places where signs are made."""

MOVEMENT_SECONDS = MappingProxyType(
    {
        "hold": 0.36,
        "tap": 0.56,
        "circle": 0.54,
        "arc": 0.46,
        "swipe": 0.42,
        "shake": 0.56,
        "drop": 0.42,
        "twist": 0.56,
    }
)
"""The movements, and the seconds each takes at tempo 1."""


def arm_pose(shape: str, place: str) -> Float[np.ndarray, "18"]:
    """Returns the arm that holds a shape at a place.

    Args:
        shape: One of `HAND_SHAPES`, or `relaxed`.
        place: One of `PLACES`, or `rest`.

    Returns:
        The hand's middle in widths of the shoulders, its lean, tilt and twist, and twelve numbers of the fingers;
        angles in radians.

    Example:
        >>> arm_pose("flat", "chest")[:3].tolist()
        [-0.15, 0.36, -0.38]
    """
    middle, turn = _PLACES[place][:3], np.radians(_PLACES[place][3:])
    fingers = np.radians(_SHAPES[shape])
    fingers[8] = _SHAPES[shape][8]
    return np.concatenate([middle, turn, fingers])


def movement_path(
    movement: str, part: Float[np.ndarray, "time"], *, amplitude: float = 1.0
) -> Float[np.ndarray, "time 6"]:
    """Returns what a movement adds to the hand's middle and orientation; at rest at its beginning and its end.

    Args:
        movement: One of `MOVEMENT_SECONDS`.
        part: Share of the movement that has passed; clipped to 0..1.
        amplitude: Factor on its size.

    Example:
        >>> movement_path("drop", np.array([0.0, 1.0]))[:, 1].round(2).tolist()
        [-0.18, 0.24]
    """
    path = np.zeros((len(part), 6))
    _MOVEMENTS[movement](path, ease(part, 0.0, 1.0))
    return amplitude * path


def _tap(path: Float[np.ndarray, "time 6"], progress: Float[np.ndarray, "time"]) -> None:
    """Leaves the place and comes back, twice."""
    path[:, :3] = np.sin(2.0 * np.pi * progress)[:, None] ** 2 * _TAP


def _circle(path: Float[np.ndarray, "time 6"], progress: Float[np.ndarray, "time"]) -> None:
    """Goes once around below the place, inward first."""
    path[:, 0] = 0.15 * np.sin(2.0 * np.pi * progress)
    path[:, 1] = 0.15 * (1.0 - np.cos(2.0 * np.pi * progress))


def _arc(path: Float[np.ndarray, "time 6"], progress: Float[np.ndarray, "time"]) -> None:
    """Goes outward over a hill, and leans outward on its way."""
    path[:, 0] = -0.48 * progress
    path[:, 1] = -0.20 * np.sin(np.pi * progress)
    path[:, 3] = -0.6 * progress


def _swipe(path: Float[np.ndarray, "time 6"], progress: Float[np.ndarray, "time"]) -> None:
    """Passes through the place from outside to inside."""
    path[:, 0] = 0.44 * progress - 0.32


def _shake(path: Float[np.ndarray, "time 6"], progress: Float[np.ndarray, "time"]) -> None:
    """Goes up and down, twice."""
    path[:, 1] = -0.13 * np.sin(4.0 * np.pi * progress)


def _drop(path: Float[np.ndarray, "time 6"], progress: Float[np.ndarray, "time"]) -> None:
    """Passes through the place from above to below."""
    path[:, 1] = 0.42 * progress - 0.18


def _twist(path: Float[np.ndarray, "time 6"], progress: Float[np.ndarray, "time"]) -> None:
    """Turns the forearm in, out and in again."""
    path[:, 5] = 0.75 * np.sin(3.0 * np.pi * progress)


def _hold(path: Float[np.ndarray, "time 6"], progress: Float[np.ndarray, "time"]) -> None:
    """Stays."""


_MOVEMENTS: dict[str, Callable[[Float[np.ndarray, "time 6"], Float[np.ndarray, "time"]], None]] = {
    "hold": _hold,
    "tap": _tap,
    "circle": _circle,
    "arc": _arc,
    "swipe": _swipe,
    "shake": _shake,
    "drop": _drop,
    "twist": _twist,
}
