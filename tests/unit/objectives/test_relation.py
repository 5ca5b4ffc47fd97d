import jax.numpy as jnp
import numpy as np

from jaxmm.objectives.memory import Memory
from jaxmm.objectives.relation import relation_of_batch, relation_of_labels

LABELS, GROUPS = jnp.array([0, 0, 1, 2]), jnp.array([5, 5, 5, 6])
SIGNS = np.array([[0, 1, 0, -1], [1, 0, 0, -1], [0, 0, 0, -1], [-1, -1, -1, 0]])
VALID = jnp.ones(4, bool)


def signs(relation):
    assert not np.any(relation.positive & relation.negative)
    return np.asarray(relation.positive, int) - np.asarray(relation.negative, int)


def test_rows_of_one_group_but_different_labels_are_not_compared():
    np.testing.assert_array_equal(signs(relation_of_labels(LABELS, groups=GROUPS)), SIGNS)


def test_a_batch_and_its_labels_have_one_relation():
    found = relation_of_batch(jnp.asarray(SIGNS, jnp.int8), LABELS, GROUPS, example_mask=VALID)
    np.testing.assert_array_equal(signs(found), SIGNS)


def test_fill_rows_are_compared_with_nothing():
    mask = jnp.array([True, False, True, True])
    found = relation_of_labels(LABELS, groups=GROUPS, example_mask=mask)
    np.testing.assert_array_equal(signs(found), np.where(mask[:, None] & mask[None, :], SIGNS, 0))
    np.testing.assert_array_equal(found.valid, mask)


def test_a_memory_is_compared_by_labels_and_groups_and_its_free_places_not_at_all():
    memory = Memory.empty(4, dim=2).enqueue(jnp.ones((3, 2)), jnp.array([0, 7, 8]), jnp.array([5, 5, 9]))
    found = relation_of_batch(jnp.asarray(SIGNS, jnp.int8), LABELS, GROUPS, example_mask=VALID, memory=memory)
    expected = np.array([[1, 0, -1, 0], [1, 0, -1, 0], [0, 0, -1, 0], [-1, -1, -1, 0]])
    np.testing.assert_array_equal(signs(found), np.concatenate([SIGNS, expected], axis=1))
