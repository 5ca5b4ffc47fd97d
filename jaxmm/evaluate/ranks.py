"""What each query scores: the rank of its first hit, with exact expectations over ties."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Bool, Float

from jaxmm.errors import DataError

RECALL_AT = (1, 2, 3, 5, 10)


class FirstHits:
    """The rank of each query's first hit, as a distribution: tied items stand in every order equally often.

    Args:
        scores: Similarity of each query to each gallery item; larger is better.
        relevant: True where an item answers a query; each query needs one.

    Raises:
        DataError: If the gallery is empty, a score is not finite, or a query has no answer in it.

    Example:
        >>> hits = FirstHits(np.array([[0.9, 0.1], [0.5, 0.5]]), np.eye(2, dtype=bool))
        >>> hits.expected(lambda rank: rank).tolist()
        [1.0, 1.5]
    """

    def __init__(self, scores: Float[np.ndarray, "queries items"], relevant: Bool[np.ndarray, "queries items"]) -> None:
        if scores.shape[1] == 0:
            raise DataError("the gallery is empty; there is nothing to retrieve")
        if scores.shape[0] == 0:
            raise DataError("there are no queries; there is nothing to score")
        if not np.isfinite(scores).all():
            raise DataError("a similarity is not finite; the embeddings are damaged or the model diverged")
        if not relevant.any(axis=1).all():
            query = int(np.flatnonzero(~relevant.any(axis=1))[0])
            raise DataError(f"query {query} has no answer in the gallery; leave it out or add its answer")
        best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
        self._above = ((scores > best) & ~relevant).sum(axis=1)
        self._tied_wrong = ((scores == best) & ~relevant).sum(axis=1)
        self._tied_right = ((scores == best) & relevant).sum(axis=1)

    def __len__(self) -> int:
        return len(self._above)

    def expected(self, function: Callable[[np.ndarray], np.ndarray]) -> Float[np.ndarray, "queries"]:
        """Returns the expectation, for each query, of a function of the first hit's rank (1 is best)."""
        total = np.zeros(len(self._above))
        for ahead, chance in self._orders():
            total += chance * function(self._above + 1 + ahead)
        return total

    def _orders(self) -> Iterator[tuple[int, Float[np.ndarray, "queries"]]]:
        """Yields the chance that just so many wrong items of the tie stand ahead of its first right one."""
        still_ahead = np.ones(len(self._above))
        for ahead in range(int(self._tied_wrong.max()) + 1):
            left = np.maximum(self._tied_wrong - ahead, 0)
            right_next = self._tied_right / (self._tied_right + left)
            yield ahead, still_ahead * right_next
            still_ahead = still_ahead * (1 - right_next)


def rank_metrics(
    scores: Float[np.ndarray, "queries items"], relevant: Bool[np.ndarray, "queries items"]
) -> dict[str, Float[np.ndarray, "queries"]]:
    """Scores every query by the rank of its first hit, under the names that `summarise` sums them up by.

    Args:
        scores: Similarity of each query to each gallery item.
        relevant: True where an item answers a query; the best placed one counts.

    Returns:
        One value a query: recalls and `mrr` from 0 to 1, ranks from 1.

    Raises:
        DataError: As `FirstHits`.

    Example:
        >>> rank_metrics(np.array([[0.1, 0.9]]), np.array([[True, False]]))["mrr"].tolist()
        [0.5]
    """
    hits = FirstHits(scores, relevant)
    ranks = hits.expected(lambda rank: rank)
    recalls = {f"recall@{k}": hits.expected(lambda rank, k=k: rank <= k) for k in RECALL_AT}
    return {**recalls, "median_rank": ranks, "mean_rank": ranks, "mrr": hits.expected(lambda rank: 1 / rank)}


def summarise(name: str, values: Float[np.ndarray, "queries"]) -> float:
    """Sums up a metric over queries: the median of `median_rank`, the mean of every other.

    Example:
        >>> summarise("median_rank", np.array([1.0, 2.0, 9.0])), summarise("mean_rank", np.array([1.0, 2.0, 9.0]))
        (2.0, 4.0)
    """
    return float(np.median(values) if name == "median_rank" else values.mean())
