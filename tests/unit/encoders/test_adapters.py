import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.adapters import ADAPTER_PATTERN, Adapter, Lora, merge_lora
from jaxmm.encoders.transformer import Attention
from jaxmm.errors import ConfigError
from jaxmm.optim import path_name

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float32))


def nudged(params, size=0.3):
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: leaf + (size * rng.normal(size=leaf.shape)).astype(np.float32), params)


@pytest.mark.parametrize("module", [Lora(features=8, rank=2), Adapter(bottleneck_dim=4)], ids=["lora", "adapter"])
def test_a_fresh_one_changes_nothing_and_learns(module):
    variables = module.init(jax.random.key(0), X)
    nothing = jnp.zeros_like(X) if isinstance(module, Lora) else X
    np.testing.assert_array_equal(module.apply(variables, X), nothing)
    gradients = jax.grad(lambda params: jnp.sum(module.apply({"params": params}, X) * X))(variables["params"])
    assert np.abs(gradients["up"]["kernel"]).max() > 1e-3
    changed = module.apply({"params": nudged(variables["params"])}, X)
    assert np.abs(changed - nothing).max() > 0.1


def test_a_change_of_low_rank_is_scaled_by_alpha_over_rank():
    params = nudged(Lora(features=5, rank=2).init(jax.random.key(0), X)["params"])
    down, up = params["down"]["kernel"], params["up"]["kernel"]
    assert (down.shape, up.shape) == ((8, 2), (2, 5))
    found = Lora(features=5, rank=2, alpha=6.0).apply({"params": params}, X)
    np.testing.assert_allclose(found, 3 * (X @ down @ up), rtol=1e-5, atol=1e-6)


def test_an_adapter_is_a_narrow_network_beside_its_input():
    params = nudged(Adapter(bottleneck_dim=4).init(jax.random.key(0), X)["params"])
    narrow = np.maximum(X @ params["down"]["kernel"] + np.asarray(params["down"]["bias"])[None, None], 0)
    wanted = X + narrow @ params["up"]["kernel"] + np.asarray(params["up"]["bias"])[None, None]
    np.testing.assert_allclose(Adapter(bottleneck_dim=4).apply({"params": params}, X), wanted, rtol=1e-5, atol=1e-6)


def test_widths_below_one_are_refused():
    with pytest.raises(ConfigError, match="lora_rank is -1; give 1 or more, or 0 to have none"):
        Lora(features=4, rank=-1).init(jax.random.key(0), X)
    with pytest.raises(ConfigError, match="adapter_dim is 0; give 1 or more, or 0 to have none"):
        Adapter(bottleneck_dim=0).init(jax.random.key(0), X)


def test_the_projections_of_an_attention_are_changed_and_merged():
    mask = jnp.ones((2, 3), bool)
    plain, adapted = Attention(num_heads=2), Attention(num_heads=2, lora_rank=2, lora_alpha=3.0)
    variables = adapted.init(jax.random.key(0), X, X, mask, deterministic=True)
    assert {name for name in variables["params"] if name.endswith("_lora")} == {
        f"{name}_lora" for name in ("query", "key", "value", "out")
    }
    without = {name: part for name, part in variables["params"].items() if not name.endswith("_lora")}
    np.testing.assert_array_equal(
        adapted.apply(variables, X, X, mask, deterministic=True),
        plain.apply({"params": without}, X, X, mask, deterministic=True),
    )
    params = nudged(variables["params"])
    merged = merge_lora(params, alpha=3.0)
    assert set(merged) == set(without)
    found = plain.apply({"params": merged}, X, X, mask, deterministic=True)
    wanted = adapted.apply({"params": params}, X, X, mask, deterministic=True)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


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
