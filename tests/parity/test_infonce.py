"""Our symmetric InfoNCE against the loss of seed 000: values, gradients, and rows that only fill a batch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.errors import ConfigError
from jaxmm.objectives.contrastive import symmetric_infonce
from jaxmm.objectives.reduce import masked_mean

from .torch_reference import F, compute_loss, torch

TOLERANCE = 1e-6
SIZES = st.sampled_from([1, 2, 3, 8, 32])
TEMPERATURES = st.floats(0.07, 2.0)
SEEDS = st.integers(0, 2**32 - 1)


def unit_pair(num_pairs, seed, alike=0.0):
    """Two batches of unit vectors; with a larger `alike`, those of a pair are closer than chance."""
    generator = np.random.default_rng(seed)
    a, noise = generator.normal(size=(2, num_pairs, 16))
    b = alike * a + noise
    return (jnp.array(x / np.linalg.norm(x, axis=1, keepdims=True), jnp.float32) for x in (a, b))


@functools.partial(jax.jit, static_argnames="temperature")
def our_loss(a, b, example_mask=None, *, temperature):
    return symmetric_infonce(a, b, temperature=temperature, example_mask=example_mask)


def mean_and_gradients(a, b, temperature, example_mask=None):
    def mean(a, b):
        losses = symmetric_infonce(a, b, temperature=temperature, example_mask=example_mask)
        return masked_mean(losses, jnp.ones(len(a), bool) if example_mask is None else example_mask)

    return jax.value_and_grad(mean, argnums=(0, 1))(a, b)


def torch_mean_and_gradients(a, b, temperature, dtype):
    a, b = (torch.tensor(np.array(x), dtype=dtype, requires_grad=True) for x in (a, b))
    loss = compute_loss(a, b, temperature)
    loss.backward()
    return loss.item(), (a.grad.numpy(), b.grad.numpy())


def assert_equal(ours, theirs, tolerance=TOLERANCE):
    np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=tolerance)
    for gradient, reference in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(gradient, reference, rtol=0, atol=tolerance)


@pytest.mark.parametrize("alike", [0.0, 1.0, 100.0], ids=["chance", "close", "equal"])
@pytest.mark.parametrize("num_pairs", [1, 2, 32, 128])
def test_loss_and_gradients_equal_torch_at_the_temperature_of_the_seed(num_pairs, alike):
    a, b = unit_pair(num_pairs, seed=num_pairs, alike=alike)
    assert_equal(mean_and_gradients(a, b, 0.07), torch_mean_and_gradients(a, b, 0.07, torch.float32))


@settings(max_examples=30, deadline=None)
@given(num_pairs=SIZES, temperature=TEMPERATURES, seed=SEEDS, alike=st.floats(0.0, 3.0))
def test_loss_and_gradients_are_those_of_exact_arithmetic(num_pairs, temperature, seed, alike):
    a, b = unit_pair(num_pairs, seed, alike)
    exact = torch_mean_and_gradients(a, b, temperature, torch.float64)
    # Logits reach 1 / temperature, and float32 rounds them in proportion.
    assert_equal(mean_and_gradients(a, b, temperature), exact, TOLERANCE * max(1.0, 0.2 / temperature))


def test_each_value_is_the_mean_of_both_cross_entropies_of_its_pair():
    a, b = unit_pair(9, seed=1, alike=0.5)
    logits = torch.tensor(np.array(a)) @ torch.tensor(np.array(b)).T / 0.2
    labels = torch.arange(9)
    expected = (
        F.cross_entropy(logits, labels, reduction="none") + F.cross_entropy(logits.T, labels, reduction="none")
    ) / 2
    np.testing.assert_allclose(our_loss(a, b, temperature=0.2), expected.numpy(), rtol=0, atol=TOLERANCE)


@settings(max_examples=25, deadline=None)
@given(kept=st.lists(st.booleans(), min_size=6, max_size=6).filter(any), seed=SEEDS)
def test_masked_rows_change_nothing_that_the_smaller_batch_would_see(kept, seed):
    mask = np.array(kept)
    a, b = unit_pair(6, seed, alike=0.5)
    ours = mean_and_gradients(a, b, 0.2, jnp.array(mask))
    smaller, gradients = torch_mean_and_gradients(a[mask], b[mask], 0.2, torch.float32)
    padded = [np.zeros((6, 16), np.float32) for _ in gradients]
    for whole, part in zip(padded, gradients, strict=True):
        whole[mask] = part
    assert_equal(ours, (smaller, padded))
    losses = np.asarray(our_loss(a, b, jnp.array(mask), temperature=0.2))
    assert (losses[~mask] == 0).all()


def test_without_any_valid_row_loss_and_gradients_are_zero():
    a, b = unit_pair(4, seed=2)
    loss, gradients = mean_and_gradients(a, b, 0.07, jnp.zeros(4, bool))
    assert float(loss) == 0
    assert all(np.array_equal(gradient, np.zeros((4, 16))) for gradient in gradients)


@pytest.mark.parametrize("temperature", [0.0, -0.07])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    a, b = unit_pair(2, seed=3)
    with pytest.raises(ConfigError, match=f"temperature is {temperature}; give a value above zero"):
        symmetric_infonce(a, b, temperature=temperature)
