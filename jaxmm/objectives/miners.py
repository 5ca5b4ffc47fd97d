"""Miners: which pairs and triplets of a batch are worth learning from.

Those of pairs narrow a `Relation`, after which its triplets are fewer too; those of triplets return a mask of them,
True at (anchor, positive, negative). Comparing gives no gradient, so none passes through what is chosen.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from jaxmm.objectives.pairwise import cosines, distances, unit_rows
from jaxmm.objectives.relation import Relation


def all_triplets(relation: Relation) -> Bool[Array, "batch others others"]:
    """Returns every triplet of a relation.

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> int(all_triplets(relation_of_labels(jnp.array([0, 0, 1, 2]))).sum())
        4
    """
    return relation.positive[:, :, None] & relation.negative[:, None, :]


def hardest_pairs(
    embeddings: Float[Array, "batch dim"], others: Float[Array, "others dim"], relation: Relation
) -> Relation:
    """Keeps the farthest positive and the nearest negative of each row that has both, batch-hard.

    Args:
        embeddings: The batch's rows.
        others: The columns of the relation.
        relation: What belongs together.

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> rows = jnp.array([[0.0], [1.0], [3.0], [9.0]])
        >>> hardest_pairs(rows, rows, relation_of_labels(jnp.array([0, 0, 0, 1]))).positive.astype(int).tolist()
        [[0, 0, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]

    Reference: Hermans et al., arXiv:1703.07737, equation 5.
    """
    away = distances(embeddings, others)
    both = relation.positive.any(axis=1, keepdims=True) & relation.negative.any(axis=1, keepdims=True)
    farthest = jnp.where(relation.positive, away, -jnp.inf).argmax(axis=1)
    nearest = jnp.where(relation.negative, away, jnp.inf).argmin(axis=1)
    places = jnp.arange(len(others))
    return relation._replace(
        positive=both & (places[None, :] == farthest[:, None]), negative=both & (places[None, :] == nearest[:, None])
    )


def similar_pairs(
    embeddings: Float[Array, "batch dim"],
    others: Float[Array, "others dim"],
    relation: Relation,
    *,
    epsilon: float = 0.1,
) -> Relation:
    """Keeps pairs by how they compare with the row's others, as the multi-similarity loss asks.

    A positive stays if its cosine is less than that of the row's nearest negative plus epsilon, a negative if its
    cosine is more than that of the farthest positive less epsilon.

    Args:
        embeddings: The batch's rows.
        others: The columns of the relation.
        relation: What belongs together.
        epsilon: Margin of the comparison, a difference of cosines.

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> rows = jnp.array([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [-1.0, 0.0]])
        >>> similar_pairs(rows, rows, relation_of_labels(jnp.array([0, 0, 1, 2]))).negative.astype(int).tolist()
        [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]

    Reference: Wang et al., arXiv:1904.06627, equations 6 and 7.
    """
    alike = cosines(embeddings, others)
    least = jnp.where(relation.positive, alike, jnp.inf).min(axis=1, keepdims=True)
    most = jnp.where(relation.negative, alike, -jnp.inf).max(axis=1, keepdims=True)
    return relation._replace(
        positive=relation.positive & (alike - epsilon < most), negative=relation.negative & (alike + epsilon > least)
    )


def semi_hard_triplets(
    embeddings: Float[Array, "batch dim"],
    others: Float[Array, "others dim"],
    relation: Relation,
    *,
    margin: float,
) -> Bool[Array, "batch others others"]:
    """Chooses the triplets whose negative is farther than the positive, but by no more than a margin.

    Args:
        embeddings: The batch's rows.
        others: The columns of the relation.
        relation: What belongs together.
        margin: Largest difference of the distances, > 0.

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> rows = jnp.array([[0.0], [1.0], [1.1], [9.0]])
        >>> chosen = semi_hard_triplets(rows, rows, relation_of_labels(jnp.array([0, 0, 1, 2])), margin=0.3)
        >>> [[int(place) for place in triplet] for triplet in jnp.argwhere(chosen)]
        [[0, 1, 2]]

    Reference: FaceNet, arXiv:1503.03832.
    """
    away = distances(embeddings, others)
    farther = away[:, None, :] - away[:, :, None]
    return all_triplets(relation) & (farther > 0) & (farther <= margin)


def negative_probabilities(
    embeddings: Float[Array, "batch dim"],
    others: Float[Array, "others dim"],
    relation: Relation,
    *,
    cutoff: float = 0.5,
    farthest: float = 1.4,
) -> Float[Array, "batch others"]:
    """Returns how likely each negative is to be drawn, so that all distances on the unit sphere are drawn alike.

    Args:
        embeddings: The batch's rows; only their directions count.
        others: The columns of the relation.
        relation: What belongs together.
        cutoff: Distance below which negatives are as likely as at it, > 0.
        farthest: Distance from which on they are not drawn, in (cutoff, 2).

    Returns:
        Probabilities that sum to one; zeros in rows without a negative near enough.

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> rows = jnp.array([[1.0, 0.0, 0.0, 0.0], [0.8, 0.6, 0.0, 0.0], [0.6, 0.0, 0.8, 0.0]])
        >>> chances = negative_probabilities(rows, rows, relation_of_labels(jnp.array([0, 1, 2])))
        >>> [[f"{chance:.2f}" for chance in row] for row in chances[:1]]
        [['0.00', '0.65', '0.35']]

    Reference: Wu et al., arXiv:1706.07567, section 4.
    """
    dim = embeddings.shape[1]
    away = distances(unit_rows(embeddings), unit_rows(others))
    drawn = relation.negative & (away < farthest)
    away = jnp.clip(away, cutoff, farthest)
    # The inverse of the density of distances between random points of the sphere.
    logits = (2 - dim) * jnp.log(away) - (dim - 3) / 2 * jnp.log(1 - jnp.square(away) / 4)
    chances = jax.nn.softmax(jnp.where(drawn, logits, -1e30), axis=1)  # finite, or a row without any would be NaN
    return jnp.where(drawn, chances, 0.0)


def distance_weighted_triplets(
    embeddings: Float[Array, "batch dim"],
    others: Float[Array, "others dim"],
    relation: Relation,
    key: PRNGKeyArray,
    *,
    cutoff: float = 0.5,
    farthest: float = 1.4,
) -> Bool[Array, "batch others others"]:
    """Draws one negative for each positive pair by `negative_probabilities`; rows without any have no triplet.

    Args:
        embeddings: The batch's rows; only their directions count.
        others: The columns of the relation.
        relation: What belongs together.
        key: Randomness of the draws; the same on all devices.
        cutoff: As for `negative_probabilities`.
        farthest: As for `negative_probabilities`.

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> rows = jnp.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.6, 0.0, 0.8]])
        >>> relation = relation_of_labels(jnp.array([0, 0, 1]))
        >>> int(distance_weighted_triplets(rows, rows, relation, jax.random.key(0)).sum())
        2

    Reference: Wu et al., arXiv:1706.07567, section 4.
    """
    chances = negative_probabilities(embeddings, others, relation, cutoff=cutoff, farthest=farthest)
    reached = jnp.cumsum(chances, axis=1)
    points = jax.random.uniform(key, chances.shape) * reached[:, -1:]
    beyond = (chances > 0)[:, None, :] & (reached[:, None, :] > points[:, :, None])
    drawn = jnp.arange(len(others))[None, None, :] == beyond.argmax(axis=2, keepdims=True)
    return drawn & beyond & relation.positive[:, :, None]
