"""Moves of the whole body around one place: jumping, hopping, dancing, squatting, bowing, lunging, kicking."""

from jaxmm.data.procedural.curves import ease
from jaxmm.data.procedural.figure import REST_ARM
from jaxmm.data.procedural.grammar import Clause
from jaxmm.data.procedural.stage import SIGN, Span, Stage
from jaxmm.data.procedural.travel import Gait, stride


def jump(stage: Stage, clause: Clause, span: Span) -> None:
    """Crouches, swings the arms up and leaps with both feet, in place, forward or backward."""
    length = {"up": 0.0, "forward": 0.55, "backward": -0.38}[clause.direction or "up"] * stage.style.amplitude
    height = 0.30 if clause.direction == "up" else 0.20
    for leap in span.split(clause.count):
        way = length * stage.ahead()
        for foot in (0, 1):
            stage.step(
                foot,
                leap.part(0.43, 0.77),
                place=stage.place + way,
                heading=stage.heading,
                lift=0.85 * height,
                push=0.8,
            )
        stage.controls.place[:] += ease(stage.time, leap.at(0.3), leap.at(0.86))[:, None] * way
        crouch, flight, landing = (0.0, -0.22, -0.04), (0.0, height, 0.0), (0.0, -0.15, -0.03)
        stage.shift(leap, (0.28, crouch), (0.44, (0, 0.03, 0.02)), (0.6, flight), (0.76, (0, 0, 0)), (0.85, landing))
        stage.pelvis(leap, (0.28, (18, 0, 0)), (0.46, (0, 0, 0)), (0.84, (14, 0, 0)))
        stage.spine(leap, (0.28, (26, 0, 0)), (0.5, (-6, 0, 0)), (0.84, (16, 0, 0)))
        stage.arms(leap, (0.26, (-24, 14, 0, 22)), (0.52, (140, 16, 0, 22)), (0.84, (40, 20, 0, 40)))
        stage.place = stage.place + way


def hop(stage: Stage, clause: Clause, span: Span) -> None:
    """Stands on one leg, hops on it, and puts the other foot down."""
    foot = 0 if clause.side == "left" else 1
    lifted, aside, bent = 0.36 / span.seconds, (0.1 * SIGN[foot], 0.0, 0.0), (1.0, 22.0, 6.0, 88.0)
    stage.leg(1 - foot, span, (lifted, bent), (1 - lifted, bent))
    stage.shift(span, (lifted, aside), (1 - lifted, aside))
    for leap in span.part(0.7 * lifted, 1 - 0.7 * lifted).split(clause.count):
        stage.step(foot, leap.part(0.36, 0.82), place=stage.place, heading=stage.heading, lift=0.15, push=0.7)
        heights = ((0.24, -0.1), (0.38, 0.02), (0.6, 0.2), (0.82, 0.0), (0.92, -0.07))
        stage.shift(leap, *((part, (0.0, height, 0.0)) for part, height in heights))
        stage.spine(leap, (0.24, (14, 0, 0)), (0.6, (0, 0, 0)), (0.9, (10, 0, 0)))
        stage.arms(leap, (0.24, (-10, 18, 0, 25)), (0.55, (30, 52, 0, 55)))


def jumping_jack(stage: Stage, clause: Clause, span: Span) -> None:
    """Jumps into a straddle with the arms overhead, and back."""
    spread = (12.0, 158.0, 30.0, 14.0)
    for jack in span.split(clause.count):
        for foot in (0, 1):
            wide = stage.place + 0.28 * SIGN[foot] * stage.left()
            stage.step(foot, jack.part(0.12, 0.4), place=wide, heading=stage.heading, lift=0.1, push=0.5)
            stage.step(foot, jack.part(0.58, 0.88), place=stage.place, heading=stage.heading, lift=0.1, push=0.5)
        stage.arms(jack, (0.08, REST_ARM), (0.42, spread), (0.54, spread), (0.92, REST_ARM))
        heights = ((0.1, -0.08), (0.26, 0.1), (0.41, -0.08), (0.5, -0.02), (0.57, -0.1), (0.73, 0.1), (0.9, -0.08))
        stage.shift(jack, *((part, (0.0, height, 0.0)) for part, height in heights))


def dance(stage: Stage, clause: Clause, span: Span) -> None:
    """Steps to one side and closes up, then to the other, swaying with the arms."""
    beat = {"slow": 1.3, "plain": 0.68, "quick": 0.4}[clause.speed]
    first = 0 if clause.direction == "left" else 1
    for index, bar in enumerate(span.split(max(2, round(span.seconds / beat)))):
        lead = (first + index) % 2
        sign = SIGN[lead]
        gait = Gait(seconds=0.5 * bar.seconds, left=0.38 * sign, paired=True, swing=0.9, lift=0.08, push=0.4, strike=0)
        stride(stage, bar, gait, lead=lead)
        stage.spine(bar, (0.5, (0, 14 * sign, 12 * sign)))
        stage.shift(bar, (0.35, (0, -0.05, 0)), (0.7, (0, 0, 0)), (0.85, (0, -0.02, 0)))
        stage.arm(lead, bar, (0.5, (25, 62, 20, 50)))
        stage.arm(1 - lead, bar, (0.5, (48, 0, -30, 80)))


def squat(stage: Stage, clause: Clause, span: Span) -> None:
    """Bends the knees deep with the arms stretched ahead, and rises."""
    low, out = (0.0, -0.46, -0.12), (118.0, 4.0, 0.0, 8.0)
    for bend in span.split(clause.count):
        stage.shift(bend, (0.44, low), (0.56, low))
        stage.pelvis(bend, (0.45, (28, 0, 0)), (0.55, (28, 0, 0)))
        stage.spine(bend, (0.45, (14, 0, 0)), (0.55, (14, 0, 0)))
        stage.arms(bend, (0.42, out), (0.58, out))


def bow(stage: Stage, clause: Clause, span: Span) -> None:
    """Bends ahead at the waist with the hips going back, and straightens up."""
    hanging = (26.0, 6.0, 0.0, 10.0)
    for bend in span.split(clause.count):
        stage.shift(bend, (0.4, (0, 0, -0.13)), (0.6, (0, 0, -0.13)))
        stage.pelvis(bend, (0.4, (38, 0, 0)), (0.6, (38, 0, 0)))
        stage.spine(bend, (0.44, (40, 0, 0)), (0.6, (40, 0, 0)))
        stage.head(bend, (0.46, (34, 0, 0)), (0.62, (34, 0, 0)))
        stage.arms(bend, (0.42, hanging), (0.62, hanging))


def lunge(stage: Stage, clause: Clause, span: Span) -> None:
    """Takes one deep step with a bent knee, ahead or to the side, and comes back."""
    foot = 0 if clause.side == "left" else 1
    sign, sideways = SIGN[foot], clause.direction == "sideways"
    way = 0.66 * sign * stage.left() if sideways else 0.88 * stage.ahead()
    there = stage.place + way * stage.style.body.leg_length * stage.style.amplitude
    low = (0.5 * sign, -0.3, -0.06) if sideways else (0.0, -0.3, 0.46)
    for bend in span.split(clause.count):
        stage.step(foot, bend.part(0.06, 0.36), place=there, heading=stage.heading, lift=0.12, push=0.3, strike=0.15)
        stage.step(foot, bend.part(0.66, 0.95), place=stage.place, heading=stage.heading, lift=0.1, push=0.2)
        stage.shift(bend, (0.42, low), (0.6, low))
        if sideways:
            folded = (62.0, 2.0, -28.0, 70.0)
            stage.pelvis(bend, (0.42, (18, 0, 0)), (0.6, (18, 0, 0)))
            stage.spine(bend, (0.42, (16, 0, 4 * sign)), (0.6, (16, 0, 4 * sign)))
            stage.arms(bend, (0.42, folded), (0.6, folded))


def kick(stage: Stage, clause: Clause, span: Span) -> None:
    """Shifts the weight to one leg, draws the other up, snaps it out ahead or sideways, and sets it down."""
    foot = 0 if clause.side == "left" else 1
    sign, aside = SIGN[foot], (-0.11 * SIGN[foot], -0.02, 0.0)
    for swing in span.split(clause.count):
        stage.shift(swing, (0.24, aside), (0.76, aside))
        if clause.direction == "sideways":
            out = ((0.52, (1, 6, 74, 4)), (0.6, (1, 6, 72, 6)))
            stage.leg(foot, swing, (0.34, (1, 38, 28, 95)), *out, (0.76, (1, 26, 24, 80)))
            stage.pelvis(swing, (0.52, (0, 0, -22 * sign)), (0.6, (0, 0, -22 * sign)))
            stage.spine(swing, (0.52, (0, 0, -14 * sign)), (0.6, (0, 0, -14 * sign)))
            near, far = (10.0, 48.0, 0.0, 40.0), (30.0, 40.0, 0.0, 75.0)
        else:
            out = ((0.36, (1, 40, 2, 92)), (0.55, (1, 92, 2, 4)), (0.61, (1, 88, 2, 8)))
            stage.leg(foot, swing, (0.2, (1, -20, 2, 55)), *out, (0.76, (1, 45, 2, 75)))
            stage.pelvis(swing, (0.22, (8, 0, 0)), (0.54, (-12, -8 * sign, 0)))
            stage.spine(swing, (0.22, (6, 0, 0)), (0.54, (-6, 14 * sign, 0)))
            near, far = (-38.0, 24.0, 0.0, 25.0), (58.0, 18.0, 0.0, 55.0)
        stage.arm(foot, swing, (0.54, near))
        stage.arm(1 - foot, swing, (0.54, far))
