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


def relation_of_batch(
    relation: Int[Array, "batch batch"],
    label: Int[Array, "batch"],
    group: Int[Array, "batch"],
    *,
    example_mask: Bool[Array, "batch"],
    memory: Memory | None = None,
) -> Relation:
    """Returns the relation that a batch carries, and how its rows belong to those of a memory.

    To those they belong by labels and groups alone: rows of one label belong together, rows that share neither do not,
    and rows of one group but different labels, such as two excerpts of one recording, are not compared.

    Args:
        relation: 1 where rows belong together, -1 where they do not, 0 where they are not compared and on the diagonal.
        label: Label of each row.
        group: Group of each row.
        example_mask: False for rows that only fill the batch.
        memory: Earlier examples, with which rows are compared too; see `with_memory`.

    Example:
        >>> relation, ids = jnp.array([[0, 1], [1, 0]]), jnp.array([4, 4])
        >>> memory = Memory.empty(2, dim=3).enqueue(jnp.ones((1, 3)), jnp.array([9]), jnp.array([9]))
        >>> found = relation_of_batch(relation, ids, ids, example_mask=jnp.ones(2, bool), memory=memory)
        >>> found.positive.astype(int).tolist(), found.negative.astype(int).tolist()
        ([[0, 1, 0, 0], [1, 0, 0, 0]], [[0, 0, 1, 0], [0, 0, 1, 0]])
    """
    there = example_mask
    if memory is not None:
        earlier = _signs(label, group, memory.labels, memory.groups).astype(relation.dtype)
        relation = jnp.concatenate([relation, earlier], axis=1)
        there = jnp.concatenate([example_mask, memory.valid])
    compared = example_mask[:, None] & there[None, :]
    return Relation(compared & (relation > 0), compared & (relation < 0), example_mask)


def relation_of_labels(
    labels: Int[Array, "batch"],
    *,
    groups: Int[Array, "batch"] | None = None,
    example_mask: Bool[Array, "batch"] | None = None,
    memory: Memory | None = None,
) -> Relation:
    """Returns the relation of rows by their labels and groups, as `relation_of_batch` has it for those of a memory.

    Args:
        labels: Label of each row.
        groups: Group of each row. Every label is a group of its own when None.
        example_mask: False for rows that only fill the batch. All valid when None.
        memory: Earlier examples, with which rows are compared too; see `with_memory`.

    Example:
        >>> relation = relation_of_labels(jnp.array([4, 4, 9]))
        >>> relation.positive.astype(int).tolist(), relation.negative.astype(int).tolist()
        ([[0, 1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 1], [1, 1, 0]])
    """
    groups = labels if groups is None else groups
    valid = jnp.ones(len(labels), bool) if example_mask is None else example_mask
    signs = jnp.where(jnp.eye(len(labels), dtype=bool), 0, _signs(labels, groups, labels, groups))
    return relation_of_batch(signs, labels, groups, example_mask=valid, memory=memory)


def _signs(
    labels: Int[Array, "batch"], groups: Int[Array, "batch"], to_labels: Int[Array, "n"], to_groups: Int[Array, "n"]
) -> Int[Array, "batch n"]:
    """Returns 1 where rows belong to columns, -1 where they do not and 0 where they are not compared."""
    same_label, same_group = labels[:, None] == to_labels[None, :], groups[:, None] == to_groups[None, :]
    return jnp.where(same_label, 1, jnp.where(same_group, 0, -1))


def with_memory(embeddings: Float[Array, "batch dim"], memory: Memory | None) -> Float[Array, "others dim"]:
    """Returns what a batch is compared with: its own rows and then those of a memory.

    Example:
        >>> with_memory(jnp.ones((2, 3)), Memory.empty(4, dim=3)).shape
        (6, 3)
    """
    return embeddings if memory is None else jnp.concatenate([embeddings, memory.embeddings])
