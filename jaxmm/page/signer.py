"""How a person who signs is drawn: which landmarks make which shapes, how thick, and what is in front."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float32

from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.layout import HOLISTIC

SURELY_SEEN = 0.5  # Visibility below which legs are a guess of what is out of the picture.

_FINGERS = (
    ("THUMB_CMC", "THUMB_MCP", "THUMB_IP", "THUMB_TIP"),
    *(
        tuple(f"{finger}_{joint}" for joint in ("MCP", "PIP", "DIP", "TIP"))
        for finger in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
    ),
)
_PALM = ("WRIST", "THUMB_CMC", "INDEX_FINGER_MCP", "MIDDLE_FINGER_MCP", "RING_FINGER_MCP", "PINKY_MCP")
# A number of the face mesh that each contour of the layout begins with.
_CONTOURS = {"61": "lips", "78": "mouth", "263": "left_eye", "33": "right_eye", "276": "left_brow", "46": "right_brow"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """The arm, hand and leg of a side, as indices of landmarks.

    Attributes:
        arm: Shoulder, elbow and wrist.
        leg: Hip, knee and ankle.
        wrist: The wrist of the hand, whose place is known better than that of the arm's.
        palm: Landmarks around the palm.
        fingers: Each from its base to its tip, thumb first.
    """

    arm: tuple[int, ...]
    leg: tuple[int, ...]
    wrist: int
    palm: tuple[int, ...]
    fingers: tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signer:
    """What is drawn of a person who signs, as indices of landmarks and lengths in shoulder widths.

    Attributes:
        sides: `left` and `right`.
        ears: Left and right ear.
        eyes: Left and right eye of the body, drawn where the face was not detected.
        mouth: Its corners, of the body.
        nose: Of the body.
        chin: Of the face.
        tip: Tip of the nose, of the face.
        contours: Closed lines of the face by name.
        radii: Half the thickness of what is drawn as limbs, by name.

    Example:
        >>> len(SIGNER.sides["left"].fingers), len(SIGNER.contours["lips"])
        (5, 20)
    """

    sides: Mapping[str, Side]
    ears: tuple[int, int]
    eyes: tuple[int, int]
    mouth: tuple[int, int]
    nose: int
    chin: int
    tip: int
    contours: Mapping[str, tuple[int, ...]]
    radii: Mapping[str, float]


def _body(*names: str) -> tuple[int, ...]:
    return tuple(HOLISTIC.landmark(f"body/{name}") for name in names)


def _side(side: str) -> Side:
    def hand(*names: str) -> tuple[int, ...]:
        return tuple(HOLISTIC.landmark(f"{side}_hand/{name}") for name in names)

    upper = side.upper()
    return Side(
        arm=_body(f"{upper}_SHOULDER", f"{upper}_ELBOW", f"{upper}_WRIST"),
        leg=_body(f"{upper}_HIP", f"{upper}_KNEE", f"{upper}_ANKLE"),
        wrist=hand("WRIST")[0],
        palm=hand(*_PALM),
        fingers=tuple(hand(*finger) for finger in _FINGERS),
    )


def _contours() -> dict[str, tuple[int, ...]]:
    """Follows the bones of the face: a contour ends where the next bone begins elsewhere."""
    found: dict[str, list[int]] = {}
    ends = [("", ""), *HOLISTIC.part("face").bones]
    for before, bone in itertools.pairwise(ends):
        if bone[0] != before[1]:
            line = found[_CONTOURS[bone[0]]] = []
        line.append(HOLISTIC.landmark(f"face/{bone[0]}"))
    return {name: tuple(line) for name, line in found.items()}


SIGNER = Signer(
    sides={"left": _side("left"), "right": _side("right")},
    ears=(_body("LEFT_EAR")[0], _body("RIGHT_EAR")[0]),
    eyes=(_body("LEFT_EYE")[0], _body("RIGHT_EYE")[0]),
    mouth=(_body("MOUTH_LEFT")[0], _body("MOUTH_RIGHT")[0]),
    nose=_body("NOSE")[0],
    chin=HOLISTIC.landmark("face/152"),
    tip=HOLISTIC.landmark("face/1"),
    contours=_contours(),
    radii={
        "shoulder": 0.125,
        "elbow": 0.085,
        "wrist": 0.055,
        "hip": 0.13,
        "knee": 0.12,
        "ankle": 0.07,
        "neck": 0.1,
        "palm": 0.034,
        "finger": 0.031,
        "tip": 0.023,
    },
)
"""How a person of the layout HOLISTIC is drawn."""


def placed(
    clip: SignClip,
) -> tuple[Float32[np.ndarray, "time landmarks 3"], Bool[np.ndarray, "time landmarks"]]:
    """Returns the landmarks of a clip as they are drawn, and which were detected.

    Detectors measure the depth of hands and face from the wrist and the head, so both are moved in depth to where the
    body has them. Legs that are a guess are left out.

    Example:
        >>> positions, seen = placed(SignClip(key="a", frames=np.zeros((2, 540), np.float32), fps=25.0, gloss="A"))
        >>> positions.shape, seen.any()
        ((2, 169, 3), np.False_)
    """
    seen = clip.layout.detected(clip.frames)
    positions = clip.frames[:, clip.layout.position_features].copy()
    joints = [(f"{side}_hand", SIGNER.sides[side].wrist, SIGNER.sides[side].arm[2]) for side in SIGNER.sides]
    for part, own, place in [*joints, ("face", SIGNER.tip, SIGNER.nose)]:
        both = seen[:, own] & seen[:, place]
        offset = np.where(both, positions[:, place, 2] - positions[:, own, 2], np.float32(0))
        positions[:, clip.layout.part_landmarks(part), 2] += offset[:, None]
    for side in ("LEFT", "RIGHT"):
        for name in ("KNEE", "ANKLE", "HEEL", "FOOT_INDEX"):
            visibility = clip.frames[:, clip.layout.feature(f"body/{side}_{name}", "visibility")]
            seen[:, clip.layout.landmark(f"body/{side}_{name}")] &= visibility >= SURELY_SEEN
    return positions, seen


@dataclasses.dataclass(frozen=True, kw_only=True)
class Space:
    """The part of space that is shown, in shoulder widths about the middle of the shoulders, y downwards.

    Attributes:
        reach: Half its width.
        top: Its upper edge.
        bottom: Its lower edge.

    Example:
        >>> clip = SignClip(key="a", frames=np.zeros((2, 540), np.float32), fps=25.0, gloss="A")
        >>> Space.of([clip])
        Space(reach=1.2, top=-1.2, bottom=1.5)
    """

    reach: float = 1.2
    top: float = -1.2
    bottom: float = 1.5

    @classmethod
    def of(cls, clips: Sequence[SignClip]) -> "Space":
        """Returns the space from the head to the hips that nearly all hands stay in, at most half as wide again."""
        hands = [place for side in SIGNER.sides.values() for place in (side.wrist, *(own[-1] for own in side.fingers))]
        seen = np.concatenate([clip.layout.detected(clip.frames)[:, hands].reshape(-1) for clip in clips])
        positions = np.concatenate([clip.frames[:, clip.layout.position_features[hands]] for clip in clips])
        points = positions.reshape(-1, 3)[seen]
        if not len(points):
            return cls()
        return cls(
            reach=round(float(np.clip(np.quantile(np.abs(points[:, 0]), 0.98) + 0.1, cls.reach, 1.8)), 3),
            top=round(float(np.clip(np.quantile(points[:, 1], 0.02) - 0.1, -1.7, cls.top)), 3),
            bottom=round(float(np.clip(np.quantile(points[:, 1], 0.98) + 0.1, cls.bottom, 1.9)), 3),
        )
