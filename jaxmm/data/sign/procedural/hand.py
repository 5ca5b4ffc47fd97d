"""The landmarks of a hand, from the bend and spread of its fingers."""

import numpy as np
from jaxtyping import Float

# A right hand upright with its palm to the viewer: x from the little finger to the thumb, y down, z from the palm to
# the back; in widths of the shoulders. Lengths are medians of MediaPipe's landmarks over recorded fingerspelling.
_KNUCKLES = np.array([[0.085, -0.285, 0.0], [0.018, -0.278, 0.0], [-0.048, -0.246, 0.0], [-0.103, -0.199, 0.0]])
_BONES = np.array([[0.122, 0.077, 0.062], [0.136, 0.083, 0.060], [0.125, 0.078, 0.058], [0.100, 0.054, 0.045]])
_THUMB_ROOT, _THUMB_BONES = np.array([0.078, -0.086, -0.012]), np.array([0.116, 0.087, 0.070])

_FAN, _SPREAD = np.radians([4.0, 0.0, -4.0, -9.0]), np.radians([13.0, 2.0, -10.0, -20.0])
# The last joint of a finger bends along with the middle one.
_LAST_JOINT = 0.65
HAND_MIDDLE = np.array([0.0, -0.30, 0.0])
"""The point that is brought to a place: between the knuckles and the middle joints."""


def hand_landmarks(fingers: Float[np.ndarray, "*batch 12"]) -> Float[np.ndarray, "*batch 21 3"]:
    """Places the landmarks of a right hand that is upright with its palm to the viewer, its wrist at the origin.

    Args:
        fingers: Bend at the knuckle and at the middle joint of index, middle, ring and little finger in radians, their
            spread from 0 to 1, and the thumb's angle away from the fingers, its bend at each joint, and its rise off
            the palm in radians.

    Returns:
        Positions in widths of the shoulders, in the layout's order.

    Example:
        >>> hand = hand_landmarks(np.zeros(12))
        >>> hand.shape, hand[12].round(2).tolist()
        ((21, 3), [0.02, -0.56, 0.0])
    """
    batch = fingers.shape[:-1]
    landmarks = np.zeros((*batch, 21, 3))
    bends = fingers[..., :8].reshape(*batch, 4, 2)
    pitch = np.cumsum(np.stack([bends[..., 0], bends[..., 1], _LAST_JOINT * bends[..., 1]], axis=-1), axis=-1)
    aside = _FAN + fingers[..., 8, None] * _SPREAD
    landmarks[..., 5:, :] = _chain(_KNUCKLES, _BONES, aside[..., None], pitch).reshape(*batch, 16, 3)
    away, bend, rise = (fingers[..., index, None] for index in (9, 10, 11))
    thumb_aside = away - bend * np.arange(3)
    landmarks[..., 1:5, :] = _chain(_THUMB_ROOT, _THUMB_BONES, thumb_aside, np.broadcast_to(rise, thumb_aside.shape))
    return landmarks


def _chain(
    root: Float[np.ndarray, "*fingers 3"],
    bones: Float[np.ndarray, "*fingers 3"],
    aside: Float[np.ndarray, "*batch angles"],
    pitch: Float[np.ndarray, "*batch 3"],
) -> Float[np.ndarray, "*batch 4 3"]:
    """Lines bones up from a root; each points aside to the thumb and off the palm by its angles."""
    flat = np.cos(pitch)
    directions = np.stack([flat * np.sin(aside), -flat * np.cos(aside), -np.sin(pitch)], axis=-1)
    joints = np.cumsum(bones[..., None] * directions, axis=-2)
    return root[..., None, :] + np.concatenate([np.zeros_like(joints[..., :1, :]), joints], axis=-2)
