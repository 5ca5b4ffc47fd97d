"""Rotations of the figure over time, and the bend of a limb of two bones. The y axis is up, +z ahead, +x left."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float

Angles: TypeAlias = Float[np.ndarray, "*axes"]
Vectors: TypeAlias = Float[np.ndarray, "*axes 3"]
Matrices: TypeAlias = Float[np.ndarray, "*axes 3 3"]


def about_y(angle: Angles) -> Matrices:
    """Rotates about the vertical; a positive angle turns the figure to its left.

    Example:
        >>> (about_y(np.array(np.pi / 2)) @ np.array([0.0, 0.0, 1.0])).round(6).tolist()
        [1.0, 0.0, 0.0]
    """
    return swing(np.stack([np.zeros_like(angle), angle, np.zeros_like(angle)], axis=-1))


def swing(vector: Vectors) -> Matrices:
    """Rotates about each vector by its length in radians.

    Example:
        >>> swing(np.zeros((1, 3)))[0].tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]

    Reference: Rodrigues' rotation formula.
    """
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    square = x * x + y * y + z * z
    angle = np.sqrt(square)
    sine = np.sinc(angle / np.pi)
    cosine = 0.5 * np.sinc(angle / (2.0 * np.pi)) ** 2
    matrix = np.empty((*vector.shape, 3))
    matrix[..., 0, 0] = 1.0 - cosine * (square - x * x)
    matrix[..., 1, 1] = 1.0 - cosine * (square - y * y)
    matrix[..., 2, 2] = 1.0 - cosine * (square - z * z)
    matrix[..., 0, 1], matrix[..., 1, 0] = cosine * x * y - sine * z, cosine * x * y + sine * z
    matrix[..., 0, 2], matrix[..., 2, 0] = cosine * x * z + sine * y, cosine * x * z - sine * y
    matrix[..., 1, 2], matrix[..., 2, 1] = cosine * y * z - sine * x, cosine * y * z + sine * x
    return matrix


def lean(pitch_yaw_roll: Vectors) -> Matrices:
    """Rotates a part of the trunk by its pitch ahead, its yaw to the left and its roll to the left.

    Example:
        >>> (lean(np.array([np.pi / 2, 0.0, 0.0])) @ np.array([0.0, 1.0, 0.0])).round(6).tolist()
        [0.0, 0.0, 1.0]
    """
    return swing(pitch_yaw_roll * np.array([1.0, 1.0, -1.0]))


def turned(matrices: Float[np.ndarray, "... 3 3"], vectors: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
    """Applies one rotation to each vector; the leading axes broadcast.

    Example:
        >>> turned(np.eye(3)[None], np.ones((1, 3))).tolist()
        [[1.0, 1.0, 1.0]]
    """
    return (matrices @ vectors[..., None])[..., 0]


def bend_limb(root: Vectors, target: Vectors, pole: Vectors, *, upper: float, lower: float) -> tuple[Vectors, Vectors]:
    """Places the middle and end of a limb of two bones that reaches for a target.

    Args:
        root: Where the limb begins.
        target: Where it should end; a target out of reach is approached in its direction.
        pole: Direction in which the middle joint points.
        upper: Length of the first bone in metres.
        lower: Length of the second.

    Returns:
        The positions of the middle joint and of the end.

    Example:
        >>> down, ahead = np.array([[0.0, -1.0, 0.0]]), np.array([[0.0, 0.0, 1.0]])
        >>> knee, ankle = bend_limb(np.zeros((1, 3)), down, ahead, upper=1.0, lower=1.0)
        >>> knee.round(3).tolist(), ankle.tolist()
        ([[0.0, -0.5, 0.866]], [[0.0, -1.0, 0.0]])
    """
    reach = target - root
    distance = np.sqrt((reach * reach).sum(-1))
    direction = reach / np.maximum(distance, 1e-9)[..., None]
    distance = np.clip(distance, abs(upper - lower) + 0.05 * upper, 0.9995 * (upper + lower))
    along = (upper**2 - lower**2 + distance**2) / (2.0 * distance)
    aside = np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    normal = pole - direction * (pole * direction).sum(-1, keepdims=True)
    normal /= np.maximum(np.sqrt((normal * normal).sum(-1, keepdims=True)), 1e-9)
    middle = root + direction * along[..., None] + normal * aside[..., None]
    return middle, root + direction * distance[..., None]
