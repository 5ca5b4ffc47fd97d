"""A training step on one device and on eight: the same loss, gradients and statistics, over the global batch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.objectives.reduce import masked_mean
from jaxmm.train import step as train_step
from jaxmm.train.step import Devices, compile_eval, compile_train_step, make_mesh, place_batch, state_shardings

from .example import BATCH, HORIZON, NUM_DEVICES, TASK, TOLERANCE, WITHOUT_DROPOUT, assert_close, example_batch


@pytest.fixture(scope="module")
def meshes():
    if jax.device_count() < NUM_DEVICES:
        pytest.skip(f"needs {NUM_DEVICES} devices, real or virtual; JAX has {jax.device_count()}")
    return make_mesh(Devices(num_devices=1)), make_mesh(Devices(num_devices=NUM_DEVICES))


@pytest.fixture(scope="module")
def start():
    """With embeddings of about unit size: layer norm makes rounding errors of small ones large."""
    batch = jax.tree.map(jnp.array, example_batch())
    state = jax.jit(TASK.init, static_argnums=2)(jax.random.key(0), batch, HORIZON)
    tables = state.params["text"]["backbone"]["embeddings"]
    for name in ("token", "position"):
        tables[name]["embedding"] *= 50
    return state


def objective(params, collections, batch):
    losses, (collections, _) = TASK.loss(params, collections, batch, jax.random.key(3), train=True)
    return masked_mean(losses, batch["example_mask"]), collections


@functools.cache
def compiled_objective(mesh):
    return compile_eval(jax.value_and_grad(objective, has_aux=True), mesh)


def loss_and_gradients(mesh, start, batch):
    """Loss, new collections and gradients by the program that a mesh compiles."""
    run = compiled_objective(mesh)
    params, collections = jax.device_put((start.params, start.collections), train_step.replicated(mesh))
    # Fetching waits for the result: programs in flight on many virtual devices can block each other.
    return jax.device_get(run(params, collections, place_batch(batch, mesh)))


@functools.cache
def compiled_step(task, mesh, mode):
    shapes = jax.eval_shape(functools.partial(task.init, horizon=HORIZON), jax.random.key(0), example_batch())
    return compile_train_step(task, shapes, mesh, mode=mode)


def one_step(mesh, start, batch, task=TASK, mode="jit"):
    # A copy, since the step reuses its memory.
    state = jax.device_put(jax.tree.map(jnp.copy, start), state_shardings(start, mesh))
    state, scalars, _ = jax.block_until_ready(compiled_step(task, mesh, mode)(state, batch, 0))
    return state, scalars


def test_rows_of_a_batch_are_shared_by_the_devices(meshes):
    placed = place_batch(example_batch(), meshes[1])
    assert {shard.data.shape[0] for shard in placed["motion"].addressable_shards} == {BATCH // NUM_DEVICES}
    assert len({shard.device for shard in placed["motion"].addressable_shards}) == NUM_DEVICES


@pytest.mark.parametrize("num_examples", [BATCH, BATCH - 3], ids=["full", "filled_up"])
def test_loss_gradients_and_statistics_are_those_of_one_device(meshes, start, num_examples):
    batch = example_batch(num_examples)
    one, eight = (loss_and_gradients(mesh, start, batch) for mesh in meshes)
    assert all(np.abs(leaf).max() > 100 * TOLERANCE for leaf in jax.tree.leaves(one[1]["motion"]["gru"]))
    assert_close(eight, one)


def test_negatives_and_statistics_span_all_devices(meshes, start):
    batch = example_batch()
    (loss, collections), _ = loss_and_gradients(meshes[1], start, batch)
    parts = [{name: rows[part::NUM_DEVICES] for name, rows in batch.items()} for part in range(NUM_DEVICES)]
    alone = jax.jit(objective)
    local = [jax.device_get(alone(start.params, start.collections, jax.tree.map(jnp.array, part))) for part in parts]
    # With two pairs a device the loss is that of a choice between 2, not between 16.
    assert loss > np.mean([part_loss for part_loss, _ in local]) + 0.5
    global_var = collections["motion"]["batch_stats"]["norm_0"]["var"]
    local_var = np.mean([own["motion"]["batch_stats"]["norm_0"]["var"] for _, own in local], axis=0)
    assert np.abs(global_var - local_var).max() > 1000 * TOLERANCE


def test_statistics_are_those_of_all_valid_frames(meshes, start):
    batch = example_batch()
    (_, collections), _ = loss_and_gradients(meshes[1], start, batch)
    kernel, bias = (np.asarray(start.params["motion"]["conv_0"][name], np.float64) for name in ("kernel", "bias"))
    frames = []
    for motion, mask in zip(batch["motion"].astype(np.float64), batch["motion_mask"], strict=True):
        valid = np.pad(motion[mask].reshape(mask.sum(), -1), ((1, 1), (0, 0)))
        frames += [np.einsum("ti,tio->o", valid[t : t + 3], kernel) + bias for t in range(mask.sum())]
    statistics = collections["motion"]["batch_stats"]["norm_0"]
    np.testing.assert_allclose(statistics["mean"], 0.1 * np.mean(frames, axis=0), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(statistics["var"], 0.9 + 0.1 * np.var(frames, axis=0, ddof=1), rtol=0, atol=TOLERANCE)


def test_a_compiled_step_gives_the_same_state_on_eight_devices(meshes, start):
    (one, scalars), (eight, scalars_of_eight) = (one_step(mesh, start, example_batch()) for mesh in meshes)
    assert_close(scalars_of_eight, scalars)
    assert_close(eight.collections, one.collections)
    # The moments, whose first step holds the gradients; a parameter's own first step holds no more than their signs.
    assert_close(eight.opt_state, one.opt_state)
    assert int(eight.step) == int(one.step) == 1
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(eight.params))
    moved = jax.tree.map(lambda after, before: float(jnp.abs(after - before).max()), one.params, start.params)
    assert max(jax.tree.leaves(moved["motion"])) == pytest.approx(3e-4, rel=1e-2)
    assert max(jax.tree.leaves(moved["text"])) == pytest.approx(3e-5, rel=1e-2)


@pytest.mark.parametrize("num_examples", [BATCH, BATCH - 3], ids=["full", "filled_up"])
def test_pmap_gives_the_state_of_one_device(meshes, start, num_examples):
    batch = example_batch(num_examples)
    one, scalars = one_step(meshes[0], start, batch, WITHOUT_DROPOUT)
    eight, scalars_of_eight = one_step(meshes[1], start, batch, WITHOUT_DROPOUT, mode="pmap")
    assert_close(scalars_of_eight, scalars)
    assert_close(eight.collections, one.collections)
    assert_close(eight.opt_state, one.opt_state)
    again, _ = one_step(meshes[1], eight, batch, WITHOUT_DROPOUT, mode="pmap")  # what comes out goes in
    assert int(again.step) == 2


def test_parameters_divided_over_devices_learn_the_same(meshes, start, monkeypatch):
    monkeypatch.setattr(train_step, "_WORTH_SPLITTING", 32)
    mesh = make_mesh(Devices(num_devices=NUM_DEVICES, model_parallelism=4))
    one, scalars = one_step(meshes[0], start, example_batch())
    divided, scalars_of_divided = one_step(mesh, start, example_batch())
    table = divided.params["text"]["backbone"]["embeddings"]["token"]["embedding"]
    assert table.addressable_shards[0].data.size == table.size // 4
    moments = [leaf for leaf in jax.tree.leaves(divided.opt_state) if leaf.shape == table.shape]
    assert moments
    assert all(leaf.addressable_shards[0].data.size == leaf.size // 4 for leaf in moments)
    assert_close(scalars_of_divided, scalars)
    assert_close(divided.collections, one.collections)
    assert_close(divided.opt_state, one.opt_state)
