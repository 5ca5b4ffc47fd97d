import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.temporal import TemporalFusion
from jaxmm.errors import ConfigError

FUSION = TemporalFusion(hidden_dim=8, num_heads=2, strides=(1, 2))


@pytest.fixture(scope="module")
def frames():
    return jax.random.normal(jax.random.key(1), (2, 7, 6))


@pytest.fixture(scope="module")
def embed(frames):
    variables = FUSION.init(jax.random.key(0), frames, jnp.ones((2, 7), bool))
    return lambda x, mask=None: FUSION.apply(variables, x, jnp.ones(x.shape[:2], bool) if mask is None else mask)


def test_one_frame_is_embedded_as_itself_d1(embed, frames):
    np.testing.assert_allclose(embed(frames[:, :1]), frames[:, 0], atol=1e-6)
    padded = jnp.arange(7)[None, :] < jnp.ones((2, 1), int)
    np.testing.assert_allclose(embed(frames, padded), frames[:, 0], atol=1e-6)


def test_frames_that_do_not_change_are_embedded_as_one_of_them(embed, frames):
    still = jnp.broadcast_to(frames[:, :1], frames.shape)
    np.testing.assert_allclose(embed(still), frames[:, 0], atol=1e-5)


def test_the_order_of_frames_tells(embed, frames):
    forwards, backwards = embed(frames), embed(frames[:, ::-1])
    assert np.abs(forwards - backwards).max() > 1e-2


@pytest.mark.parametrize("num_frames", [2, 3, 5])
def test_padding_changes_nothing_whatever_it_holds(embed, frames, num_frames):
    mask = jnp.broadcast_to(jnp.arange(7) < num_frames, (2, 7))
    spoilt = jnp.where(mask[..., None], frames, jnp.nan)
    np.testing.assert_allclose(embed(spoilt, mask), embed(frames[:, :num_frames]), atol=1e-5)


def test_gradients_are_finite_where_a_whole_row_is_padding(embed, frames):
    mask = jnp.array([[True] * 7, [False] * 7])
    grads = jax.grad(lambda x: embed(x, mask).sum())(frames)
    assert np.isfinite(grads).all()
    assert not grads[1].any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": 3}, "num_heads is 3; give a divisor of hidden_dim 8"),
        ({"strides": (0, 1)}, r"strides are \(0, 1\)"),
        ({"strides": (1, 1)}, r"strides are \(1, 1\)"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(frames, settings, message):
    with pytest.raises(ConfigError, match=message):
        FUSION.clone(**settings).init(jax.random.key(0), frames, jnp.ones((2, 7), bool))


def test_bfloat16_stays_bfloat16():
    x, mask = jnp.ones((2, 5, 6), jnp.bfloat16), jnp.ones((2, 5), bool)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), FUSION.init(jax.random.key(0), x, mask))
    run = functools.partial(FUSION.apply, capture_intermediates=True, mutable=["intermediates"])
    found, seen = jax.eval_shape(run, params, x, mask)
    assert {leaf.dtype for leaf in jax.tree.leaves((found, seen))} == {jnp.dtype("bfloat16")}
