import functools
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.errors import ConfigError
from jaxmm.objectives.contrastive import nt_xent, pairwise_sigmoid, symmetric_infonce

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
    with pytest.raises(ConfigError, match=f"temperature is {temperature}; give a value above zero"):
        symmetric_infonce(jnp.eye(2), jnp.eye(2), temperature=temperature)


LOSSES = {
    "infonce": functools.partial(symmetric_infonce, temperature=TEMPERATURE),
    "in_chunks": functools.partial(symmetric_infonce, temperature=TEMPERATURE, chunk_size=1),
    "nt_xent": functools.partial(nt_xent, temperature=TEMPERATURE),
    "sigmoid": functools.partial(pairwise_sigmoid, temperature=TEMPERATURE, bias=-2.0),
}
each_loss = pytest.mark.parametrize("kind", LOSSES)
either_use = pytest.mark.parametrize("multi_positive", [False, True], ids=["mask", "multi_positive"])


@functools.cache
def compiled(kind, multi_positive):
    """Losses, and the gradients of their sum, of towers, a mask and positives."""

    def total(a, b, mask, positives):
        losses = LOSSES[kind](a, b, example_mask=mask, positives=positives, multi_positive=multi_positive)
        return losses.sum(), losses

    return jax.jit(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))


def groups(labels):
    return np.array(labels)[:, None] == np.array(labels)[None, :]


labels = st.lists(st.integers(0, 2), min_size=BATCH, max_size=BATCH)


@each_loss
@either_use
@settings(max_examples=10, deadline=None)
@given(mask=masks, labels=labels, filler=st.floats(-3, 3, width=32), stray=st.booleans())
def test_filling_rows_change_nothing_whatever_they_hold_and_belong_to(
    kind, multi_positive, mask, labels, filler, stray
):
    run, valid = compiled(kind, multi_positive), mask[:, None] & mask[None, :]
    other_a, other_b = (np.where(mask[:, None], x, np.float32(filler)) for x in (A, B))
    (_, losses), grads = run(A, B, mask, groups(labels))
    (_, others), other_grads = run(other_a, other_b, mask, np.where(valid, groups(labels), stray))
    np.testing.assert_allclose(losses, others, atol=1e-5)
    assert not np.asarray(losses)[~mask].any()
    for ours, theirs in zip(grads, other_grads, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        assert not np.asarray(ours)[~mask].any()


@each_loss
@either_use
@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(BATCH)), labels=labels)
def test_losses_follow_their_pairs_into_any_order_and_are_symmetric_in_the_modalities(
    kind, multi_positive, order, labels
):
    run, mask, positives = compiled(kind, multi_positive), np.ones(BATCH, bool), groups(labels)
    losses = run(A, B, mask, positives)[0][1]
    np.testing.assert_allclose(
        run(A[order], B[order], mask, positives[order][:, order])[0][1], losses[np.array(order)], atol=1e-5
    )
    np.testing.assert_allclose(run(B, A, mask, positives)[0][1], losses, atol=1e-5)


@each_loss
@either_use
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4, -1e4])
def test_gradients_are_finite_at_extremes(kind, multi_positive, scale):
    run = compiled(kind, multi_positive)
    for labels in (range(BATCH), [0] * BATCH):
        for mask in (np.ones(BATCH, bool), np.arange(BATCH) == 2, np.zeros(BATCH, bool)):
            (_, losses), grads = run(np.float32(scale) * A, A, mask, groups(labels))
            assert np.isfinite(losses).all() and all(np.isfinite(gradient).all() for gradient in grads)


@pytest.mark.parametrize("kind", ["infonce", "in_chunks", "nt_xent"])
def test_duplicates_do_not_push_each_other_apart(kind):
    """Two pairs with one caption: as negatives they cost at least log 2, left out or as targets they need not."""
    a = b = np.eye(BATCH, dtype=np.float32)[[0, 0, 1, 2, 3]]
    mask, positives = np.ones(BATCH, bool), groups([0, 0, 1, 2, 3])
    negatives = compiled(kind, False)(a, b, mask, np.eye(BATCH, dtype=bool))[0][1]
    masked = compiled(kind, False)(a, b, mask, positives)[0][1]
    targets = compiled(kind, True)(a, b, mask, positives)[0][1]
    assert negatives[:2].min() > np.log(2) > 0.1 > masked.max()
    np.testing.assert_allclose(targets[:2], negatives[:2], rtol=1e-5)  # the least that two equal targets allow
    _, pulls = compiled(kind, True)(a, b, mask, positives)
    _, pushes = compiled(kind, False)(a, b, mask, np.eye(BATCH, dtype=bool))
    assert np.abs(pulls[0][0] - pushes[0][0]).max() < 1e-5  # equal rows are pulled and pushed alike


def test_a_chunk_that_does_not_divide_the_batch_is_refused():
    for chunk_size in (0, 2, 6):
        with pytest.raises(ConfigError, match=f"chunk_size is {chunk_size}; give a number that divides the batch of 5"):
            symmetric_infonce(jnp.asarray(A), jnp.asarray(B), temperature=0.1, chunk_size=chunk_size)


MEMORY = """
import pathlib, re, sys
import jax, jax.numpy as jnp
from jaxmm.errors import ConfigError
from jaxmm.objectives.contrastive import nt_xent, pairwise_sigmoid, symmetric_infonce
chunk_size = int(sys.argv[1]) or None
a, b = jax.random.normal(jax.random.key(0), (2, 8192, 256)) / 16
run = jax.jit(jax.value_and_grad(
    lambda a, b: symmetric_infonce(a, b, temperature=0.07, chunk_size=chunk_size).mean(), argnums=(0, 1)))
jax.block_until_ready(run(a, b))
# Not ru_maxrss, which a child inherits from the process that starts it.
print(int(re.search("VmHWM: *(.*) kB", pathlib.Path("/proc/self/status").read_text().expandtabs())[1]) / 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux, which tells a process its peak memory")
def test_8192_pairs_in_chunks_need_less_than_600_megabytes():
    """Value and gradient, JAX itself included; a single 8,192 x 8,192 array of float32 would be 256 MB of it."""
    done = subprocess.run([sys.executable, "-c", MEMORY, "256"], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 600
