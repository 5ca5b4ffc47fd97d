import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.transformer import Attention, TransformerBlock
from jaxmm.errors import ConfigError

BLOCK = TransformerBlock(num_heads=2, feedforward_dim=12, dropout_rate=0.4)
MASK = np.arange(5) < np.array([[5], [3]])


@functools.cache
def hidden():
    return np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)


@functools.cache
def variables():
    return jax.jit(functools.partial(BLOCK.init, deterministic=True))(jax.random.key(0), hidden(), MASK)


@functools.partial(jax.jit, static_argnames="deterministic")
def apply(variables, hidden, mask, seed, deterministic):
    rngs = {"dropout": jax.random.key(seed)}
    return BLOCK.apply(variables, hidden, mask, deterministic=deterministic, rngs=rngs)


def run(hidden, mask, seed=0, deterministic=True):
    return np.asarray(apply(variables(), hidden, mask, seed, deterministic))


def test_tokens_outside_the_mask_change_no_valid_one():
    changed = np.where(MASK[..., None], hidden(), 100.0).astype(np.float32)
    np.testing.assert_allclose(run(changed, MASK)[MASK], run(hidden(), MASK)[MASK], atol=1e-6)
    everywhere = np.ones_like(MASK)
    assert np.abs(run(changed, everywhere) - run(hidden(), everywhere))[1, 0].max() > 1e-3


def test_a_row_without_a_valid_token_is_finite():
    assert np.isfinite(run(hidden(), np.zeros_like(MASK))).all()


def test_dropout_acts_only_in_training_and_by_its_key():
    one, same, other = (run(hidden(), MASK, seed, deterministic=False) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3 < np.abs(one - run(hidden(), MASK)).max()


def test_attention_weights_and_both_branches_are_dropped():
    seen = []

    def record(call, args, kwargs, context):
        if isinstance(context.module, Dropout):
            seen.append((context.module.path[:-1], context.module.rate))
        return call(*args, **kwargs)

    params, states, mask = variables(), jnp.asarray(hidden()), jnp.asarray(MASK)  # initialisation is not to be recorded
    with nn.intercept_methods(record):
        BLOCK.apply(params, states, mask, deterministic=False, rngs={"dropout": jax.random.key(0)})
    assert seen == [(("attention",), 0.4), ((), 0.4), ((), 0.4)]


def test_kernels_start_xavier_uniform_and_biases_at_zero():
    params = variables()["params"]
    for layer in (*params["attention"].values(), params["feedforward_in"], params["feedforward_out"]):
        bound = (6 / sum(layer["kernel"].shape)) ** 0.5
        assert 0.8 * bound < np.abs(layer["kernel"]).max() <= bound
        assert not np.any(layer["bias"])


def test_heads_must_divide_the_width():
    attention = Attention(num_heads=3, dropout_rate=0.0)
    with pytest.raises(ConfigError, match="dim is 8 and num_heads 3; set dim to a multiple of num_heads"):
        attention.init(jax.random.key(0), *[jnp.ones((1, 2, 8))] * 2, jnp.ones((1, 2), bool), deterministic=True)


def test_attention_to_a_context_of_another_width_and_length():
    asking, context = (
        jax.random.normal(jax.random.key(place), (2, *shape)) for place, shape in ((0, (4, 8)), (1, (3, 6)))
    )
    attention = Attention(num_heads=2)
    mask = jnp.array([[True, True, False], [True, False, False]])
    variables = attention.init(jax.random.key(2), asking, context, mask, deterministic=True)
    mixed = attention.apply(variables, asking, context, mask, deterministic=True)
    other = attention.apply(variables, asking, context.at[:, 2].set(7.0), mask, deterministic=True)
    assert mixed.shape == (2, 4, 8)
    np.testing.assert_array_equal(mixed, other)
    # With one state to attend to, all that ask get the same.
    np.testing.assert_allclose(mixed[1], np.broadcast_to(mixed[1, :1], (4, 8)), atol=1e-6)
