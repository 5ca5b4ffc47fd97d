"""Normalisation and augmentation of one motion; all randomness comes from a generator that is passed in."""

import dataclasses
import math
import re
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float32

from jaxmm.data.motion import Skeleton, at_times
from jaxmm.errors import ConfigError

Centre: TypeAlias = Literal["none", "first_frame", "every_frame", "root_relative"]
"""Where the root is moved to the origin: nowhere, in the first frame, in each frame, or, "root_relative", in the
first frame for the root's own path and in each frame for the other joints."""

_SIDE = re.compile(r"\b(left|right)(?=\b|ward|-)", re.IGNORECASE)
_OPPOSITE = {"left": "right", "right": "left"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of a training motion; all off by default.

    Attributes:
        mirror_rate: Probability of swapping left and right, in the motion and in its caption, in [0, 1].
        speed_range: Slowest and fastest playback, both > 0; a motion's speed is log-uniform between them.
        yaw_range: Largest turn about the vertical axis, in degrees, in [0, 180].

    Raises:
        ConfigError: If a value is out of its range.

    Example:
        >>> Augmentation(mirror_rate=0.5, speed_range=(0.9, 1.1)).mirror_rate
        0.5
    """

    mirror_rate: float = 0.0
    speed_range: tuple[float, float] = (1.0, 1.0)
    yaw_range: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.mirror_rate <= 1:
            raise ConfigError(f"augmentation.mirror_rate is {self.mirror_rate}; give a probability from 0 to 1")
        if not 0 < self.speed_range[0] <= self.speed_range[1] < math.inf:
            raise ConfigError(f"augmentation.speed_range is {self.speed_range}; give 0 < slowest <= fastest, finite")
        if not 0 <= self.yaw_range <= 180:
            raise ConfigError(f"augmentation.yaw_range is {self.yaw_range}; give degrees from 0 to 180")

    def draw(self, rng: np.random.Generator) -> "Change":
        """Draws the change of one motion; the same numbers are drawn whatever is switched on."""
        mirrors, speed, yaw = rng.random() < self.mirror_rate, rng.random(), rng.uniform(-1, 1)
        slowest, fastest = self.speed_range
        rate = slowest * (fastest / slowest) ** speed
        return Change(mirrors=bool(mirrors), rate=float(rate), yaw=float(np.deg2rad(yaw * self.yaw_range)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """What an augmentation does to one motion; by default nothing.

    Attributes:
        mirrors: Whether left and right are exchanged.
        rate: Playback speed, > 0.
        yaw: Turn about the vertical axis, in radians.

    Example:
        >>> Change(rate=2.0).at_rate(np.zeros((8, 1, 3), np.float32)).shape
        (4, 1, 3)
    """

    mirrors: bool = False
    rate: float = 1.0
    yaw: float = 0.0

    def at_rate(self, positions: Float32[np.ndarray, "time joints 3"]) -> Float32[np.ndarray, "new_time joints 3"]:
        """Plays a motion `rate` times as fast."""
        if self.rate == 1:
            return positions
        return at_times(positions, np.arange(0, len(positions), self.rate, dtype=np.float64))

    def place(
        self, positions: Float32[np.ndarray, "time joints 3"], skeleton: Skeleton
    ) -> Float32[np.ndarray, "time joints 3"]:
        """Mirrors and turns a motion."""
        if self.mirrors:
            positions = mirror(positions, skeleton)
        return turn(positions, self.yaw) if self.yaw else positions

    def describe(self, caption: str) -> str:
        """Changes a caption as the motion is changed."""
        return mirror_caption(caption) if self.mirrors else caption


def mirror(positions: Float32[np.ndarray, "time joints 3"], skeleton: Skeleton) -> Float32[np.ndarray, "time joints 3"]:
    """Reflects a motion in the plane x = 0 and exchanges its left and right joints; twice is the identity.

    Example:
        >>> skeleton = Skeleton(joint_names=("Hips", "LeftLeg", "RightLeg"), parents=(-1, 0, 0))
        >>> mirror(np.array([[[0, 0, 0], [1, 0, 0], [-3, 0, 0]]], np.float32), skeleton)[0, :, 0].tolist()
        [-0.0, 3.0, -1.0]
    """
    return positions[:, skeleton.mirror_index(), :] * np.array([-1, 1, 1], np.float32)


def mirror_caption(caption: str) -> str:
    """Exchanges the words left and right, also at the start of leftward or right-handed.

    Only the words are read: "left" as a verb and "right away" are exchanged too, so word captions without them, or
    leave mirroring off.

    Example:
        >>> mirror_caption("Left foot first, then a right-handed wave, leaving rightwards")
        'Right foot first, then a left-handed wave, leaving leftwards'
    """
    return _SIDE.sub(_opposite, caption)


def _opposite(match: re.Match[str]) -> str:
    """Returns the other side, in capitals where the word has them."""
    word = match.group()
    other = _OPPOSITE[word.lower()]
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other


def turn(positions: Float32[np.ndarray, "time joints 3"], yaw: float) -> Float32[np.ndarray, "time joints 3"]:
    """Turns a motion about the vertical axis through the origin; a positive angle turns +z towards +x.

    Args:
        positions: Positions with y up.
        yaw: Angle in radians.

    Example:
        >>> turn(np.array([[[0, 0, 1]]], np.float32), np.pi / 2).round(3).tolist()
        [[[1.0, 0.0, 0.0]]]
    """
    sine, cosine = np.sin(yaw), np.cos(yaw)
    rotation = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]], np.float32)
    return positions @ rotation.T


def face_forward(
    positions: Float32[np.ndarray, "time joints 3"], skeleton: Skeleton
) -> Float32[np.ndarray, "time joints 3"]:
    """Turns a whole motion about its first root position so that the hips of its first frame face +z.

    Raises:
        DataError: If the skeleton does not tell its hips.

    Example:
        >>> skeleton = Skeleton(joint_names=("Hips", "LeftUpLeg", "RightUpLeg"), parents=(-1, 0, 0))
        >>> sideways = np.array([[[0, 1, 0], [0, 1, 0.1], [0, 1, -0.1]]], np.float32)
        >>> bool(np.allclose(face_forward(sideways, skeleton)[0, 1], [0.1, 1.0, 0.0]))
        True
    """
    left, right = skeleton.hip_joints()
    across = positions[0, left] - positions[0, right]
    origin = positions[0, 0] * np.array([1, 0, 1], np.float32)
    return turn(positions - origin, float(np.arctan2(across[2], across[0]))) + origin


def centre(positions: Float32[np.ndarray, "time joints 3"], how: Centre) -> Float32[np.ndarray, "time joints 3"]:
    """Moves the root joint to the origin.

    Args:
        positions: World positions.
        how: "first_frame" keeps the path relative to its start, "every_frame" removes it, "root_relative" keeps it in
            the root joint alone and gives the others relative to the root, "none" does nothing.

    Example:
        >>> path = np.array([[[1, 1, 1], [1, 2, 1]], [[3, 1, 1], [3, 2, 1]]], np.float32)
        >>> centre(path, "first_frame")[1].tolist()
        [[2.0, 0.0, 0.0], [2.0, 1.0, 0.0]]
        >>> centre(path, "root_relative")[1].tolist()
        [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if how == "none":
        return positions
    if how == "first_frame":
        return positions - positions[:1, :1]
    if how not in get_args(Centre):
        raise ConfigError(f"centre is {how!r}; choose among {', '.join(get_args(Centre))}")
    about_root = positions - positions[:, :1]
    if how == "root_relative":
        about_root[:, 0] = positions[:, 0] - positions[:1, 0]
    return about_root
