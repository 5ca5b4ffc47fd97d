"""Pictures of a person who signs, seen from the front: what animations are made of."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from jaxmm.data.sign.clip import SignClip
from jaxmm.errors import MissingExtraError
from jaxmm.page.signer import SIGNER, Side, Space, placed

if TYPE_CHECKING:
    from PIL.Image import Image

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

_FINER = 3  # Pictures are drawn so many times as large, and made smaller, to smooth their edges.
_BACKDROP, _GARMENT, _SKIN, _HAIR, _PEN, _LIPS = (
    (246, 245, 241),
    (103, 112, 133),
    (222, 210, 199),
    (84, 76, 76),
    (34, 37, 44),
    (180, 97, 92),
)
_EYE, _SHADE, _SHINE = (255, 255, 255), (20, 26, 43), (255, 255, 255)
_HANDS: dict[str, Colour] = {"left": (47, 127, 181), "right": (214, 112, 60)}


def sign_pictures(clip: SignClip, *, height: int = 480, space: Space | None = None) -> "Iterator[Image]":
    """Draws each frame of a clip.

    Args:
        clip: The clip; a landmark at zero is not drawn.
        height: Of the pictures, in pixels; rounded to an even number, as is the width.
        space: What is shown; by default what the clip needs.

    Yields:
        One picture a frame, all of one size.

    Raises:
        MissingExtraError: If the extra `plots` is not installed.

    Example:
        >>> clip = SignClip(key="hello", frames=np.zeros((2, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> [picture.size for picture in sign_pictures(clip, height=90)]
        [(80, 90), (80, 90)]
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError.of("pillow", extra="plots") from error
    space = space or Space.of([clip])
    scale = 2 * round(height / 2) / (space.bottom - space.top)
    size = (2 * round(space.reach * scale), 2 * round(height / 2))
    positions, seen = placed(clip)
    radius = _head_radius(positions, seen)
    for pose, known in zip(positions, seen, strict=True):
        picture = Image.new("RGB", (size[0] * _FINER, size[1] * _FINER), _BACKDROP)
        pixels = (pose - np.array([-space.reach, space.top, 0])) * scale * _FINER
        _Figure(picture, pixels, known, scale * _FINER).draw(radius)
        yield picture.resize(size, Image.Resampling.BOX)


def _head_radius(positions: Float[np.ndarray, "time landmarks 3"], seen: Bool[np.ndarray, "time landmarks"]) -> float:
    left, right = SIGNER.ears
    both = seen[:, left] & seen[:, right]
    widths = np.linalg.norm(positions[both, left] - positions[both, right], axis=-1)
    return 0.56 * float(np.median(widths)) if len(widths) and widths.any() else 0.21


class _Figure:
    """One frame while it is drawn: positions are pixels of the picture, depth included."""

    def __init__(
        self,
        picture: "Image",
        pose: Float[np.ndarray, "landmarks 3"],
        seen: Bool[np.ndarray, "landmarks"],
        unit: float,
    ) -> None:
        from PIL import ImageDraw

        self._brush = ImageDraw.Draw(picture)
        self._pose = pose
        self._seen = seen
        self._unit = unit

    def draw(self, head_radius: float) -> None:
        """Draws all that was detected, from far to near."""
        self._trunk()
        self._head(head_radius * self._unit)
        depths = {name: self._pose[side.wrist if self._seen[side.wrist] else side.arm[2], 2] for name, side in _sides()}
        for name, side in sorted(_sides(), key=lambda item: -depths[item[0]]):
            self._arm(side, _HANDS[name])

    def _has(self, *landmarks: int) -> bool:
        return bool(self._seen[list(landmarks)].all())

    def _hull(self, discs: Sequence[tuple[np.ndarray, float]], colour: Colour, *, rim: float = 0.0) -> None:
        """Fills the convex outline of discs whose radii are pixels, with a darker rim around it."""
        for wide, own in ((rim * self._unit, _mix(colour, _SHADE, 0.55)), (0.0, colour)):
            if wide or own == colour:
                self._brush.polygon(_outline([(centre, radius + wide) for centre, radius in discs]), fill=own)

    def _limb(self, start: np.ndarray, end: np.ndarray, radii: tuple[str, str], colour: Colour) -> None:
        first, second = (SIGNER.radii[name] * self._unit for name in radii)
        self._hull([(start, first), (end, second)], colour, rim=0.008)
        light = np.array([-0.3, -0.35, 0.0])
        discs = [(start + light * first, 0.5 * first), (end + light * second, 0.5 * second)]
        self._hull(discs, _mix(colour, _SHINE, 0.1))

    def _trunk(self) -> None:
        (left, right), radii, unit = (side.arm[0] for _, side in _sides()), SIGNER.radii, self._unit
        if not self._has(left, right):
            return
        shoulders = [self._pose[left], self._pose[right]]
        neck = (shoulders[0] + shoulders[1]) / 2
        hips = [side.leg[0] for _, side in _sides()]
        down = np.array([0.0, unit, 0.0])
        ends = [self._pose[hip] for hip in hips] if self._has(*hips) else [_towards(own, neck) for own in shoulders]
        ends = ends if self._has(*hips) else [end + 1.4 * down for end in ends]
        for _, side in _sides():
            for (start, end), names in zip(((0, 1), (1, 2)), (("hip", "knee"), ("knee", "ankle")), strict=True):
                if self._has(side.leg[start], side.leg[end]):
                    colour = _mix(_GARMENT, _SHADE, 0.25)
                    self._limb(self._pose[side.leg[start]], self._pose[side.leg[end]], names, colour)
        discs = [(own, radii["shoulder"] * unit) for own in shoulders]
        discs += [(end + drop * down, radii["hip"] * unit) for end in ends for drop in (0.0, 0.4)]
        self._hull([*discs, (neck - 0.11 * down, 0.11 * unit)], _GARMENT, rim=0.008)
        if self._has(*SIGNER.ears):
            throat = self._pose[list(SIGNER.ears)].mean(axis=0) + 0.16 * down
            width = radii["neck"] * unit
            self._hull([(neck - 0.08 * down, 1.25 * width), (throat, width)], _mix(_SKIN, _SHADE, 0.22))

    def _head(self, radius: float) -> None:
        if not self._has(*SIGNER.ears):
            return
        ears = self._pose[list(SIGNER.ears)]
        middle, side = ears.mean(axis=0), _unit(ears[0] - ears[1])
        up = np.array([side[1], -side[0], 0.0])
        up = _unit(up if up[1] < 0 else -up)
        crown = middle + 0.42 * radius * up
        has_face = self._has(*range(min(SIGNER.contours["lips"]), max(SIGNER.contours["lips"]) + 1), SIGNER.chin)
        jaw = self._pose[SIGNER.chin] + 0.68 * radius * up if has_face else middle - 0.9 * radius * up
        cheeks = self._pose[SIGNER.tip] if has_face else middle
        for ear in ears:
            self._hull([(ear, 0.19 * radius)], _mix(_SKIN, _SHADE, 0.16))
        self._hull([(crown + 0.04 * radius * up, 1.06 * radius)], _HAIR)
        face = [(crown - 0.12 * radius * up, 0.92 * radius), (cheeks, 0.86 * radius), (jaw, 0.67 * radius)]
        self._hull(face, _SKIN)
        if has_face:
            self._face()
        else:
            self._plain_face()

    def _face(self) -> None:
        unit, lines = self._unit, {name: self._pose[list(own), :2] for name, own in SIGNER.contours.items()}
        tip = self._pose[SIGNER.tip, :2] + np.array([0, 0.012 * unit])
        box = [tuple(tip - 0.036 * unit), tuple(tip + 0.024 * unit)]
        self._brush.arc(box, 20, 160, fill=_mix(_SKIN, _SHADE, 0.4), width=max(1, round(0.013 * unit)))
        for name in ("left_eye", "right_eye"):
            eye = lines[name]
            self._brush.polygon(_points(eye), fill=_EYE)
            centre, reach = (eye.min(axis=0) + eye.max(axis=0)) / 2, (eye.max(axis=0) - eye.min(axis=0)) / 2
            iris = np.minimum([0.027 * unit] * 2, [0.9 * reach[0], max(reach[1], 0.004 * unit)])
            self._brush.ellipse([tuple(centre - iris), tuple(centre + iris)], fill=_PEN)
            self._line(eye, 0.011, _PEN)
        for name in ("left_brow", "right_brow"):
            self._brush.polygon(_points(lines[name]), fill=_mix(_HAIR, _PEN, 0.4))
            self._line(lines[name], 0.008, _mix(_HAIR, _PEN, 0.4))
        for name, colour in (("lips", _LIPS), ("mouth", _mix(_LIPS, _SHADE, 0.75))):
            self._brush.polygon(_points(lines[name]), fill=colour)
            self._line(lines[name], 0.007, colour)

    def _line(self, points: np.ndarray, width: float, colour: Colour) -> None:
        closed = _points([*points, points[0]])
        self._brush.line(closed, fill=colour, width=max(1, round(width * self._unit)), joint="curve")

    def _plain_face(self) -> None:
        """Eyes and mouth as the body has them, where the face was not detected."""
        for eye in SIGNER.eyes:
            if self._has(eye):
                self._hull([(self._pose[eye], 0.024 * self._unit)], _PEN)
        if self._has(*SIGNER.mouth):
            self._hull([(self._pose[corner], 0.015 * self._unit) for corner in SIGNER.mouth], _LIPS)

    def _arm(self, side: Side, colour: Colour) -> None:
        shoulder, elbow, wrist = side.arm
        has_hand = self._has(side.wrist)
        end = side.wrist if has_hand else wrist
        sleeve = _mix(_GARMENT, _SHINE, 0.12)
        for start, stop, names in ((shoulder, elbow, ("shoulder", "elbow")), (elbow, end, ("elbow", "wrist"))):
            if self._has(start, stop):
                self._limb(self._pose[start], self._pose[stop], names, sleeve)
        if has_hand:
            self._hand(side, colour)
        elif self._has(wrist):
            self._hull([(self._pose[wrist], 1.25 * SIGNER.radii["wrist"] * self._unit)], _mix(colour, _GARMENT, 0.5))

    def _hand(self, side: Side, colour: Colour) -> None:
        """Draws palm and finger segments from far to near, each with a dark rim that sets it off from the others."""
        radii, unit = SIGNER.radii, self._unit
        palm = [place for place in side.palm if self._seen[place]]
        discs = [(self._pose[place], radii["palm"] * unit) for place in palm]
        parts = [(float(self._pose[palm, 2].mean()), discs, _mix(colour, _SHADE, 0.1))]
        for finger in side.fingers:
            joints = [self._pose[place] for place in finger if self._seen[place]]
            for step, (start, end) in enumerate(itertools.pairwise(joints), 1):
                thick = (radii["finger"] + (radii["tip"] - radii["finger"]) * step / (len(joints) - 1)) * unit
                # The outer end counts more: of two bones of a bent finger, the one that comes forward is in front.
                parts.append((float(start[2] + 2 * end[2]) / 3, [(start, thick), (end, thick)], colour))
        for _, discs, own in sorted(parts, key=lambda part: -part[0]):
            self._hull(discs, own, rim=0.009)
            light = np.array([-0.25, -0.25, 0.0])
            if len(discs) == 2:
                self._hull(
                    [(centre + light * radius, 0.32 * radius) for centre, radius in discs], _mix(own, _SHINE, 0.3)
                )


def _sides() -> list[tuple[str, Side]]:
    return list(SIGNER.sides.items())


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(own + (new - own) * share) for own, new in zip(colour, other, strict=True))
    return red, green, blue


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / (np.linalg.norm(vector) or 1.0)


def _towards(point: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Returns where the hip below a shoulder is, seen from the front, but for its height."""
    return middle + 0.65 * (point - middle)


def _points(points: Sequence[np.ndarray] | np.ndarray) -> list[tuple[float, float]]:
    return [(float(point[0]), float(point[1])) for point in points]


_ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_RIM = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def _outline(discs: Sequence[tuple[np.ndarray, float]]) -> list[tuple[float, float]]:
    """Returns the convex outline of discs, by Andrew's monotone chain over points on their rims."""
    rims = sorted({point for centre, radius in discs for point in _points(centre[:2] + radius * _RIM)})
    chains = []
    for points in (rims, rims[::-1]):
        chain: list[tuple[float, float]] = []
        for x, y in points:
            while len(chain) > 1:
                (first_x, first_y), (last_x, last_y) = chain[-2:]
                if (last_x - first_x) * (y - first_y) - (last_y - first_y) * (x - first_x) > 0:
                    break
                chain.pop()
            chain.append((x, y))
        chains += chain[:-1]
    return chains if len(chains) > 1 else [*rims, *rims]
