"""The figure that signs: from the controls of arms, head, trunk and face to the numbers of a frame."""

import dataclasses

import numpy as np
from jaxtyping import Float, Float32

from jaxmm.data.procedural.rotations import bend_limb, swing, turned
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.procedural.face import HEAD_LANDMARKS, face_landmarks
from jaxmm.data.sign.procedural.hand import HAND_MIDDLE, hand_landmarks
from jaxmm.data.sign.procedural.phonology import FINGERS, MIDDLE, ORIENTATION
from jaxmm.data.sign.procedural.signer import Signer

_BODY = {name: index for index, name in enumerate(HOLISTIC.part("body").landmarks)}
_FACE = HOLISTIC.part_landmarks("face")
_HEAD = [*(_BODY[name] for name in HEAD_LANDMARKS), *range(_FACE.start, _FACE.stop)]
_ARMS = HOLISTIC.part_landmarks("left_hand"), HOLISTIC.part_landmarks("right_hand")
_MIRROR = np.array([-1.0, 1.0, 1.0])

# Elbows point where no hand before the body goes, since an elbow would leap as its hand passes there.
_SHOULDER, _ELBOW_POLE = np.array([-0.5, 0.0, 0.0]), np.array([-0.4, 1.0, -0.2])
_NECK = np.array([0.0, -0.24, 0.02])
# The body block follows a hand by two of its knuckles, and a point at the ball of the thumb that no finger moves.
_KNUCKLES, _THUMB_BALL = (("PINKY", 17), ("INDEX", 5)), np.array([0.125, -0.155, -0.03])
# Knee and ankle from the hip, heel and toes from the ankle, in lengths of a thigh.
_KNEE, _ANKLE = np.array([0.0, 1.0, -0.08]), np.array([0.0, 1.98, 0.0])
_HEEL, _TOES = np.array([0.0, 0.08, 0.10]), np.array([-0.03, 0.16, -0.22])
_LOW_VISIBILITY = {"HIP": 0.6, "KNEE": 0.05, "ANKLE": 0.02, "HEEL": 0.02, "FOOT_INDEX": 0.02}
_VISIBILITY = np.array([_LOW_VISIBILITY.get(name.partition("_")[2], 0.99) for name in _BODY], np.float32)
_VISIBILITY_FEATURES = [HOLISTIC.feature(f"body/{name}", "visibility") for name in _BODY]


@dataclasses.dataclass(frozen=True, eq=False)
class Controls:
    """What drives the figure, frame by frame.

    Attributes:
        arms: Left before right, each as `phonology.arm_pose` has it; the left arm is written as its mirror image.
        head: Rotation of the head on the trunk, a vector in radians.
        trunk: Rotation of the whole figure about the hips, a vector in radians.
        expression: How far the mouth is open, the eyes are closed, and the brows are raised, each from 0 to 1.
    """

    arms: Float[np.ndarray, "time 2 18"]
    head: Float[np.ndarray, "time 3"]
    trunk: Float[np.ndarray, "time 3"]
    expression: Float[np.ndarray, "time 3"]


def pose(signer: Signer, controls: Controls) -> Float32[np.ndarray, "time 540"]:
    """Places every landmark: arms by inverse kinematics from where the hands are, the rest by rotations.

    Args:
        signer: Proportions, which every frame keeps.
        controls: What drives the figure.

    Returns:
        Frames of the layout `HOLISTIC`; every landmark is detected.

    Example:
        >>> from jaxmm.data.sign.procedural.phonology import arm_pose
        >>> arms, still = np.tile(arm_pose("flat", "chest"), (5, 2, 1)), np.zeros((5, 3))
        >>> pose(Signer(), Controls(arms, still, still, still)).shape
        (5, 540)
    """
    positions = np.empty((len(controls.head), len(HOLISTIC.landmarks), 3))
    _place_legs(positions, signer)
    _place_head(positions, signer, controls)
    _place_arms(positions, signer, controls.arms)
    hips = np.array([0.0, signer.trunk, 0.0])
    positions = (positions - hips) @ swing(controls.trunk).swapaxes(-1, -2) + hips
    frames = np.empty((len(positions), HOLISTIC.dim), np.float32)
    frames[:, HOLISTIC.position_features] = positions
    frames[:, _VISIBILITY_FEATURES] = _VISIBILITY
    return frames


def _place_legs(positions: Float[np.ndarray, "time landmarks 3"], signer: Signer) -> None:
    """Places the hips and, below them, legs that stand still."""
    hip = np.array([-signer.hips, signer.trunk, 0.0])
    knee, ankle = hip + signer.leg * _KNEE, hip + signer.leg * _ANKLE
    joints = {
        "HIP": hip,
        "KNEE": knee,
        "ANKLE": ankle,
        "HEEL": ankle + signer.leg * _HEEL,
        "FOOT_INDEX": ankle + signer.leg * _TOES,
    }
    for name, place in joints.items():
        positions[:, _BODY[f"RIGHT_{name}"]] = place
        positions[:, _BODY[f"LEFT_{name}"]] = place * _MIRROR


def _place_head(positions: Float[np.ndarray, "time landmarks 3"], signer: Signer, controls: Controls) -> None:
    """Places the landmarks of the head in both blocks, and turns them about the neck."""
    positions[:, _HEAD[: len(HEAD_LANDMARKS)]] = np.array(list(HEAD_LANDMARKS.values()))
    positions[:, _FACE] = face_landmarks(controls.expression)
    head = signer.head * (positions[:, _HEAD] - _NECK)
    positions[:, _HEAD] = head @ swing(controls.head).swapaxes(-1, -2) + _NECK


def _place_arms(
    positions: Float[np.ndarray, "time landmarks 3"], signer: Signer, arms: Float[np.ndarray, "time 2 18"]
) -> None:
    """Places shoulders, elbows and hands, both as right ones, and mirrors the left."""
    turn = _orientation(arms[..., ORIENTATION])
    wanted = arms[..., MIDDLE] - turned(turn, signer.hand * HAND_MIDDLE)
    shoulder = np.broadcast_to(_SHOULDER, wanted.shape)
    pole = np.broadcast_to(_ELBOW_POLE, wanted.shape)
    elbow, wrist = bend_limb(shoulder, wanted, pole, upper=signer.upper_arm, lower=signer.forearm)
    hands = wrist[..., None, :] + signer.hand * hand_landmarks(arms[..., FINGERS]) @ turn.swapaxes(-1, -2)
    thumb = wrist + turned(turn, signer.hand * _THUMB_BALL)
    for arm, (side, mirror) in enumerate((("LEFT", _MIRROR), ("RIGHT", np.ones(3)))):
        positions[:, _ARMS[arm]] = hands[:, arm] * mirror
        positions[:, _BODY[f"{side}_SHOULDER"]] = _SHOULDER * mirror
        positions[:, _BODY[f"{side}_ELBOW"]] = elbow[:, arm] * mirror
        positions[:, _BODY[f"{side}_WRIST"]] = wrist[:, arm] * mirror
        positions[:, _BODY[f"{side}_THUMB"]] = thumb[:, arm] * mirror
        for name, landmark in _KNUCKLES:
            positions[:, _BODY[f"{side}_{name}"]] = hands[:, arm, landmark] * mirror


def _orientation(turns: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Leans an upright right hand inward, tilts it to the viewer, and twists its palm inward."""
    zero = np.zeros_like(turns[..., 0])
    lean, tilt, twist = (turns[..., index] for index in range(3))
    return (
        swing(np.stack([zero, zero, lean], axis=-1))
        @ swing(np.stack([tilt, zero, zero], axis=-1))
        @ swing(np.stack([zero, -twist, zero], axis=-1))
    )
