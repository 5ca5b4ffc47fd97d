"""Scores of several models on one scale: the probability that a pair is the same, and its mean over models."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64

from jaxmm.errors import DataError
from jaxmm.evaluate.classification import mean_answers
from jaxmm.evaluate.sweep import Sweep

_MOST_STEPS = 100
_SMALLEST_STEP = 1e-12


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogisticScale:
    """Makes scores of one model log odds that a pair is the same: slope * score + offset.

    It keeps the order of pairs, unlike ranks it tells apart scores beyond those it was fitted to, and 0.5 as a
    probability means the same of every model.

    Attributes:
        slope: Log odds by score; negative of a model that scores different pairs higher.
        offset: Log odds of a score of 0.

    Example:
        >>> scores, same = np.array([0.9, 0.7, 0.6, 0.1]), np.array([True, False, True, False])
        >>> LogisticScale.fit(scores, same)(scores).round(1).tolist()
        [0.7, 0.6, 0.5, 0.3]

    Reference: Platt, Probabilistic outputs for support vector machines, 1999, with its targets, which keep the fit
    finite where a threshold parts all pairs.
    """

    slope: float
    offset: float

    @classmethod
    def fit(cls, scores: Float[np.ndarray, "pairs"], same: Bool[np.ndarray, "pairs"]) -> "LogisticScale":
        """Fits the scale to pairs on which the model was not trained, such as those of validation.

        Args:
            scores: The model's, of any scale.
            same: True where a pair is the same.

        Raises:
            DataError: If all pairs are the same, or all different; there is none; or a score is not finite.
        """
        counts = Sweep.of(scores, same)
        if not counts.has_both:
            raise DataError("a scale is fitted to same and different pairs, but all are of one kind; add others")
        high, low = (counts.num_same + 1) / (counts.num_same + 2), 1 / (counts.num_different + 2)
        targets = np.where(same, high, low)
        centre, spread = float(scores.mean(dtype=np.float64)), float(scores.std(dtype=np.float64)) or 1.0
        inputs = np.stack([(scores - centre) / spread, np.ones(len(scores))], axis=1)
        slope, offset = _fitted(inputs, targets)
        return cls(slope=slope / spread, offset=offset - slope * centre / spread)

    def log_odds(self, scores: Float[np.ndarray, "pairs"]) -> Float64[np.ndarray, "pairs"]:
        """Returns the log odds that each pair is the same."""
        return self.slope * scores.astype(np.float64) + self.offset

    def __call__(self, scores: Float[np.ndarray, "pairs"]) -> Float64[np.ndarray, "pairs"]:
        """Returns the probability that each pair is the same, in [0, 1]."""
        return np.exp(-np.logaddexp(0, -self.log_odds(scores)))


def mean_scores(
    scores: Sequence[Float[np.ndarray, "pairs"]],
    scales: Sequence[LogisticScale],
    *,
    weights: Sequence[float] | None = None,
) -> Float64[np.ndarray, "pairs"]:
    """Returns the mean probability that pairs are the same by the word of several models.

    Args:
        scores: Of each model, for the same pairs.
        scales: Of each model, fitted to its scores.
        weights: How much each model counts, >= 0 and not all 0; all alike by default.

    Raises:
        ConfigError: If the weights do not fit.

    Example:
        >>> cosine, distance = LogisticScale(slope=4.0, offset=-2.0), LogisticScale(slope=1.0, offset=5.0)
        >>> mean_scores([np.array([0.5]), np.array([-5.0])], [cosine, distance]).round(6).tolist()
        [0.5]
    """
    odds = [scale.log_odds(own) for scale, own in zip(scales, scores, strict=True)]
    answers = mean_answers([np.stack([np.zeros_like(own), own], axis=1) for own in odds], weights=weights)
    return np.exp(answers[:, 1])


def _fitted(inputs: Float64[np.ndarray, "pairs 2"], targets: Float64[np.ndarray, "pairs"]) -> tuple[float, float]:
    """Returns slope and offset of least cross-entropy, by Newton's method with steps halved until they gain."""

    def loss(chosen: np.ndarray) -> float:
        odds = inputs @ chosen
        return float((np.logaddexp(0, odds) - targets * odds).sum())

    chosen = np.array([0.0, np.log(targets.mean() / (1 - targets.mean()))])
    for _ in range(_MOST_STEPS):
        told = np.exp(-np.logaddexp(0, -(inputs @ chosen)))
        slopes = inputs.T @ (told - targets)
        curvature = (inputs * (told * (1 - told))[:, None]).T @ inputs
        # Scores that are all equal say nothing of the slope, which then stays as it is.
        step = np.linalg.lstsq(curvature, slopes, rcond=None)[0]
        while loss(chosen - step) > loss(chosen) and np.abs(step).max() > _SMALLEST_STEP:
            step = step / 2
        if np.abs(step).max() <= _SMALLEST_STEP:
            break
        chosen = chosen - step
    return float(chosen[0]), float(chosen[1])
