"""Synthetic videos of recipes: state machines that emit made-up features of described actions.

An action is a verb and an object, and so are its features: a part of each, which other actions share. A frame alone
shows it dimly, through noise that lasts for some frames, the subject's way of being seen, and a slow drift; what
comes before and after helps. Two pairs of verbs look much alike, and differ most in how fast they go to and fro.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import get_args

import numpy as np
from jaxtyping import Float

from jaxmm.data.procedural.chance import stable_hash, take_generator
from jaxmm.data.segmentation.video import LabelledVideo
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.splits import Split
from jaxmm.errors import ConfigError

FPS = 15.0
"""Frames per second of every video."""

VERBS = ("wash", "peel", "cut", "fry", "serve")
OBJECTS = ("tomato", "carrot", "onion", "potato", "mushroom")
NULL, WRONG = "null", "wrong"
"""Labels of no action and of mistakes."""

VOCABULARY = Vocabulary.of(
    (*(f"{verb}_{thing}" for verb in VERBS for thing in OBJECTS), NULL, WRONG),
    {
        **{f"{verb}_{thing}": f"{verb} the {thing}" for verb in VERBS for thing in OBJECTS},
        NULL: "no action or transition",
        WRONG: "a mistake",
    },
)
"""The labels of every video, and their descriptions."""

# What may follow what with one object, and how likely; steps may be left out, and done again after others.
_NEXT: Mapping[str, Mapping[str, float]] = {
    "start": {"wash": 0.6, "peel": 0.3, "cut": 0.1},
    "wash": {"peel": 0.5, "cut": 0.5},
    "peel": {"cut": 0.6, "wash": 0.4},
    "cut": {"fry": 0.5, "serve": 0.3, "wash": 0.2},
    "fry": {"serve": 0.7, "cut": 0.3},
    "serve": {"end": 1.0},
}
_PARTS = get_args(Split)
_MOST_STEPS = 8
_OBJECTS_PER_VIDEO = (2, 3)
_NULL_RATE, _WRONG_RATE = 0.4, 0.06
_FRAMES: Mapping[str, int] = {"wash": 12, "peel": 16, "cut": 20, "fry": 18, "serve": 10, NULL: 7, WRONG: 8}
_SHORTEST, _LONGEST = 0.5, 1.6
# How many frames one turn to and fro takes.
_PERIODS: Mapping[str, float] = {
    "wash": 9.0,
    "peel": 6.0,
    "cut": 3.0,
    "fry": 14.0,
    "serve": 20.0,
    NULL: 40.0,
    WRONG: 4.0,
}

_NUM_SUBJECTS = 12
_LEAST_DIM = 8
# Sizes of what makes up a frame, of which a verb's and an object's parts have 1 in each feature on average.
_ALIKE = 0.4
_SWAY = 0.7
_GAIN, _SHIFT = 0.15, 0.4
_LASTING_NOISE, _LASTING_FRAMES = 1.0, 6
_DRIFT, _DRIFT_FRAMES = 0.4, 80
_NOISE = 1.5
_BLEND_FRAMES = 4


@dataclasses.dataclass(frozen=True)
class _Segment:
    """A run of frames of one label."""

    label: str
    verb: str
    thing: str | None
    num_frames: int


def segments(split: str, *, seed: int, num_videos: int, dim: int, num_unseen: int = 0) -> Iterator[LabelledVideo]:
    """Yields the videos of a split, in which synthetic subjects follow a recipe.

    Args:
        split: `train`, `val` or `test`.
        seed: Seed of the subjects and of the videos, >= 0.
        num_videos: Number of videos, >= 0, of some 200 frames each.
        dim: Number of features of a frame, >= 8.
        num_unseen: Actions, 0 to 5, that only test videos show; see `unseen_labels`.

    Raises:
        ConfigError: If the split does not exist, or a number is out of range.

    Example:
        >>> video = next(segments("test", seed=0, num_videos=1, dim=32))
        >>> video.key, video.tags["origin"], VOCABULARY.labels[video.labels[0]]
        ('test-0', 'synthetic', 'wash_mushroom')
    """
    if split not in _PARTS:
        raise ConfigError(f"procedural segments: no split {split!r}; choose one of {', '.join(_PARTS)}")
    if seed < 0 or num_videos < 0 or dim < _LEAST_DIM:
        raise ConfigError(
            f"procedural segments: seed={seed}, num_videos={num_videos}, dim={dim}; give seed and number >= 0 and at "
            f"least {_LEAST_DIM} features"
        )
    unseen = unseen_labels(num_unseen)
    left_out = () if split == "test" else unseen
    return (_video(split, number, seed=seed, dim=dim, left_out=left_out) for number in range(num_videos))


def unseen_labels(num_unseen: int) -> tuple[str, ...]:
    """Returns actions for training to leave out, each of another verb and another object.

    Args:
        num_unseen: How many, 0 to 5.

    Raises:
        ConfigError: If there are not as many.

    Example:
        >>> unseen_labels(2)
        ('wash_tomato', 'peel_carrot')
    """
    if not 0 <= num_unseen <= len(VERBS):
        raise ConfigError(f"procedural segments: num_unseen={num_unseen}; give a number from 0 to {len(VERBS)}")
    return tuple(f"{verb}_{thing}" for verb, thing in zip(VERBS[:num_unseen], OBJECTS, strict=False))


def _video(split: str, number: int, *, seed: int, dim: int, left_out: tuple[str, ...]) -> LabelledVideo:
    key = f"{split}-{number}"
    generator = take_generator(key, seed=seed, take=0)
    subject = f"subject{stable_hash(f'{seed}:{key}') % _NUM_SUBJECTS}"
    recipe = _recipe(generator, left_out)
    labels = np.repeat([VOCABULARY.indices[step.label] for step in recipe], [step.num_frames for step in recipe])
    return LabelledVideo(
        key=key,
        features=_seen(_shown(recipe, dim, generator), subject, seed, generator).astype(np.float32),
        labels=labels.astype(np.int32),
        fps=FPS,
        tags={"origin": "synthetic", "split": split, "subject": subject},
    )


def _recipe(generator: np.random.Generator, left_out: tuple[str, ...]) -> list[_Segment]:
    """Takes one object after another through the machine, with pauses and mistakes in between."""
    recipe = []
    count = int(generator.integers(*_OBJECTS_PER_VIDEO, endpoint=True))
    for thing in generator.permutation(OBJECTS)[:count].tolist():
        for verb in _steps(thing, generator, left_out):
            recipe.append(_segment(f"{verb}_{thing}", verb, thing, generator))
            if generator.random() < _WRONG_RATE:
                recipe.append(_segment(WRONG, WRONG, str(generator.choice(OBJECTS)), generator))
            if generator.random() < _NULL_RATE:
                recipe.append(_segment(NULL, NULL, None, generator))
    return recipe


def _steps(thing: str, generator: np.random.Generator, left_out: tuple[str, ...]) -> Iterator[str]:
    """Walks through the machine with one object; a step that is left out is passed through unseen."""
    state = "start"
    shown = 0
    while shown < _MOST_STEPS:
        choices = _NEXT[state]
        state = str(generator.choice(list(choices), p=list(choices.values())))
        if state == "end":
            return
        if f"{state}_{thing}" not in left_out:
            shown += 1
            yield state


def _segment(label: str, verb: str, thing: str | None, generator: np.random.Generator) -> _Segment:
    num_frames = round(_FRAMES[verb] * float(generator.uniform(_SHORTEST, _LONGEST)))
    return _Segment(label, verb, thing, num_frames)


def _shown(recipe: list[_Segment], dim: int, generator: np.random.Generator) -> Float[np.ndarray, "time dim"]:
    """Returns what the actions look like by themselves, each blending into the next and swaying at its verb's pace."""
    looks = _looks(dim)
    lengths = [step.num_frames for step in recipe]
    acted = np.stack([looks[step.verb] + (0.0 if step.thing is None else looks[step.thing]) for step in recipe])
    still = np.repeat(acted, lengths, axis=0)
    # The mean over some frames on either side turns steps into slopes.
    window = np.arange(-_BLEND_FRAMES // 2, _BLEND_FRAMES // 2 + 1)
    places = np.clip(np.arange(len(still))[:, None] + window, 0, len(still) - 1)
    periods = np.repeat([_PERIODS[step.verb] for step in recipe], lengths)
    turns = np.cumsum(1.0 / periods) + generator.random()
    # From -1 to 1 and back, in straight lines: the same to the last bit wherever it is computed.
    sway = 4.0 * np.abs(turns % 1.0 - 0.5) - 1.0
    return still[places].mean(axis=1) + _SWAY * sway[:, None] * looks["sway"]


@functools.cache
def _looks(dim: int) -> Mapping[str, Float[np.ndarray, "dim"]]:
    """Returns the part of the features that each verb and each object has, the same for every seed."""

    def drawn(name: str) -> Float[np.ndarray, "dim"]:
        return take_generator(f"look of {name}", seed=0, take=0).normal(size=dim)

    looks = {name: drawn(name) for name in (*VERBS, *OBJECTS, NULL, WRONG, "sway")}
    for one, other in (("peel", "cut"), ("wash", "fry")):
        looks[other] = looks[one] + _ALIKE * (looks[other] - looks[one])
    return looks


def _seen(
    shown: Float[np.ndarray, "time dim"], subject: str, seed: int, generator: np.random.Generator
) -> Float[np.ndarray, "time dim"]:
    """Returns what a camera sees of a subject: stronger and weaker features, shifted, drifting and noisy."""
    own = take_generator(subject, seed=seed, take=0)
    gain, shift = 1.0 + _GAIN * own.normal(size=shown.shape[1]), _SHIFT * own.normal(size=shown.shape[1])
    lasting = _LASTING_NOISE * _smooth(shown.shape, _LASTING_FRAMES, generator)
    drift = _DRIFT * _smooth(shown.shape, _DRIFT_FRAMES, generator)
    return gain * shown + shift + lasting + drift + _NOISE * generator.normal(size=shown.shape)


def _smooth(shape: tuple[int, ...], num_frames: int, generator: np.random.Generator) -> Float[np.ndarray, "time dim"]:
    """Returns noise that goes in straight lines from one value to another, that many frames later."""
    time, dim = shape
    knots = generator.normal(size=(time // num_frames + 2, dim))
    place, part = np.divmod(np.arange(time), num_frames)
    part = part[:, None] / num_frames
    return (1.0 - part) * knots[place] + part * knots[place + 1]
