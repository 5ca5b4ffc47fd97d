import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon
from jaxmm.train.step import (
    Devices,
    compile_eval,
    compile_train_step,
    make_mesh,
    place_batch,
    place_whole,
    replicated,
    state_shardings,
)

HORIZON = Horizon(epochs=1, steps_per_epoch=5)


def mesh_of(num_devices, model_parallelism=1):
    return make_mesh(Devices(num_devices=num_devices, model_parallelism=model_parallelism))


@pytest.fixture
def start(line_task, make_line_batch):
    def build(mesh):
        state = line_task.init(jax.random.key(0), make_line_batch(0), HORIZON)
        return jax.device_put(state, replicated(mesh))

    return build


def run(line_task, make_line_batch, state, mesh, num_steps=3, mode="jit"):
    step = compile_train_step(line_task, state, mesh, mode=mode)
    for number in range(num_steps):
        state, metrics, alarms = step(state, make_line_batch(number, 8), 0)
    assert int(alarms["stop"]) == 0
    assert int(alarms["bad_in_row"]) == 0
    return state, metrics


def test_a_mesh_has_a_data_and_a_model_axis_over_the_devices_asked_for():
    assert dict(mesh_of(2).shape) == {"data": 2, "model": 1}
    assert make_mesh().shape["data"] == jax.device_count()


def test_more_devices_than_there_are_are_refused():
    with pytest.raises(ConfigError, match=r"devices.num_devices is 99, but JAX has \d+; ask for fewer"):
        mesh_of(99)


def test_a_batch_that_devices_cannot_share_is_refused(make_line_batch):
    with pytest.raises(
        ConfigError, match=r"data.batch_size is 5, which 2 devices cannot share equally; use a multiple"
    ):
        place_batch(make_line_batch(0, 5), mesh_of(2))


def test_rows_of_all_processes_count(make_line_batch, monkeypatch):
    mesh = mesh_of(2)
    monkeypatch.setattr(jax, "process_count", lambda: 3)
    with pytest.raises(ConfigError, match=r"data.batch_size is 9, which 2 devices cannot share equally"):
        place_batch(make_line_batch(0, 3), mesh)


def test_rows_are_spread_in_order_and_unchanged(make_line_batch):
    batch = make_line_batch(0, 4)
    placed = place_batch(batch, mesh_of(2))
    for name, values in batch.items():
        np.testing.assert_array_equal(placed[name], values)
        assert [shard.data.shape[0] for shard in placed[name].addressable_shards] == [2, 2]


def test_the_compiled_step_is_the_pure_step(line_task, make_line_batch, start):
    mesh = mesh_of(1)
    state, metrics = run(line_task, make_line_batch, start(mesh), mesh)
    plain = line_task.init(jax.random.key(0), make_line_batch(0), HORIZON)
    for number in range(3):
        batch = {name: jnp.asarray(values) for name, values in make_line_batch(number, 8).items()}
        plain, expected = line_task.train_step(plain, batch)
    assert int(metrics.pop("skipped")) == 0
    for ours, theirs in zip(jax.tree.leaves((state, metrics)), jax.tree.leaves((plain, expected)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("mode", ["jit", "pmap"])
def test_two_devices_do_what_one_does(mode, line_task, make_line_batch, start):
    class Quiet(type(line_task)):
        def loss(self, params, collections, batch, key, *, train):
            return super().loss(params, collections, batch, jax.random.key(0), train=train)

    task, meshes = Quiet(), (mesh_of(1), mesh_of(2))
    one, two = (
        run(task, make_line_batch, start(mesh), mesh, mode=mode)
        for mesh, mode in zip(meshes, ("jit", mode), strict=True)
    )
    for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_the_old_states_memory_is_reused(line_task, make_line_batch, start):
    mesh = mesh_of(1)
    before = start(mesh)
    run(line_task, make_line_batch, before, mesh, num_steps=1)
    assert before.params["line"]["slope"].is_deleted()


def test_a_step_compiles_once(line_task, make_line_batch, start):
    traced = []

    class Counting(type(line_task)):
        def loss(self, *arguments, train):
            traced.append(train)
            return super().loss(*arguments, train=train)

    mesh = mesh_of(1)
    run(Counting(), make_line_batch, start(mesh), mesh, num_steps=4)
    assert len(traced) == 1


@pytest.mark.parametrize("mode", ["jit", "pmap"])
def test_a_request_to_stop_comes_back_from_the_step(mode, line_task, make_line_batch, start):
    mesh = mesh_of(2)
    step = compile_train_step(line_task, start(mesh), mesh, mode=mode)
    _, _, alarms = step(start(mesh), make_line_batch(0, 8), 15)
    assert int(alarms["stop"]) == 15


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_devices": 0}, "devices.num_devices is 0"),
        ({"model_parallelism": 0}, "devices.model_parallelism is 0"),
        ({"mode": "pmap", "model_parallelism": 2}, "which divides no parameters"),
    ],
)
def test_devices_that_do_not_fit_together_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Devices(**fields)


def test_devices_that_cannot_be_divided_are_refused():
    with pytest.raises(ConfigError, match=r"devices.model_parallelism is 3, which does not divide the 8 devices"):
        mesh_of(8, 3)


def test_several_processes_use_all_devices_and_no_pmap(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ConfigError, match=r"several processes use all"):
        mesh_of(1)
    with pytest.raises(ConfigError, match=r"devices.mode is pmap, but there are 2 processes; set it to jit"):
        make_mesh(Devices(mode="pmap"))


def test_large_arrays_are_divided_along_the_longest_axis_that_devices_can_share():
    shapes = {"table": (1001, 512), "kernel": (512, 2048), "odd": (333, 333), "bias": (2048,), "step": ()}
    state = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}
    specs = {name: tuple(place.spec) for name, place in state_shardings(state, mesh_of(8, 4)).items()}
    assert specs == {"table": (None, "model"), "kernel": (None, "model"), "odd": (), "bias": (), "step": ()}
    assert all(place.is_fully_replicated for place in state_shardings(state, mesh_of(8)).values())


def test_a_whole_batch_is_spread_where_it_can_be(make_line_batch):
    mesh = mesh_of(2)
    assert place_whole(make_line_batch(0, 4), mesh)["x"].addressable_shards[0].data.shape == (2,)
    assert place_whole(make_line_batch(0, 3), mesh)["x"].sharding.is_fully_replicated


def test_evaluation_gives_whole_outputs(make_line_batch):
    mesh = mesh_of(2)
    params = jax.device_put({"w": jnp.float32(2)}, replicated(mesh))
    double = compile_eval(lambda params, collections, batch: params["w"] * batch["x"], mesh)
    batch = make_line_batch(0, 4)
    out = double(params, {}, place_batch(batch, mesh))
    np.testing.assert_allclose(out, 2 * batch["x"], rtol=1e-6)
    assert out.sharding.is_fully_replicated
