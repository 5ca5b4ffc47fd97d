"""Actions of the arms: waving, raising, clapping, punching, throwing, picking something up."""

import numpy as np

from jaxmm.data.procedural.curves import plateau
from jaxmm.data.procedural.figure import REST_ARM
from jaxmm.data.procedural.grammar import Clause
from jaxmm.data.procedural.stage import SIGN, Four, Span, Stage, Step

_STILL = (0.0, 0.0, 0.0)
_GUARD: Four = (28.0, 6.0, -18.0, 128.0)


def wave(stage: Stage, clause: Clause, span: Span) -> None:
    """Lifts one hand or both beside the head and swings the forearm from side to side."""
    rate = {"slow": 0.85, "plain": 1.8, "quick": 3.2}[clause.speed]
    rise = min(0.3, 0.42 / span.seconds)
    held: Four = (22.0, 78.0, 78.0, 100.0)
    waving = plateau(stage.time, span.at(0.6 * rise), span.at(rise), span.at(1 - rise), span.at(1 - 0.5 * rise))
    beat = np.sin(2.0 * np.pi * rate * (stage.time - span.at(0.6 * rise))) * waving
    for side in _sides(clause):
        stage.arm(side, span, (0.0, REST_ARM), (rise, held), (1 - rise, held), (1.0, REST_ARM))
        stage.controls.arms[:, side, 3] += 0.5 * beat
        stage.controls.arms[:, side, 1] -= 0.12 * beat
    if clause.side != "both":
        sign = SIGN[_sides(clause)[0]]
        stage.spine(span, (0.0, _STILL), (rise, (0, 4 * sign, -5 * sign)), (1 - rise, (0, 4 * sign, -5 * sign)), (1.0, _STILL))


def raise_arm(stage: Stage, clause: Clause, span: Span) -> None:
    """Raises one arm or both, ahead, to the side or overhead, holds and lowers."""
    poses: dict[str, Four] = {
        "forward": (90.0, 2.0, 0.0, 7.0),
        "sideways": (2.0, 90.0, 20.0, 7.0),
        "overhead": (170.0, 8.0, 0.0, 8.0),
    }
    up = poses[clause.direction or "overhead"]
    sides = _sides(clause)
    for lift in span.split(clause.count):
        for side in sides:
            stage.arm(side, lift, (0.0, REST_ARM), (0.38, up), (0.58, up), (1.0, REST_ARM))
        if len(sides) == 1:
            roll = -5.0 * SIGN[sides[0]]
            stage.spine(lift, (0.0, _STILL), (0.4, (-2, 0, roll)), (0.58, (-2, 0, roll)), (1.0, _STILL))
        else:
            stage.spine(lift, (0.0, _STILL), (0.4, (-6, 0, 0)), (0.58, (-6, 0, 0)), (1.0, _STILL))


def clap(stage: Stage, clause: Clause, span: Span) -> None:
    """Opens the arms and brings the palms together, before the chest or overhead."""
    apart: Four = (34.0, 42.0, 4.0, 72.0)
    together: Four = (46.0, 8.0, -29.0, 90.0)
    if clause.direction == "overhead":
        apart, together = (118.0, 72.0, 15.0, 25.0), (144.0, 14.0, -28.0, 52.0)
    keys: list[tuple[float, Four]] = [(0.0, REST_ARM)]
    for beat in Span(0.16, 0.84).split(clause.count):
        keys += [(beat.at(0.15), apart), (beat.at(0.55), together), (beat.at(0.68), together)]
    for side in (0, 1):
        stage.arm(side, span, *keys, (0.88, apart), (1.0, REST_ARM))


def punch(stage: Stage, clause: Clause, span: Span) -> None:
    """Raises both fists and drives one of them ahead or up, with the trunk turning behind it."""
    side = _sides(clause)[0]
    sign, upward = SIGN[side], clause.direction == "upward"
    out: Four = (174.0, 2.0, 0.0, 6.0) if upward else (90.0, -6.0, 0.0, 6.0)
    guard = min(0.25, 0.3 / span.seconds)
    keys: list[tuple[float, Four]] = [(0.0, REST_ARM), (guard, _GUARD)]
    turns = [(0.0, _STILL), (guard, (4.0, 8.0 * sign, 0.0))]
    dips = [(0.0, _STILL), (guard, (0.0, -0.04, 0.0))]
    for jab in Span(guard, 1 - guard).split(clause.count):
        keys += [(jab.at(0.25), _GUARD), (jab.at(0.5), out), (jab.at(0.62), out), (jab.at(0.98), _GUARD)]
        turns += [(jab.at(0.25), (5.0, 16.0 * sign, 0.0)), (jab.at(0.52), (4.0, -26.0 * sign, 0.0)), (jab.at(0.98), (4.0, 8.0 * sign, 0.0))]
        dips += [(jab.at(0.25), (0.0, -0.08, 0.0)), (jab.at(0.52), (0.0, -0.01 if upward else -0.05, 0.03)), (jab.at(0.98), (0.0, -0.04, 0.0))]
    stage.arm(side, span, *keys, (1.0, REST_ARM))
    stage.arm(1 - side, span, (0.0, REST_ARM), (guard, _GUARD), (1 - guard, _GUARD), (1.0, REST_ARM))
    stage.spine(span, *turns, (1.0, _STILL))
    stage.shift(span, *dips, (1.0, _STILL))
    stage.pelvis(span, *((part, (0.0, 0.5 * yaw, 0.0)) for part, (_, yaw, _) in turns), (1.0, _STILL))


def throw(stage: Stage, clause: Clause, span: Span) -> None:
    """Winds up, steps ahead with the other foot, and throws from above the shoulder or from below."""
    side = _sides(clause)[0]
    sign, other = SIGN[side], 1 - side
    length = 0.36 * stage.style.body.leg_length * stage.style.amplitude
    for toss in span.split(clause.count):
        (x, z), yaw = stage.stance(other, stage.place, stage.heading)
        there = (x + length * float(stage.ahead()[0]), z + length * float(stage.ahead()[1]))
        stage.step(Step(foot=other, span=toss.part(0.22, 0.44), toes=there, yaw=yaw, lift=0.1, push=0.2, strike=0.1))
        stage.step(Step(foot=other, span=toss.part(0.76, 0.97), toes=(x, z), yaw=yaw, lift=0.07, push=0.2))
        stage.shift(toss, (0.0, _STILL), (0.3, (0, -0.03, -0.08)), (0.54, (0, -0.05, 0.24)), (0.7, (0, -0.05, 0.22)), (1.0, _STILL))
        if clause.direction == "overhand":
            back, cocked, release, through = (-10, 70, 40, 80), (-5, 92, 105, 95), (128, 18, 10, 14), (48, -14, -15, 18)
            turns = ((0.36, (-8, 38 * sign, -6 * sign)), (0.54, (14, -14 * sign, 4 * sign)), (0.66, (26, -34 * sign, 6 * sign)))
        else:
            back, cocked, release, through = (-40, 10, 0, 14), (-58, 10, 0, 12), (80, 4, 0, 8), (118, 0, 0, 20)
            turns = ((0.36, (28, 22 * sign, 8 * sign)), (0.54, (14, -8 * sign, 0)), (0.66, (2, -14 * sign, 0)))
        keys = ((0.24, back), (0.4, cocked), (0.54, release), (0.66, through))
        stage.arm(side, toss, (0.0, REST_ARM), *keys, (1.0, REST_ARM))
        point = (62, 12, 0, 30) if clause.direction == "overhand" else (40, 22, 0, 40)
        stage.arm(other, toss, (0.0, REST_ARM), (0.38, point), (0.6, (-12, 24, 0, 45)), (1.0, REST_ARM))
        stage.spine(toss, (0.0, _STILL), *turns, (1.0, _STILL))
        stage.pelvis(toss, (0.0, _STILL), *((part, (0, 0.5 * yaw, 0)) for part, (_, yaw, _) in turns), (1.0, _STILL))


def pick_up(stage: Stage, clause: Clause, span: Span) -> None:
    """Bends down, takes something off the floor, and brings it up before the waist."""
    sides = _sides(clause)
    sign = SIGN[sides[0]] if len(sides) == 1 else 0.0
    low = (0.03 * sign, -0.42, -0.14)
    stage.shift(span, (0.0, _STILL), (0.38, low), (0.5, low), (0.82, _STILL), (1.0, _STILL))
    stage.pelvis(span, (0.0, _STILL), (0.38, (42, 0, 4 * sign)), (0.5, (42, 0, 4 * sign)), (0.82, _STILL), (1.0, _STILL))
    stage.spine(span, (0.0, _STILL), (0.4, (42, -14 * sign, 12 * sign)), (0.5, (42, -14 * sign, 12 * sign)), (0.82, _STILL), (1.0, _STILL))
    for side in (0, 1):
        if side in sides:
            reach, hold = (96.0, 0.0, 0.0, 6.0), (30.0, 4.0, -12.0, 88.0)
            stage.arm(side, span, (0.0, REST_ARM), (0.38, reach), (0.5, reach), (0.76, hold), (0.86, hold), (1.0, REST_ARM))
        else:
            knee = (46.0, 16.0, -10.0, 62.0)
            stage.arm(side, span, (0.0, REST_ARM), (0.4, knee), (0.5, knee), (0.82, REST_ARM), (1.0, REST_ARM))


def _sides(clause: Clause) -> tuple[int, ...]:
    return {"left": (0,), "right": (1,)}.get(clause.side or "both", (0, 1))
