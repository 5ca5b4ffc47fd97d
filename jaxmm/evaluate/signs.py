"""How near generated signing is to real signing: errors along the best alignment, frame by frame, and in length.

All distances are in shoulder widths, between landmarks of the parts that count; a landmark that was not detected in
the real frame counts nowhere.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped

from jaxmm.data.sign.clip import SignClip, TextKind
from jaxmm.data.sign.layout import HOLISTIC, SignLayout
from jaxmm.data.sign.statistics import Statistics
from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.edits import edit_distance
from jaxmm.evaluate.intervals import ScoredQueries, bootstrap_intervals

_MISSED = 1.0  # shoulder widths: the error of a landmark that is in the real frame and not in the generated one


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignDistance:
    """What a distance between two frames of signing is.

    Attributes:
        parts: Parts whose landmarks count.
        layout: What the numbers of a frame mean.

    Raises:
        ConfigError: If there is no such part, or none is named.

    Example:
        >>> distance = SignDistance()
        >>> real = np.ones((3, 540), np.float32)
        >>> made = np.repeat(real, 2, axis=0)
        >>> distance.aligned_error(made, real), round(distance.position_error(made, real + 1), 3)
        (0.0, 1.732)
        >>> distance.settings()
        {'parts': 'body, left_hand, right_hand', 'unit': 'shoulder widths', 'missed_landmark': 1.0}
    """

    parts: tuple[str, ...] = ("body", "left_hand", "right_hand")
    layout: SignLayout = HOLISTIC

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("no part of the person is named; give one or more")
        for part in self.parts:
            self.layout.part(part)

    def settings(self) -> dict[str, str | float]:
        """Returns what values depend on, to be printed with them."""
        return {"parts": ", ".join(self.parts), "unit": "shoulder widths", "missed_landmark": _MISSED}

    def aligned_error(self, made: Float32[np.ndarray, "time dim"], real: Float32[np.ndarray, "real_time dim"]) -> float:
        """Returns nDTW-MJE: the mean error along the alignment in time that has the least total error.

        Args:
            made: Generated frames in original units.
            real: Real frames.

        Reference: arXiv:2211.13613, which normalises by the shoulders and leaves out what was not detected; dynamic
        time warping with steps of one frame in either or both, divided by the number of pairs on the path.
        """
        return _least_mean(self.frame_errors(made, real)[:, self._seen(real)])

    def position_error(
        self, made: Float32[np.ndarray, "time dim"], real: Float32[np.ndarray, "real_time dim"]
    ) -> float:
        """Returns APE: the mean error frame by frame, each real frame against the generated one at the same share."""
        places = np.round(np.linspace(0, len(made) - 1, len(real))).astype(int)
        errors = _mean_distance(*self._landmarks(made[places]), *self._landmarks(real))
        return float(errors[self._seen(real)].mean())

    def frame_errors(
        self, made: Float32[np.ndarray, "time dim"], real: Float32[np.ndarray, "real_time dim"]
    ) -> Float[np.ndarray, "time real_time"]:
        """Returns the mean distance of landmarks between each generated and each real frame."""
        made_positions, made_seen = self._landmarks(made)
        real_positions, real_seen = self._landmarks(real)
        rows = zip(made_positions, made_seen, strict=True)
        return np.stack([_mean_distance(positions, seen, real_positions, real_seen) for positions, seen in rows])

    def _seen(self, real: Float32[np.ndarray, "time dim"]) -> Bool[np.ndarray, "time"]:
        """Tells in which real frames anything was detected; the others count nowhere, but where there are no more."""
        seen = np.asarray(self._landmarks(real)[1].any(axis=1))
        return seen if seen.any() else np.ones_like(seen)

    def _landmarks(
        self, frames: Float32[np.ndarray, "time dim"]
    ) -> tuple[Float32[np.ndarray, "time landmarks 3"], Bool[np.ndarray, "time landmarks"]]:
        chosen = np.concatenate(
            [np.arange(len(self.layout.landmarks))[self.layout.part_landmarks(part)] for part in self.parts]
        )
        positions = frames[:, self.layout.position_features[chosen]]
        return positions, (positions != 0).any(axis=-1)


def _mean_distance(
    made: Float32[np.ndarray, "*time landmarks 3"],
    made_seen: Bool[np.ndarray, "*time landmarks"],
    real: Float32[np.ndarray, "real_time landmarks 3"],
    real_seen: Bool[np.ndarray, "real_time landmarks"],
) -> Float[np.ndarray, "real_time"]:
    """Returns, for each real frame, the mean distance of its landmarks from those of one frame, or of as many."""
    distances = np.where(made_seen, np.linalg.norm(made - real, axis=-1), _MISSED)
    return np.where(real_seen, distances, 0).sum(axis=1) / np.maximum(real_seen.sum(axis=1), 1)


def clip_errors(
    made: Sequence[Float32[np.ndarray, "_time dim"]],
    real: Sequence[Float32[np.ndarray, "_real_time dim"]],
    distance: SignDistance,
) -> dict[str, Float[np.ndarray, "clips"]]:
    """Returns the errors of clips against the real clips of the same texts.

    Args:
        made: Generated clips, or those of a baseline.
        real: The real clip for each.
        distance: What a distance is.

    Returns:
        For each clip `ndtw_mje` and `ape` in shoulder widths, and `length_error`, the share of the real length by
        which it is too short or too long.

    Example:
        >>> real = [np.ones((4, 540), np.float32)]
        >>> errors = clip_errors([np.ones((5, 540), np.float32)], real, SignDistance())
        >>> {name: values.tolist() for name, values in errors.items()}
        {'ndtw_mje': [0.0], 'ape': [0.0], 'length_error': [0.25]}
    """
    pairs = list(zip(made, real, strict=True))
    return {
        "ndtw_mje": np.array([distance.aligned_error(own, other) for own, other in pairs]),
        "ape": np.array([distance.position_error(own, other) for own, other in pairs]),
        "length_error": np.array([abs(len(own) - len(other)) / len(other) for own, other in pairs]),
    }


def score_signs(errors: Mapping[str, Float[np.ndarray, "clips"]], *, num_resamples: int = 0) -> dict[str, float]:
    """Returns the mean of each error over the clips.

    Args:
        errors: What `clip_errors` returned.
        num_resamples: Bootstrap draws over the clips for 95% intervals, `.../low` and `.../high`; 0 has none.

    Raises:
        ConfigError: If `num_resamples` is negative.

    Example:
        >>> score_signs({"ape": np.array([0.0, 1.0])})
        {'ape': 0.5}
    """
    if num_resamples < 0:
        raise ConfigError(f"bootstrap is {num_resamples}; give a number of draws, or 0 for no intervals")
    scores = {name: float(values.mean()) for name, values in errors.items()}
    if num_resamples:
        num_clips = len(next(iter(errors.values())))
        part = ScoredQueries(queries=np.arange(num_clips), gallery=num_clips, values=errors)
        for name, (low, high) in bootstrap_intervals([part], num_resamples=num_resamples).items():
            scores |= {f"{name}/low": low, f"{name}/high": high}
    return scores


def baselines(
    train: Sequence[SignClip], wanted: Sequence[SignClip], *, text: TextKind, seed: int = 0
) -> dict[str, list[Float32[np.ndarray, "_time dim"]]]:
    """Returns what who cannot sign would answer to each text.

    Args:
        train: Clips of the training split.
        wanted: Clips whose texts are asked for; of them only text, signer and, for the mean pose, length are read.
        text: Which of the texts is asked.
        seed: Chooses the random clips, >= 0.

    Returns:
        `mean_pose`, the mean of all training frames, held for the real length; `random_clip`, a training clip drawn
        at random; `nearest_text`, the training clip whose text has the least edit distance in words, of those of the
        same signer where there are any; the first of several.

    Example:
        >>> clips = [SignClip(key=gloss, frames=np.full((2, 540), len(gloss), np.float32), fps=25.0, gloss=gloss)
        ...          for gloss in ("I GO", "I SLEEP")]
        >>> answers = baselines(clips[1:], clips[:1], text="gloss")
        >>> {name: own[0][0, 0].item() for name, own in answers.items()}
        {'mean_pose': 7.0, 'random_clip': 7.0, 'nearest_text': 7.0}
    """
    rng = np.random.default_rng(seed)
    mean = Statistics.of(train).mean
    return {
        "mean_pose": [np.repeat(mean[None], clip.num_frames, axis=0) for clip in wanted],
        "random_clip": [train[int(rng.integers(len(train)))].frames for _ in wanted],
        "nearest_text": [_nearest(train, clip, text).frames for clip in wanted],
    }


def _nearest(train: Sequence[SignClip], clip: SignClip, text: TextKind) -> SignClip:
    wanted = _words(clip, text)
    rivals = [other for other in train if other.signer == clip.signer] or train
    return min(rivals, key=lambda other: edit_distance(wanted, _words(other, text)))


def _words(clip: SignClip, text: TextKind) -> Shaped[np.ndarray, "words"]:
    return np.array((clip.text(text) or "").split(), np.str_)


def diversity(clips: Sequence[Float32[np.ndarray, "_time dim"]], distance: SignDistance) -> float:
    """Returns the mean distance between clips of different texts, each frame against the one at the same share.

    Args:
        clips: Two or more clips.
        distance: What a distance is.

    Raises:
        DataError: If there are fewer.

    Example:
        >>> diversity([np.ones((2, 540), np.float32)] * 3, SignDistance())
        0.0
    """
    pairs = [(one, other) for one in range(len(clips)) for other in range(one)]
    if not pairs:
        raise DataError("diversity compares clips with each other; give two or more")
    return float(np.mean([distance.position_error(clips[one], clips[other]) for one, other in pairs]))


def _least_mean(costs: Float[np.ndarray, "time real_time"]) -> float:
    """Returns the mean cost on the path of least total cost from the first pair to the last."""
    height, width = costs.shape
    totals = np.full((height + 1, width + 1), np.inf)
    lengths = np.zeros((height + 1, width + 1), np.int64)
    totals[0, 0] = 0
    for diagonal in range(2, height + width + 1):  # pairs of which none is before another
        rows = np.arange(max(1, diagonal - width), min(height, diagonal - 1) + 1)
        columns = diagonal - rows
        before = np.stack([rows - 1, rows - 1, rows]), np.stack([columns - 1, columns, columns - 1])
        best = totals[before].argmin(axis=0), np.arange(len(rows))
        totals[rows, columns] = totals[before][best] + costs[rows - 1, columns - 1]
        lengths[rows, columns] = lengths[before][best] + 1
    return float(totals[height, width] / lengths[height, width])
