"""Signing as motion: what encoders of motion, trained to compare it with texts, see of a clip."""

import functools

import numpy as np

from jaxmm.data.motion import Motion, Skeleton
from jaxmm.data.sign.clip import SignClip, TextKind
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.errors import DataError

SHOULDER_METRES = 0.35
"""Length of a shoulder width in metres: between the middles of the shoulder joints of a grown person, about."""

_ARMS = {
    "body/NOSE": "",
    "body/LEFT_SHOULDER": "body/NOSE",
    "body/RIGHT_SHOULDER": "body/NOSE",
    "body/LEFT_ELBOW": "body/LEFT_SHOULDER",
    "body/RIGHT_ELBOW": "body/RIGHT_SHOULDER",
    "body/LEFT_WRIST": "body/LEFT_ELBOW",
    "body/RIGHT_WRIST": "body/RIGHT_ELBOW",
}
"""Landmarks of the body that sign, each with its parent."""

_TO_MOTION = np.array([1, -1, -1], np.float32) * np.float32(SHOULDER_METRES)


@functools.cache
def signing_skeleton() -> Skeleton:
    """Returns the joints of signing: nose, arms and the landmarks of both hands.

    Example:
        >>> skeleton = signing_skeleton()
        >>> skeleton.num_joints, skeleton.joint_names[0], skeleton.tells_sides()
        (49, 'body/NOSE', True)
    """
    parents = dict(_ARMS)
    for side in ("left", "right"):
        part = HOLISTIC.part(f"{side}_hand")
        parents[f"{part.name}/WRIST"] = f"body/{side.upper()}_WRIST"
        for name in part.landmarks[1:]:
            joined = [other for bone in part.bones if name in bone for other in bone if other != name]
            parents[f"{part.name}/{name}"] = f"{part.name}/{min(joined, key=part.landmarks.index)}"
    names = tuple(parents)
    return Skeleton(
        joint_names=names, parents=tuple(names.index(parent) if parent else -1 for parent in parents.values())
    )


def as_motion(clip: SignClip, *, text: TextKind) -> Motion:
    """Returns a clip as the motion of its arms and hands.

    A landmark that was not detected lies in the middle of the shoulders, the origin.

    Args:
        clip: The clip, whose units are shoulder widths with y down.
        text: Which of its texts becomes the caption.

    Raises:
        DataError: If it lacks that text.

    Example:
        >>> clip = SignClip(key="hello", frames=np.zeros((25, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> motion = as_motion(clip, text="gloss")
        >>> motion.captions, motion.positions.shape
        (('HELLO',), (25, 49, 3))
    """
    caption = clip.text(text)
    if caption is None:
        raise DataError(f"{clip.key}: has no {text}; choose the other text, or leave the clip out")
    places = [HOLISTIC.landmark(name) for name in signing_skeleton().joint_names]
    return Motion(
        key=clip.key,
        positions=clip.frames[:, HOLISTIC.position_features[places]] * _TO_MOTION,
        fps=clip.fps,
        skeleton=signing_skeleton(),
        captions=(caption,),
        tags=clip.tags,
    )
