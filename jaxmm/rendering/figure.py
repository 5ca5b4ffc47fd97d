"""A skeleton with flesh and clothes: parts that are convex outlines of balls, drawn from far to near."""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Float64, Int

from jaxmm.data.motion import Skeleton
from jaxmm.page.body import Body
from jaxmm.rendering.appearance import Appearance, Colour
from jaxmm.rendering.camera import Camera

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_ANGLES = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_RIM = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_MOST_BALLS = 4
_HEAD_POINTS = 6
_EYES: Colour = (0.08, 0.07, 0.08)
# Each part is drawn in layers from its shadowed edge to the light: shift and size in radii, and what is done to colour.
_LAYERS = ((0.0, 1.0, 0.62, 0.0), (0.2, 0.76, 0.95, 0.0), (0.38, 0.4, 1.0, 0.16))
_DEPTH_SHADE = 0.35  # of a metre
_TO_LIGHT = np.array([-0.6, -0.8])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Balls of one colour that are wrapped into one shape.

    Attributes:
        balls: Points, by number, and radii in metres; one to four.
        colour: Of its lit middle.
        nearer: Metres that it is drawn as if nearer than it is.
        plain: Whether it is not shaded.

    Example:
        >>> Part(balls=((0, 0.1), (1, 0.08)), colour=(1.0, 0.0, 0.0)).nearer
        0.0
    """

    balls: tuple[tuple[int, float], ...]
    colour: Colour
    nearer: float = 0.0
    plain: bool = False


class Figure:
    """A person of some appearance on a skeleton, in whatever it does.

    Args:
        skeleton: Names and parents of the joints.
        positions: A motion, by which lengths are measured.
        appearance: Body and clothes.

    Example:
        >>> from jaxmm.data.procedural import motions
        >>> walk = next(iter(motions("train", seed=0, takes=1)))
        >>> figure = Figure(walk.skeleton, walk.positions, Appearance())
        >>> figure.posed(walk.positions).shape[1] - walk.skeleton.num_joints
        6
    """

    def __init__(
        self, skeleton: Skeleton, positions: Float32[np.ndarray, "time joints 3"], appearance: Appearance
    ) -> None:
        self._skeleton, self._appearance = skeleton, appearance
        self._body = Body.of(skeleton, [positions])
        self._limbs = _limbs(skeleton, self._body)
        self._parts = list(self._flesh()) + list(self._head_parts())
        balls = [(part.balls * _MOST_BALLS)[:_MOST_BALLS] for part in self._parts]
        self._points = np.array([[point for point, _ in own] for own in balls], int).reshape(-1, _MOST_BALLS)
        self._radii = np.array([[radius for _, radius in own] for own in balls]).reshape(-1, _MOST_BALLS)
        self._nearer = np.array([part.nearer for part in self._parts])
        self._colours = np.array([part.colour for part in self._parts]).reshape(-1, 3)

    def posed(self, positions: Float32[np.ndarray, "time joints 3"]) -> Float32[np.ndarray, "time points 3"]:
        """Returns the joints with this body's proportions, and the points of the head after them."""
        factors = np.ones(self._skeleton.num_joints, np.float32)
        for joint, (limb, _) in self._limbs.items():
            factors[joint] = self._appearance.legs if limb == "leg" else self._appearance.arms
        posed = np.empty_like(positions)
        posed[:, 0] = positions[:, 0] * np.float32(self._appearance.legs)
        for joint, parent in enumerate(self._skeleton.parents[1:], start=1):
            posed[:, joint] = posed[:, parent] + (positions[:, joint] - positions[:, parent]) * factors[joint]
        return np.concatenate([posed, self._head_points(posed)], axis=1)

    def radii(self) -> Float64[np.ndarray, "points"]:
        """Returns the radius of the largest ball about each point that `posed` returns, in metres."""
        num_points = self._skeleton.num_joints + (0 if self._body.head is None else _HEAD_POINTS)
        largest = np.zeros(num_points)
        np.maximum.at(largest, self._points, self._radii)
        return largest

    def facing(self, posed: Float32[np.ndarray, "time points 3"]) -> Float32[np.ndarray, "time 3"]:
        """Returns where the chest faces, level with the ground; +z where left and right cannot be told."""
        if not self._body.trunk:
            return np.tile(np.array([0, 0, 1], np.float32), (len(posed), 1))
        left, right = self._body.trunk[0][:2]
        across = posed[:, left] - posed[:, right]
        ahead = np.stack([-across[:, 2], np.zeros(len(posed), np.float32), across[:, 0]], axis=1)
        return ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-6)

    def outlines(
        self,
        posed: Float32[np.ndarray, "time points 3"],
        camera: Camera,
        target: Float[np.ndarray, "time 3"],
        *,
        size: int,
    ) -> "Outlines":
        """Returns what is drawn, frame by frame.

        Args:
            posed: What `posed` returned.
            camera: Sees it.
            target: What is in the middle of each picture.
            size: Edge of the pictures in pixels.
        """
        pixels, depth = camera.project(posed, target, size=size)
        centres, deep = pixels[:, self._points], depth[:, self._points]
        radii = self._radii * camera.focal(size) / deep
        layers = [
            outline(centres + shift * radii[..., None] * _TO_LIGHT, share * radii) for shift, share, _, _ in _LAYERS
        ]
        far = deep.mean(-1) - self._nearer
        shade = np.clip(1 - _DEPTH_SHADE * (far - depth[:, :1]), 0.6, 1.15)[..., None]
        colours = [(self._colours * dark * (1 - light) + light) * shade for _, _, dark, light in _LAYERS]
        return Outlines(
            polygons=np.stack(layers, axis=2),
            colours=np.clip(np.stack(colours, axis=2) * 255, 0, 255).astype(np.int64),
            order=np.argsort(-far, axis=1, kind="stable"),
            layers=np.array([1 if part.plain else len(_LAYERS) for part in self._parts], np.int64),
        )

    def _flesh(self) -> Iterator[Part]:
        """Yields trunk and limbs."""
        body, own, thick = self._body, self._appearance, self._appearance.thickness
        radii = [radius * thick for radius in body.radii]
        for place, group in enumerate(body.trunk):
            colour = own.shirt if place == 0 else own.trousers
            # Shoulders and hips are narrower than a ball of the limb's width at the joint would make them.
            yield Part(
                balls=tuple((joint, radii[joint] * 0.95) for joint in group), colour=colour, nearer=-0.02 * place
            )
        covered = {joint for group in body.trunk for joint in group[2:]}
        for parent, joint, _ in body.bones:
            limb, number = self._limbs.get(joint, ("trunk", 0))
            colour = self._colour_of(limb, number)
            first = radii[parent] if limb != "trunk" else radii[joint]
            balls = ((parent, first), (joint, radii[joint] * (1.15 if limb == "arm" and number >= 2 else 1.0)))
            if parent in covered:  # the lower end of the neck lies in the shirt
                yield Part(balls=balls, colour=own.shirt, nearer=-0.1)
            else:
                yield Part(balls=balls, colour=colour, nearer=0.03 if limb == "arm" else 0.0)

    def _colour_of(self, limb: str, number: int) -> Colour:
        own = self._appearance
        if limb == "arm":
            return own.shirt if number == 0 else (own.skin if own.bare_arms or number > 1 else own.shirt)
        if limb == "leg":
            return (
                own.trousers
                if number == 0
                else own.shoes
                if number > 1
                else own.skin
                if own.bare_legs
                else own.trousers
            )
        return own.skin

    def _head_parts(self) -> Iterator[Part]:
        if self._body.head is None:
            return
        own, radius = self._appearance, self._body.head.radius * self._appearance.head
        middle, crown, face, left, right, nape = range(
            self._skeleton.num_joints, self._skeleton.num_joints + _HEAD_POINTS
        )
        yield Part(balls=((middle, 0.9 * radius), (face, 0.72 * radius)), colour=own.skin)
        if own.long_hair:
            yield Part(balls=((crown, radius), (nape, 0.75 * radius)), colour=own.hair)
        else:
            yield Part(balls=((crown, radius),), colour=own.hair)
        for eye in (left, right):
            yield Part(balls=((eye, 0.14 * radius),), colour=_EYES, nearer=0.3 * radius, plain=True)

    def _head_points(self, posed: Float32[np.ndarray, "time joints 3"]) -> Float32[np.ndarray, "time points 3"]:
        """Returns the middle of the head, the crown, the lower face, both eyes, and the nape."""
        head = self._body.head
        if head is None:
            return posed[:, :0]
        up = posed[:, head.joint] - posed[:, head.base]
        up = up / np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-6)
        ahead = self.facing(posed)
        ahead = ahead - up * (ahead * up).sum(1, keepdims=True)
        ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-6)
        aside = np.cross(up, ahead)
        middle, radius = posed[:, head.joint] + head.lift * up, head.radius * self._appearance.head
        offsets = (
            (0, 0, 0),
            (-0.24, 0.22, 0),
            (0.3, -0.22, 0),
            (0.92, 0.08, 0.34),
            (0.92, 0.08, -0.34),
            (-0.5, -1.3, 0),
        )
        points = [middle + radius * (front * ahead + high * up + side * aside) for front, high, side in offsets]
        return np.stack(points, axis=1).astype(np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Outlines:
    """What is drawn of a figure.

    Attributes:
        polygons: Outline of each layer of each part, in pixels.
        colours: Their red, green and blue, 0 to 255.
        order: The parts from far to near.
        layers: How many layers of a part are drawn.
    """

    polygons: Float64[np.ndarray, "time parts layers corners 2"]
    colours: Int[np.ndarray, "time parts layers 3"]
    order: Int[np.ndarray, "time parts"]
    layers: Int[np.ndarray, "parts"]

    def draw(self, brush: "ImageDraw", frame: int) -> None:
        """Draws a frame on a picture."""
        polygons = self.polygons[frame].reshape(*self.polygons.shape[1:3], 2 * len(_ANGLES)).tolist()
        colours = self.colours[frame].tolist()
        for part in self.order[frame].tolist():
            for layer in range(self.layers[part]):
                brush.polygon(polygons[part][layer], fill=tuple(colours[part][layer]))


def outline(
    centres: Float[np.ndarray, "*shapes balls 2"], radii: Float[np.ndarray, "*shapes balls"]
) -> Float64[np.ndarray, "*shapes corners 2"]:
    """Returns the convex outline of discs, by the disc that reaches furthest in each of twenty directions.

    Example:
        >>> corners = outline(np.array([[0.0, 0.0], [4.0, 0.0]]), np.array([1.0, 2.0]))
        >>> corners[0].tolist(), corners[10].round(6).tolist()
        ([6.0, 0.0], [-1.0, 0.0])
    """
    reach = centres @ _RIM.T + radii[..., None]
    furthest = reach.argmax(-2)
    chosen = np.take_along_axis(centres, furthest[..., None], -2)
    return chosen + np.take_along_axis(radii, furthest, -1)[..., None] * _RIM


def _limbs(skeleton: Skeleton, body: Body) -> dict[int, tuple[str, int]]:
    """Tells of each joint of arms and legs which it is, and how many bones come before its own."""
    if not body.trunk:
        return {}
    starts = dict.fromkeys(body.trunk[0][:2], "arm") | dict.fromkeys(body.trunk[1][:2], "leg")
    found: dict[int, tuple[str, int]] = {}
    for joint, parent in enumerate(skeleton.parents):
        if parent in starts:
            found[joint] = starts[parent], 0
        elif parent in found:
            found[joint] = found[parent][0], found[parent][1] + 1
    return found
