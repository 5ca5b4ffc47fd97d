"""Objectives of metric learning as settings, each with its miner, and their use on a batch of all devices."""

import dataclasses
from typing import Any, Literal, TypeAlias

import jax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxmm import parallel
from jaxmm.errors import ConfigError
from jaxmm.objectives import metric_learning, miners
from jaxmm.objectives.memory import Memory
from jaxmm.objectives.metric_learning import Average
from jaxmm.objectives.relation import Relation, relation_of_batch, with_memory

Rows: TypeAlias = Float[Array, "batch dim"]
Others: TypeAlias = Float[Array, "others dim"]
Losses: TypeAlias = Float[Array, "batch"]

PairMiner: TypeAlias = Literal["all", "hard", "multi_similarity"]
"""All pairs, each row's hardest positive and negative, or those that the multi-similarity loss asks for."""

TripletMiner: TypeAlias = Literal["all", "hard", "multi_similarity", "semi_hard", "distance_weighted"]
"""The triplets of mined pairs, those whose negative is little farther than their positive, or drawn by distance."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairContrastive:
    """Positives nearer and negatives farther than a margin; see `metric_learning.contrastive_margin`.

    Attributes:
        margin: Distance from which on negatives cost nothing, > 0.
        positive_margin: Distance up to which positives cost nothing, in [0, margin).
        squared: Whether what exceeds a margin is squared. With `average="all"` this is the loss of the seed.
        average: Over the pairs that cost anything, positives and negatives apart, or over all.
        miner: Which pairs count.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> import jax.numpy as jnp
        >>> rows = jnp.array([[0.0], [0.5], [0.75]])
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> relation = relation_of_labels(jnp.array([0, 0, 1]))
        >>> PairContrastive(miner="hard")(rows, rows, relation, jax.random.key(0)).mean().round(2).item()
        1.0
    """

    margin: float = 1.0
    positive_margin: float = 0.0
    squared: bool = False
    average: Average = "active"
    miner: PairMiner = "all"

    def __post_init__(self) -> None:
        _check_above_zero(self, "margin")
        if not 0 <= self.positive_margin < self.margin:
            raise ConfigError(
                f"objective.positive_margin is {self.positive_margin}; give 0 or more, less than objective.margin "
                f"{self.margin}"
            )

    def __call__(self, embeddings: Rows, others: Others, relation: Relation, key: PRNGKeyArray) -> Losses:
        """Returns one loss per row."""
        del key
        return metric_learning.contrastive_margin(
            embeddings,
            others,
            _narrowed(self.miner, embeddings, others, relation),
            margin=self.margin,
            positive_margin=self.positive_margin,
            squared=self.squared,
            average=self.average,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Triplet:
    """Negatives farther than positives by a margin; see `metric_learning.triplet_margin`.

    Attributes:
        margin: Difference of the distances from which on a triplet costs nothing, > 0; that of `semi_hard` too.
        swap: Whether the negative's distance is that to the positive where this is smaller.
        soft: Whether the softplus of what is missing counts, which is never zero.
        average: Over the triplets that cost anything, or over all, as in the seed.
        miner: Which triplets count; `distance_weighted` compares directions and is for unit-norm embeddings.

    Raises:
        ConfigError: If the margin is not above zero.

    Example:
        >>> import jax.numpy as jnp
        >>> rows = jnp.array([[0.0], [1.0], [1.1]])
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> relation = relation_of_labels(jnp.array([0, 0, 1]))
        >>> [f"{loss:.2f}" for loss in Triplet(miner="semi_hard")(rows, rows, relation, jax.random.key(0))]
        ['0.60', '0.00', '0.00']
    """

    margin: float = 0.3
    swap: bool = False
    soft: bool = False
    average: Average = "active"
    miner: TripletMiner = "all"

    def __post_init__(self) -> None:
        _check_above_zero(self, "margin")

    def __call__(self, embeddings: Rows, others: Others, relation: Relation, key: PRNGKeyArray) -> Losses:
        """Returns one loss per row, the anchor of its triplets."""
        if self.miner == "semi_hard":
            chosen = miners.semi_hard_triplets(embeddings, others, relation, margin=self.margin)
        elif self.miner == "distance_weighted":
            chosen = miners.distance_weighted_triplets(embeddings, others, relation, key)
        else:
            chosen = miners.all_triplets(_narrowed(self.miner, embeddings, others, relation))
        return metric_learning.triplet_margin(
            embeddings,
            others,
            relation,
            margin=self.margin,
            swap=self.swap,
            soft=self.soft,
            average=self.average,
            chosen=chosen,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class NPair:
    """One positive of each class told from those of all others; see `metric_learning.n_pair`.

    Example:
        >>> import jax.numpy as jnp
        >>> rows = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> from jaxmm.objectives.relation import relation_of_labels
        >>> relation = relation_of_labels(jnp.array([0, 0, 1, 1]))
        >>> NPair()(rows, rows, relation, jax.random.key(0)).shape
        (4,)
    """

    def __call__(self, embeddings: Rows, others: Others, relation: Relation, key: PRNGKeyArray) -> Losses:
        """Returns one loss per row, above zero for the first of each class."""
        del key
        return metric_learning.n_pair(embeddings, others, relation)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Angular:
    """The angle at the negative of a triangle with a positive pair is bounded; see `metric_learning.angular`.

    Attributes:
        alpha: Largest angle, in degrees, in (0, 90).

    Raises:
        ConfigError: If the angle is out of its range.

    Example:
        >>> Angular(alpha=45.0).alpha
        45.0
    """

    alpha: float = 40.0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 90:
            raise ConfigError(f"objective.alpha is {self.alpha}; give an angle between 0 and 90 degrees")

    def __call__(self, embeddings: Rows, others: Others, relation: Relation, key: PRNGKeyArray) -> Losses:
        """Returns one loss per row."""
        del key
        return metric_learning.angular(embeddings, others, relation, alpha=self.alpha)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupervisedContrastive:
    """All positives of a row told from its negatives; see `metric_learning.supervised_contrastive`.

    Attributes:
        temperature: Softmax temperature, > 0.
        miner: Which pairs count.

    Raises:
        ConfigError: If the temperature is not above zero.

    Example:
        >>> SupervisedContrastive(temperature=0.07).miner
        'all'
    """

    temperature: float = 0.1
    miner: PairMiner = "all"

    def __post_init__(self) -> None:
        _check_above_zero(self, "temperature")

    def __call__(self, embeddings: Rows, others: Others, relation: Relation, key: PRNGKeyArray) -> Losses:
        """Returns one loss per row."""
        del key
        mined = _narrowed(self.miner, embeddings, others, relation)
        return metric_learning.supervised_contrastive(embeddings, others, mined, temperature=self.temperature)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultiSimilarity:
    """Pairs weighed by their cosines and by the row's others; see `metric_learning.multi_similarity`.

    Attributes:
        alpha: Sharpness over positives, > 0.
        beta: Sharpness over negatives, > 0.
        base: Cosine that positives should exceed and negatives fall below.
        miner: Which pairs count; the paper's are those of `multi_similarity`.

    Raises:
        ConfigError: If a sharpness is not above zero.

    Example:
        >>> MultiSimilarity(beta=40.0).miner
        'multi_similarity'
    """

    alpha: float = 2.0
    beta: float = 50.0
    base: float = 0.5
    miner: PairMiner = "multi_similarity"

    def __post_init__(self) -> None:
        _check_above_zero(self, "alpha", "beta")

    def __call__(self, embeddings: Rows, others: Others, relation: Relation, key: PRNGKeyArray) -> Losses:
        """Returns one loss per row."""
        del key
        mined = _narrowed(self.miner, embeddings, others, relation)
        return metric_learning.multi_similarity(
            embeddings, others, mined, alpha=self.alpha, beta=self.beta, base=self.base
        )


MetricLoss: TypeAlias = PairContrastive | Triplet | NPair | Angular | SupervisedContrastive | MultiSimilarity
"""What learns from embeddings and how they belong together, one loss per row."""


def losses_of_batch(
    objective: MetricLoss,
    embeddings: Float[Array, "rows dim"],
    relation: Int[Array, "rows batch"],
    label: Int[Array, "rows"],
    group: Int[Array, "rows"],
    *,
    example_mask: Bool[Array, "rows"],
    key: PRNGKeyArray,
    memory: Memory | None = None,
) -> tuple[Float[Array, "rows"], Memory | None]:
    """Compares this device's rows with those of all devices and of a memory; returns the memory after the batch.

    Args:
        objective: What is learnt.
        embeddings: This device's rows of the batch.
        relation: How they belong to the rows of the whole batch; see `relation_of_batch`.
        label: Their labels.
        group: Their groups.
        example_mask: False for rows that only fill the batch.
        key: Randomness of the miner; all devices use that of the first.
        memory: Earlier examples, alike on all devices; none when None.

    Returns:
        One loss per row, and the memory with the rows of all devices put in.

    Example:
        >>> import jax.numpy as jnp
        >>> relation, label = jnp.array([[0, 1, -1], [1, 0, -1], [-1, -1, 0]]), jnp.array([4, 4, 9])
        >>> losses, memory = losses_of_batch(
        ...     Triplet(), jnp.eye(3), relation, label, label, example_mask=jnp.ones(3, bool), key=jax.random.key(0),
        ...     memory=Memory.empty(8, dim=3),
        ... )
        >>> losses.shape, memory.valid.sum().item()
        ((3,), 3)
    """
    rows = parallel.all_rows((embeddings, relation, label, group, example_mask))
    embeddings, relation, label, group, example_mask = rows
    # Devices have keys of their own, but of one batch there is one choice.
    data = parallel.all_rows(jax.random.key_data(key)[None])[0]
    compared = relation_of_batch(relation, label, group, example_mask=example_mask, memory=memory)
    losses = objective(embeddings, with_memory(embeddings, memory), compared, jax.random.wrap_key_data(data))
    after = None if memory is None else memory.enqueue(embeddings, label, group, example_mask=example_mask)
    return parallel.own_rows(losses), after


def _narrowed(miner: PairMiner, embeddings: Rows, others: Others, relation: Relation) -> Relation:
    if miner == "hard":
        return miners.hardest_pairs(embeddings, others, relation)
    return miners.similar_pairs(embeddings, others, relation) if miner == "multi_similarity" else relation


def _check_above_zero(settings: Any, *names: str) -> None:
    for name in names:
        if not getattr(settings, name) > 0:
            raise ConfigError(f"objective.{name} is {getattr(settings, name)}; give a value above zero")
