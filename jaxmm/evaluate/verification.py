"""How well scores tell whether two videos are the same: over all pairs, and over those of each kind."""

import dataclasses
import logging
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jaxmm.errors import ConfigError
from jaxmm.evaluate.intervals import percentile_intervals
from jaxmm.evaluate.sweep import SortedPairs, Sweep

_NEED_BOTH = ("roc_auc", "average_precision", "eer")
_NEED_SAME = ("best_f1", "best_threshold")
_COUNTS = ("true_positives", "false_positives", "false_negatives", "true_negatives")
_LOG = logging.getLogger(__name__)


def verification_scores(
    scores: Float[np.ndarray, "pairs"],
    same: Bool[np.ndarray, "pairs"],
    *,
    threshold: float = 0.5,
    num_resamples: int = 0,
    units: Int[np.ndarray, "pairs 2"] | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Returns scores over pairs; those that pairs of one kind cannot have are left out, and a warning names them (D7).

    Args:
        scores: The higher, the more alike; a distance is given with its sign turned.
        same: True where a pair is the same.
        threshold: A finite score from which on pairs are told the same, such as one that was best in validation.
        num_resamples: Bootstrap draws for 95% intervals `<name>/low` and `<name>/high`; 0 has none.
        units: The two videos of each pair, or what they were cut from, by number: what is drawn, as pairs of one video
            depend on each other. A pair counts as often as both its videos were drawn, one with itself as often as
            that was. By default pairs are drawn. A draw that lacks a kind of pairs is drawn anew.
        seed: Seed of the draws.

    Returns:
        `roc_auc`, `average_precision` and `eer`, the equal error rate, as `Sweep` has them, where some pairs are the
        same and some different; `best_f1` and `best_threshold`, found on these very pairs, where some are the same;
        at the threshold `accuracy`, `precision`, `recall`, `f1`, `true_positives`, `false_positives`,
        `false_negatives` and `true_negatives`; `threshold`; and the numbers of `same` and `different` pairs.

    Raises:
        ConfigError: If `num_resamples` is negative or the threshold is not finite.
        DataError: If there is no pair, or a score is not finite.

    Example:
        >>> found = verification_scores(np.array([0.9, 0.7, 0.6, 0.1]), np.array([True, False, True, False]))
        >>> found["roc_auc"], found["best_threshold"], found["false_positives"]
        (0.75, 0.6, 1.0)

    Reference: seed 003, "Model Evaluation"; draws of videos as in Snijders and Borgatti, Non-parametric standard errors
    and tests for network statistics, Connections 1999.
    """
    found = _scores(scores, same, threshold=threshold, num_resamples=num_resamples, units=units, seed=seed)
    _warn_of_missing(found)
    return found


def scores_by_kind(
    scores: Float[np.ndarray, "pairs"],
    same: Bool[np.ndarray, "pairs"],
    kinds: Shaped[np.ndarray, "pairs"],
    *,
    threshold: float = 0.5,
    num_resamples: int = 0,
    units: Int[np.ndarray, "pairs 2"] | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Returns scores of each kind of same pairs among all different ones, and of each kind of different among all same.

    Args:
        scores: As in `verification_scores`, like all below.
        same: True where a pair is the same.
        kinds: A word for each pair, such as `cropped` or `unrelated`; same and different pairs may share one.
        threshold: A score from which on pairs are told the same.
        num_resamples: Bootstrap draws; 0 has none.
        units: The two videos of each pair.
        seed: Seed of the draws.

    Returns:
        `same/<kind>/<score>` and `different/<kind>/<score>`, with the scores of `verification_scores`.

    Raises:
        ConfigError: As `verification_scores`.
        DataError: As `verification_scores`.

    Example:
        >>> scores, same = np.array([0.9, 0.3, 0.5]), np.array([True, True, False])
        >>> found = scores_by_kind(scores, same, np.array(["cropped", "retimed", "unrelated"]))
        >>> found["same/cropped/roc_auc"], found["same/retimed/roc_auc"], found["different/unrelated/roc_auc"]
        (1.0, 0.0, 0.5)
    """
    found: dict[str, float] = {}
    parts = {"same": same, "different": ~same}
    for name, own in parts.items():
        for kind in np.unique(kinds[own]):
            chosen = (own & (kinds == kind)) | ~own
            part = _scores(
                scores[chosen],
                same[chosen],
                threshold=threshold,
                num_resamples=num_resamples,
                units=None if units is None else units[chosen],
                seed=seed,
            )
            found |= {f"{name}/{kind}/{score}": value for score, value in part.items()}
    if not (same.any() and not same.all()):
        _warn_of_missing(_scores(scores, same, threshold=threshold))
    return found


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Gains:
    """How much more of the area under the ROC curve each model has than each other, on the same pairs.

    Attributes:
        roc_auc: Area of each model.
        low: Lower end of the 95% interval of the area of model i minus that of model j, at [i, j].
        high: Its upper end.

    Example:
        >>> gains = Gains(roc_auc=np.array([0.9, 0.7]), low=np.array([[0, 0.1], [-0.3, 0]]),
        ...               high=np.array([[0, 0.3], [-0.1, 0]]))
        >>> gains.tells(0, 1), gains.tells(1, 0)
        (True, False)
    """

    roc_auc: Float[np.ndarray, "models"]
    low: Float[np.ndarray, "models models"]
    high: Float[np.ndarray, "models models"]

    def tells(self, better: int, other: int) -> bool:
        """Whether one model is better than another by more than chance: the interval is above zero."""
        return bool(self.low[better, other] > 0)


def roc_auc_gains(
    scores: Float[np.ndarray, "models pairs"],
    same: Bool[np.ndarray, "pairs"],
    *,
    num_resamples: int,
    units: Int[np.ndarray, "pairs 2"] | None = None,
    seed: int = 0,
) -> Gains:
    """Compares models by a paired bootstrap: in each draw all of them are scored on the same pairs.

    Args:
        scores: What each model says of the pairs.
        same: True where a pair is the same.
        num_resamples: Draws, >= 1.
        units: The two videos of each pair, as in `verification_scores`.
        seed: Seed of the draws.

    Raises:
        ConfigError: If there is no draw.
        DataError: If there is no pair, all are the same or all different, or a score is not finite.

    Example:
        >>> same = np.array([True, False] * 4)
        >>> gains = roc_auc_gains(np.stack([np.where(same, 0.9, 0.1), np.full(8, 0.5)]), same, num_resamples=50)
        >>> gains.roc_auc.tolist(), gains.low[0, 1].item(), gains.high[0, 1].item()
        ([1.0, 0.5], 0.5, 0.5)

    Reference: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 8.
    """
    if num_resamples < 1:
        raise ConfigError(f"bootstrap is {num_resamples}; give 1 draw or more, as differences are told by intervals")
    sorted_pairs = [SortedPairs(own, same) for own in scores]
    areas = np.array([pairs.sweep(np.ones(len(same))).roc_auc() for pairs in sorted_pairs])
    places, num_units = _places(units, len(same))

    def drawn(counts: Int[np.ndarray, "units"]) -> Float[np.ndarray, "differences"] | None:
        sweeps = [pairs.sweep(_times(counts, places)) for pairs in sorted_pairs]
        if not sweeps[0].has_both:
            return None
        own = np.array([sweep.roc_auc() for sweep in sweeps])
        return (own[:, None] - own[None]).ravel()

    low, high = percentile_intervals(drawn, num_units=num_units, num_resamples=num_resamples, seed=seed)
    shape = (len(areas), len(areas))
    return Gains(roc_auc=areas, low=low.reshape(shape), high=high.reshape(shape))


def _scores(
    scores: Float[np.ndarray, "pairs"],
    same: Bool[np.ndarray, "pairs"],
    *,
    threshold: float,
    num_resamples: int = 0,
    units: Int[np.ndarray, "pairs 2"] | None = None,
    seed: int = 0,
) -> dict[str, float]:
    if num_resamples < 0:
        raise ConfigError(f"bootstrap is {num_resamples}; give a number of draws, or 0 for no intervals")
    if not np.isfinite(threshold):
        raise ConfigError(f"threshold is {threshold}; give a finite score")
    pairs = SortedPairs(scores, same)
    whole = pairs.sweep(np.ones(len(scores)))
    found = _of_sweep(whole, threshold)
    if num_resamples:
        names = [name for name in found if name not in _COUNTS]
        places, num_units = _places(units, len(scores))

        def drawn(counts: Int[np.ndarray, "units"]) -> Float[np.ndarray, "scores"] | None:
            sweep = pairs.sweep(_times(counts, places))
            if (sweep.num_same > 0, sweep.num_different > 0) != (whole.num_same > 0, whole.num_different > 0):
                return None
            own = _of_sweep(sweep, threshold)
            return np.array([own[name] for name in names])

        low, high = percentile_intervals(drawn, num_units=num_units, num_resamples=num_resamples, seed=seed)
        for place, name in enumerate(names):
            found |= {f"{name}/low": float(low[place]), f"{name}/high": float(high[place])}
    sizes = {"threshold": float(threshold), "same": whole.num_same, "different": whole.num_different}
    return found | sizes


def _of_sweep(sweep: Sweep, threshold: float) -> dict[str, float]:
    found: dict[str, float] = {}
    if sweep.has_both:
        areas = sweep.roc_auc(), sweep.average_precision(), sweep.equal_error_rate()
        found |= dict(zip(_NEED_BOTH, areas, strict=True))
    if sweep.num_same:
        found |= dict(zip(_NEED_SAME, sweep.best_f1(), strict=True))
    return found | sweep.at(threshold)


def _places(units: Int[np.ndarray, "pairs 2"] | None, num_pairs: int) -> tuple[Int[np.ndarray, "pairs 2"], int]:
    """Returns the two units of each pair, counted up from 0, and how many units there are."""
    if units is None:
        return np.repeat(np.arange(num_pairs)[:, None], 2, axis=1), num_pairs
    distinct, places = np.unique(units, return_inverse=True)
    return places.reshape(units.shape), len(distinct)


def _times(counts: Int[np.ndarray, "units"], places: Int[np.ndarray, "pairs 2"]) -> Int[np.ndarray, "pairs"]:
    """Returns how often pairs are drawn; what was drawn of one unit is paired with its own copy alone."""
    one, other = counts[places.T]
    return np.where(places[:, 0] == places[:, 1], one, one * other)


def _warn_of_missing(found: Mapping[str, float]) -> None:
    missing = [name for name in (*_NEED_BOTH, *_NEED_SAME) if name not in found]
    if missing:
        kind, other = ("same", "different") if found["same"] else ("different", "same")
        _LOG.warning(
            "all %d pairs are %s, so there is no %s; add %s pairs", found[kind], kind, ", ".join(missing), other
        )
