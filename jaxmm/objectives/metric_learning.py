"""Losses of metric learning: embeddings of what belongs together are near, others far.

They take a batch's embeddings, the others that it is compared with (the batch again and then, where there is one, a
memory), and their `Relation`. Where a published loss is a mean over pairs or triplets, a row's value is what it adds to
their sum, times the number of valid rows over the number of pairs: so the mean over the valid rows, which
`reduce.masked_mean` takes, is exactly the mean over pairs, on however many devices.
"""

import math
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.errors import ConfigError
from jaxmm.objectives.miners import all_triplets
from jaxmm.objectives.pairwise import cosines, distances, unit_rows
from jaxmm.objectives.relation import Relation

Average: TypeAlias = Literal["active", "all"]
"""What a mean is over: the pairs or triplets whose loss is above zero, or all of them."""

_EXCLUDED = -1e30  # finite, so that a wholly masked row has no NaN in its gradient


def contrastive_margin(
    embeddings: Float[Array, "batch dim"],
    others: Float[Array, "others dim"],
    relation: Relation,
    *,
    margin: float = 1.0,
    positive_margin: float = 0.0,
    squared: bool = False,
    average: Average = "active",
) -> Float[Array, "batch"]:
    """Pulls positives together and pushes negatives apart up to a margin.

    Args:
        embeddings: The batch's rows.
        others: The columns of the relation.
        relation: What belongs together.
        margin: Distance from which on negatives cost nothing.
        positive_margin: Distance up to which positives cost nothing.
        squared: Whether what exceeds a margin is squared, as in the paper and the seed.
        average: `active` adds the mean over the positives that cost anything to that over such negatives; `all` is
            one mean over all pairs, as in the seed.

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> rows = jnp.array([[0.0], [0.5], [0.75]])
        >>> contrastive_margin(rows, rows, relation_of_labels(jnp.array([0, 0, 1]))).mean().round(4).item()
        1.0

    Reference: Hadsell et al., "Dimensionality Reduction by Learning an Invariant Mapping", 2006; seed 003,
    `ContrastiveLoss`.
    """
    away = distances(embeddings, others)
    pulls = jnp.where(relation.positive, jax.nn.relu(away - positive_margin), 0.0)
    pushes = jnp.where(relation.negative, jax.nn.relu(margin - away), 0.0)
    if squared:
        pulls, pushes = jnp.square(pulls), jnp.square(pushes)
    if average == "all":
        return _shares(pulls + pushes, relation.positive | relation.negative, relation.valid)
    return _shares(pulls, pulls > 0, relation.valid) + _shares(pushes, pushes > 0, relation.valid)


def triplet_margin(
    embeddings: Float[Array, "batch dim"],
    others: Float[Array, "others dim"],
    relation: Relation,
    *,
    margin: float = 0.3,
    swap: bool = False,
    soft: bool = False,
    average: Average = "active",
    chosen: Bool[Array, "batch others others"] | None = None,
) -> Float[Array, "batch"]:
    """Asks of every triplet that its negative is farther than its positive by a margin.

    Args:
        embeddings: The batch's rows, the anchors.
        others: The columns of the relation.
        relation: What belongs together.
        margin: Difference of the distances from which on a triplet costs nothing.
        swap: Whether the negative's distance is that to the positive where this is smaller.
        soft: Whether the softplus of what is missing counts, which is never zero.
        average: The mean is over the triplets that cost anything, or over all, as in the seed.
        chosen: The triplets that count, as a miner gives them; all of the relation when None.

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> rows = jnp.array([[0.0], [0.5], [0.75]])
        >>> f"{triplet_margin(rows, rows, relation_of_labels(jnp.array([0, 0, 1]))).mean():.4f}"
        '0.3000'

    Reference: FaceNet, arXiv:1503.03832; seed 003, `TripletLoss`.
    """
    away = distances(embeddings, others)
    to_positive, to_negative = away[:, :, None], away[:, None, :]
    if swap:
        to_negative = jnp.minimum(to_negative, distances(others, others)[None, :, :])
    missing = to_positive - to_negative + margin
    counted = all_triplets(relation) if chosen is None else chosen
    losses = jnp.where(counted, jax.nn.softplus(missing) if soft else jax.nn.relu(missing), 0.0)
    return _shares(losses, losses > 0 if average == "active" else counted, relation.valid)


def n_pair(
    embeddings: Float[Array, "batch dim"], others: Float[Array, "others dim"], relation: Relation
) -> Float[Array, "batch"]:
    """Tells the positive of one anchor of each class from the positives of the other classes' anchors, by cosines.

    The anchor is the first row of its class, the positive the first that belongs to it. The mean over the valid rows is
    that over the anchors.

    Args:
        embeddings: The batch's rows; only their directions count.
        others: The columns of the relation; the first are the batch.
        relation: What belongs together.

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> rows = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> f"{n_pair(rows, rows, relation_of_labels(jnp.array([0, 0, 1, 1]))).mean():.4f}"
        '0.3133'

    Reference: Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", 2016.
    """
    size = len(embeddings)
    first = relation.positive.argmax(axis=1)[:, None] == jnp.arange(len(others))[None, :]
    is_anchor = relation.positive.any(axis=1) & ~jnp.triu(relation.positive[:, :size], k=1).any(axis=0)
    own = first & is_anchor[:, None]
    compared = own | (relation.negative & own.any(axis=0)[None, :])
    logits = cosines(embeddings, others)
    normalizers = jax.nn.logsumexp(jnp.where(compared, logits, _EXCLUDED), axis=1)
    losses = jnp.where(is_anchor, normalizers - jnp.where(own, logits, 0.0).sum(axis=1), 0.0)
    return _shares(losses, is_anchor, relation.valid)


def angular(
    embeddings: Float[Array, "batch dim"],
    others: Float[Array, "others dim"],
    relation: Relation,
    *,
    alpha: float = 40.0,
) -> Float[Array, "batch"]:
    """Bounds the angle at the negative of the triangle that it makes with a positive pair.

    Every positive pair is told from all negatives of its anchor at once; the mean is over positive pairs.

    Args:
        embeddings: The batch's rows; only their directions count.
        others: The columns of the relation.
        relation: What belongs together.
        alpha: Largest angle, in degrees, in (0, 90).

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> rows = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> f"{angular(rows, rows, relation_of_labels(jnp.array([0, 0, 1]))).mean():.4f}"
        '0.0326'

    Reference: Wang et al., arXiv:1708.01682, equation 8.
    """
    bound = math.tan(math.radians(alpha)) ** 2
    rows, columns = unit_rows(embeddings), unit_rows(others)
    alike = rows @ columns.T
    sums = alike[:, None, :] + (columns @ columns.T)[None, :, :]
    terms = 4 * bound * sums - 2 * (1 + bound) * alike[:, :, None]
    losses = jnp.where(relation.positive, _log_one_plus(terms, relation.negative[:, None, :]), 0.0)
    return _shares(losses, relation.positive, relation.valid)


def pair_cross_entropy(logits: Float[Array, "batch others"], relation: Relation) -> Float[Array, "batch"]:
    """Asks of every pair on its own whether it belongs together; positives and negatives count for a half each.

    In a batch of P classes with K videos each there are many times as many negatives as positives, but a probability
    of one half is to tell them apart. The scores of a list of pairs are one column, and so is their relation.

    Args:
        logits: Scores of the pairs before the sigmoid.
        relation: What belongs together.

    Example:
        >>> together = jnp.array([True, False])[:, None]
        >>> listed = Relation(together, ~together, valid=jnp.ones(2, bool))
        >>> f"{pair_cross_entropy(jnp.array([[2.0], [-2.0]]), listed).mean():.4f}"
        '0.1269'

    Reference: seed 003, the similarity head.
    """
    missed = jnp.where(relation.positive, jax.nn.softplus(-logits), 0.0)
    alarms = jnp.where(relation.negative, jax.nn.softplus(logits), 0.0)
    halves = _shares(missed, relation.positive, relation.valid), _shares(alarms, relation.negative, relation.valid)
    return (halves[0] + halves[1]) / 2


def supervised_contrastive(
    embeddings: Float[Array, "batch dim"],
    others: Float[Array, "others dim"],
    relation: Relation,
    *,
    temperature: float = 0.1,
) -> Float[Array, "batch"]:
    """Tells all positives of a row from its negatives, SupCon's L_out over cosines.

    Where nothing in the batch is negative, nothing is learnt. The mean is over rows with a positive and more than it.

    Args:
        embeddings: The batch's rows; only their directions count.
        others: The columns of the relation.
        relation: What belongs together.
        temperature: Softmax temperature, > 0.

    Raises:
        ConfigError: If `temperature` is not positive.

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> rows = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> relation = relation_of_labels(jnp.array([0, 0, 1]))
        >>> f"{supervised_contrastive(rows, rows, relation, temperature=1.0)[0]:.4f}"
        '0.4699'

    Reference: SupCon, arXiv:2004.11362, equation 2.
    """
    if temperature <= 0:
        raise ConfigError(f"temperature is {temperature}; give a value above zero")
    logits = cosines(embeddings, others) / temperature
    compared = relation.positive | relation.negative
    normalizers = jax.nn.logsumexp(jnp.where(compared, logits, _EXCLUDED), axis=1)
    num_positives = relation.positive.sum(axis=1)
    attraction = jnp.where(relation.positive, logits, 0.0).sum(axis=1) / jnp.maximum(num_positives, 1)
    # A row that is compared with one positive alone costs exactly nothing.
    counted = (num_positives > 0) & (compared.sum(axis=1) > 1) & relation.negative.any()
    return _shares(jnp.where(counted, normalizers - attraction, 0.0), counted, relation.valid)


def multi_similarity(
    embeddings: Float[Array, "batch dim"],
    others: Float[Array, "others dim"],
    relation: Relation,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
) -> Float[Array, "batch"]:
    """Weighs each pair of a row by its cosine and by how it compares with the row's other pairs.

    Args:
        embeddings: The batch's rows; only their directions count.
        others: The columns of the relation.
        relation: What belongs together.
        alpha: Sharpness over positives, > 0.
        beta: Sharpness over negatives, > 0.
        base: Cosine that positives should exceed and negatives fall below.

    Example:
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> rows = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> multi_similarity(rows, rows, relation_of_labels(jnp.array([0, 0, 1]))).round(4).tolist()[2]
        0.0

    Reference: Wang et al., arXiv:1904.06627, equation 8.
    """
    above = cosines(embeddings, others) - base
    pull = _log_one_plus(-alpha * above, relation.positive) / alpha
    push = _log_one_plus(beta * above, relation.negative) / beta
    return pull + push


def _log_one_plus(values: Float[Array, "*rows others"], mask: Bool[Array, "*#rows others"]) -> Float[Array, "*rows"]:
    """Returns log(1 + sum exp) over the last axis, which is zero where nothing is masked in."""
    return jnp.logaddexp(0.0, jax.nn.logsumexp(jnp.where(mask, values, _EXCLUDED), axis=-1))


def _shares(
    losses: Float[Array, "batch *terms"], counted: Bool[Array, "batch *terms"], valid: Bool[Array, "batch"]
) -> Float[Array, "batch"]:
    """Returns each row's share of the mean over what is counted, times the number of valid rows."""
    terms = tuple(range(1, losses.ndim))
    return losses.sum(axis=terms) * (valid.sum() / jnp.maximum(counted.sum(), 1))
