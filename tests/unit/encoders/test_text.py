import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.text import TransformerText, pool
from jaxmm.encoders.transformer import Attention
from jaxmm.errors import ConfigError, DataError

TOKENS, PADDING = 6, 3
TINY = TransformerText(vocab_size=40, dim=16, num_layers=2, num_heads=4, feedforward_dim=24, max_positions=12)
TINY_BERT = TINY.clone(num_token_types=2, dropout_after_attention=True)
TINY_MPNET = TINY_BERT.clone(num_token_types=0, first_position=2, relative_positions=True)


def parameter_shapes(module):
    ids, mask = jnp.zeros((1, 1), jnp.int32), jnp.ones((1, 1), bool)
    return jax.eval_shape(functools.partial(module.init, deterministic=True), jax.random.key(0), ids, mask)["params"]


@functools.cache
def random_params(module):
    """Parameters well away from their start, so that no bias is zero and no scale is one."""
    generator = np.random.default_rng(0)
    shapes = parameter_shapes(module)
    return jax.tree.map(lambda leaf: (0.4 * generator.normal(size=leaf.shape)).astype(np.float32), shapes)


@functools.partial(jax.jit, static_argnums=0)
def encode(module, token_ids, token_mask):
    return module.apply({"params": random_params(module)}, token_ids, token_mask, deterministic=True)


def token_ids(num_tokens):
    return arrays.arrays(np.int32, (2, num_tokens), elements=st.integers(0, 39))


@pytest.mark.parametrize("module", [TINY, TINY_BERT, TINY_MPNET], ids=["distilbert", "bert", "mpnet"])
@settings(max_examples=30, deadline=None)
@given(ids=token_ids(TOKENS), junk=token_ids(PADDING), lengths=st.tuples(*[st.integers(1, TOKENS)] * 2))
def test_padding_changes_no_state_of_a_valid_token(module, ids, junk, lengths):
    mask = np.arange(TOKENS)[None, :] < np.array(lengths)[:, None]
    padded_ids = np.concatenate([np.where(mask, ids, 39 - ids), junk], axis=1)
    padded_mask = np.concatenate([mask, np.zeros((2, PADDING), bool)], axis=1)
    plain, padded = encode(module, ids, mask), encode(module, padded_ids, padded_mask)
    np.testing.assert_allclose(padded[:, :TOKENS][mask], plain[mask], atol=1e-5, rtol=0)
    for how in ("first", "mean"):
        pooled = pool(padded, jnp.asarray(padded_mask), how), pool(plain, jnp.asarray(mask), how)
        np.testing.assert_allclose(*pooled, atol=1e-5, rtol=0)


@pytest.mark.parametrize("only_first", [False, True], ids=["all", "first"])
@pytest.mark.parametrize("module", [TINY_BERT, TINY_MPNET], ids=["bert", "mpnet"])
def test_the_two_sides_of_any_cut_give_the_same_states(module, only_first):
    ids, mask = jnp.arange(12, dtype=jnp.int32).reshape(2, 6), jnp.arange(6)[None] < jnp.array([[6], [4]])
    variables, whole = {"params": random_params(module)}, encode(module, ids, mask)
    wanted = whole[:, :1] if only_first else whole
    last_attention = module.num_steps - 3
    for steps in range(1, module.num_steps + 1):
        features = module.apply(variables, ids, mask, num_steps=steps, only_first=only_first, method="prefix")
        kept = 1 if only_first and steps > last_attention else 6
        assert features.shape[1:] == (kept, 16 + (24 if steps % 3 == 0 else 0))
        states = module.apply(
            variables, features, mask, num_steps=steps, only_first=only_first, deterministic=True, method="suffix"
        )
        np.testing.assert_allclose(states, wanted, atol=1e-6, rtol=0)
    alone = module.apply(variables, ids, mask, only_first=only_first, deterministic=True)
    np.testing.assert_allclose(alone, wanted, atol=1e-6, rtol=0)


def test_valid_tokens_do_change_each_other():
    mask = np.ones((1, TOKENS), bool)
    ids = np.arange(TOKENS, dtype=np.int32)[None, :]
    other = ids.copy()
    other[0, -1] = 30
    assert float(jnp.abs(encode(TINY, ids, mask) - encode(TINY, other, mask))[0, 0].max()) > 1e-3


def test_a_row_without_valid_tokens_has_finite_states_and_gradients():
    ids, mask = jnp.zeros((2, TOKENS), jnp.int32), jnp.zeros((2, TOKENS), bool).at[0].set(True)

    def total(params):
        hidden = TINY.apply({"params": params}, ids, mask, deterministic=True)
        return pool(hidden, mask, "mean").sum() + hidden.sum()

    value, gradients = jax.jit(jax.value_and_grad(total))(random_params(TINY))
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (TINY, ["embeddings", "layer_0/attention", "layer_0"]),
        (TINY_BERT, ["embeddings", "layer_0/attention", "layer_0", "layer_0"]),
    ],
    ids=["distilbert drops attention weights and feed-forward", "bert drops the attention branch too"],
)
def test_dropout_stands_where_the_family_has_it(module, expected):
    single = module.clone(num_layers=1, dropout_rate=0.25, attention_dropout_rate=0.5)
    variables = {"params": random_params(single)}
    seen = []

    def record(call, args, kwargs, context):
        if isinstance(context.module, Dropout):
            seen.append(("/".join(context.module.path[:-1]), context.module.rate))
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        ids, mask = jnp.zeros((1, 4), jnp.int32), jnp.ones((1, 4), bool)
        single.apply(variables, ids, mask, deterministic=False, rngs={"dropout": jax.random.key(1)})
    assert seen == [(path, 0.5 if path.endswith("attention") else 0.25) for path in expected]


def test_dropout_acts_only_when_not_deterministic():
    ids, mask = jnp.zeros((1, 4), jnp.int32), jnp.ones((1, 4), bool)
    variables = {"params": random_params(TINY)}
    first, second = (
        TINY.apply(variables, ids, mask, deterministic=False, rngs={"dropout": jax.random.key(seed)}) for seed in (1, 2)
    )
    assert float(jnp.abs(first - second).max()) > 1e-3


def test_default_is_distilbert_base_in_size():
    assert sum(leaf.size for leaf in jax.tree.leaves(parameter_shapes(TransformerText()))) == 66_362_880


def test_start_is_normal_with_deviation_two_hundredths():
    module = TINY.clone(vocab_size=2000, dim=64)
    ids, mask = jnp.zeros((1, 1), jnp.int32), jnp.ones((1, 1), bool)
    initialise = jax.jit(functools.partial(module.init, deterministic=True))
    params = initialise(jax.random.key(0), ids, mask)["params"]
    assert np.std(params["embeddings"]["token"]["embedding"]) == pytest.approx(0.02, rel=0.05)
    assert np.std(params["layer_0"]["attention"]["query"]["kernel"]) == pytest.approx(0.02, rel=0.05)
    assert not params["layer_0"]["attention"]["query"]["bias"].any()


def test_exports_with_dynamic_batch_and_tokens():
    batch, tokens = jax.export.symbolic_shape("batch, tokens", constraints=["tokens <= 12"])
    shapes = [jax.ShapeDtypeStruct((batch, tokens), dtype) for dtype in (jnp.int32, jnp.bool_)]
    exported = jax.export.export(jax.jit(functools.partial(encode, TINY)))(*shapes)
    ids, mask = np.arange(10, dtype=np.int32).reshape(2, 5), np.ones((2, 5), bool)
    np.testing.assert_allclose(exported.call(ids, mask), encode(TINY, ids, mask), atol=1e-6)


def test_too_long_a_text_is_refused():
    with pytest.raises(DataError, match=r"max_positions is 12 and the first position 0; tokenize with .* at most 12"):
        encode(TINY, jnp.zeros((1, 13), jnp.int32), jnp.ones((1, 13), bool))


def test_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ConfigError, match="dim is 16 and num_heads 3; set dim to a multiple"):
        TINY.clone(num_heads=3).init(
            jax.random.key(0), jnp.zeros((1, 2), jnp.int32), jnp.ones((1, 2), bool), deterministic=True
        )


def test_attention_of_equal_keys_averages_the_valid_values():
    attention = Attention(num_heads=1, dropout_rate=0.0)
    eye, zero = {"kernel": jnp.eye(2), "bias": jnp.zeros(2)}, {"kernel": jnp.zeros((2, 2)), "bias": jnp.zeros(2)}
    hidden = jnp.array([[[1.0, 0.0], [3.0, 2.0], [100.0, 100.0]]])
    params = {"query": zero, "key": eye, "value": eye, "out": eye}
    mixed = attention.apply({"params": params}, hidden, hidden, jnp.array([[True, True, False]]), deterministic=True)
    np.testing.assert_allclose(mixed, [[[2.0, 1.0]] * 3], atol=1e-6)


def test_first_pooling_takes_the_first_token():
    hidden = jnp.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_array_equal(pool(hidden, jnp.ones((2, 3), bool), "first"), [[0, 1], [6, 7]])


def test_mean_pooling_of_a_row_without_valid_tokens_is_zero():
    hidden = jnp.full((1, 3, 2), jnp.nan)
    np.testing.assert_array_equal(pool(hidden, jnp.zeros((1, 3), bool), "mean"), [[0, 0]])
