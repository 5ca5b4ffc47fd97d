"""Actions that take the figure somewhere: walking, running, turning, jumping, and their kin."""

import dataclasses

import numpy as np
from jaxtyping import Float

from jaxmm.data.procedural.curves import glide, plateau
from jaxmm.data.procedural.grammar import Clause
from jaxmm.data.procedural.stage import SIGN, Span, Stage


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gait:
    """How the feet move.

    Attributes:
        seconds: From one step to the next.
        ahead: Way of one step ahead in metres; negative backward.
        left: Way of one step to the left.
        turn: Turn of one step to the left in radians.
        swing: Time a foot is off the ground, in steps; above 1 the figure runs.
        lift: Height of the toes halfway in metres.
        push: Pitch of a foot that leaves the ground, in radians.
        strike: Pitch of a foot that lands.
        paired: Whether the second foot of each pair closes up to the first.
    """

    seconds: float
    ahead: float = 0.0
    left: float = 0.0
    turn: float = 0.0
    swing: float = 0.8
    lift: float = 0.05
    push: float = 0.5
    strike: float = 0.3
    paired: bool = False


def stride(stage: Stage, span: Span, gait: Gait, *, lead: int) -> float:
    """Takes as many steps as fit the span, from standing to standing, and moves the stage's place and heading on.

    Each foot lands where the hips will be midway through its time on the ground.

    Args:
        stage: What to add to.
        span: From the first step's beginning to the last one's end; its length is kept, the pace adapts.
        gait: How the feet move.
        lead: Foot that steps first.

    Returns:
        Seconds from one step to the next.
    """
    fitting = span.seconds / gait.seconds
    num_steps = max(2, 2 * round(0.5 * fitting)) if gait.paired else max(3, round(fitting))
    period = span.seconds / num_steps
    ramp = 1.0 / num_steps
    origin, heading = stage.place, stage.heading
    # The first and the last step are short; a foot that passes the other goes two steps at once.
    reach = num_steps - (1.0 if gait.paired else 1.45)

    def where(time: Float[np.ndarray, "time"]) -> tuple[Float[np.ndarray, "time 2"], Float[np.ndarray, "time"]]:
        progress = reach * glide((time - span.start) / span.seconds, ramp)
        half = 0.5 * gait.turn * progress
        chord = progress * np.sinc(half / np.pi)
        ahead = np.stack([np.sin(heading + half), np.cos(heading + half)], axis=-1)
        left = np.stack([ahead[..., 1], -ahead[..., 0]], axis=-1)
        way = chord[..., None] * (gait.ahead * ahead + gait.left * left)
        return origin + way, gait.turn * progress + heading

    place, facing = where(stage.time)
    stage.controls.place[:] += place - origin
    stage.controls.heading[:] += facing - heading
    beyond = np.arange(num_steps) + 1.5
    if gait.paired:
        beyond = np.arange(num_steps) // 2 * 2.0 + 2.0
    beyond[-2:] = num_steps
    places, facings = where(span.start + beyond * period)
    for index in range(num_steps):
        foot = (lead + index) % 2
        middle, half = span.start + (index + 0.5) * period, 0.5 * gait.swing * period
        stage.step(
            foot,
            Span(middle - half, middle + half),
            place=places[index],
            heading=float(facings[index]),
            lift=gait.lift,
            push=gait.push,
            strike=gait.strike,
        )
    stage.place, stage.heading = places[-1], float(facings[-1])
    return period


_WALKS = {"slow": (0.78, 0.40), "plain": (0.54, 0.62), "quick": (0.38, 0.80)}
_RUNS = {"slow": (0.40, 0.65), "plain": (0.34, 1.00), "quick": (0.28, 1.40)}
_TURN_RATE = {"left": 0.65, "right": -0.65}


def walk(stage: Stage, clause: Clause, span: Span) -> None:
    """Walks forward, backward, or in a curve."""
    seconds, length = _WALKS[clause.speed]
    length *= stage.style.amplitude
    if clause.direction == "backward":
        gait = Gait(seconds=seconds, ahead=-0.75 * length, push=0.15, strike=0.0, lift=0.07)
        stage.spine(span, (0.2, (6, 0, 0)), (0.8, (6, 0, 0)))
    else:
        turn = _TURN_RATE.get(clause.direction or "", 0.0) * seconds
        gait = Gait(seconds=seconds, ahead=length, turn=turn)
    stride(stage, span, gait, lead=_lead(stage, clause))


def run(stage: Stage, clause: Clause, span: Span) -> None:
    """Runs forward or in a curve, with bent elbows and both feet off the ground between steps."""
    seconds, length = _RUNS[clause.speed]
    turn = 1.3 * _TURN_RATE.get(clause.direction or "", 0.0) * seconds
    gait = Gait(
        seconds=seconds, ahead=length * stage.style.amplitude, turn=turn, swing=1.3, lift=0.24, push=1.1, strike=0.1
    )
    period = stride(stage, span, gait, lead=_lead(stage, clause))
    running = plateau(stage.time, span.start, span.at(0.15), span.at(0.85), span.end)
    stage.controls.rise[:] += running * (0.045 * np.cos(2.0 * np.pi * (stage.time - span.start) / period) - 0.03)
    stage.pelvis(span, (0.15, (5, 0, 0)), (0.85, (5, 0, 0)))
    stage.spine(span, (0.15, (9, 0, 0)), (0.85, (9, 0, 0)))
    bent = (0.0, 12.0, -8.0, 82.0)
    stage.arms(span, (0.15, bent), (0.85, bent))


def sidestep(stage: Stage, clause: Clause, span: Span) -> None:
    """Steps sideways and closes up, over and over."""
    seconds = {"slow": 0.66, "plain": 0.42, "quick": 0.26}[clause.speed]
    left = SIGN[_lead(stage, clause)] * 0.27 * stage.style.amplitude
    stride(stage, span, Gait(seconds=seconds, left=left, paired=True, push=0.2, strike=0.0), lead=_lead(stage, clause))


def march(stage: Stage, clause: Clause, span: Span) -> None:
    """Lifts the knees high at every step, in place or forward."""
    seconds = {"slow": 0.76, "plain": 0.50, "quick": 0.32}[clause.speed]
    ahead = 0.0 if clause.direction == "in place" else 0.5 * stage.style.amplitude
    gait = Gait(seconds=seconds, ahead=ahead, swing=0.9, lift=0.34, push=0.2, strike=0.0)
    stride(stage, span, gait, lead=_lead(stage, clause))
    bent = (4.0, 10.0, 0.0, 45.0)
    stage.arms(span, (0.15, bent), (0.85, bent))


def turn(stage: Stage, clause: Clause, span: Span) -> None:
    """Turns in place by a quarter, a half or a full circle, foot after foot."""
    angle, num_steps = {"quarter turn": (0.5, 4), "half turn": (1.0, 4), "spin": (2.0, 8)}[clause.action]
    lead = _lead(stage, clause)
    gait = Gait(
        seconds=span.seconds / num_steps,
        turn=SIGN[lead] * angle * np.pi / (num_steps - 1),
        paired=True,
        lift=0.06,
        push=0.25,
        strike=0.0,
    )
    stride(stage, span, gait, lead=lead)
    if clause.action == "spin":
        out = (10.0, 58.0, 0.0, 25.0)
        stage.arms(span, (0.2, out), (0.75, out))


def _lead(stage: Stage, clause: Clause) -> int:
    return {"left": 0, "right": 1}.get(clause.direction or "", stage.style.lead)
