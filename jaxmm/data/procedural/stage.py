"""The stage on which actions are laid out over time, and what the body does by itself while they happen."""

import dataclasses
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float32

from jaxmm.data.procedural.curves import ease, keyed
from jaxmm.data.procedural.figure import REST_ARM, Controls, pose
from jaxmm.data.procedural.style import Style

Three: TypeAlias = tuple[float, float, float]
Four: TypeAlias = tuple[float, float, float, float]

SIGN = (1.0, -1.0)
"""Sign of the sideways direction for each side: 0 is left, 1 is right."""

_STILL: Three = (0.0, 0.0, 0.0)
_REST_LEG: Four = (0.0, 6.0, 2.0, 12.0)
_LEG_SCALE = np.array([1.0, np.pi / 180.0, np.pi / 180.0, np.pi / 180.0])
_TOES_AHEAD = 0.118
_SIDES = np.array(SIGN)


@dataclasses.dataclass(frozen=True)
class Span:
    """A stretch of time in seconds.

    Example:
        >>> Span(1.0, 3.0).part(0.5, 1.0)
        Span(start=2.0, end=3.0)
    """

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Length of the span."""
        return self.end - self.start

    def at(self, part: float) -> float:
        """Returns the time at which a share of the span has passed."""
        return self.start + part * self.seconds

    def part(self, start: float, end: float) -> "Span":
        """Returns the span between two shares of this one."""
        return Span(self.at(start), self.at(end))

    def split(self, count: int) -> tuple["Span", ...]:
        """Returns `count` equal spans that follow each other."""
        return tuple(self.part(index / count, (index + 1) / count) for index in range(count))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Step:
    foot: int
    span: Span
    toes: Float[np.ndarray, "2"]
    yaw: float
    lift: float
    push: float
    strike: float


class Stage:
    """Collects what actions do to the figure, and turns it into positions.

    Actions add to the controls, so that they compose in any order. Each begins and ends in a quiet stance: keys give
    the time as a share of the span and what holds there, and at both ends of the span the figure is at rest. Angles
    are in degrees, and grow ahead and to the left, or outward for a limb.

    Attributes:
        style: Who performs.
        time: Time of each frame in seconds.
        controls: What drives the figure so far, in radians and metres.
        place: Where the figure stands when the next action begins, x and z in metres.
        heading: Where it then faces, in radians.

    Example:
        >>> Stage(Style.neutral(), num_frames=40, fps=20.0).positions().shape
        (40, 25, 3)
    """

    def __init__(self, style: Style, *, num_frames: int, fps: float) -> None:
        self.style = style
        self.time = np.arange(num_frames) / fps
        self.controls = Controls.still(num_frames)
        self.place = np.zeros(2)
        self.heading = 0.0
        self._steps: list[_Step] = []

    def arm(self, side: int, span: Span, *keys: tuple[float, Four]) -> None:
        """Moves one arm: raised ahead, raised outward, turned outward, bent at the elbow."""
        moved = np.radians(self._keyed(span, keys, REST_ARM) - REST_ARM)
        self.controls.arms[:, side] += moved * self.style.amplitude

    def arms(self, span: Span, *keys: tuple[float, Four]) -> None:
        """Moves both arms alike."""
        for side in (0, 1):
            self.arm(side, span, *keys)

    def pelvis(self, span: Span, *keys: tuple[float, Three]) -> None:
        """Turns the pelvis: pitch, yaw, roll."""
        self.controls.pelvis[:] += np.radians(self._keyed(span, keys, _STILL))

    def spine(self, span: Span, *keys: tuple[float, Three]) -> None:
        """Bends the spine: pitch, yaw, roll."""
        self.controls.spine[:] += np.radians(self._keyed(span, keys, _STILL)) * self.style.amplitude

    def head(self, span: Span, *keys: tuple[float, Three]) -> None:
        """Turns the head: pitch, yaw, roll."""
        self.controls.head[:] += np.radians(self._keyed(span, keys, _STILL))

    def leg(self, side: int, span: Span, *keys: tuple[float, Four]) -> None:
        """Frees a leg from its foot by a share from 0 to 1: raised ahead, raised outward, bent at the knee."""
        self.controls.legs[:, side] += self._keyed(span, keys, _REST_LEG) * _LEG_SCALE

    def shift(self, span: Span, *keys: tuple[float, Three]) -> None:
        """Moves the hips to the left, up, and ahead, in shares of the length of a leg."""
        left, up, ahead = self._keyed(span, keys, _STILL).T * self.style.body.leg_length
        self.controls.rise[:] += up
        self.controls.place[:] += left[:, None] * self.left() + ahead[:, None] * self.ahead()

    def step(
        self,
        foot: int,
        span: Span,
        *,
        place: Float[np.ndarray, "2"],
        heading: float,
        lift: float,
        push: float = 0.0,
        strike: float = 0.0,
    ) -> None:
        """Moves a foot to where it belongs when the figure stands at a place; steps of one foot come in order.

        Args:
            foot: 0 left, 1 right.
            span: From leaving the ground to landing.
            place: Where the figure would stand, x and z in metres.
            heading: Where it would face, in radians.
            lift: Height of the toes halfway, in metres.
            push: Pitch of the foot as it leaves the ground, heel up, in radians.
            strike: Pitch at landing, toes up, in radians.
        """
        toes, yaw = self._stance(foot, place, heading)
        self._steps.append(_Step(foot=foot, span=span, toes=toes, yaw=yaw, lift=lift, push=push, strike=strike))

    def left(self) -> Float[np.ndarray, "2"]:
        """Returns the direction to the figure's left, x and z, where the next action begins."""
        return np.array([np.cos(self.heading), -np.sin(self.heading)])

    def ahead(self) -> Float[np.ndarray, "2"]:
        """Returns the direction ahead of the figure, x and z, where the next action begins."""
        return np.array([np.sin(self.heading), np.cos(self.heading)])

    def positions(self) -> Float32[np.ndarray, "time 25 3"]:
        """Returns the motion of the figure, which begins at the place and heading of its style."""
        lifted = self._plant()
        self._accompany(lifted)
        self._live()
        positions = pose(self.style.body, self.controls)
        turn = self.style.heading - self.controls.heading[0]
        cosine, sine = np.cos(turn), np.sin(turn)
        ground = np.array([[cosine, 0.0, -sine], [0.0, 1.0, 0.0], [sine, 0.0, cosine]])
        start = positions[0, 0] * np.array([1.0, 0.0, 1.0])
        there = np.array([self.style.place[0], 0.0, self.style.place[1]])
        return ((positions - start) @ ground + there).astype(np.float32)

    def _keyed(
        self, span: Span, keys: tuple[tuple[float, tuple[float, ...]], ...], rest: tuple[float, ...]
    ) -> Float[np.ndarray, "time channels"]:
        times = [span.start, *[span.at(part) for part, _ in keys], span.end]
        return keyed(self.time, times, np.array([rest, *[values for _, values in keys], rest], np.float64))

    def _stance(self, foot: int, place: Float[np.ndarray, "2"], heading: float) -> tuple[Float[np.ndarray, "2"], float]:
        sine, cosine = float(np.sin(heading)), float(np.cos(heading))
        aside = SIGN[foot] * self.style.stance * np.array([cosine, -sine])
        ahead = _TOES_AHEAD * self.style.body.leg_length * np.array([sine, cosine])
        return place + aside + ahead, heading + SIGN[foot] * self.style.toe_out

    def _plant(self) -> Float[np.ndarray, "time 2"]:
        """Carries the feet through their steps; returns how high the toes of each are lifted."""
        toes, feet, aloft, time = self.controls.toes, self.controls.feet, self.controls.aloft, self.time
        lifted = np.zeros((len(time), 2))
        places = [self._stance(foot, np.zeros(2), 0.0) for foot in (0, 1)]
        for foot in (0, 1):
            toes[:, foot, ::2], feet[:, foot, 0] = places[foot]
        for step in self._steps:
            foot, start, end = step.foot, step.span.start, step.span.end
            place, yaw = places[foot]
            part = np.clip((time - start) / (end - start), 0.0, 1.0)
            done, height = ease(part, 0.0, 0.9), np.sin(np.pi * part) ** 2
            pushing = ease(time, step.span.at(-0.6), step.span.at(0.2)) * (1.0 - ease(part, 0.25, 0.8))
            striking = ease(part, 0.5, 0.95) * (1.0 - ease(time, end, end + 0.12))
            toes[:, foot, ::2] += done[:, None] * (step.toes - place)
            # A foot that lands on its heel carries its toes above the ground until it lies flat.
            toes[:, foot, 1] += step.lift * height + 0.15 * np.sin(step.strike) * striking
            feet[:, foot, 0] += done * (step.yaw - yaw)
            feet[:, foot, 1] += step.push * pushing - step.strike * striking
            aloft[:, foot] += height
            lifted[:, foot] += step.lift * height
            places[foot] = step.toes, step.yaw
        return lifted

    def _accompany(self, lifted: Float[np.ndarray, "time 2"]) -> None:
        """Adds what follows from the feet: weight over the standing leg, turning hips, counter-swinging arms."""
        controls = self.controls
        ahead = np.stack([np.sin(controls.heading), np.cos(controls.heading)], axis=1)
        left = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)
        apart = ((controls.toes[:, 0] - controls.toes[:, 1])[:, ::2] * ahead).sum(axis=1)
        unequal = controls.aloft[:, 1] - controls.aloft[:, 0]
        controls.place[:] += (0.025 * unequal)[:, None] * left
        controls.pelvis[:, 1] -= 0.28 * apart
        controls.pelvis[:, 2] -= 0.06 * unequal
        controls.spine[:, 1] += 0.5 * apart
        controls.spine[:, 2] += 0.07 * unequal
        swing = (-0.62 * apart + 1.1 * (lifted[:, 1] - lifted[:, 0]))[:, None] * _SIDES
        controls.arms[..., 0] += self.style.amplitude * swing
        controls.arms[..., 3] += 0.4 * np.maximum(swing, -0.25) + 0.05 * np.abs(swing)

    def _live(self) -> None:
        """Adds posture and noise, keeps the gaze level, and lets the head lead a turn."""
        controls, style = self.controls, self.style
        noise = style.noise(self.time)
        controls.pelvis[:] += noise[:, 0:3]
        controls.spine[:] += noise[:, 3:6] + style.posture
        controls.arms[:] += noise[:, 9:17].reshape(-1, 2, 4) + style.arm_rest
        controls.arms[..., 3] = np.clip(controls.arms[..., 3], 0.05, 2.6)
        controls.place[:] += noise[:, 17:19]
        trunk = controls.pelvis + controls.spine
        controls.head[:] += noise[:, 6:9] - trunk * np.array([0.45, 0.75, 0.6])
        soon = np.interp(self.time + 0.25, self.time, controls.heading)
        controls.head[:, 1] += np.clip(soon - controls.heading, -0.6, 0.6)
