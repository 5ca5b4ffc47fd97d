"""Graded relevance: how near captions are in meaning, and nDCG by it."""

import numpy as np
from jaxtyping import Bool, Float, Float32

from jaxmm.errors import DataError

NDCG_AT = 10


def caption_similarity(
    sentences: Float[np.ndarray, "captions features"], relevant: Bool[np.ndarray, "motions captions"]
) -> Float32[np.ndarray, "motions captions"]:
    """Returns how near each caption is to a motion's nearest own caption, as a cosine.

    Args:
        sentences: Unit-norm embeddings of the captions' meaning, from a model that is not under evaluation.
        relevant: True where a caption belongs to a motion; each motion needs one.

    Returns:
        Cosines, -1 to 1; exactly 1 where the caption belongs to the motion.

    Raises:
        DataError: If an embedding is not finite.

    Example:
        >>> angles = np.array([0.0, np.pi / 3, np.pi / 2])
        >>> sentences = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        >>> caption_similarity(sentences, np.array([[True, False, True]])).round(2).tolist()
        [[1.0, 0.8700000047683716, 1.0]]
    """
    if not np.isfinite(sentences).all():
        raise DataError("a caption's sentence embedding is not finite; the sentence model is damaged")
    similarity = np.empty(relevant.shape, np.float32)
    for row, own in enumerate(relevant):
        similarity[row] = (sentences[own] @ sentences.T).max(axis=0)
    similarity[relevant] = 1
    return np.clip(similarity, -1, 1)


def ndcg(
    scores: Float[np.ndarray, "queries items"], gains: Float[np.ndarray, "queries items"], *, k: int | None = None
) -> Float[np.ndarray, "queries"]:
    """Returns the normalised discounted cumulative gain of each query: sum of gain / log2(1 + rank), over the ideal.

    Items of equal score share the mean of their gains, which is the expectation over their orders.

    Args:
        scores: Similarity of each query to each gallery item; larger is better.
        gains: Relevance of each item to each query, >= 0.
        k: Ranks that count; all by default.

    Returns:
        Values from 0 to 1; 0 where no item has a gain.

    Raises:
        DataError: If a gain is negative.

    Example:
        >>> ndcg(np.array([[0.1, 0.9]]), np.array([[1.0, 0.0]])).round(3).tolist()
        [0.631]

    Reference: Jarvelin and Kekalainen, Cumulated gain-based evaluation of IR techniques, ACM TOIS 2002; ties as in
    McSherry and Najork, Computing information retrieval performance measures efficiently in the presence of tied
    scores, ECIR 2008; for motions and texts, arXiv:2305.15842.
    """
    if (gains < 0).any():
        raise DataError("a gain is negative; nDCG takes relevances of zero or more")
    num_items = scores.shape[1]
    discounts = 1 / np.log2(2 + np.arange(num_items))
    discounts[num_items if k is None else k :] = 0
    ideal = -np.sort(-gains.astype(np.float64), axis=1) @ discounts
    reached = np.array([_tied_gain(*row, discounts) for row in zip(scores, gains, strict=True)])
    return np.divide(reached, ideal, out=np.zeros_like(ideal), where=ideal > 0)


def _tied_gain(
    scores: Float[np.ndarray, "items"], gains: Float[np.ndarray, "items"], discounts: Float[np.ndarray, "items"]
) -> float:
    _, group, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    means = np.bincount(group, weights=gains) / sizes
    starts = np.cumsum(sizes) - sizes
    return float(means @ np.add.reduceat(discounts, starts))
