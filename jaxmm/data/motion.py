"""Skeletons and motions: the types that every source produces and every transform consumes."""

import dataclasses
import re
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float32, Float64

from jaxmm.data.kinematics import check_size
from jaxmm.errors import DataError, reason

SLOWEST_FPS, FASTEST_FPS = 0.1, 10_000
"""Frame rates beyond which a file is taken to be damaged: resampling would make something huge of it."""

_SIDE_WORDS = {"left": "right", "right": "left", "Left": "Right", "Right": "Left", "LEFT": "RIGHT", "RIGHT": "LEFT"}
_SIDE_AFFIX = re.compile(r"(?:(?<=[_.\-])|^)([lrLR])(?=[_.\-]|$)")
_SWAP_LETTER = {"l": "r", "r": "l", "L": "R", "R": "L"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Names and parents of joints, listed so that every parent stands before its children.

    Attributes:
        joint_names: Distinct names; sides are told by `Left`/`Right` or an `l`/`r` affix.
        parents: Index of each joint's parent; -1 for the root, which is joint 0.

    Raises:
        DataError: If the lengths differ, a name repeats, or a parent does not precede its child.

    Example:
        >>> Skeleton(joint_names=("Hips", "LeftLeg", "RightLeg"), parents=(-1, 0, 0)).mirror_index()
        (0, 2, 1)
    """

    joint_names: tuple[str, ...]
    parents: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.joint_names) != len(self.parents) or not self.joint_names:
            raise DataError(
                f"skeleton: {len(self.joint_names)} joint names but {len(self.parents)} parents; "
                "give one parent a joint"
            )
        if len(set(self.joint_names)) != len(self.joint_names):
            repeated = sorted({name for name in self.joint_names if self.joint_names.count(name) > 1})
            raise DataError(f"skeleton: joint names repeat: {', '.join(repeated)}; rename them")
        for joint, parent in enumerate(self.parents):
            if (parent != -1) if joint == 0 else not 0 <= parent < joint:
                raise DataError(
                    f"skeleton: joint {joint} ({self.joint_names[joint]}) has parent {parent}; "
                    "the root comes first with parent -1 and each parent precedes its children"
                )

    @property
    def num_joints(self) -> int:
        """Number of joints."""
        return len(self.joint_names)

    def mirror_index(self) -> tuple[int, ...]:
        """Returns, for each joint, the index of its partner on the other side (itself when central)."""
        place = {name: index for index, name in enumerate(self.joint_names)}
        return tuple(place.get(other_side(name), index) for index, name in enumerate(self.joint_names))

    def tells_sides(self) -> bool:
        """Tells whether any joint has a partner on the other side."""
        return self.mirror_index() != tuple(range(self.num_joints))

    def hip_joints(self) -> tuple[int, int]:
        """Returns the indices of the left and the right hip, which define where a figure faces.

        Raises:
            DataError: If the names do not tell the two hips.
        """
        for left in self.joint_names:
            if re.search(r"upleg|hip|thigh|upperleg", left, re.IGNORECASE) and other_side(left) != left:
                right = other_side(left)
                if right in self.joint_names:
                    pair = (
                        (left, right)
                        if re.search(r"left|(?:^|[_.\-])l(?:[_.\-]|$)", left, re.IGNORECASE)
                        else (right, left)
                    )
                    return self.joint_names.index(pair[0]), self.joint_names.index(pair[1])
        raise DataError(
            f"skeleton: no pair of hips among {', '.join(self.joint_names)}; "
            "name them like LeftUpLeg/RightUpLeg, or switch facing normalisation off"
        )


def other_side(name: str) -> str:
    """Swaps left and right in a joint's name; a central joint's name is returned as it is.

    Example:
        >>> other_side("LeftForeArm"), other_side("Hand_R"), other_side("Spine")
        ('RightForeArm', 'Hand_L', 'Spine')
    """
    swapped = re.sub("|".join(_SIDE_WORDS), lambda match: _SIDE_WORDS[match.group()], name)
    if swapped != name:
        return swapped
    return _SIDE_AFFIX.sub(lambda match: _SWAP_LETTER[match.group(1)], name)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Motion:
    """One recording with its captions.

    Attributes:
        key: Unique name within its source.
        positions: World positions in metres; y is up, a figure at rest faces +z, its left is +x.
        fps: Frames per second, 0.1 to 10,000.
        skeleton: Names and parents of the joints.
        captions: One or more descriptions, each of the whole motion.
        tags: Further labels of the source, such as `style`.

    Raises:
        DataError: If the shape does not fit the skeleton, a value is not finite or out of range, or a field is empty.

    Example:
        >>> skeleton = Skeleton(joint_names=("Hips",), parents=(-1,))
        >>> still = Motion(key="still", positions=np.zeros((4, 1, 3), np.float32), fps=2.0,
        ...                skeleton=skeleton, captions=("a person stands",))
        >>> still.num_frames, still.seconds
        (4, 2.0)
    """

    key: str
    positions: Float32[np.ndarray, "time joints 3"]
    fps: float
    skeleton: Skeleton
    captions: tuple[str, ...]
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = np.shape(self.positions)
        if len(shape) != 3 or shape[0] == 0 or shape[1:] != (self.skeleton.num_joints, 3):
            raise DataError(
                f"{self.key}: positions have shape {shape}; expected (time >= 1, {self.skeleton.num_joints}, 3)"
            )
        if not np.isfinite(self.positions).all():
            frame = int(np.argwhere(~np.isfinite(self.positions))[0][0])
            raise DataError(f"{self.key}: frame {frame} holds a value that is not finite; repair or drop the recording")
        if not SLOWEST_FPS <= self.fps <= FASTEST_FPS:
            raise DataError(f"{self.key}: fps is {self.fps}; give a frame rate from {SLOWEST_FPS} to {FASTEST_FPS}")
        if not self.captions or not all(caption.strip() for caption in self.captions):
            raise DataError(f"{self.key}: a caption is missing or empty; describe the motion")
        try:
            "".join((self.key, *self.captions)).encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{self.key!r}: its key or a caption is not valid Unicode ({reason(error)}); correct it"
            ) from error

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.positions)

    @property
    def seconds(self) -> float:
        """Duration, num_frames / fps."""
        return self.num_frames / self.fps


def rooted_at(motion: Motion, joint: str) -> Motion:
    """Keeps a joint and all that hangs from it, leaving out the static joints that some files put above the hips.

    Args:
        motion: The motion.
        joint: Name of the joint that becomes the root.

    Raises:
        DataError: If the skeleton has no such joint.

    Example:
        >>> skeleton = Skeleton(joint_names=("Ground", "Hips", "Head"), parents=(-1, 0, 1))
        >>> motion = Motion(key="still", positions=np.zeros((1, 3, 3), np.float32), fps=2.0,
        ...                 skeleton=skeleton, captions=("a person stands",))
        >>> rooted_at(motion, "Hips").skeleton.joint_names
        ('Hips', 'Head')
    """
    names, parents = motion.skeleton.joint_names, motion.skeleton.parents
    if joint not in names:
        raise DataError(f"{motion.key}: there is no joint {joint!r} to root at; choose among {', '.join(names)}")
    kept = [names.index(joint)]
    for index in range(kept[0] + 1, len(names)):
        if parents[index] in kept:
            kept.append(index)
    skeleton = Skeleton(
        joint_names=tuple(names[index] for index in kept),
        parents=(-1, *(kept.index(parents[index]) for index in kept[1:])),
    )
    return dataclasses.replace(motion, positions=motion.positions[:, kept], skeleton=skeleton)


def resample(
    positions: Float[np.ndarray, "time joints 3"], *, source_fps: float, target_fps: float
) -> Float32[np.ndarray, "new_time joints 3"]:
    """Interpolates a recording linearly to another frame rate, keeping its first frame and duration.

    Args:
        positions: Positions at `source_fps`.
        source_fps: Rate of the recording, > 0.
        target_fps: Rate to return, > 0.

    Returns:
        `round(time * target_fps / source_fps)` frames, at least one.

    Raises:
        DataError: If these are more than any recording has, as where `source_fps` is mistaken.

    Example:
        >>> resample(np.zeros((8, 1, 3), np.float32), source_fps=60.0, target_fps=30.0).shape
        (4, 1, 3)
    """
    if source_fps == target_fps:
        return positions.astype(np.float32, copy=False)
    num_frames = max(1, round(len(positions) * target_fps / source_fps))
    check_size(num_frames, positions.shape[1], f"from {source_fps:g} to {target_fps:g} frames a second")
    return at_times(positions, np.arange(num_frames) * (source_fps / target_fps))


def at_times(
    positions: Float[np.ndarray, "time joints 3"], times: Float64[np.ndarray, "new_time"]
) -> Float32[np.ndarray, "new_time joints 3"]:
    """Reads positions at fractional frame numbers; numbers beyond the last frame repeat it.

    Example:
        >>> line = np.arange(3, dtype=np.float32).reshape(3, 1, 1) * np.ones((1, 1, 3), np.float32)
        >>> at_times(line, np.array([0.5, 9.0]))[:, 0, 0].tolist()
        [0.5, 2.0]
    """
    times = np.clip(times, 0, len(positions) - 1)
    before = np.floor(times).astype(np.int64)
    after = np.minimum(before + 1, len(positions) - 1)
    weight = (times - before).astype(np.float32)[:, None, None]
    return (positions[before] * (1 - weight) + positions[after] * weight).astype(np.float32)
