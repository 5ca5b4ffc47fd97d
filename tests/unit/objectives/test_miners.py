import jax
import jax.numpy as jnp
import numpy as np

from jaxmm.objectives import miners
from jaxmm.objectives.relation import relation_of_labels

ROWS = jnp.asarray(np.random.default_rng(0).normal(size=(8, 4)), jnp.float32)
RELATION = relation_of_labels(jnp.array([0, 0, 0, 1, 1, 2, 2, 3]))


def test_hard_pairs_are_one_of_each_kind_and_none_without_a_positive():
    found = miners.hardest_pairs(ROWS, ROWS, RELATION)
    np.testing.assert_array_equal(found.positive.sum(axis=1), [1] * 7 + [0])
    np.testing.assert_array_equal(found.negative.sum(axis=1), [1] * 7 + [0])
    assert not np.any(found.positive & ~RELATION.positive)
    assert not np.any(found.negative & ~RELATION.negative)


def test_nothing_is_mined_where_nothing_is_negative():
    same = relation_of_labels(jnp.zeros(8, jnp.int32))
    for found in (miners.hardest_pairs(ROWS, ROWS, same), miners.similar_pairs(ROWS, ROWS, same)):
        assert not np.any(found.positive)
        assert not np.any(found.negative)
    assert not np.any(miners.distance_weighted_triplets(ROWS, ROWS, same, jax.random.key(0)))


def test_each_positive_pair_draws_one_negative_near_enough_and_one_key_draws_the_same():
    draw = jax.jit(lambda key: miners.distance_weighted_triplets(ROWS, ROWS, RELATION, key, farthest=1.9))
    first, again, other = (np.asarray(draw(jax.random.key(seed))) for seed in (0, 0, 1))
    chances = np.asarray(miners.negative_probabilities(ROWS, ROWS, RELATION, farthest=1.9))
    np.testing.assert_array_equal(first.sum(axis=2), RELATION.positive & (chances > 0).any(axis=1)[:, None])
    assert not np.any(first & (chances == 0)[:, None, :])
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_negatives_are_drawn_as_often_as_they_are_likely():
    keys = jax.random.split(jax.random.key(0), 4000)
    draw = jax.vmap(lambda key: miners.distance_weighted_triplets(ROWS, ROWS, RELATION, key)[0, 1])
    chances = miners.negative_probabilities(ROWS, ROWS, RELATION)[0]
    np.testing.assert_allclose(jax.jit(draw)(keys).mean(axis=0), chances, atol=0.03)
