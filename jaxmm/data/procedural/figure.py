"""The synthetic figure: its skeleton, its proportions, and the step from joint controls to positions."""

import dataclasses

import numpy as np
from jaxtyping import Float, Float32

from jaxmm.data.motion import Skeleton
from jaxmm.data.procedural.rotations import about_y, bend_limb, lean, swing, turned

# Name, parent, and offset from the parent in metres for a figure of 1.75 m with hanging arms: left, up, ahead.
_JOINTS: tuple[tuple[str, int, tuple[float, float, float]], ...] = (
    ("Hips", -1, (0.0, 0.0, 0.0)),
    ("LeftUpLeg", 0, (0.09, -0.04, 0.0)),
    ("LeftLeg", 1, (0.0, -0.43, 0.0)),
    ("LeftFoot", 2, (0.0, -0.42, 0.0)),
    ("LeftToeBase", 3, (0.0, -0.065, 0.15)),
    ("RightUpLeg", 0, (-0.09, -0.04, 0.0)),
    ("RightLeg", 5, (0.0, -0.43, 0.0)),
    ("RightFoot", 6, (0.0, -0.42, 0.0)),
    ("RightToeBase", 7, (0.0, -0.065, 0.15)),
    ("LowerBack", 0, (0.0, 0.07, -0.01)),
    ("Spine", 9, (0.0, 0.11, -0.005)),
    ("Spine1", 10, (0.0, 0.13, 0.0)),
    ("Neck", 11, (0.0, 0.17, -0.01)),
    ("Neck1", 12, (0.0, 0.07, 0.015)),
    ("Head", 13, (0.0, 0.13, 0.02)),
    ("LeftShoulder", 11, (0.025, 0.13, 0.0)),
    ("LeftArm", 15, (0.15, -0.01, -0.01)),
    ("LeftForeArm", 16, (0.0, -0.29, 0.0)),
    ("LeftHand", 17, (0.0, -0.25, 0.0)),
    ("LeftHandIndex1", 18, (0.0, -0.09, 0.0)),
    ("RightShoulder", 11, (-0.025, 0.13, 0.0)),
    ("RightArm", 20, (-0.15, -0.01, -0.01)),
    ("RightForeArm", 21, (0.0, -0.29, 0.0)),
    ("RightHand", 22, (0.0, -0.25, 0.0)),
    ("RightHandIndex1", 23, (0.0, -0.09, 0.0)),
)

FIGURE = Skeleton(joint_names=tuple(name for name, _, _ in _JOINTS), parents=tuple(parent for _, parent, _ in _JOINTS))
"""The skeleton of every synthetic motion: 25 joints, y up, the figure faces +z and its left is +x."""

REST_ARM = (4.0, 9.0, 0.0, 16.0)
"""A hanging arm: raised ahead, raised outward, turned outward, bent at the elbow; in degrees."""

_OFFSETS = np.array([offset for _, _, offset in _JOINTS])
_ARM = ("shoulders", "shoulders", "arms", "arms", "arms")
_PARTS = ("hips", *["legs"] * 8, *["trunk"] * 4, "head", "head", *_ARM, *_ARM)
_TOE_HEIGHT = 0.02
_SIGN = np.array([1.0, -1.0])
_HIPS, _SHOULDERS = np.array([1, 5]), np.array([15, 20])


@dataclasses.dataclass(frozen=True, eq=False)
class Body:
    """The proportions of one figure.

    Attributes:
        offsets: Each joint's place relative to its parent in metres, with hanging arms.

    Example:
        >>> round(Body.proportioned(stature=1.0).leg_length, 2)
        0.85
    """

    offsets: Float[np.ndarray, "joints 3"]

    @classmethod
    def proportioned(
        cls,
        *,
        stature: float,
        legs: float = 1.0,
        trunk: float = 1.0,
        head: float = 1.0,
        shoulders: float = 1.0,
        arms: float = 1.0,
    ) -> "Body":
        """Scales the figure as a whole by `stature`, and each part by a factor of its own."""
        factors = {"hips": 1.0, "legs": legs, "trunk": trunk, "head": head, "shoulders": shoulders, "arms": arms}
        return cls(_OFFSETS * stature * np.array([factors[part] for part in _PARTS])[:, None])

    @property
    def thigh(self) -> float:
        """Length of the upper leg in metres."""
        return float(-self.offsets[2, 1])

    @property
    def shin(self) -> float:
        """Length of the lower leg in metres."""
        return float(-self.offsets[3, 1])

    @property
    def leg_length(self) -> float:
        """Length of the straight leg in metres, from hip to ankle."""
        return self.thigh + self.shin

    @property
    def standing_height(self) -> float:
        """Height of the hips above the ground in metres, with knees just unlocked."""
        return float(0.99 * self.leg_length - self.offsets[1, 1] - self.offsets[4, 1] + _TOE_HEIGHT)


@dataclasses.dataclass(frozen=True, eq=False)
class Controls:
    """What drives the figure, frame by frame; angles in radians, lengths in metres, left before right.

    Attributes:
        place: The hips on the ground plane, x and z.
        rise: The hips' height above their standing height; legs that cannot reach lower it.
        heading: Where the figure faces, 0 along +z, growing to its left.
        pelvis: Pitch ahead, yaw left and roll left of the pelvis.
        spine: The same of the chest relative to the pelvis.
        head: The same of the head relative to the chest.
        arms: Raised ahead, raised outward, turned outward, bent at the elbow.
        toes: Base of the toes in the world.
        feet: Yaw in the world, and pitch about the toes that lifts the heel.
        aloft: How far off the ground each foot is, from 0 to 1.
        legs: Share, from 0 to 1, by which a leg follows its angles and not its planted foot; then raised ahead,
            raised outward, bent at the knee.
    """

    place: Float[np.ndarray, "time 2"]
    rise: Float[np.ndarray, "time"]
    heading: Float[np.ndarray, "time"]
    pelvis: Float[np.ndarray, "time 3"]
    spine: Float[np.ndarray, "time 3"]
    head: Float[np.ndarray, "time 3"]
    arms: Float[np.ndarray, "time 2 4"]
    toes: Float[np.ndarray, "time 2 3"]
    feet: Float[np.ndarray, "time 2 2"]
    aloft: Float[np.ndarray, "time 2"]
    legs: Float[np.ndarray, "time 2 4"]

    @classmethod
    def still(cls, num_frames: int) -> "Controls":
        """Returns controls of a figure with hanging arms at the origin, its toes on the ground below the hips."""
        return cls(
            place=np.zeros((num_frames, 2)),
            rise=np.zeros(num_frames),
            heading=np.zeros(num_frames),
            pelvis=np.zeros((num_frames, 3)),
            spine=np.zeros((num_frames, 3)),
            head=np.zeros((num_frames, 3)),
            arms=np.tile(np.radians(REST_ARM), (num_frames, 2, 1)),
            toes=np.tile((0.0, _TOE_HEIGHT, 0.0), (num_frames, 2, 1)),
            feet=np.zeros((num_frames, 2, 2)),
            aloft=np.zeros((num_frames, 2)),
            legs=np.zeros((num_frames, 2, 4)),
        )


def pose(body: Body, controls: Controls) -> Float32[np.ndarray, "time 25 3"]:
    """Places every joint: legs by inverse kinematics from the feet, the rest by rotations from the hips.

    Args:
        body: Proportions, which every frame keeps.
        controls: What drives the figure.

    Returns:
        World positions in metres.

    Example:
        >>> pose(Body.proportioned(stature=1.0), Controls.still(2)).shape
        (2, 25, 3)
    """
    positions = np.empty((len(controls.heading), 25, 3))
    pelvis = about_y(controls.heading) @ lean(controls.pelvis)
    _place_legs(positions, body, controls, pelvis)
    chest = _place_trunk(positions, body, controls, pelvis)
    _place_arms(positions, body, controls, chest)
    return positions.astype(np.float32)


def _place_legs(
    positions: Float[np.ndarray, "time 25 3"], body: Body, controls: Controls, pelvis: Float[np.ndarray, "time 3 3"]
) -> None:
    """Places the hips, as high as the legs allow, and both legs."""
    reach = 0.992 * body.leg_length
    foot = body.offsets[[4, 8]]
    root = np.stack([controls.place[:, 0], body.standing_height + controls.rise, controls.place[:, 1]], axis=1)
    to_hips = turned(pelvis[:, None], body.offsets[_HIPS])
    sole = about_y(controls.feet[..., 0])

    # A heel leaves the ground where the leg would otherwise be too short.
    ankles = controls.toes - turned(sole @ _pitched(controls.feet[..., 1]), foot)
    excess = np.linalg.norm(root[:, None] + to_hips - ankles, axis=-1) - reach
    heel = np.clip(excess / np.linalg.norm(foot[0]), 0.0, 0.9) * (1.0 - controls.legs[..., 0]) * (1.0 - controls.aloft)
    ankles = controls.toes - turned(sole @ _pitched(controls.feet[..., 1] + heel), foot)

    # Then the hips sink, smoothly, to where every foot that bears weight is in reach.
    away = (root[:, None] + to_hips - ankles)[..., [0, 2]]
    height = ankles[..., 1] + np.sqrt(np.maximum(reach**2 - (away**2).sum(-1), 0.01)) - to_hips[..., 1]
    height += 0.5 * np.maximum(controls.aloft, controls.legs[..., 0])
    limits = np.concatenate([root[:, 1:2], height], axis=1)
    lowest = limits.min(axis=1)
    root[:, 1] = lowest - 0.008 * np.log(np.exp((lowest[:, None] - limits) / 0.008).sum(axis=1))

    hips = root[:, None] + to_hips
    share, ahead, outward, bend = np.moveaxis(controls.legs, -1, 0)
    thigh = pelvis[:, None] @ swing(np.stack([-ahead, np.zeros_like(ahead), _SIGN * outward], axis=-1))
    shin = thigh @ _pitched(bend)
    free = hips - body.thigh * thigh[..., 1] - body.shin * shin[..., 1]
    # A foot in the air gives way before its knee would snap straight.
    reach_of_foot = ankles - hips
    length = np.linalg.norm(reach_of_foot, axis=-1)
    spare = 0.02 * body.leg_length
    excess = spare * np.logaddexp(0.0, (length - 0.96 * body.leg_length) / spare)
    ankles = ankles - (controls.aloft * excess / length)[..., None] * reach_of_foot
    share = share[..., None]
    ankles = share * free + (1.0 - share) * ankles
    facing = sole[..., 2] + pelvis[:, None, :, 2]
    pole = share * thigh[..., 2] + (1.0 - share) * 0.5 * facing
    knees, ankles = bend_limb(hips, ankles, pole, upper=body.thigh, lower=body.shin)
    pointed = turned(shin @ _pitched(np.full_like(bend, 0.5)), foot)
    toes = share * pointed + (1.0 - share) * turned(sole @ _pitched(controls.feet[..., 1] + heel), foot)
    toes *= np.linalg.norm(foot[0]) / np.linalg.norm(toes, axis=-1, keepdims=True)
    positions[:, 0] = root
    for first, joints in enumerate((hips, knees, ankles, ankles + toes), start=1):
        positions[:, [first, first + 4]] = joints


def _place_trunk(
    positions: Float[np.ndarray, "time 25 3"], body: Body, controls: Controls, pelvis: Float[np.ndarray, "time 3 3"]
) -> Float[np.ndarray, "time 3 3"]:
    """Places the spine, the neck and the head; returns the chest's rotation."""
    third, nod = lean(controls.spine / 3.0), lean(controls.head / 2.0)
    lower = pelvis @ third
    middle = lower @ third
    chest = middle @ third
    neck = chest @ nod
    chain = ((9, 0, pelvis), (10, 9, lower), (11, 10, middle), (12, 11, chest), (13, 12, neck), (14, 13, neck @ nod))
    for joint, parent, rotation in chain:
        positions[:, joint] = positions[:, parent] + rotation @ body.offsets[joint]
    return chest


def _place_arms(
    positions: Float[np.ndarray, "time 25 3"], body: Body, controls: Controls, chest: Float[np.ndarray, "time 3 3"]
) -> None:
    """Places both arms; a shoulder rises with its arm and follows it forward."""
    ahead, outward, twist, bend = np.moveaxis(controls.arms, -1, 0)
    zero = np.zeros_like(ahead)
    raised = np.clip((np.hypot(ahead, outward) - 0.6) / 2.2, 0.0, 1.0)
    collar = chest[:, None] @ swing(np.stack([zero, -_SIGN * 0.2 * np.sin(ahead), _SIGN * 0.45 * raised**2], axis=-1))
    upper = chest[:, None] @ swing(np.stack([-ahead, zero, _SIGN * outward], axis=-1)) @ about_y(_SIGN * twist)
    fore = upper @ _pitched(-bend)
    place = positions[:, [11]]
    for step, rotation in enumerate((chest[:, None], collar, upper, fore, fore @ _pitched(-0.15 - 0.1 * bend))):
        joints = _SHOULDERS + step
        place = place + turned(rotation, body.offsets[joints])
        positions[:, joints] = place


def _pitched(angle: Float[np.ndarray, "time 2"]) -> Float[np.ndarray, "time 2 3 3"]:
    zero = np.zeros_like(angle)
    return swing(np.stack([angle, zero, zero], axis=-1))
