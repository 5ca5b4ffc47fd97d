"""The landmarks of a face, from the opening of its mouth and eyes and the height of its brows."""

import itertools

import numpy as np
from jaxtyping import Float

from jaxmm.data.sign.layout import HOLISTIC

_FACE = HOLISTIC.part("face")
# The layout's bones join the face into closed outlines: outer and inner lips, left and right eye, left and right brow.
_NUMBERS = [int(start) for start, _ in _FACE.bones]
_OUTLINES = [_NUMBERS[start:end] for start, end in itertools.pairwise((0, 20, 40, 56, 72, 82, 92))]
_INDEX = {int(number): index for index, number in enumerate(_FACE.landmarks)}
_NOSE_TIP, _CHIN = 1, 152

_MOUTH_Y, _EYE_Y, _EYE_X, _BROW_Y = -0.452, -0.685, 0.105, -0.752
_LIP_SIZE, _EYE_SIZE = (0.080, 0.036), (0.046, 0.017)
_LIPS_APART = 0.003
_LOWER_LIP_DROP, _UPPER_LIP_RISE, _CHIN_DROP, _BROW_RISE = 0.060, 0.008, 0.045, 0.030
_FRONT, _CURVATURE = -0.28, 2.2


def _oval(num_points: int, width: float, height: float) -> Float[np.ndarray, "points 2"]:
    """Goes around from the right corner over the lower edge."""
    angle = 2.0 * np.pi * np.arange(num_points) / num_points
    return np.stack([-width * np.cos(angle), height * np.sin(angle)], axis=-1)


def _build() -> tuple[Float[np.ndarray, "94 3"], Float[np.ndarray, "3 94"]]:
    """Lays out the face at rest, and how far down each landmark goes as the mouth opens, eyes close, brows rise."""
    face, down = np.zeros((94, 3)), np.zeros((3, 94))
    outer, inner, left_eye, right_eye, left_brow, right_brow = ([_INDEX[n] for n in line] for line in _OUTLINES)
    for lips, width, height in ((outer, *_LIP_SIZE), (inner, 0.86 * _LIP_SIZE[0], _LIPS_APART)):
        oval = _oval(20, width, height)
        face[lips, :2] = np.add(oval, (0.0, _MOUTH_Y))
        # The corners stay: the middle of a lip moves all the way.
        share = np.sin(2.0 * np.pi * np.arange(20) / 20)
        down[0, lips] = np.where(share > 0, _LOWER_LIP_DROP * share, _UPPER_LIP_RISE * share)
    for eye, sign in ((left_eye, -1.0), (right_eye, 1.0)):
        # Both begin at the outer corner.
        oval = _oval(16, *_EYE_SIZE) * (sign, 1.0)
        face[eye, :2] = np.add(oval, (-sign * _EYE_X, _EYE_Y))
        down[1, eye] = np.where(oval[:, 1] < 0, -1.8 * oval[:, 1], -0.1 * oval[:, 1])
    for brow, sign in ((left_brow, 1.0), (right_brow, -1.0)):
        # The lower edge from outside to inside, then the upper edge back.
        across = np.array([0.180, 0.158, 0.128, 0.092, 0.052, 0.048, 0.085, 0.122, 0.155, 0.186])
        arch = 0.022 * np.cos(np.pi * (across - 0.115) / 0.16)
        edge = np.where(np.arange(10) < 5, 0.012, -0.008)
        face[brow, 0], face[brow, 1] = sign * across, _BROW_Y - arch + edge
        down[2, brow] = -_BROW_RISE
    face[_INDEX[_CHIN], :2] = (0.0, -0.315)
    down[0, _INDEX[_CHIN]] = _CHIN_DROP
    face[_INDEX[_NOSE_TIP], :2] = (0.0, -0.570)
    face[:, 2] = _FRONT + _CURVATURE * face[:, 0] ** 2
    face[_INDEX[_NOSE_TIP], 2] -= 0.09
    return face, down


_REST, _DOWN = _build()

# Landmarks of the body block on the head: the same points as the face's, the middles of the eyes, and the ears.
_SHARED = (
    ("NOSE", _NOSE_TIP),
    ("LEFT_EYE_INNER", 362),
    ("LEFT_EYE_OUTER", 263),
    ("RIGHT_EYE_INNER", 133),
    ("RIGHT_EYE_OUTER", 33),
    ("MOUTH_LEFT", 291),
    ("MOUTH_RIGHT", 61),
)
_ASIDE = (
    ("LEFT_EYE", (_EYE_X, _EYE_Y, _FRONT + _CURVATURE * _EYE_X**2)),
    ("RIGHT_EYE", (-_EYE_X, _EYE_Y, _FRONT + _CURVATURE * _EYE_X**2)),
    ("LEFT_EAR", (0.235, -0.61, -0.02)),
    ("RIGHT_EAR", (-0.235, -0.61, -0.02)),
)

HEAD_LANDMARKS = {
    **{name: tuple(_REST[_INDEX[number]].tolist()) for name, number in _SHARED},
    **dict(_ASIDE),
}
"""Positions of the body block's landmarks on the head, which no expression moves."""


def face_landmarks(expression: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 94 3"]:
    """Places the face's landmarks on a head that looks straight at the viewer.

    Args:
        expression: How far the mouth is open, the eyes are closed, and the brows are raised, each from 0 to 1.

    Returns:
        Positions in widths of the shoulders from their middle, in the layout's order.

    Example:
        >>> rest, open_mouth = face_landmarks(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
        >>> chin = HOLISTIC.part("face").landmarks.index("152")
        >>> (open_mouth - rest)[chin].round(3).tolist()
        [0.0, 0.045, 0.0]
    """
    face = np.broadcast_to(_REST, (*expression.shape[:-1], 94, 3)).copy()
    face[..., 1] += expression @ _DOWN
    return face
