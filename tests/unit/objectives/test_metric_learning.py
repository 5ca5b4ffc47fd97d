import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.errors import ConfigError
from jaxmm.objectives import metric_learning as losses
from jaxmm.objectives.relation import relation_of_labels

ROWS = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32)
LABELS = jnp.array([0, 0, 1, 1, 2, 2])
LOSSES = {
    "contrastive": losses.contrastive_margin,
    "squared": functools.partial(losses.contrastive_margin, squared=True, average="all"),
    "triplet": functools.partial(losses.triplet_margin, swap=True),
    "soft": functools.partial(losses.triplet_margin, soft=True, average="all"),
    "n_pair": losses.n_pair,
    "angular": losses.angular,
    "supervised": losses.supervised_contrastive,
    "multi_similarity": losses.multi_similarity,
    "cross_entropy": lambda rows, others, relation: losses.pair_cross_entropy(rows @ others.T, relation),
}
each = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def values_and_gradients(loss, rows, labels, mask=None):
    def total(rows):
        found = loss(rows, rows, relation_of_labels(labels, example_mask=mask))
        return found.sum(), found

    (_, found), gradients = jax.jit(jax.value_and_grad(total, has_aux=True))(rows)
    assert found.shape == (len(rows),)
    assert np.isfinite(found).all()
    assert np.isfinite(gradients).all()
    return np.asarray(found), np.asarray(gradients)


@each
def test_equal_rows_and_rows_of_zeros_have_finite_gradients(loss):
    for rows in (jnp.ones((6, 3)), jnp.zeros((6, 3))):
        values_and_gradients(loss, rows, LABELS)


@each
def test_a_batch_of_one_has_nothing_to_learn(loss):
    found, gradients = values_and_gradients(loss, ROWS[:1], LABELS[:1])
    assert not found.any()
    assert not gradients.any()


@each
def test_fill_rows_change_nothing(loss):
    expected, slopes = values_and_gradients(loss, ROWS[:4], LABELS[:4])
    found, gradients = values_and_gradients(loss, ROWS.at[4:].multiply(9.0), LABELS, jnp.arange(6) < 4)
    assert expected.any()
    np.testing.assert_allclose(found, np.pad(expected, (0, 2)), atol=1e-5)
    np.testing.assert_allclose(gradients, np.pad(slopes, ((0, 2), (0, 0))), atol=1e-5)


@pytest.mark.parametrize("name", ["triplet", "soft", "n_pair", "supervised"])
def test_without_positives_there_is_nothing_to_learn(name):
    found, gradients = values_and_gradients(LOSSES[name], ROWS, jnp.arange(6))
    assert not found.any()
    assert not gradients.any()


@pytest.mark.parametrize("name", ["triplet", "soft", "angular", "n_pair", "supervised"])
def test_without_negatives_there_is_nothing_to_learn(name):
    found, gradients = values_and_gradients(LOSSES[name], ROWS, jnp.zeros(6, jnp.int32))
    np.testing.assert_allclose(found, 0, atol=1e-6)
    np.testing.assert_allclose(gradients, 0, atol=1e-6)


def test_a_temperature_of_zero_is_an_error():
    with pytest.raises(ConfigError, match="give a value above zero"):
        losses.supervised_contrastive(ROWS, ROWS, relation_of_labels(LABELS), temperature=0.0)
