"""What pairs are told to be at every threshold of their scores, and the curves and scores that follow."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from jaxmm.errors import DataError


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """How many pairs are told to be the same as the threshold falls, from one that no pair reaches.

    Attributes:
        thresholds: Falling; infinity, and then every score that occurs. A pair that scores as much is told the same.
        true: How many of those told the same are the same.
        false: How many of them are different.

    Example:
        >>> sweep = Sweep.of(np.array([0.9, 0.6, 0.4]), np.array([True, False, True]))
        >>> sweep.roc_auc(), sweep.best_f1()
        (0.5, (0.8, 0.4))
    """

    thresholds: Float64[np.ndarray, "thresholds"]
    true: Float64[np.ndarray, "thresholds"]
    false: Float64[np.ndarray, "thresholds"]

    @classmethod
    def of(cls, scores: Float[np.ndarray, "pairs"], same: Bool[np.ndarray, "pairs"]) -> "Sweep":
        """Counts every pair once.

        Args:
            scores: The higher, the more alike; a distance is given with its sign turned.
            same: True where a pair is the same.

        Raises:
            DataError: If there is no pair, or a score is not finite.
        """
        return SortedPairs(scores, same).sweep(np.ones(len(scores)))

    @property
    def num_same(self) -> float:
        """Pairs that are the same."""
        return float(self.true[-1])

    @property
    def num_different(self) -> float:
        """Pairs that are different."""
        return float(self.false[-1])

    @property
    def has_both(self) -> bool:
        """Whether there are pairs of either kind, without which most scores have no meaning."""
        return self.num_same > 0 and self.num_different > 0

    def roc(self) -> tuple[Float64[np.ndarray, "thresholds"], Float64[np.ndarray, "thresholds"]]:
        """Returns false and true positive rates, from (0, 0) to (1, 1).

        Raises:
            DataError: If all pairs are the same, or all different; so of the scores below.
        """
        self._check_both("a ROC curve")
        return self.false / self.num_different, self.true / self.num_same

    def precision_recall(self) -> tuple[Float64[np.ndarray, "thresholds"], Float64[np.ndarray, "thresholds"]]:
        """Returns precision and recall, from (1, 0), which is a convention, as nothing is told there."""
        self._check_both("a precision-recall curve")
        return self._precision(), self.true / self.num_same

    def roc_auc(self) -> float:
        """Returns the area under the ROC curve: how often a same pair scores above a different one, a tie half."""
        self._check_both("ROC-AUC")
        return float(np.trapezoid(self.true, self.false) / (self.num_same * self.num_different))

    def average_precision(self) -> float:
        """Returns the mean of precision over the same pairs, each at its own score; tied pairs count together."""
        self._check_both("average precision")
        return self.precision_at_hits()

    def precision_at_hits(self) -> float:
        """Returns average precision, also where no pair is different and it is 1: of one query, all may be hits."""
        return float(np.diff(self.true) @ self._precision()[1:] / max(self.num_same, 1))

    def equal_error_rate(self) -> float:
        """Returns the rate at which as many same pairs are missed as different ones are told the same.

        Between two thresholds, neither of which has both rates equal, both rates are taken to change linearly, as the
        ROC curve is drawn.
        """
        self._check_both("the equal error rate")
        missed, alarms = 1 - self.true / self.num_same, self.false / self.num_different
        gap = alarms - missed  # from -1 to 1
        after = int((gap >= 0).argmax())
        share = gap[after - 1] / (gap[after - 1] - gap[after])
        return float(alarms[after - 1] + share * (alarms[after] - alarms[after - 1]))

    def best_f1(self) -> tuple[float, float]:
        """Returns the highest F1 of the same pairs and the threshold that has it, of several the highest.

        Raises:
            DataError: If no pair is the same.
        """
        if not self.num_same:
            raise DataError("no pair is the same, so no threshold is best; add such pairs")
        f1 = self._f1()
        return float(f1.max()), float(self.thresholds[f1.argmax()])

    def at(self, threshold: float) -> dict[str, float]:
        """Returns what pairs are told at one threshold, finite: counts, accuracy, precision, recall and F1.

        Precision is 0 where no pair is told the same, recall and F1 where none is.
        """
        place = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        hits, alarms = float(self.true[place]), float(self.false[place])
        counts = {
            "true_positives": hits,
            "false_positives": alarms,
            "false_negatives": self.num_same - hits,
            "true_negatives": self.num_different - alarms,
        }
        return {
            **counts,
            "accuracy": (hits + counts["true_negatives"]) / (self.num_same + self.num_different),
            "precision": hits / max(hits + alarms, 1),
            "recall": hits / max(self.num_same, 1),
            "f1": float(self._f1()[place]),
        }

    def _precision(self) -> Float64[np.ndarray, "thresholds"]:
        told = self.true + self.false
        return np.where(told > 0, self.true / np.maximum(told, 1), 1.0)

    def _f1(self) -> Float64[np.ndarray, "thresholds"]:
        return 2 * self.true / np.maximum(self.true + self.false + self.num_same, 1)

    def _check_both(self, what: str) -> None:
        if not self.has_both:
            kind = "the same" if self.num_same else "different"
            raise DataError(f"{what} needs same and different pairs, but all are {kind}; add pairs of the other kind")


class SortedPairs:
    """Pairs sorted by their scores once, to be swept as often as they are drawn anew.

    Args:
        scores: The higher, the more alike.
        same: True where a pair is the same.

    Raises:
        DataError: If there is no pair, or a score is not finite.

    Example:
        >>> pairs = SortedPairs(np.array([0.6, 0.9]), np.array([False, True]))
        >>> pairs.sweep(np.array([2, 1])).false.tolist()
        [0.0, 0.0, 2.0]
    """

    def __init__(self, scores: Float[np.ndarray, "pairs"], same: Bool[np.ndarray, "pairs"]) -> None:
        if not len(scores):
            raise DataError("there are no pairs; there is nothing to score")
        if not np.isfinite(scores).all():
            raise DataError("a score of a pair is not finite; the model diverged")
        self._order = np.argsort(-scores, kind="stable")
        self._same = same[self._order]
        falling = scores[self._order].astype(np.float64)
        self._last = np.flatnonzero(np.append(np.diff(falling) != 0, True))  # of each score, its last pair
        self._thresholds = np.concatenate([[np.inf], falling[self._last]])

    def sweep(self, weights: Float[np.ndarray, "pairs"] | Int[np.ndarray, "pairs"]) -> Sweep:
        """Counts each pair as often as its weight, a number of 0, 1, 2, ..., says."""
        drawn = weights[self._order].astype(np.float64)
        true, false = (np.concatenate([[0.0], np.cumsum(drawn * own)[self._last]]) for own in (self._same, ~self._same))
        return Sweep(thresholds=self._thresholds, true=true, false=false)
