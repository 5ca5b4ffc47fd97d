"""Nearest neighbours of queries in a gallery: exact, block by block, or approximate, by inverted lists."""

import math
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, BFloat16, Float, Float32, Int64

from jaxmm.errors import ConfigError, DataError, MissingExtraError

SearchKind: TypeAlias = Literal["exact", "faiss"]
"""How a gallery is searched: every item compared, or the nearest lists of a faiss index."""

Places: TypeAlias = Int64[np.ndarray, "queries k"]
Scores: TypeAlias = Float32[np.ndarray, "queries k"]

_QUERIES_AT_ONCE = 256
_LISTS_PROBED = 32
_TRAINING_ROWS_PER_LIST = 39  # what k-means in faiss asks for


class ExactSearch:
    """Compares every item, a block of the gallery at a time; ties go to the lower place (D6).

    Reading the gallery is what takes time, so products in bfloat16, half of its size, choose candidates with a margin
    for their rounding, products in single precision choose among those, and products in double precision order the
    rest. So the block size, the number of queries and an item's place change no bit of an answer, and equal items tie
    exactly. Beyond one and a half copies of the gallery, memory does not grow with it.

    Args:
        gallery: Embeddings of the items; may be memory-mapped.
        block_size: Items scored at once, >= 1.

    Raises:
        DataError: If the gallery is empty or holds a value that is not finite.

    Example:
        >>> places, scores = ExactSearch(np.array([[1, 0], [0, 1], [1, 0]], np.float32))(np.ones((1, 2)), 2)
        >>> places.tolist(), scores.tolist()
        ([[0, 1]], [[1.0, 1.0]])
    """

    def __init__(self, gallery: Float32[np.ndarray, "items dim"], *, block_size: int = 32768) -> None:
        _check(gallery)
        self._gallery = gallery
        self._block_size = block_size
        blocks = [gallery[start : start + block_size] for start in range(0, len(gallery), block_size)]
        self._blocks = [jnp.asarray(block, jnp.bfloat16) for block in blocks]
        longest = math.sqrt(max(float(np.einsum("id,id->i", block, block).max()) for block in blocks))
        # Largest errors of a product with a query of unit norm: of sums in single precision, and of rounded factors.
        self._single = 2 * gallery.shape[1] * float(np.finfo(np.float32).eps) * longest
        self._half = self._single + 2.01 * float(jnp.finfo(jnp.bfloat16).eps) / 2 * longest

    def __call__(self, queries: Float[np.ndarray, "queries dim"], k: int) -> tuple[Places, Scores]:
        """Returns the places of the best `k` items, or of all where there are fewer, and their scores.

        Raises:
            DataError: If a query is not finite.
        """
        _check_queries(queries)
        size = min(k, len(self._gallery))
        places = np.zeros((len(queries), size), np.int64)
        scores = np.zeros((len(queries), size), np.float32)
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            chunk = queries[start : start + _QUERIES_AT_ONCE].astype(np.float32)
            for row, (query, candidates) in enumerate(zip(chunk, self._candidates(chunk, size), strict=True), start):
                near = self._gallery[candidates] @ query
                candidates = candidates[near >= _least(near, size, self._single, query)]
                exact = (self._gallery[candidates].astype(np.float64) * query).sum(axis=1)
                order = np.argsort(-exact, kind="stable")[:size]  # candidates stand by place, so ties do too
                places[row], scores[row] = candidates[order], exact[order]
        return places, scores

    def _candidates(self, queries: Float32[np.ndarray, "queries dim"], k: int) -> list[Int64[np.ndarray, "candidates"]]:
        """Returns for each query the places, rising, of all items that rounding may have kept from its best `k`."""
        found = [_Candidates(k, self._half, query) for query in queries]
        ahead = _compare(queries, self._blocks[0])
        for number, following in enumerate([*self._blocks[1:], None]):
            compared = ahead
            if following is not None:
                ahead = _compare(queries, following)  # under way while this block's scores are looked through
            for candidates, scores in zip(found, np.asarray(compared), strict=True):
                candidates.take(scores, first=number * self._block_size)
        return [candidates.places for candidates in found]


@jax.jit
def _compare(
    queries: Float32[Array, "queries dim"], block: BFloat16[Array, "items dim"]
) -> Float32[Array, "queries items"]:
    return jnp.matmul(queries.astype(jnp.bfloat16), block.T, preferred_element_type=jnp.float32)


def _least(scores: Float32[np.ndarray, "items"], k: int, error: float, query: Float32[np.ndarray, "dim"]) -> float:
    """Returns the smallest score that an item of the best `k` can have, where scores are wrong by up to `error`."""
    return float(np.partition(scores, -k)[-k]) - 2 * error * float(np.linalg.norm(query))


class _Candidates:
    """The items of the blocks seen so far that rounding may have kept from the best `k`."""

    def __init__(self, k: int, error: float, query: Float32[np.ndarray, "dim"]) -> None:
        self.places = np.zeros(0, np.int64)
        self._scores = np.zeros(0, np.float32)
        self._k = k
        self._error = error
        self._query = query
        self._least = -np.inf

    def take(self, scores: Float32[np.ndarray, "items"], *, first: int) -> None:
        """Looks through the next block, whose first item stands at place `first`."""
        close = np.flatnonzero(scores >= self._least)
        if not len(close):
            return
        self.places = np.concatenate([self.places, close + first])
        self._scores = np.concatenate([self._scores, scores[close]])
        if len(self._scores) >= self._k:
            self._least = _least(self._scores, self._k, self._error, self._query)
            kept = self._scores >= self._least
            self.places, self._scores = self.places[kept], self._scores[kept]


class FaissSearch:
    """Compares the items of the inverted lists nearest to each query: approximate, for galleries beyond 200,000.

    The gallery is divided into about `sqrt(items)` lists by k-means, of which 32 are searched; all of them where
    those hold too few answers.

    Args:
        gallery: Embeddings of the items, of unit norm.
        num_probed: Lists searched for each query, >= 1; more find more.

    Raises:
        ConfigError: If there is no such kind.
        DataError: If the gallery is empty or holds a value that is not finite.
        MissingExtraError: If faiss is not installed.

    Example:
        >>> FaissSearch(np.eye(3, dtype=np.float32))(np.eye(3)[:1], 1)[0].tolist()
        [[0]]

    Reference: Douze et al., The Faiss library, arXiv:2401.08281.
    """

    def __init__(self, gallery: Float32[np.ndarray, "items dim"], *, num_probed: int = _LISTS_PROBED) -> None:
        try:
            import faiss
        except ImportError as error:
            raise MissingExtraError.of("faiss", extra="faiss") from error
        _check(gallery)
        num_items, dim = gallery.shape
        num_lists = max(1, min(math.isqrt(num_items), num_items // _TRAINING_ROWS_PER_LIST))
        rows = np.ascontiguousarray(gallery)
        self._num_probed = min(num_probed, num_lists)
        self._index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, num_lists, faiss.METRIC_INNER_PRODUCT)
        self._index.train(rows)
        self._index.add(rows)

    def __call__(self, queries: Float[np.ndarray, "queries dim"], k: int) -> tuple[Places, Scores]:
        """Returns the places of the best `k` items found, or of all where there are fewer, and their scores.

        Raises:
            DataError: If a query is not finite.
        """
        _check_queries(queries)
        size = min(k, self._index.ntotal)
        rows = np.ascontiguousarray(queries, np.float32)
        self._index.nprobe = self._num_probed
        scores, places = self._index.search(rows, size)
        if (places < 0).any():
            self._index.nprobe = self._index.nlist
            scores, places = self._index.search(rows, size)
        order = np.lexsort((places, -scores), axis=1)
        return np.take_along_axis(places, order, axis=1), np.take_along_axis(scores, order, axis=1)


Search: TypeAlias = ExactSearch | FaissSearch


def make_search(kind: SearchKind, gallery: Float32[np.ndarray, "items dim"]) -> Search:
    """Returns a search of a gallery.

    Raises:
        DataError: If the gallery is empty or holds a value that is not finite.
        MissingExtraError: If faiss is asked for and not installed.

    Example:
        >>> make_search("exact", np.eye(2, dtype=np.float32))(np.array([[0.1, 0.9]]), 1)[0].tolist()
        [[1]]
    """
    kinds = {"exact": ExactSearch, "faiss": FaissSearch}
    if kind not in kinds:
        raise ConfigError(f"search is {kind!r}; choose among {', '.join(kinds)}")
    return kinds[kind](gallery)


def _check(gallery: Float32[np.ndarray, "items dim"]) -> None:
    if not len(gallery):
        raise DataError("the gallery is empty; there is nothing to retrieve")
    if not np.isfinite(gallery).all():
        raise DataError("the gallery holds a value that is not finite; make the index anew with jaxmm index")


def _check_queries(queries: Float[np.ndarray, "queries dim"]) -> None:
    if not np.isfinite(queries).all():
        raise DataError("a query's embedding is not finite; the query is damaged or the model diverged")
