"""What belongs together and what does not, which losses of metric learning learn from."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmm.objectives.memory import Memory


class Relation(NamedTuple):
    """Pairs of a batch's rows with others, which are the batch itself and then, where there is one, a memory.

    Attributes:
        positive: True where they belong together; no row belongs to itself.
        negative: True where they do not; a pair that is neither counts for nothing.
        valid: False for rows that only fill the batch, which are in no pair. The losses are made for the mean over
            the valid rows.
    """

    positive: Bool[Array, "batch others"]
    negative: Bool[Array, "batch others"]
    valid: Bool[Array, "batch"]


def relation_of_labels(
    labels: Int[Array, "batch"],
    *,
    example_mask: Bool[Array, "batch"] | None = None,
    memory: Memory | None = None,
) -> Relation:
    """Returns the relation of rows with class labels: those of one class belong together, all others do not.

    Args:
        labels: Class of each row.
        example_mask: False for rows that only fill the batch. All valid when None.
        memory: Earlier examples, with which rows are compared too; see `with_memory`.

    Example:
        >>> relation = relation_of_labels(jnp.array([4, 4, 9]))
        >>> relation.positive.astype(int).tolist(), relation.negative.astype(int).tolist()
        ([[0, 1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 1], [1, 1, 0]])
    """
    valid = jnp.ones(len(labels), bool) if example_mask is None else example_mask
    others, there = labels, valid
    if memory is not None:
        others, there = jnp.concatenate([labels, memory.labels]), jnp.concatenate([valid, memory.valid])
    same, compared = labels[:, None] == others[None, :], valid[:, None] & there[None, :]
    itself = jnp.eye(len(labels), len(others), dtype=bool)
    return Relation(same & compared & ~itself, ~same & compared, valid)


def relation_of_pairs(
    pairs: Int[Array, "pairs 2"],
    together: Bool[Array, "pairs"],
    *,
    example_mask: Bool[Array, "batch"],
    pair_mask: Bool[Array, "pairs"] | None = None,
) -> Relation:
    """Returns the relation of listed pairs, in which nothing is known of the others.

    Each pair stands in the rows of both its examples, so that means over pairs stay what they are.

    Args:
        pairs: Places in the batch of both examples of a pair.
        together: Whether they belong together.
        example_mask: False for rows that only fill the batch.
        pair_mask: False for pairs that only fill the list. All valid when None.

    Example:
        >>> pairs, together = jnp.array([[0, 1], [2, 1]]), jnp.array([True, False])
        >>> relation = relation_of_pairs(pairs, together, example_mask=jnp.ones(3, bool))
        >>> relation.positive.astype(int).tolist(), relation.negative.astype(int).tolist()
        ([[0, 1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 1], [0, 1, 0]])
    """
    size = len(example_mask)
    listed = jnp.ones(len(pairs), bool) if pair_mask is None else pair_mask
    compared = example_mask[:, None] & example_mask[None, :] & ~jnp.eye(size, dtype=bool)

    def marked(which: Bool[Array, "pairs"]) -> Bool[Array, "batch batch"]:
        one, other = jnp.where(which[:, None], pairs, size).T
        marks = jnp.zeros((size, size), bool).at[one, other].set(True, mode="drop")
        return (marks | marks.T) & compared

    return Relation(marked(listed & together), marked(listed & ~together), example_mask)


def with_memory(embeddings: Float[Array, "batch dim"], memory: Memory | None) -> Float[Array, "others dim"]:
    """Returns what a batch is compared with: its own rows and then those of a memory.

    Example:
        >>> with_memory(jnp.ones((2, 3)), Memory.empty(4, dim=3)).shape
        (6, 3)
    """
    return embeddings if memory is None else jnp.concatenate([embeddings, memory.embeddings])
