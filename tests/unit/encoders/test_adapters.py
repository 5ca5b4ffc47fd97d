import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.adapters import ADAPTER_PATTERN, Adapter, Lora, merge_lora
from jaxmm.encoders.transformer import Attention
from jaxmm.errors import ConfigError
from jaxmm.optim import path_name

X = np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float32)
MASK = np.ones((2, 3), bool)


@functools.partial(jax.jit, static_argnums=0)
def init(module, *inputs):
    return module.init(jax.random.key(0), *inputs)["params"]


@functools.partial(jax.jit, static_argnums=0)
def apply(module, params, *inputs):
    return module.apply({"params": params}, *inputs)


@functools.partial(jax.jit, static_argnums=0)
def attend(module, params):
    x = jnp.asarray(X)
    return module.apply({"params": params}, x, x, jnp.asarray(MASK), deterministic=True)


def nudged(params, size=0.3):
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: np.asarray(leaf) + (size * rng.normal(size=leaf.shape)).astype(np.float32), params)


@pytest.mark.parametrize("module", [Lora(features=8, rank=2), Adapter(bottleneck_dim=4)], ids=["lora", "adapter"])
def test_a_fresh_one_changes_nothing_and_learns(module):
    params, nothing = init(module, X), np.zeros_like(X) if isinstance(module, Lora) else X
    np.testing.assert_array_equal(apply(module, params, X), nothing)
    gradients = jax.jit(jax.grad(lambda params: jnp.sum(apply(module, params, X) * X)))(params)
    assert np.abs(gradients["up"]["kernel"]).max() > 1e-3
    assert np.abs(apply(module, nudged(params), X) - nothing).max() > 0.1


def test_a_change_of_low_rank_is_scaled_by_alpha_over_rank():
    lora = Lora(features=5, rank=2, alpha=6.0)
    params = nudged(init(lora, X))
    down, up = params["down"]["kernel"], params["up"]["kernel"]
    assert (down.shape, up.shape) == ((8, 2), (2, 5))
    np.testing.assert_allclose(apply(lora, params, X), 3 * (X @ down @ up), rtol=1e-5, atol=1e-6)


def test_an_adapter_is_a_narrow_network_beside_its_input():
    adapter = Adapter(bottleneck_dim=4)
    params = nudged(init(adapter, X))
    narrow = np.maximum(X @ params["down"]["kernel"] + params["down"]["bias"], 0)
    wanted = X + narrow @ params["up"]["kernel"] + params["up"]["bias"]
    np.testing.assert_allclose(apply(adapter, params, X), wanted, rtol=1e-5, atol=1e-6)


def test_widths_below_one_are_refused():
    with pytest.raises(ConfigError, match="lora_rank is -1; give 1 or more, or 0 to have none"):
        init(Lora(features=4, rank=-1), X)
    with pytest.raises(ConfigError, match="adapter_dim is 0; give 1 or more, or 0 to have none"):
        init(Adapter(bottleneck_dim=0), X)


def test_the_projections_of_an_attention_are_changed_and_merged():
    plain, adapted = Attention(num_heads=2), Attention(num_heads=2, lora_rank=2, lora_alpha=3.0)
    begin = functools.partial(adapted.init, deterministic=True)
    params = jax.jit(begin)(jax.random.key(0), jnp.asarray(X), jnp.asarray(X), jnp.asarray(MASK))["params"]
    projections = {"query", "key", "value", "out"}
    assert set(params) == projections | {f"{name}_lora" for name in projections}
    without = {name: params[name] for name in projections}
    np.testing.assert_array_equal(attend(adapted, params), attend(plain, without))
    changed = nudged(params)
    merged = merge_lora(changed, alpha=3.0)
    assert set(merged) == projections
    np.testing.assert_allclose(attend(plain, merged), attend(adapted, changed), rtol=1e-5, atol=1e-5)
    assert np.abs(attend(plain, merged) - attend(plain, without)).max() > 0.1


def test_merging_leaves_everything_else_as_it_is():
    params = {"norm": {"scale": np.ones(2)}, "adapter": {"up": {"kernel": np.ones((2, 2))}}}
    assert merge_lora(params, alpha=1.0) == params


def test_the_pattern_finds_the_parameters_of_adapters_alone():
    params = {
        "vision": {
            "layer_0": {"attention": {"query": {"kernel": 0}, "query_lora": {"down": {"kernel": 1}}}},
            "adapter": {"up": {"bias": 1}},
            "my_adapter_like": {"bias": 0},
        },
        "adapter": {"up": {"bias": 1}},
    }
    for path, is_adapter in jax.tree_util.tree_leaves_with_path(params):
        assert bool(re.search(ADAPTER_PATTERN, path_name(path))) == bool(is_adapter)
