"""The protocols of text-motion retrieval: what a query is searched in, and what counts as its answer."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxmm.errors import ConfigError, DataError

Protocol: TypeAlias = Literal["all", "similar_captions", "dissimilar", "small_batches"]
"""What a query is searched in, as in TMR, arXiv:2305.00976.

- `all`: the whole split.
- `similar_captions`: the whole split, where an item also is a hit whose caption is nearly the query's in meaning.
- `dissimilar`: 100 motions whose captions are as far from each other in meaning as possible.
- `small_batches`: batches of 32 motions.
"""

BY_SIMILARITY = ("similar_captions", "dissimilar")
"""Protocols that compare captions, and so need sentence embeddings."""

SIMILAR_FROM = 0.95
"""Similarity from which captions count as the same, on the scale of TMR: (1 + cosine) / 2."""

_SMALL_BATCH = 32
_NUM_ORDERS = 20
_NUM_DISSIMILAR = 100


def similar_captions(similarity: Float[np.ndarray, "motions captions"]) -> Bool[np.ndarray, "motions captions"]:
    """Tells which captions mean nearly what an own caption of a motion means.

    Args:
        similarity: Cosines from `caption_similarity`.

    Example:
        >>> similar_captions(np.array([[1.0, 0.9, 0.89]])).tolist()
        [[True, True, False]]
    """
    return (1 + similarity) / 2 >= SIMILAR_FROM


def dissimilar_subset(similarity: Float[np.ndarray, "items items"], size: int) -> Int[np.ndarray, "size"]:
    """Chooses items whose summed similarity to each other is small, the same ones every time.

    TMR publishes its subset, chosen by an approximate solver of this quadratic knapsack problem, not the solver. Here
    the subset grows greedily from the two least similar items by the item least similar to all so far; then the best
    exchange of an item inside for one outside is made until none lowers the sum. Ties go to the lower index.

    Args:
        similarity: Symmetric similarities; the diagonal is ignored.
        size: Items to choose, 2 to the number of items.

    Returns:
        Indices, rising.

    Raises:
        DataError: If there are fewer items than that.

    Example:
        >>> angles = np.array([0.0, 0.1, 2.0, 4.0])
        >>> dissimilar_subset(np.cos(angles[:, None] - angles), 3).tolist()
        [0, 2, 3]

    Reference: TMR, arXiv:2305.00976; Ghosh, Computational aspects of the maximum diversity problem, 1996.
    """
    num_items = len(similarity)
    if num_items < size:
        raise DataError(f"protocol dissimilar needs {size} motions, the split has {num_items}; use all")
    similarity = np.array(similarity, np.float64)
    np.fill_diagonal(similarity, np.inf)
    inside = np.zeros(num_items, bool)
    inside[list(divmod(int(similarity.argmin()), num_items))] = True
    np.fill_diagonal(similarity, 0)
    to_inside = similarity[inside].sum(axis=0)
    for _ in range(size - 2):
        new = int(np.where(inside, np.inf, to_inside).argmin())
        inside[new] = True
        to_inside += similarity[new]
    while size < num_items:
        members, others = np.flatnonzero(inside), np.flatnonzero(~inside)
        change = to_inside[others] - similarity[np.ix_(members, others)] - to_inside[members, None]
        old, new = np.unravel_index(change.argmin(), change.shape)
        if change[old, new] > -1e-9:  # rounding must not exchange two items to and fro for ever
            break
        inside[[members[old], others[new]]] = False, True
        to_inside += similarity[others[new]] - similarity[members[old]]
    return np.flatnonzero(inside)


def galleries(
    protocol: Protocol,
    relevant: Bool[np.ndarray, "motions captions"],
    similarity: Float[np.ndarray, "motions captions"] | None,
) -> Sequence[Int[np.ndarray, "rows"]]:
    """Returns the motions of each gallery that a protocol searches, with whose own captions they stand.

    Args:
        protocol: The protocol.
        relevant: True where a caption belongs to a motion.
        similarity: Cosines from `caption_similarity`; needed for "dissimilar".

    Raises:
        ConfigError: If there is no such protocol.
        DataError: If the split is too small for the protocol.

    Example:
        >>> [rows.tolist() for rows in galleries("all", np.eye(3, dtype=bool), None)]
        [[0, 1, 2]]
    """
    if protocol not in get_args(Protocol):
        raise ConfigError(f"protocol is {protocol!r}; choose among {', '.join(get_args(Protocol))}")
    if protocol == "small_batches":
        return _small_batches(len(relevant))
    if protocol != "dissimilar" or similarity is None:
        return [np.arange(len(relevant))]
    # Two motions are as similar as their most similar captions.
    between = np.stack([similarity[:, own].max(axis=1) for own in relevant], axis=1)
    return [dissimilar_subset(np.maximum(between, between.T), _NUM_DISSIMILAR)]


def _small_batches(num_motions: int) -> Sequence[Int[np.ndarray, "rows"]]:
    if num_motions < _SMALL_BATCH:
        raise DataError(f"protocol small_batches needs {_SMALL_BATCH} motions, the split has {num_motions}; use all")
    rng = np.random.default_rng(0)
    # One order alone moves recall@1 by most of a point from another.
    orders = [rng.permutation(num_motions) for _ in range(_NUM_ORDERS)]
    starts = range(0, num_motions - _SMALL_BATCH + 1, _SMALL_BATCH)
    return [order[start : start + _SMALL_BATCH] for order in orders for start in starts]
