"""Forward kinematics, block by block: from angles to world positions in metres."""

import math
from collections.abc import Callable, Iterable
from functools import reduce

import numpy as np
from jaxtyping import Float32, Float64

from jaxmm.errors import DataError

MAX_POSITIONS = 8_000_000
"""Joints times frames of one recording: half an hour of forty joints at 100 frames a second."""

# Rotations take 72 bytes a joint and frame while a block is placed; long recordings stay in the cache.
_BLOCK_POSITIONS = 200_000


def place_joints(
    values: Float64[np.ndarray, "time channels"],
    place: Callable[[Float64[np.ndarray, "_time channels"]], Float64[np.ndarray, "_time joints 3"]],
    *,
    num_joints: int,
    metres_per_unit: float,
    origin: str,
) -> Float32[np.ndarray, "time joints 3"]:
    """Returns the world positions of all frames in metres.

    Args:
        values: One row of channels a frame.
        place: Forward kinematics of some frames, in the file's unit.
        num_joints: Joints that `place` returns.
        metres_per_unit: Length of the file's unit in metres, > 0.
        origin: The file, for messages.

    Raises:
        DataError: If there are too many positions, one is too large, or the unit is not a length.

    Example:
        >>> place_joints(np.ones((2, 3)), lambda rows: rows[:, None], num_joints=1, metres_per_unit=0.01,
        ...              origin="walk.bvh").shape
        (2, 1, 3)
    """
    if not (math.isfinite(metres_per_unit) and metres_per_unit > 0):
        raise DataError(f"{origin}: metres_per_unit is {metres_per_unit}; give the length of the file's unit in metres")
    check_size(len(values), num_joints, origin)
    positions = np.empty((len(values), num_joints, 3), np.float32)
    step = max(1, _BLOCK_POSITIONS // num_joints)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(values), step):
            positions[start : start + step] = place(values[start : start + step]) * metres_per_unit
    if not all(np.isfinite(positions[start : start + step]).all() for start in range(0, len(values), step)):
        raise DataError(f"{origin}: a position is too large to represent; repair the recording or metres_per_unit")
    return positions


def check_size(num_frames: int, num_joints: int, origin: str) -> None:
    """Refuses more positions than any recording of one figure has.

    Raises:
        DataError: If there are too many.
    """
    if num_frames * num_joints > MAX_POSITIONS:
        raise DataError(
            f"{origin}: {num_frames} frames of {num_joints} joints are too many; correct the frame rate, or split the "
            "recording"
        )


def rotation_about(axis: int, degrees: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time 3 3"]:
    """Returns right-handed rotations about a coordinate axis, 0 to 2.

    Example:
        >>> (rotation_about(2, np.array([90.0]))[0] @ [1, 0, 0]).round(6).tolist()
        [0.0, 1.0, 0.0]
    """
    angle = np.radians(degrees)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((len(degrees), 3, 3))
    matrix[:, axis, axis] = 1
    matrix[:, first, first] = matrix[:, second, second] = np.cos(angle)
    matrix[:, second, first] = np.sin(angle)
    matrix[:, first, second] = -np.sin(angle)
    return matrix


def turn(rotations: Iterable[Float64[np.ndarray, "time 3 3"]], num_frames: int) -> Float64[np.ndarray, "time 3 3"]:
    """Returns rotations applied one after another, the first of them first, about fixed axes.

    Example:
        >>> quarter = [rotation_about(axis, np.array([90.0])) for axis in (0, 1)]
        >>> (turn(quarter, 1)[0] @ [0, 1, 0]).round(6).tolist()
        [1.0, 0.0, 0.0]
    """
    return reduce(lambda before, after: after @ before, rotations, np.tile(np.eye(3), (num_frames, 1, 1)))
