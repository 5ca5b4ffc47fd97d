import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.pooling import AttentionPooling, pool
from jaxmm.errors import ConfigError

ATTENTION = AttentionPooling(hidden_dim=5)
KINDS = ("mean", "max", "attention")


@pytest.fixture(scope="module")
def frames():
    """All below zero, so that zeros in place of padding would be the largest."""
    return jax.random.normal(jax.random.key(1), (2, 7, 6)) - 4.0


@pytest.fixture(scope="module")
def variables(frames):
    return ATTENTION.init(jax.random.key(0), frames, jnp.ones((2, 7), bool))


@pytest.fixture(scope="module", params=KINDS)
def pooled(request, variables):
    if request.param == "attention":
        return functools.partial(ATTENTION.apply, variables)
    return lambda x, mask: pool(x, mask, request.param)


@pytest.mark.parametrize("num_frames", [1, 4])
def test_padding_changes_nothing_whatever_it_holds(pooled, frames, num_frames):
    mask = jnp.broadcast_to(jnp.arange(7) < num_frames, (2, 7))
    spoilt = jnp.where(mask[..., None], frames, jnp.nan)
    own = pooled(frames[:, :num_frames], jnp.ones((2, num_frames), bool))
    np.testing.assert_allclose(pooled(spoilt, mask), own, atol=1e-5)


def test_frames_that_do_not_change_are_pooled_to_one_of_them(pooled, frames):
    still = jnp.broadcast_to(frames[:, :1], frames.shape)
    np.testing.assert_allclose(pooled(still, jnp.ones((2, 7), bool)), frames[:, 0], atol=1e-5)


def test_a_video_without_frames_is_zero_and_gradients_are_finite(pooled, frames):
    mask = jnp.array([[True] * 7, [False] * 7])
    video, grads = jax.value_and_grad(lambda x: (found := pooled(x, mask)).sum() + 0 * found[1].sum())(frames)
    assert not np.asarray(pooled(frames, mask))[1].any()
    assert np.isfinite(video)
    assert np.isfinite(grads).all()
    assert not grads[1].any()


def test_each_kind_is_what_it_says(frames, variables):
    valid = np.asarray(frames)[0, :5].astype(np.float64)
    mask = jnp.broadcast_to(jnp.arange(7) < 5, (2, 7))
    np.testing.assert_allclose(pool(frames, mask, "mean")[0], valid.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(pool(frames, mask, "max")[0], valid.max(axis=0), atol=1e-6)
    hidden, score = variables["params"]["hidden"], variables["params"]["score"]
    scores = np.tanh(valid @ np.asarray(hidden["kernel"]) + np.asarray(hidden["bias"])) @ np.asarray(score["kernel"])
    weights = np.exp(scores[:, 0]) / np.exp(scores[:, 0]).sum()
    assert weights.max() - weights.min() > 1e-2
    np.testing.assert_allclose(ATTENTION.apply(variables, frames, mask)[0], weights @ valid, atol=1e-5)


def test_attention_scores_by_what_is_learnt(frames, variables):
    mask = jnp.ones((2, 7), bool)
    grads = jax.grad(lambda own: ATTENTION.apply(own, frames, mask).sum())(variables)
    assert all(np.abs(leaf).max() > 1e-4 for leaf in jax.tree.leaves(grads))


def test_an_unknown_kind_is_refused_by_the_code_itself_not_by_checks_of_types_alone(frames):
    unchecked = inspect.unwrap(pool)  # as users have it: the suite's checks of types would refuse the word first
    assert unchecked is not pool
    mask = jnp.ones((2, 7), bool)
    np.testing.assert_array_equal(unchecked(frames, mask, "max"), pool(frames, mask, "max"))
    with pytest.raises(ConfigError, match="pooling is 'sum'; use mean or max"):
        unchecked(frames, mask, "sum")
