import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.objectives.contrastive import symmetric_infonce

BATCH, DIM, TEMPERATURE = 5, 3, 0.2
rng = np.random.default_rng(0)
A, B = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.normal(size=(2, BATCH, DIM)).astype(np.float32))


@jax.jit
def losses(a, b, mask):
    return symmetric_infonce(a, b, temperature=TEMPERATURE, example_mask=mask)


@jax.jit
def gradients(a, b, mask):
    return jax.grad(lambda a, b: losses(a, b, mask).sum(), argnums=(0, 1))(a, b)


def cross_entropy(logits):
    """Of each row with its own column, in double precision."""
    logits = logits.astype(np.float64)
    return np.log(np.exp(logits).sum(axis=1)) - np.diagonal(logits)


def expected(a, b):
    logits = a @ b.T / TEMPERATURE
    return (cross_entropy(logits) + cross_entropy(logits.T)) / 2


masks = st.lists(st.booleans(), min_size=BATCH, max_size=BATCH).map(np.array).filter(np.any)


def test_it_is_the_mean_of_both_directions_of_cross_entropy():
    whole = symmetric_infonce(jnp.asarray(A), jnp.asarray(B), temperature=TEMPERATURE)
    np.testing.assert_allclose(whole, expected(A, B), rtol=1e-5)
    np.testing.assert_allclose(losses(A, B, jnp.ones(BATCH, bool)), expected(A, B), rtol=1e-5)


def test_it_is_symmetric_in_the_modalities():
    mask = jnp.ones(BATCH, bool)
    np.testing.assert_allclose(losses(A, B, mask), losses(B, A, mask), rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(mask=masks)
def test_masked_rows_have_no_loss_and_change_no_other(mask):
    found = np.asarray(losses(A, B, mask))
    assert not found[~mask].any()
    np.testing.assert_allclose(found[mask], expected(A[mask], B[mask]), rtol=1e-4, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(mask=masks, filler=st.floats(-3, 3, width=32))
def test_what_fills_masked_rows_changes_neither_losses_nor_gradients(mask, filler):
    other_a, other_b = (np.where(mask[:, None], x, np.float32(filler)) for x in (A, B))
    np.testing.assert_allclose(losses(other_a, other_b, mask), losses(A, B, mask), atol=1e-5)
    for ours, theirs in zip(gradients(A, B, mask), gradients(other_a, other_b, mask), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        assert not np.asarray(ours)[~mask].any()


def test_a_wholly_masked_batch_has_finite_gradients():
    mask = jnp.zeros(BATCH, bool)
    assert not np.asarray(losses(A, B, mask)).any()
    assert all(not np.asarray(leaf).any() for leaf in gradients(A, B, mask))


def test_a_batch_of_one_has_nothing_to_learn():
    assert float(symmetric_infonce(jnp.asarray(A[:1]), jnp.asarray(B[:1]), temperature=0.07)[0]) == pytest.approx(0.0)


def test_equal_embeddings_cost_the_logarithm_of_the_batch_and_right_ones_nearly_nothing():
    same = jnp.ones((4, 4)) / 2
    np.testing.assert_allclose(symmetric_infonce(same, same, temperature=0.07), np.log(4), rtol=1e-5)
    assert float(symmetric_infonce(jnp.eye(4), jnp.eye(4), temperature=0.07).max()) < 1e-5


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_that_is_not_positive_is_an_error(temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}; give a value above zero"):
        symmetric_infonce(jnp.eye(2), jnp.eye(2), temperature=temperature)
