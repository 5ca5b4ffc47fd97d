"""Synthetic motions: from a combination, a seed and a take to a motion with its sentences."""

from collections.abc import Callable, Iterator

from jaxmm.data.motion import Motion
from jaxmm.data.procedural import gestures, moves, travel
from jaxmm.data.procedural.chance import take_generator
from jaxmm.data.procedural.combinations import Combination, all_combinations, split_of
from jaxmm.data.procedural.figure import FIGURE
from jaxmm.data.procedural.grammar import Clause
from jaxmm.data.procedural.stage import Span, Stage
from jaxmm.data.procedural.style import Style
from jaxmm.errors import ConfigError

_ACTIONS: dict[str, Callable[[Stage, Clause, Span], None]] = {
    "walk": travel.walk,
    "run": travel.run,
    "sidestep": travel.sidestep,
    "march": travel.march,
    "quarter turn": travel.turn,
    "half turn": travel.turn,
    "spin": travel.turn,
    "dance": moves.dance,
    "jump": moves.jump,
    "hop": moves.hop,
    "jumping jack": moves.jumping_jack,
    "squat": moves.squat,
    "bow": moves.bow,
    "lunge": moves.lunge,
    "kick": moves.kick,
    "punch": gestures.punch,
    "throw": gestures.throw,
    "wave": gestures.wave,
    "raise": gestures.raise_arm,
    "clap": gestures.clap,
    "pick up": gestures.pick_up,
}

# Seconds of one repetition at plain speed; every other action fills its clip.
_SECONDS = {
    "quarter turn": 1.2,
    "half turn": 1.4,
    "spin": 1.9,
    "jump": 1.1,
    "hop": 1.3,
    "jumping jack": 1.2,
    "squat": 1.3,
    "bow": 1.4,
    "lunge": 1.4,
    "kick": 1.3,
    "punch": 1.2,
    "throw": 1.35,
    "raise": 1.35,
    "clap": 1.2,
    "pick up": 1.6,
}
_LONGEST, _SLOW, _OF_TWO = 2.7, 2.6, 1.38
_QUICK_FACTOR = 0.55
_LEAD_IN, _TAIL = 0.1, 0.2
# Alone in a clip, these are already under way as it begins and go on as it ends.
_STEADY = ("walk", "run", "sidestep", "march")


def synthesize(combination: Combination, *, seed: int, take: int, fps: float = 20.0) -> Motion:
    """Makes one take of a combination, the same in every process.

    Args:
        combination: What to show.
        seed: Seed of the whole source, >= 0.
        take: Number of the take, >= 0; takes differ in proportions, tempo, posture and noise.
        fps: Frames per second, > 0.

    Returns:
        Two to three seconds of synthetic motion; the captions are the canonical sentence and its paraphrases.

    Raises:
        ConfigError: If a number is out of range.

    Example:
        >>> motion = synthesize(all_combinations()[1], seed=0, take=3)
        >>> motion.key, motion.captions[0], motion.tags["origin"]
        ('walk-forward__take3', 'a person walks forward', 'synthetic')
    """
    if seed < 0 or take < 0 or not fps > 0:
        raise ConfigError(
            f"procedural motion: seed={seed}, take={take}, fps={fps}; give seed and take >= 0 and fps > 0"
        )
    style = Style.draw(take_generator(combination.key, seed=seed, take=take))
    stage = perform(combination, style, fps=fps)
    return Motion(
        key=f"{combination.key}__take{take}",
        positions=stage.positions(),
        fps=fps,
        skeleton=FIGURE,
        captions=(combination.sentence, *combination.paraphrases()),
        tags={
            "origin": "synthetic",
            "split": split_of(combination),
            "combination": combination.key,
            "action": combination.first.action,
        },
    )


def motions(split: str, *, seed: int, takes: int) -> Iterator[Motion]:
    """Yields every take of every combination of a split, at 20 frames per second, combination by combination.

    Args:
        split: `train`, `val` or `test`.
        seed: Seed of the source, >= 0.
        takes: Number of takes of each combination, >= 1.

    Raises:
        ConfigError: If the split does not exist or no take is asked for.

    Example:
        >>> next(motions("test", seed=0, takes=1)).tags["split"]
        'test'
    """
    if split not in ("train", "val", "test") or takes < 1:
        raise ConfigError(f"procedural motion: split={split!r}, takes={takes}; give train, val or test, and takes >= 1")
    chosen = (combination for combination in all_combinations() if split_of(combination) == split)
    return (synthesize(combination, seed=seed, take=take) for combination in chosen for take in range(takes))


def perform(combination: Combination, style: Style, *, fps: float) -> Stage:
    """Lays the actions of a combination out over time in one style."""
    spans = [Span(_LEAD_IN, _LEAD_IN + seconds / style.tempo) for seconds in _durations(combination)]
    if len(spans) == 2:
        spans[1] = Span(spans[0].end, spans[0].end + spans[1].seconds)
    duration = min(max(spans[-1].end + _TAIL, 2.0), 3.0)
    stage = Stage(style, num_frames=round(duration * fps), fps=fps)
    for clause, span in zip(combination.clauses, spans, strict=True):
        if combination.second is None and clause.action in _STEADY:
            span = Span(-1.2 - style.phase, duration + 1.2)
        _ACTIONS[clause.action](stage, clause, span)
    return stage


def _durations(combination: Combination) -> tuple[float, ...]:
    if combination.second is not None:
        return (_OF_TWO, _OF_TWO)
    clause = combination.first
    if clause.action not in _SECONDS:
        return (_LONGEST,)
    once = _SECONDS[clause.action]
    return ({"slow": _SLOW, "plain": min(once * clause.count, _LONGEST), "quick": _QUICK_FACTOR * once}[clause.speed],)
