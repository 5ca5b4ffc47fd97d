"""Bootstrap confidence intervals, over queries and over whatever else is drawn."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxmm.evaluate.ranks import summarise

_LEVEL = 0.95


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ScoredQueries:
    """The queries of one gallery, with what each scored in it.

    Attributes:
        queries: Number of each query in the whole split, or of what several were cut from: those of one number are
            drawn at once, in one gallery or in several.
        gallery: Items of the gallery.
        values: Metrics by name, one value a query.

    Example:
        >>> scored = ScoredQueries(queries=np.array([0, 4]), gallery=9, values={"recall@1": np.array([1.0, 0.0])})
        >>> scored.summary()
        {'recall@1': 0.5, 'queries': 2.0, 'gallery': 9.0}
    """

    queries: Int[np.ndarray, "queries"]
    gallery: int
    values: Mapping[str, Float[np.ndarray, "queries"]]

    def summary(self) -> dict[str, float]:
        """Returns every metric over the queries, and the sizes."""
        metrics = {name: summarise(name, values) for name, values in self.values.items()}
        return {**metrics, "queries": float(len(self.queries)), "gallery": float(self.gallery)}


def bootstrap_intervals(
    parts: Sequence[ScoredQueries], *, num_resamples: int, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Returns the 95% percentile interval of each metric, averaged over galleries, under resampling of the queries.

    A query that stands in several galleries is drawn for all of them at once, since what it scores there depends.

    Args:
        parts: The galleries with their scored queries.
        num_resamples: Draws of as many queries as there are, >= 1.
        seed: Seed of the draws.

    Returns:
        Lower and upper bound by the metric's name.

    Example:
        >>> values = {"recall@1": np.array([1.0, 0.0, 1.0, 1.0])}
        >>> part = ScoredQueries(queries=np.arange(4), gallery=4, values=values)
        >>> bootstrap_intervals([part], num_resamples=200)
        {'recall@1': (0.25, 1.0)}

    Reference: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13.
    """
    table = _Table(parts)
    low, high = percentile_intervals(table.metrics, num_units=table.num_queries, num_resamples=num_resamples, seed=seed)
    return {name: (float(low[row]), float(high[row])) for row, name in enumerate(parts[0].values)}


def percentile_intervals(
    metrics: Callable[[Int[np.ndarray, "units"]], Float[np.ndarray, "metrics"] | None],
    *,
    num_units: int,
    num_resamples: int,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "metrics"], Float[np.ndarray, "metrics"]]:
    """Returns the lower and upper ends of the 95% percentile intervals of metrics under resampling of units.

    Args:
        metrics: Returns them when each unit counts as often as it was drawn, or None where such a draw says nothing;
            another takes its place.
        num_units: What is drawn from, and how many are drawn at once.
        num_resamples: Draws, >= 1.
        seed: Seed of the draws.

    Example:
        >>> values = np.array([1.0, 0.0, 1.0, 1.0])
        >>> share = lambda counts: counts @ values[:, None] / 4
        >>> low, high = percentile_intervals(share, num_units=4, num_resamples=200)
        >>> low.tolist(), high.tolist()
        ([0.25], [1.0])
    """
    rng = np.random.default_rng(seed)
    draws: list[np.ndarray] = []
    while len(draws) < num_resamples:
        counts = np.bincount(rng.integers(num_units, size=num_units), minlength=num_units)
        if (drawn := metrics(counts)) is not None:
            draws.append(drawn)
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return low, high


class _Table:
    """All galleries side by side, filled up to one length, to be summed up under changing counts of the queries."""

    def __init__(self, parts: Sequence[ScoredQueries]) -> None:
        distinct, places = np.unique(np.concatenate([part.queries for part in parts]), return_inverse=True)
        self.num_queries = len(distinct)
        lengths = np.array([len(part.queries) for part in parts])
        self._filled = np.arange(lengths.max()) < lengths[:, None]
        self._places = np.zeros(self._filled.shape, np.int64)
        self._places[self._filled] = places
        self._values = np.zeros((len(parts[0].values), *self._filled.shape))
        for row, name in enumerate(parts[0].values):
            self._values[row, self._filled] = np.concatenate([part.values[name] for part in parts])
        self._median = list(parts[0].values).index("median_rank") if "median_rank" in parts[0].values else None
        if self._median is not None:
            ranks = np.where(self._filled, self._values[self._median], np.inf)
            self._order = ranks.argsort(axis=1)
            self._ranks = np.take_along_axis(ranks, self._order, axis=1)

    def metrics(self, counts: Int[np.ndarray, "queries"]) -> Float[np.ndarray, "metrics"]:
        """Returns every metric, averaged over galleries, when each query counts as often as it was drawn."""
        weights = counts[self._places] * self._filled
        totals = weights.sum(axis=1)
        drawn = totals > 0  # a small gallery of which no query was drawn says nothing
        values = np.einsum("mgq,gq->mg", self._values, weights)[:, drawn] / totals[drawn]
        if self._median is not None:
            ends = np.take_along_axis(weights, self._order, axis=1).cumsum(axis=1)[drawn]
            middle = [(ends <= at[:, None]).sum(axis=1) for at in ((totals[drawn] - 1) // 2, totals[drawn] // 2)]
            values[self._median] = np.take_along_axis(self._ranks[drawn], np.stack(middle, axis=1), axis=1).mean(axis=1)
        return values.mean(axis=1)
