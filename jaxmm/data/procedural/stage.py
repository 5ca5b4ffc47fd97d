"""The stage on which actions are laid out over time, and what the body does by itself while they happen."""

import dataclasses

import numpy as np
from jaxtyping import Float, Float32

from jaxmm.data.procedural.curves import ease, keyed
from jaxmm.data.procedural.figure import REST_ARM, Controls, pose
from jaxmm.data.procedural.style import Style

Four = tuple[float, float, float, float]
Three = tuple[float, float, float]

SIGN = (1.0, -1.0)
"""Sign of the sideways direction for each side: 0 is left, 1 is right."""

_TOES_AHEAD = 0.1
_SIGNS = np.array(SIGN)


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
class Step:
    """One foot's way from where it stands to another place.

    Attributes:
        foot: 0 left, 1 right.
        span: From leaving the ground to landing.
        toes: Where the base of the toes lands, x and z in metres.
        yaw: Where the foot then points, in radians.
        lift: Height of the toes halfway, in metres.
        push: Pitch of the foot as it leaves the ground, heel up, in radians.
        strike: Pitch at landing, toes up, in radians.
    """

    foot: int
    span: Span
    toes: tuple[float, float]
    yaw: float
    lift: float
    push: float = 0.0
    strike: float = 0.0


class Stage:
    """Collects what actions do to the figure, and turns it into positions.

    Actions add to the controls, so that they compose in any order; each begins and ends in a quiet stance. Angles are
    given in degrees.

    Example:
        >>> Stage(Style.neutral(), num_frames=40, fps=20.0).positions().shape
        (40, 25, 3)
    """

    def __init__(self, style: Style, *, num_frames: int, fps: float) -> None:
        """Sets the figure at the origin, facing +z."""
        self.style = style
        self.time = np.arange(num_frames) / fps
        self.controls = Controls.still(num_frames)
        self.place = np.zeros(2)
        self.heading = 0.0
        self._steps: list[Step] = []

    @property
    def duration(self) -> float:
        """Length of the clip in seconds."""
        return float(self.time[-1])

    def arm(self, side: int, span: Span, *keys: tuple[float, Four]) -> None:
        """Moves an arm through poses: ahead, outward, turned outward, bent; keyed by shares of the span."""
        values = [np.subtract(values, REST_ARM) for _, values in keys]
        self.controls.arms[:, side] += np.radians(self._keyed(span, keys, values)) * self.style.amplitude

    def pelvis(self, span: Span, *keys: tuple[float, Three]) -> None:
        """Turns the pelvis: pitch ahead, yaw left, roll left."""
        self.controls.pelvis[:] += np.radians(self._keyed(span, keys))

    def spine(self, span: Span, *keys: tuple[float, Three]) -> None:
        """Bends the spine: pitch ahead, yaw left, roll left."""
        self.controls.spine[:] += np.radians(self._keyed(span, keys)) * self.style.amplitude

    def head(self, span: Span, *keys: tuple[float, Three]) -> None:
        """Turns the head: pitch ahead, yaw left, roll left."""
        self.controls.head[:] += np.radians(self._keyed(span, keys))

    def leg(self, side: int, span: Span, *keys: tuple[float, Four]) -> None:
        """Frees a leg from its foot: share from 0 to 1; ahead, outward, bent at the knee in degrees."""
        scale = np.array([1.0, *[np.pi / 180.0] * 3])
        self.controls.legs[:, side] += self._keyed(span, keys) * scale

    def shift(self, span: Span, *keys: tuple[float, Three]) -> None:
        """Moves the hips to the left, up, and ahead, in shares of the length of a leg."""
        left, up, ahead = self._keyed(span, keys).T * self.style.body.leg_length
        self.controls.rise[:] += up
        self.controls.place[:] += left[:, None] * self.left() + ahead[:, None] * self.ahead()

    def step(self, step: Step) -> None:
        """Moves a foot; the steps of one foot are given in order and do not overlap."""
        self._steps.append(step)

    def left(self) -> Float[np.ndarray, "2"]:
        """Returns the direction to the figure's left, x and z, where the action began."""
        return np.array([np.cos(self.heading), -np.sin(self.heading)])

    def ahead(self) -> Float[np.ndarray, "2"]:
        """Returns the direction ahead of the figure, x and z, where the action began."""
        return np.array([np.sin(self.heading), np.cos(self.heading)])

    def stance(self, foot: int, place: Float[np.ndarray, "2"], heading: float) -> tuple[tuple[float, float], float]:
        """Returns where the toes and which way the foot points when the figure stands quietly at a place."""
        left, ahead = np.array([np.cos(heading), -np.sin(heading)]), np.array([np.sin(heading), np.cos(heading)])
        toes = place + SIGN[foot] * self.style.stance * left + _TOES_AHEAD * self.style.body.leg_length / 0.85 * ahead
        return (float(toes[0]), float(toes[1])), heading + SIGN[foot] * self.style.toe_out

    def positions(self) -> Float32[np.ndarray, "time 25 3"]:
        """Returns the motion of the figure, which begins at the place and heading of its style."""
        moving = self._plant()
        self._accompany(moving)
        self._breathe()
        positions = pose(self.style.body, self.controls)
        turn = self.style.heading - self.controls.heading[0]
        cosine, sine = np.cos(turn), np.sin(turn)
        ground = np.array([[cosine, 0.0, -sine], [0.0, 1.0, 0.0], [sine, 0.0, cosine]])
        start = positions[0, 0] * np.array([1.0, 0.0, 1.0])
        there = np.array([self.style.place[0], 0.0, self.style.place[1]])
        return ((positions - start) @ ground + there).astype(np.float32)

    def _keyed(self, span: Span, keys: tuple, values: list | None = None) -> Float[np.ndarray, "time channels"]:
        return keyed(self.time, [span.at(part) for part, _ in keys], values or [row for _, row in keys])

    def _plant(self) -> Float[np.ndarray, "time 2"]:
        """Carries the feet through their steps; returns how far off the ground each is, by height."""
        controls, time = self.controls, self.time
        toes = controls.toes
        lifted = np.zeros((len(time), 2))
        for foot in (0, 1):
            place, yaw = self.stance(foot, np.zeros(2), 0.0)
            toes[:, foot, [0, 2]] = place
            controls.feet[:, foot, 0] = yaw
            for step in (step for step in self._steps if step.foot == foot):
                start, end = step.span.start, step.span.end
                done = ease(time, start, end)
                part = np.clip((time - start) / (end - start), 0.0, 1.0)
                airborne = np.sin(np.pi * part) ** 2
                toes[:, foot, [0, 2]] += done[:, None] * (np.array(step.toes) - place)
                controls.feet[:, foot, 0] += done * (step.yaw - yaw)
                off = ease(time, start - 0.6 * step.span.seconds, start + 0.2 * step.span.seconds) * (1.0 - ease(part, 0.25, 0.8))
                tip = ease(part, 0.5, 0.95) * (1.0 - ease(time, end, end + 0.12))
                controls.feet[:, foot, 1] += step.push * off - step.strike * tip
                toes[:, foot, 1] += step.lift * airborne + 0.15 * np.sin(step.strike) * tip
                controls.aloft[:, foot] += airborne
                lifted[:, foot] += step.lift * airborne
                place, yaw = step.toes, step.yaw
        return lifted

    def _accompany(self, lifted: Float[np.ndarray, "time 2"]) -> None:
        """Adds what follows from the legs: weight over the standing foot, turning hips, counter-swinging arms."""
        controls = self.controls
        ahead = np.stack([np.sin(controls.heading), np.cos(controls.heading)], axis=1)
        left = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)
        apart = ((controls.toes[:, 0] - controls.toes[:, 1])[:, [0, 2]] * ahead).sum(axis=1)
        unequal = controls.aloft[:, 1] - controls.aloft[:, 0]
        controls.place[:] += (0.025 * unequal)[:, None] * left
        controls.pelvis[:, 2] -= 0.06 * unequal
        controls.spine[:, 2] += 0.07 * unequal
        controls.pelvis[:, 1] -= 0.28 * apart
        controls.spine[:, 1] += 0.5 * apart
        swing = -0.62 * apart + 1.1 * (lifted[:, 1] - lifted[:, 0])
        controls.arms[..., 0] += self.style.amplitude * swing[:, None] * _SIGNS
        controls.arms[..., 3] += np.maximum(swing[:, None] * _SIGNS, -0.25) * 0.4 + 0.05 * np.abs(swing)[:, None]

    def _breathe(self) -> None:
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
