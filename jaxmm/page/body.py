"""How a skeleton is fleshed out: limb widths, trunk, head and sides, told from names and bone lengths."""

import dataclasses
import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float64

from jaxmm.data.motion import Skeleton, other_side

Pair: TypeAlias = tuple[int, int]
"""Indices of a left joint and of its partner on the right."""

_LEFT = re.compile(r"left|(?:^|[_.\-])l(?:[_.\-]|$)", re.IGNORECASE)
_HEAD = re.compile(r"head", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """A ball that sits above a joint.

    Attributes:
        joint: The joint it sits on.
        base: The joint below; the ball is lifted along the line from there to `joint`.
        lift: Distance from `joint` to the middle of the ball, in metres.
        radius: Radius in metres.

    Example:
        >>> Head(joint=2, base=1, lift=0.1, radius=0.1).joint
        2
    """

    joint: int
    base: int
    lift: float
    radius: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Body:
    """What is drawn for a skeleton.

    Attributes:
        bones: Parent, child and side (`left`, `right` or `middle`) of each limb drawn as a capsule.
        radii: Radius of the flesh around each joint, in metres.
        trunk: Groups of joints whose balls are wrapped into one shape, chest then pelvis; each
            begins with its left and right corner. Empty where arms and legs cannot be told.
        head: The head, `None` where no joint can carry one.

    Example:
        >>> skeleton = Skeleton(joint_names=("Hips", "LeftLeg", "RightLeg", "Head"), parents=(-1, 0, 0, 0))
        >>> body = Body.of(skeleton, [np.eye(4, 3)[None]])
        >>> body.bones[0], body.head.joint
        ((0, 1, 'left'), 3)
    """

    bones: tuple[tuple[int, int, str], ...]
    radii: tuple[float, ...]
    trunk: tuple[tuple[int, ...], ...]
    head: Head | None

    @classmethod
    def of(cls, skeleton: Skeleton, motions: Sequence[Float[np.ndarray, "_ joints 3"]]) -> "Body":
        """Plans the body of a skeleton with the bone lengths of some motions.

        Args:
            skeleton: Names and parents of the joints.
            motions: Positions in metres; at least one motion.

        Returns:
            The plan; widths grow with the length of what hangs below a joint, as limbs taper.
        """
        lengths = _bone_lengths(skeleton, motions)
        below = _longest_below(skeleton, lengths)
        size = float(below[0]) or 1.0
        radii = np.clip(0.022 * size + 0.06 * below, 0.03 * size, 0.09 * size)
        head = _head(skeleton, size)
        limbs = _limbs(skeleton, lengths)
        trunk: tuple[tuple[int, ...], ...] = ()
        hidden: set[int] = set()
        if len(limbs) > 1:
            legs, arms = limbs[0], limbs[-1]
            chest = skeleton.parents[arms[0]]
            shoulders = _shoulders(skeleton, arms, lengths)
            spine = _path(skeleton, chest)
            waist = _waist(spine, lengths)
            trunk = ((*shoulders, chest, waist), (*legs, 0, waist))
            hidden = {*spine, *legs, *arms, *shoulders}
            radii[[chest, waist]] = 0.085 * size
            radii[0] = 0.09 * size
        if head is not None:
            neck = [joint for joint in _path(skeleton, head.joint) if joint not in hidden and joint != 0]
            radii[neck] = 0.042 * size
        bones = tuple(
            (parent, joint, _side(skeleton.joint_names[joint]))
            for joint, parent in enumerate(skeleton.parents)
            if parent >= 0 and joint not in hidden
        )
        return cls(bones=bones, radii=tuple(round(float(radius), 4) for radius in radii), trunk=trunk, head=head)


def _bone_lengths(
    skeleton: Skeleton, motions: Sequence[Float[np.ndarray, "_ joints 3"]]
) -> Float64[np.ndarray, "joints"]:
    """Measures each joint's distance to its parent: the median over motions of the first frame's."""
    first = np.stack([motion[0].astype(np.float64) for motion in motions])
    offsets = first[:, 1:] - first[:, list(skeleton.parents[1:])]
    return np.concatenate([[0.0], np.median(np.linalg.norm(offsets, axis=-1), axis=0)])


def _longest_below(skeleton: Skeleton, lengths: Float64[np.ndarray, "joints"]) -> Float64[np.ndarray, "joints"]:
    """Measures the longest chain of bones that hangs below each joint."""
    below = np.zeros(skeleton.num_joints)
    for joint in range(skeleton.num_joints - 1, 0, -1):
        parent = skeleton.parents[joint]
        below[parent] = max(below[parent], below[joint] + lengths[joint])
    return below


def _side(name: str) -> str:
    """Tells `left`, `right` or `middle` from a joint's name."""
    if other_side(name) == name:
        return "middle"
    return "left" if _LEFT.search(name) else "right"


def _path(skeleton: Skeleton, joint: int) -> list[int]:
    """Lists the joints from the root down to a joint."""
    path = [joint]
    while skeleton.parents[path[0]] >= 0:
        path.insert(0, skeleton.parents[path[0]])
    return path


def _next(skeleton: Skeleton, joint: int) -> int | None:
    """Returns the first child of a joint."""
    return skeleton.parents.index(joint) if joint in skeleton.parents else None


def _limbs(skeleton: Skeleton, lengths: Float64[np.ndarray, "joints"]) -> list[Pair]:
    """Finds the pairs of joints where limbs leave the middle line, the nearest to the root first.

    A limb has two bones or more below its first joint; eyes and ears have fewer.
    """
    sides = [_side(name) for name in skeleton.joint_names]
    partners = skeleton.mirror_index()
    num_bones = _longest_below(skeleton, np.ones(skeleton.num_joints))
    pairs = [
        (joint, partners[joint])
        for joint, parent in enumerate(skeleton.parents)
        if parent >= 0 and sides[joint] == "left" and sides[parent] == "middle" and partners[joint] != joint
    ]
    limbs = [pair for pair in pairs if num_bones[list(pair)].min() >= 2]
    return sorted(limbs, key=lambda pair: float(lengths[_path(skeleton, pair[0])].sum()))


def _shoulders(skeleton: Skeleton, arms: Pair, lengths: Float64[np.ndarray, "joints"]) -> Pair:
    """Steps past the collar bones, if the arms begin with some: they are shorter than what follows."""
    left, right = (_next(skeleton, joint) for joint in arms)
    elbow = None if left is None else _next(skeleton, left)
    if left is None or right is None or elbow is None or lengths[left] > 0.9 * lengths[elbow]:
        return arms
    return left, right


def _waist(spine: Sequence[int], lengths: Float64[np.ndarray, "joints"]) -> int:
    """Picks the joint of the spine nearest to two thirds of its length, never the root if there is another."""
    heights = np.cumsum(lengths[list(spine)])
    nearest = int(np.abs(heights - heights[-1] * 2 / 3).argmin())
    return spine[max(nearest, min(1, len(spine) - 1))]


def _head(skeleton: Skeleton, size: float) -> Head | None:
    """Finds the joint named head, else the end of the longest chain without a side."""
    named = [joint for joint, name in enumerate(skeleton.joint_names) if _HEAD.search(name)]
    middle = [joint for joint, name in enumerate(skeleton.joint_names) if _side(name) == "middle" and joint != 0]
    ends = [joint for joint in middle if not any(skeleton.parents[other] == joint for other in middle)]
    joint = named[0] if named else max(ends, key=lambda end: len(_path(skeleton, end)), default=0)
    if joint == 0:
        return None
    # A neck without a head joint ends at the shoulders, so the ball sits higher above it.
    lift = 0.075 if named else 0.2
    base = _path(skeleton, joint)[-3:][0]
    return Head(joint=joint, base=base, lift=round(lift * size, 4), radius=round(0.105 * size, 4))
