"""Retrieval metrics with exact expectations over ties."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxmm.errors import DataError

Protocol: TypeAlias = Literal["all", "small_batches"]
"""What a query is searched in: the whole split, or batches of 32 motions of it."""

RECALL_AT = (1, 2, 3, 5, 10)
_SMALL_BATCH = 32
_NUM_ORDERS = 20


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


def retrieval_metrics(
    scores: Float[np.ndarray, "queries items"], relevant: Bool[np.ndarray, "queries items"]
) -> dict[str, float]:
    """Scores a ranking: recall at 1, 2, 3, 5 and 10, median and mean rank, mean reciprocal rank, sizes.

    Args:
        scores: Similarity of each query to each gallery item.
        relevant: True where an item answers a query; the best placed one counts.

    Returns:
        Values by name; recalls and `mrr` from 0 to 1, ranks from 1.

    Raises:
        DataError: As `FirstHits`.

    Example:
        >>> metrics = retrieval_metrics(np.eye(3), np.eye(3, dtype=bool))
        >>> metrics["recall@1"], metrics["median_rank"], metrics["gallery"]
        (1.0, 1.0, 3.0)
    """
    hits = FirstHits(scores, relevant)
    ranks = hits.expected(lambda rank: rank)
    recalls = {f"recall@{k}": float(hits.expected(lambda rank, k=k: rank <= k).mean()) for k in RECALL_AT}
    return {
        **recalls,
        "median_rank": float(np.median(ranks)),
        "mean_rank": float(ranks.mean()),
        "mrr": float(hits.expected(lambda rank: 1 / rank).mean()),
        "queries": float(scores.shape[0]),
        "gallery": float(scores.shape[1]),
    }


def evaluate_retrieval(
    motion: Float[np.ndarray, "motions dim"],
    text: Float[np.ndarray, "captions dim"],
    relevant: Bool[np.ndarray, "motions captions"],
    *,
    protocol: Protocol = "all",
) -> dict[str, float]:
    """Scores both directions of a search between motions and distinct captions.

    Args:
        motion: Unit-norm embeddings of the motions.
        text: Unit-norm embeddings of the distinct captions.
        relevant: True where a caption belongs to a motion.
        protocol: "all" searches the whole split; "small_batches" averages over batches of 32 motions,
            drawn in twenty fixed orders, each with the captions of its own motions.

    Returns:
        Values named `<direction>/<metric>`.

    Example:
        >>> evaluate_retrieval(np.eye(2), np.eye(2), np.eye(2, dtype=bool))["text_to_motion/recall@1"]
        1.0
    """
    scores = motion @ text.T
    parts = [np.arange(len(motion))] if protocol == "all" else _small_batches(len(motion))
    directions: dict[str, list[dict[str, float]]] = {"text_to_motion": [], "motion_to_text": []}
    for rows in parts:
        columns = np.flatnonzero(relevant[rows].any(axis=0))
        part, right = scores[np.ix_(rows, columns)], relevant[np.ix_(rows, columns)]
        directions["text_to_motion"].append(retrieval_metrics(part.T, right.T))
        directions["motion_to_text"].append(retrieval_metrics(part, right))
    return {
        f"{direction}/{name}": float(np.mean([metrics[name] for metrics in all_parts]))
        for direction, all_parts in directions.items()
        for name in all_parts[0]
    }


def top_k(
    scores: Float[np.ndarray, "queries items"], k: int
) -> tuple[Int[np.ndarray, "queries k"], Float[np.ndarray, "queries k"]]:
    """Returns the best items of each query and their scores, best first; ties go to the lower index (D6).

    Raises:
        DataError: If the gallery is empty.

    Example:
        >>> top_k(np.array([[0.1, 0.7, 0.7]]), 2)[0].tolist()
        [[1, 2]]
    """
    if scores.shape[1] == 0:
        raise DataError("the gallery is empty; there is nothing to retrieve")
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


def _small_batches(num_motions: int) -> Sequence[Int[np.ndarray, "rows"]]:
    if num_motions < _SMALL_BATCH:
        raise DataError(f"protocol small_batches needs {_SMALL_BATCH} motions, the split has {num_motions}; use all")
    rng = np.random.default_rng(0)
    # One order alone moves recall@1 by most of a point from another.
    orders = [rng.permutation(num_motions) for _ in range(_NUM_ORDERS)]
    starts = range(0, num_motions - _SMALL_BATCH + 1, _SMALL_BATCH)
    return [order[start : start + _SMALL_BATCH] for order in orders for start in starts]
