"""Synthetic signing: from a sentence, a seed and a take to a clip with its texts."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from jaxmm.data.procedural.chance import stable_hash, take_generator
from jaxmm.data.procedural.curves import WAVE_HERTZ, ease, smooth_noise
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.procedural.figure import Controls, pose
from jaxmm.data.sign.procedural.grammar import Sentence, sentences
from jaxmm.data.sign.procedural.lexicon import LEXICON, Sign
from jaxmm.data.sign.procedural.phonology import ARM_DIM, MIDDLE, MOVEMENT_SECONDS, arm_pose, movement_path
from jaxmm.data.sign.procedural.signer import Signer
from jaxmm.errors import ConfigError

FPS = 25.0
"""Frames per second of every clip of `signs`."""

_LEAD_IN, _TAIL = 0.12, 0.16
# A hand takes this long to its next place, and so much longer for each width of the shoulders on its way.
_SWITCH_SECONDS, _SECONDS_OF_WIDTH = 0.22, 0.10
_BULGE = 0.18
_BLINK_SECONDS, _SECONDS_BETWEEN_BLINKS = 0.3, 2.4
_PLACE_SPREAD, _TEMPO_SPREAD = 0.015, 0.04

# Noise per channel, standard deviation in radians or widths of the shoulders: trunk, head, left and right hand.
_NOISE_SCALE = np.array([0.008, 0.010, 0.008, 0.03, 0.04, 0.02, *[0.008, 0.008, 0.008] * 2])
_WAVE_SCALE = np.array([1.0, 0.5, 0.25])


@dataclasses.dataclass(frozen=True)
class _Span:
    """When a sign is made, in seconds, and between which poses of both arms (leading hand first)."""

    sign: Sign
    start: float
    end: float
    first: Float[np.ndarray, "2 18"]
    last: Float[np.ndarray, "2 18"]


def signs(
    split: str,
    *,
    seed: int,
    takes: int,
    num_glosses: int = len(LEXICON),
    num_sentences: int | None = None,
    num_signers: int = 8,
) -> Iterator[SignClip]:
    """Yields every take of the sentences of a split, at 25 frames per second, sentence by sentence.

    The signing is synthetic: hand shapes, places and movements are invented and belong to no sign language. Takes of a
    sentence are of different signers as long as there are any; all splits share the signers.

    Args:
        split: `train`, `val` or `test`.
        seed: Seed of the source, >= 0.
        takes: Number of takes of each sentence, >= 1.
        num_glosses: Size of the lexicon, from 8 to 40.
        num_sentences: How many sentences; None for all. In training no fewer than there are glosses.
        num_signers: How many signers there are, >= 1.

    Raises:
        ConfigError: If the split does not exist, or a number is out of range.

    Example:
        >>> clip = next(signs("test", seed=0, takes=1, num_glosses=12))
        >>> clip.tags["split"], clip.tags["origin"]
        ('test', 'synthetic')
    """
    if takes < 1:
        raise ConfigError(f"procedural signing: takes={takes}; give at least 1")
    chosen = sentences(split, num_glosses=num_glosses, num_sentences=num_sentences)
    _check(seed, 0, num_signers)
    return (
        synthesize(sentence, seed=seed, take=take, num_signers=num_signers)
        for sentence in chosen
        for take in range(takes)
    )


def synthesize(sentence: Sentence, *, seed: int, take: int, num_signers: int = 8) -> SignClip:
    """Makes one take of a sentence, the same in every process.

    Args:
        sentence: What to sign.
        seed: Seed of the source, >= 0.
        take: Number of the take, >= 0; takes differ in signer, tempo and noise.
        num_signers: How many signers there are, >= 1.

    Returns:
        One to five seconds of synthetic signing from rest to rest.

    Raises:
        ConfigError: If a number is out of range.

    Example:
        >>> clip = synthesize(sentences("train")[1], seed=0, take=2)
        >>> clip.key, clip.gloss, clip.sentence, clip.frames.shape
        ('HOUSE__take2', 'HOUSE', 'A house.', (39, 540))
    """
    _check(seed, take, num_signers)
    signer = Signer.draw(seed=seed, index=(stable_hash(sentence.gloss) + take) % num_signers)
    generator = take_generator(sentence.gloss, seed=seed, take=take)
    return SignClip(
        key=f"{sentence.gloss.replace(' ', '-')}__take{take}",
        frames=pose(signer, perform(sentence, signer, fps=FPS, generator=generator)),
        fps=FPS,
        gloss=sentence.gloss,
        sentence=sentence.english,
        signer=signer.name,
        tags={"origin": "synthetic", "split": sentence.split},
    )


def perform(
    sentence: Sentence, signer: Signer, *, fps: float, generator: np.random.Generator | None = None
) -> Controls:
    """Lays the signs of a sentence out over time.

    Args:
        sentence: What to sign.
        signer: Who signs.
        fps: Frames per second, > 0.
        generator: Source of what differs between takes; without one there is no noise and no blink.

    Example:
        >>> perform(sentences("train")[0], Signer(), fps=25.0).arms.shape
        (38, 2, 18)
    """
    tempo = signer.tempo
    spread = np.zeros((len(sentence.signs), 3))
    if generator is not None:
        tempo *= float(generator.uniform(1.0 - _TEMPO_SPREAD, 1.0 + _TEMPO_SPREAD))
        spread = _PLACE_SPREAD * generator.normal(size=spread.shape)
    spans, end = _spans(sentence, signer, spread)
    time = tempo * np.arange(round(end / tempo * fps)) / fps
    # The hand that leads comes first.
    arms = _arms(spans, signer, time, end)[:, :: 1 if signer.left_handed else -1]
    expression = _expression(spans, time)
    trunk, head = np.zeros((2, len(time), 3))
    if generator is not None:
        noise = _noise(time, generator)
        trunk, head = noise[:, :3], noise[:, 3:6]
        arms[..., MIDDLE] += noise[:, 6:].reshape(-1, 2, 3)
        expression[:, 1] = _blinks(time, generator)
    return Controls(arms=arms, head=head, trunk=trunk, expression=expression)


def _check(seed: int, take: int, num_signers: int) -> None:
    if seed < 0 or take < 0 or num_signers < 1:
        raise ConfigError(
            f"procedural signing: seed={seed}, take={take}, num_signers={num_signers}; give seed and take >= 0 and at "
            "least one signer"
        )


def _spans(sentence: Sentence, signer: Signer, spread: Float[np.ndarray, "signs 3"]) -> tuple[list[_Span], float]:
    """Places the signs in time, each as long after the one before as the hands need for their way."""
    rest = np.stack([arm_pose("relaxed", "rest")] * 2)
    spans: list[_Span] = []
    here, now = rest, _LEAD_IN
    for sign, shift in zip(sentence.signs, spread, strict=True):
        held = np.stack([arm_pose(sign.shape, sign.place), rest[1]])
        held[0, MIDDLE] += shift
        if sign.num_hands == 2:
            held[1] = held[0]
        ends = movement_path(sign.movement, np.array([0.0, 1.0]), amplitude=signer.amplitude)
        first, last = (held + _both(one[None], sign)[0] for one in ends)
        start = now + _seconds_between(here, first)
        spans.append(_Span(sign, start, start + MOVEMENT_SECONDS[sign.movement], first, last))
        here, now = last, spans[-1].end
    return spans, now + _seconds_between(here, rest) + _TAIL


def _seconds_between(here: Float[np.ndarray, "2 18"], there: Float[np.ndarray, "2 18"]) -> float:
    way = np.linalg.norm((there - here)[:, MIDDLE], axis=-1).max()
    return float(_SWITCH_SECONDS + _SECONDS_OF_WIDTH * way)


def _both(path: Float[np.ndarray, "time 6"], sign: Sign) -> Float[np.ndarray, "time 2 18"]:
    """Gives a movement to the hands that the sign uses."""
    arms = np.zeros((len(path), 2, ARM_DIM))
    arms[:, : sign.num_hands, :6] = path[:, None]
    return arms


def _arms(
    spans: list[_Span], signer: Signer, time: Float[np.ndarray, "time"], end: float
) -> Float[np.ndarray, "time 2 18"]:
    """Moves both arms from rest through the signs and back; between signs with least jerk, bulging to the viewer."""
    rest = np.stack([arm_pose("relaxed", "rest")] * 2)
    arms = np.tile(rest, (len(time), 1, 1))
    here, now = rest, _LEAD_IN
    for span in spans:
        _switch(arms, time, (now, span.start), span.first - here)
        part = np.clip((time - span.start) / (span.end - span.start), 0.0, 1.0)
        path = movement_path(span.sign.movement, part, amplitude=signer.amplitude)
        before = movement_path(span.sign.movement, np.zeros(1), amplitude=signer.amplitude)
        arms += _both(path - before, span.sign)
        here, now = span.last, span.end
    _switch(arms, time, (now, end - _TAIL), rest - here)
    return arms


def _switch(
    arms: Float[np.ndarray, "time 2 18"],
    time: Float[np.ndarray, "time"],
    between: tuple[float, float],
    change: Float[np.ndarray, "2 18"],
) -> None:
    """Adds a change of pose to all that follows it."""
    progress = ease(time, *between)[:, None]
    arms += progress[..., None] * change
    ways = np.linalg.norm(change[:, MIDDLE], axis=-1)
    arms[..., MIDDLE.start + 2] -= _BULGE * ways * (4.0 * progress * (1.0 - progress)) ** 2


def _expression(spans: list[_Span], time: Float[np.ndarray, "time"]) -> Float[np.ndarray, "time 3"]:
    """Opens the mouth as the signs say, and raises the brows with signs of time."""
    expression = np.zeros((len(time), 3))
    for span in spans:
        part = np.clip((time - span.start + 0.1) / (span.end - span.start + 0.2), 0.0, 1.0)
        expression[:, 0] += np.sin(np.pi * span.sign.num_openings * part) ** 2
        if span.sign.category == "time":
            expression[:, 2] += np.sin(np.pi * part) ** 2
    return expression


def _blinks(time: Float[np.ndarray, "time"], generator: np.random.Generator) -> Float[np.ndarray, "time"]:
    """Closes the eyes for a moment, now and then."""
    count = 1 + int(time[-1] / _SECONDS_BETWEEN_BLINKS)
    starts = (np.arange(count) + generator.uniform(0.1, 0.8, count)) * _SECONDS_BETWEEN_BLINKS
    part = np.clip((time[:, None] - starts) / _BLINK_SECONDS, 0.0, 1.0)
    return (np.sin(np.pi * part) ** 2).sum(axis=-1)


def _noise(time: Float[np.ndarray, "time"], generator: np.random.Generator) -> Float[np.ndarray, "time channels"]:
    """Returns smooth noise of every channel."""
    shape = (len(_NOISE_SCALE), len(_WAVE_SCALE))
    amplitude = _NOISE_SCALE[:, None] * _WAVE_SCALE * generator.normal(size=shape)
    hertz = WAVE_HERTZ * generator.uniform(0.7, 1.3, shape)
    phase = generator.uniform(0.0, 2.0 * np.pi, shape)
    return smooth_noise(time, np.stack([amplitude, hertz, phase]))
