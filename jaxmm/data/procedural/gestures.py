"""Gestures of the arms: waving, raising, clapping, punching, throwing, picking something up."""

import numpy as np

from jaxmm.data.procedural.curves import plateau
from jaxmm.data.procedural.grammar import Clause
from jaxmm.data.procedural.stage import SIGN, Four, Span, Stage, Three


def wave(stage: Stage, clause: Clause, span: Span) -> None:
    """Lifts one hand or both beside the head and swings the forearm from side to side."""
    rate = {"slow": 0.85, "plain": 1.8, "quick": 3.2}[clause.speed]
    rise, held = min(0.3, 0.42 / span.seconds), (22.0, 78.0, 78.0, 100.0)
    waving = plateau(stage.time, span.at(0.6 * rise), span.at(rise), span.at(1 - rise), span.at(1 - 0.5 * rise))
    beat = np.sin(2.0 * np.pi * rate * (stage.time - span.at(0.6 * rise))) * waving
    sides = _sides(clause)
    for side in sides:
        stage.arm(side, span, (rise, held), (1 - rise, held))
        stage.controls.arms[:, side, 3] += 0.5 * beat
        stage.controls.arms[:, side, 1] -= 0.12 * beat
    if len(sides) == 1:
        tilt = (0.0, 4.0 * SIGN[sides[0]], -5.0 * SIGN[sides[0]])
        stage.spine(span, (rise, tilt), (1 - rise, tilt))


def raise_arm(stage: Stage, clause: Clause, span: Span) -> None:
    """Raises one arm or both, ahead, to the side or overhead, holds and lowers."""
    poses: dict[str | None, Four] = {
        "forward": (90.0, 2.0, 0.0, 7.0),
        "sideways": (2.0, 90.0, 20.0, 7.0),
        "overhead": (170.0, 8.0, 0.0, 8.0),
    }
    sides, up = _sides(clause), poses[clause.direction]
    tilt = (-6.0, 0.0, 0.0) if len(sides) == 2 else (-2.0, 0.0, -5.0 * SIGN[sides[0]])
    for lift in span.split(clause.count):
        for side in sides:
            stage.arm(side, lift, (0.38, up), (0.58, up))
        stage.spine(lift, (0.4, tilt), (0.58, tilt))


def clap(stage: Stage, clause: Clause, span: Span) -> None:
    """Opens the arms and brings the palms together, before the chest or overhead."""
    apart, together = (34.0, 42.0, 4.0, 72.0), (46.0, 8.0, -29.0, 90.0)
    if clause.direction == "overhead":
        apart, together = (118.0, 72.0, 15.0, 25.0), (144.0, 14.0, -28.0, 52.0)
    keys: list[tuple[float, Four]] = []
    for beat in Span(0.16, 0.84).split(clause.count):
        keys += [(beat.at(0.15), apart), (beat.at(0.55), together), (beat.at(0.68), together)]
    stage.arms(span, *keys, (0.88, apart))


def punch(stage: Stage, clause: Clause, span: Span) -> None:
    """Raises both fists and drives one of them ahead or up, with the trunk turning behind it."""
    side = _sides(clause)[0]
    sign, upward, ready = SIGN[side], clause.direction == "upward", min(0.25, 0.3 / span.seconds)
    # A fist that goes straight ahead points outward from the chest, which has turned away with the punch.
    guard, out = (28.0, 6.0, -18.0, 128.0), (174.0, 2.0, 0.0, 6.0) if upward else (82.0, 40.0, 0.0, 6.0)
    fists: list[tuple[float, Four]] = [(ready, guard)]
    turns: list[tuple[float, Three]] = [(ready, (4.0, 8.0 * sign, 0.0))]
    dips: list[tuple[float, Three]] = [(ready, (0.0, -0.04, 0.0))]
    for jab in Span(ready, 1 - ready).split(clause.count):
        begin, hit, back = jab.at(0.2), jab.at(0.52), jab.at(0.98)
        fists += [(begin, guard), (jab.at(0.5), out), (jab.at(0.62), out), (back, guard)]
        turns += [(begin, (5.0, 16.0 * sign, 0.0)), (hit, (4.0, -22.0 * sign, 0.0)), (back, (4.0, 8.0 * sign, 0.0))]
        high = -0.01 if upward else -0.05
        dips += [(begin, (0.0, -0.08, 0.0)), (hit, (0.0, high, 0.03)), (back, (0.0, -0.04, 0.0))]
    stage.arm(side, span, *fists)
    stage.arm(1 - side, span, (ready, guard), (1 - ready, guard))
    stage.spine(span, *turns)
    stage.pelvis(span, *((part, (0.0, 0.5 * yaw, 0.0)) for part, (_, yaw, _) in turns))
    stage.shift(span, *dips)


def throw(stage: Stage, clause: Clause, span: Span) -> None:
    """Winds up, steps ahead with the other foot, and throws from above the shoulder or from below."""
    side = _sides(clause)[0]
    sign, other, overhand = SIGN[side], 1 - side, clause.direction == "overhand"
    ahead = stage.place + 0.36 * stage.style.body.leg_length * stage.style.amplitude * stage.ahead()
    if overhand:
        arm = (
            (0.24, (-10, 70, 40, 80)),
            (0.4, (-5, 92, 105, 95)),
            (0.54, (128, 18, 10, 14)),
            (0.66, (48, -14, -15, 18)),
        )
        turns = (
            (0.36, (-8, 38 * sign, -6 * sign)),
            (0.54, (14, -14 * sign, 4 * sign)),
            (0.66, (26, -34 * sign, 6 * sign)),
        )
        aim = (62, 12, 0, 30)
    else:
        arm = ((0.24, (-40, 10, 0, 14)), (0.4, (-58, 10, 0, 12)), (0.54, (80, 4, 0, 8)), (0.66, (118, 0, 0, 20)))
        turns = ((0.36, (28, 22 * sign, 8 * sign)), (0.54, (14, -8 * sign, 0)), (0.66, (2, -14 * sign, 0)))
        aim = (40, 22, 0, 40)
    for toss in span.split(clause.count):
        stage.step(other, toss.part(0.22, 0.44), place=ahead, heading=stage.heading, lift=0.1, push=0.2, strike=0.1)
        stage.step(other, toss.part(0.76, 0.97), place=stage.place, heading=stage.heading, lift=0.07, push=0.2)
        stage.shift(toss, (0.3, (0, -0.03, -0.08)), (0.54, (0, -0.05, 0.24)), (0.7, (0, -0.05, 0.22)))
        stage.arm(side, toss, *arm)
        stage.arm(other, toss, (0.38, aim), (0.6, (-12, 24, 0, 45)))
        stage.spine(toss, *turns)
        stage.pelvis(toss, *((part, (0, 0.5 * yaw, 0)) for part, (_, yaw, _) in turns))


def pick_up(stage: Stage, clause: Clause, span: Span) -> None:
    """Bends down, takes something off the floor, and brings it up before the waist."""
    sides = _sides(clause)
    sign = SIGN[sides[0]] if len(sides) == 1 else 0.0
    low, tip, fold = (0.03 * sign, -0.42, -0.14), (42.0, 0.0, 4.0 * sign), (42.0, -14.0 * sign, 12.0 * sign)
    upright = (0.0, 0.0, 0.0)
    stage.shift(span, (0.38, low), (0.5, low), (0.82, upright))
    stage.pelvis(span, (0.38, tip), (0.5, tip), (0.82, upright))
    stage.spine(span, (0.4, fold), (0.5, fold), (0.82, upright))
    for side in (0, 1):
        if side in sides:
            reach, hold = (96.0, 0.0, 0.0, 6.0), (30.0, 4.0, -12.0, 88.0)
            stage.arm(side, span, (0.38, reach), (0.5, reach), (0.76, hold), (0.86, hold))
        else:
            propped = (46.0, 16.0, -10.0, 62.0)
            stage.arm(side, span, (0.4, propped), (0.5, propped))


def _sides(clause: Clause) -> tuple[int, ...]:
    return {"left": (0,), "right": (1,)}.get(clause.side or "both", (0, 1))
