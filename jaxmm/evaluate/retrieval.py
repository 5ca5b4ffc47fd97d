"""Retrieval between motions and captions, scored by a protocol in both directions, and among items of classes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.graded import NDCG_AT, caption_similarity, ndcg
from jaxmm.evaluate.intervals import ScoredQueries, bootstrap_intervals
from jaxmm.evaluate.protocols import BY_SIMILARITY, Protocol, galleries, similar_captions
from jaxmm.evaluate.ranks import rank_metrics
from jaxmm.evaluate.sweep import Sweep


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
        DataError: As `jaxmm.evaluate.ranks.FirstHits`.

    Example:
        >>> metrics = retrieval_metrics(np.eye(3), np.eye(3, dtype=bool))
        >>> metrics["recall@1"], metrics["median_rank"], metrics["gallery"]
        (1.0, 1.0, 3.0)
    """
    values = rank_metrics(scores, relevant)
    return ScoredQueries(queries=np.arange(len(scores)), gallery=scores.shape[1], values=values).summary()


def evaluate_retrieval(
    motion: Float[np.ndarray, "motions dim"],
    text: Float[np.ndarray, "captions dim"],
    relevant: Bool[np.ndarray, "motions captions"],
    *,
    protocol: Protocol = "all",
    sentences: Float[np.ndarray, "captions features"] | None = None,
    graded: bool = False,
    num_resamples: int = 0,
) -> dict[str, float]:
    """Scores both directions of a search between motions and distinct captions.

    Args:
        motion: Unit-norm embeddings of the motions.
        text: Unit-norm embeddings of the distinct captions.
        relevant: True where a caption belongs to a motion.
        protocol: What a query is searched in. "all" is the whole split; "similar_captions" too, where captions of
            similarity 0.95 or more, (1 + cosine) / 2, answer for each other; "dissimilar" are 100 motions of captions
            far apart; "small_batches" averages over batches of 32 motions, drawn in twenty fixed orders. Motions stand
            with their own captions.
        sentences: Unit-norm embeddings of the captions' meaning, from a model that is not under evaluation.
        graded: Whether to add nDCG, at 10 and over all, with the captions' cosine, or 0 below, as gain.
        num_resamples: Bootstrap draws over the queries for 95% intervals; 0 has none.

    Returns:
        Values named `<direction>/<metric>`, and `<direction>/<metric>/low` and `/high` with intervals.

    Raises:
        ConfigError: If captions must be compared and there are no `sentences`, or `num_resamples` is negative.
        DataError: If the split is too small for the protocol, or a score is not finite.

    Example:
        >>> evaluate_retrieval(np.eye(2), np.eye(2), np.eye(2, dtype=bool))["text_to_motion/recall@1"]
        1.0

    Reference: TMR, arXiv:2305.00976.
    """
    if num_resamples < 0:
        raise ConfigError(f"bootstrap is {num_resamples}; give a number of draws, or 0 for no intervals")
    if sentences is None and (graded or protocol in BY_SIMILARITY):
        wanted = f"protocol {protocol}" if protocol in BY_SIMILARITY else "nDCG"
        raise ConfigError(f"{wanted} compares captions by meaning; give sentence embeddings")
    similarity = None if sentences is None else caption_similarity(sentences, relevant)
    answers = relevant
    if protocol == "similar_captions" and similarity is not None:
        answers = relevant | similar_captions(similarity)
    gains = np.maximum(similarity, 0) if graded and similarity is not None else None
    scores = cosines(motion, text)
    to_motion, to_text = [], []
    for rows in galleries(protocol, relevant, similarity):
        columns = np.flatnonzero(relevant[rows].any(axis=0))
        cells = np.ix_(rows, columns)
        gain = None if gains is None else gains[cells]
        to_motion.append(_scored(columns, scores[cells].T, answers[cells].T, None if gain is None else gain.T))
        to_text.append(_scored(rows, scores[cells], answers[cells], gain))
    return {
        f"{direction}/{name}": value
        for direction, parts in (("text_to_motion", to_motion), ("motion_to_text", to_text))
        for name, value in _summary(parts, num_resamples).items()
    }


def retrieval_by_label(
    similarity: Float[np.ndarray, "items items"],
    labels: Int[np.ndarray, "items"],
    *,
    num_resamples: int = 0,
    units: Int[np.ndarray, "items"] | None = None,
) -> dict[str, float]:
    """Scores a search of every item among all others, where those of its label answer it.

    Args:
        similarity: Of each query, the row, to each item; of embeddings what `cosines` returns. What it says of an item
            and itself is left out.
        labels: What each item shows; an item whose label no other has is no query, but is found by others.
        num_resamples: Bootstrap draws over the units of the queries for 95% intervals; 0 has none.
        units: What each item was cut from, by number, of which all queries are drawn at once; by default each is its
            own.

    Returns:
        `map`, the mean over queries of average precision, in which tied items count together; what
        `retrieval_metrics` returns, of the best placed answer; and with intervals `<name>/low` and `<name>/high`.

    Raises:
        ConfigError: If `num_resamples` is negative.
        DataError: If no two items share a label, or a similarity is not finite.

    Example:
        >>> embeddings = np.array([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0]])
        >>> found = retrieval_by_label(cosines(embeddings, embeddings), np.array([0, 0, 1, 0]))
        >>> round(found["map"], 3), round(found["recall@1"], 3), found["queries"], found["gallery"]
        (0.667, 0.333, 3.0, 3.0)
    """
    if num_resamples < 0:
        raise ConfigError(f"bootstrap is {num_resamples}; give a number of draws, or 0 for no intervals")
    others = ~np.eye(len(labels), dtype=bool)
    relevant = (labels[:, None] == labels) & others
    queries = np.flatnonzero(relevant.any(axis=1))
    if not len(queries):
        raise DataError("no two items share a label, so no query has an answer; choose another split")
    scores, answers = (
        own[queries][others[queries]].reshape(len(queries), len(labels) - 1) for own in (similarity, relevant)
    )
    values = rank_metrics(scores, answers)
    precisions = [Sweep.of(*query).precision_at_hits() for query in zip(scores, answers, strict=True)]
    drawn = queries if units is None else units[queries]
    part = ScoredQueries(queries=drawn, gallery=scores.shape[1], values={"map": np.array(precisions), **values})
    return _summary([part], num_resamples)


def cosines(
    motion: Float[np.ndarray, "motions dim"], text: Float[np.ndarray, "captions dim"]
) -> Float[np.ndarray, "motions captions"]:
    """Returns the similarity of unit-norm embeddings, where equal pairs have equal values.

    Example:
        >>> cosines(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    # Products in float32 differ in their last bit with the shape of the block, and would order what is tied.
    return (motion.astype(np.float64) @ text.T.astype(np.float64)).astype(np.float32)


def _scored(
    queries: Int[np.ndarray, "queries"],
    scores: Float[np.ndarray, "queries items"],
    answers: Bool[np.ndarray, "queries items"],
    gains: Float[np.ndarray, "queries items"] | None,
) -> ScoredQueries:
    values = rank_metrics(scores, answers)
    if gains is not None:
        values |= {f"ndcg@{NDCG_AT}": ndcg(scores, gains, k=NDCG_AT), "ndcg": ndcg(scores, gains)}
    return ScoredQueries(queries=queries, gallery=scores.shape[1], values=values)


def _summary(parts: Sequence[ScoredQueries], num_resamples: int) -> dict[str, float]:
    """Returns the metrics averaged over galleries, each followed by the ends of its interval where one is drawn."""
    summaries = [part.summary() for part in parts]
    metrics = {name: float(np.mean([summary[name] for summary in summaries])) for name in summaries[0]}
    if not num_resamples:
        return metrics
    for name, (low, high) in bootstrap_intervals(parts, num_resamples=num_resamples).items():
        metrics |= {f"{name}/low": low, f"{name}/high": high}
    return metrics
