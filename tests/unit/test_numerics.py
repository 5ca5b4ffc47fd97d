import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon
from jaxmm.numerics import Guard, Numerics

OLD, NEW = {"w": jnp.float32(0.25)}, {"w": jnp.float32(0.5)}


def after(norms, numerics, guard=None):
    """The guard and the last choice after steps of these gradient norms."""
    guard, kept = guard or Guard.fresh(), OLD
    for norm in norms:
        kept, guard = guard.choose(numerics, OLD, lambda: NEW, loss=jnp.float32(1), grad_norm=jnp.float32(norm))
    return kept, guard


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["loss", "grad_norm", "watched"])
def test_a_step_with_a_number_that_is_not_finite_is_skipped(bad, where):
    scalars = {"loss": jnp.float32(1), "grad_norm": jnp.float32(1), "watched": {"mean": jnp.ones(3)}}
    kept, guard = Guard.fresh().choose(Numerics(), OLD, lambda: NEW, **scalars)
    assert (float(kept["w"]), int(guard.skipped), int(guard.accepted)) == (0.5, 0, 1)
    scalars[where] = jax.tree.map(lambda leaf: leaf.at[(0,) * leaf.ndim].set(bad), scalars[where])
    kept, guard = guard.choose(Numerics(), OLD, lambda: NEW, **scalars)
    assert (float(kept["w"]), int(guard.skipped), int(guard.accepted), int(guard.in_row)) == (0.25, 1, 1, 1)
    assert np.isfinite(float(guard.mean_norm))


def test_bad_steps_in_a_row_are_counted_until_a_good_one():
    _, guard = after([np.nan, np.nan, 1.0, np.nan], Numerics())
    assert (int(guard.skipped), int(guard.in_row), int(guard.accepted)) == (3, 1, 1)


def test_a_spike_is_judged_by_the_mean_of_the_norms_before_it():
    numerics = Numerics(spike_factor=4.0)
    _, settled = after([1.0, 3.0] * 50, numerics)
    assert float(settled.mean_norm) == pytest.approx(2.0, abs=0.05)
    kept, guard = after([9.0], numerics, settled)
    assert float(kept["w"]) == 0.25
    assert float(guard.mean_norm) == float(settled.mean_norm)
    assert float(after([7.0], numerics, settled)[0]["w"]) == 0.5
    assert float(after([9.0], Numerics(), settled)[0]["w"]) == 0.5


def test_no_norm_is_a_spike_before_the_mean_has_settled():
    kept, guard = after([1.0] * 99 + [1e6], Numerics(spike_factor=2.0))
    assert float(kept["w"]) == 0.5
    assert int(guard.skipped) == 0


def test_a_cast_changes_floating_point_arrays_only():
    tree = {
        "x": jnp.ones(2),
        "n": jnp.ones(2, jnp.int32),
        "mask": jnp.ones(2, bool),
        "log_temperature": jnp.float32(-2.659),
    }
    assert {name: leaf.dtype.name for name, leaf in Numerics(compute_dtype="bfloat16").cast(tree).items()} == {
        "x": "bfloat16",
        "n": "int32",
        "mask": "bool",
        "log_temperature": "float32",
    }


@pytest.mark.parametrize(
    "field", [{"spike_factor": 1.0}, {"spike_factor": float("nan")}, {"rollback_after": 0}, {"max_rollbacks": -1}]
)
def test_settings_out_of_range_are_refused(field):
    with pytest.raises(ConfigError, match=next(iter(field))):
        Numerics(**field)


@pytest.mark.parametrize(
    ("where", "bad"), [("motion", np.nan), ("motion", np.inf), ("motion", 1e30), ("params", np.nan), ("params", np.inf)]
)
def test_a_bad_step_leaves_parameters_statistics_and_moments_bit_equal(task, batch, where, bad):
    state = jax.jit(task.init, static_argnums=2)(jax.random.key(0), batch, Horizon(epochs=2, steps_per_epoch=3))
    step = jax.jit(task.train_step)
    state, _ = step(state, batch)
    if where == "motion":
        spoilt, given = state, batch | {"motion": batch["motion"].at[1, 0, 0, 0].set(bad)}
    else:
        given, head = batch, {**state.params["text"]["head"]}
        head["out"] = {**head["out"], "bias": head["out"]["bias"].at[0].set(bad)}
        spoilt = state.replace(params={**state.params, "text": {**state.params["text"], "head": head}})
    after, _ = step(spoilt, given)
    assert int(after.step) == int(state.step) + 1
    assert int(after.guards["all"].skipped) == 1
    for name in ("params", "collections", "opt_state"):
        for new, old in zip(jax.tree.leaves(getattr(after, name)), jax.tree.leaves(getattr(spoilt, name)), strict=True):
            assert np.asarray(new).tobytes() == np.asarray(old).tobytes()


def test_bfloat16_computes_near_float32_and_keeps_float32_state(task, batch):
    horizon = Horizon(epochs=2, steps_per_epoch=3)
    losses = {}
    for dtype in ("float32", "bfloat16"):
        own = dataclasses.replace(task, numerics=Numerics(compute_dtype=dtype))
        state = jax.jit(own.init, static_argnums=2)(jax.random.key(0), batch, horizon)
        state, metrics = jax.jit(own.train_step)(state, batch)
        assert {leaf.dtype.name for leaf in jax.tree.leaves((state.params, state.collections))} == {"float32"}
        assert metrics["loss"].dtype == jnp.float32
        losses[dtype] = float(metrics["loss"])
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
