"""How near features of frames are to the embeddings of what their labels mean."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxmm.errors import DataError

RANKS = (1, 5)
"""Numbers of nearest descriptions among which the right one is looked for."""


def alignment_scores(
    features: Sequence[Float[np.ndarray, "_time dim"]],
    labels: Sequence[Int[np.ndarray, "_time"]],
    embeddings: Float[np.ndarray, "labels dim"],
    *,
    types: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, float]:
    """Returns scores over all frames, and over those of each type of label.

    Args:
        features: Aligned features, of every video.
        labels: The numbers of their labels.
        embeddings: Of the descriptions.
        types: Labels of each type; a type without frames has no scores.

    Returns:
        By type, `all` first: `frames`; `mse_loss`, the mean over features; `mean_`, `median_` and
        `std_cosine_similarity`; `accuracy@k`, the share of frames to whose features fewer than k other descriptions
        are as near as the right one or nearer; and `chance@k`, k by the number of descriptions. `own_accuracy@1` and
        `own_chance@1` are those among the descriptions of the type alone: frames of labels unseen in training are
        drawn to what training named, and may yet be told from each other. Labels of one description answer for each
        other, and it counts once.

    Raises:
        DataError: If there is no frame.

    Example:
        >>> scores = alignment_scores([np.eye(2)], [np.array([0, 1])], 2.0 * np.eye(2))
        >>> scores["all/mse_loss"], scores["all/mean_cosine_similarity"], scores["all/accuracy@1"]
        (0.5, 1.0, 1.0)

    Reference: seed 002, "Evaluation Metrics".
    """
    if not sum(map(len, labels)):
        raise DataError("there is no frame to compare; choose another split")
    distinct, places = _distinct(embeddings)
    squares, cosines, nearer = (
        np.concatenate(own)
        for own in zip(
            *(_compared(*video, distinct, places) for video in zip(features, labels, strict=True)), strict=True
        )
    )
    numbers, ranks, scores = np.concatenate(labels), 1 + nearer.sum(axis=1), {}
    for name, own in {"all": range(len(embeddings)), **(types or {})}.items():
        chosen = np.isin(numbers, list(own))
        if not chosen.any():
            continue
        scores |= {
            f"{name}/frames": float(chosen.sum()),
            f"{name}/mse_loss": float(squares[chosen].mean()),
            f"{name}/mean_cosine_similarity": float(cosines[chosen].mean()),
            f"{name}/median_cosine_similarity": float(np.median(cosines[chosen])),
            f"{name}/std_cosine_similarity": float(cosines[chosen].std()),
            **{f"{name}/accuracy@{rank}": float((ranks[chosen] <= rank).mean()) for rank in RANKS},
            **{f"{name}/chance@{rank}": min(1.0, rank / len(distinct)) for rank in RANKS},
        }
        if name != "all":
            among = np.unique(places[list(own)])
            scores[f"{name}/own_accuracy@1"] = float((~nearer[np.ix_(chosen, among)].any(axis=1)).mean())
            scores[f"{name}/own_chance@1"] = 1 / len(among)
    return scores


def similarities(
    features: Float[np.ndarray, "time dim"], embeddings: Float[np.ndarray, "labels dim"]
) -> Float[np.ndarray, "time labels"]:
    """Returns the cosine similarity of every frame and every description; of a zero vector it is 0.

    Equal embeddings get equal similarities, to the last bit.

    Example:
        >>> similarities(np.array([[3.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 0.0]])).tolist()
        [[0.6, 0.0]]
    """
    distinct, places = _distinct(embeddings)
    return (_unit(features) @ _unit(distinct).T)[:, places]


def _distinct(
    embeddings: Float[np.ndarray, "labels dim"],
) -> tuple[Float[np.ndarray, "distinct dim"], Int[np.ndarray, "labels"]]:
    """Returns the embeddings without repetitions, and the place of each label's among them."""
    distinct, places = np.unique(embeddings, axis=0, return_inverse=True)
    return distinct, np.reshape(places, -1)


def _compared(
    features: Float[np.ndarray, "time dim"],
    labels: Int[np.ndarray, "time"],
    distinct: Float[np.ndarray, "distinct dim"],
    places: Int[np.ndarray, "labels"],
) -> tuple[Float[np.ndarray, "time"], Float[np.ndarray, "time"], Bool[np.ndarray, "time distinct"]]:
    """Returns each frame's squared error, similarity to its description, and the others that are not farther from it.

    So features that tell nothing, such as zeros, find nothing.
    """
    features, distinct, own = features.astype(np.float64), distinct.astype(np.float64), places[labels]
    found = _unit(features) @ _unit(distinct).T
    right = found[np.arange(len(labels)), own]
    squares = np.square(features - distinct[own]).mean(axis=1)
    # Of features that are no numbers, none is known to be farther.
    others = own[:, None] != np.arange(len(distinct))
    return squares, right, others & ~(found < right[:, None])


def _unit(vectors: Float[np.ndarray, "rows dim"]) -> Float[np.ndarray, "rows dim"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
