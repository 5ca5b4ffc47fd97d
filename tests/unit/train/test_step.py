import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.errors import ConfigError
from jaxmm.optim import Horizon
from jaxmm.train.step import compile_eval, compile_train_step, make_mesh, place_batch, replicated

HORIZON = Horizon(epochs=1, steps_per_epoch=5)


@pytest.fixture
def start(line_task, make_line_batch):
    def build(mesh):
        state = line_task.init(jax.random.key(0), make_line_batch(0), HORIZON)
        return jax.device_put(state, replicated(mesh))

    return build


def run(line_task, make_line_batch, state, mesh, num_steps=3):
    step = compile_train_step(line_task, mesh)
    for number in range(num_steps):
        state, metrics = step(state, place_batch(make_line_batch(number, 8), mesh))
    return state, metrics


def test_a_mesh_has_a_data_and_a_model_axis_over_the_devices_asked_for():
    assert dict(make_mesh(2).shape) == {"data": 2, "model": 1}
    assert make_mesh().shape["data"] == jax.device_count()


def test_more_devices_than_there_are_are_refused():
    with pytest.raises(ConfigError, match=r"99 devices are asked for, but JAX has \d+; ask for fewer"):
        make_mesh(99)


def test_a_batch_that_devices_cannot_share_is_refused(make_line_batch):
    with pytest.raises(
        ConfigError, match=r"data.batch_size is 5, which 2 devices cannot share equally; use a multiple"
    ):
        place_batch(make_line_batch(0, 5), make_mesh(2))


def test_rows_of_all_processes_count(make_line_batch, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 3)
    with pytest.raises(ConfigError, match=r"data.batch_size is 9, which 2 devices cannot share equally"):
        place_batch(make_line_batch(0, 3), make_mesh(2))


def test_rows_are_spread_in_order_and_unchanged(make_line_batch):
    batch = make_line_batch(0, 4)
    placed = place_batch(batch, make_mesh(2))
    for name, values in batch.items():
        np.testing.assert_array_equal(placed[name], values)
        assert [shard.data.shape[0] for shard in placed[name].addressable_shards] == [2, 2]


def test_the_compiled_step_is_the_pure_step(line_task, make_line_batch, start):
    mesh = make_mesh(1)
    state, metrics = run(line_task, make_line_batch, start(mesh), mesh)
    plain = line_task.init(jax.random.key(0), make_line_batch(0), HORIZON)
    for number in range(3):
        batch = {name: jnp.asarray(values) for name, values in make_line_batch(number, 8).items()}
        plain, expected = line_task.train_step(plain, batch)
    for ours, theirs in zip(jax.tree.leaves((state, metrics)), jax.tree.leaves((plain, expected)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_two_devices_do_what_one_does(line_task, make_line_batch, start):
    one, two = (run(line_task, make_line_batch, start(mesh), mesh) for mesh in (make_mesh(1), make_mesh(2)))
    for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_the_old_states_memory_is_reused(line_task, make_line_batch, start):
    mesh = make_mesh(1)
    before = start(mesh)
    run(line_task, make_line_batch, before, mesh, num_steps=1)
    assert before.params["line"]["slope"].is_deleted()


def test_a_step_compiles_once(line_task, make_line_batch, start):
    traced = []

    class Counting(type(line_task)):
        def loss(self, *arguments, train):
            traced.append(train)
            return super().loss(*arguments, train=train)

    mesh = make_mesh(1)
    run(Counting(), make_line_batch, start(mesh), mesh, num_steps=4)
    assert len(traced) == 1


def test_evaluation_gives_whole_outputs(make_line_batch):
    mesh = make_mesh(2)
    params = jax.device_put({"w": jnp.float32(2)}, replicated(mesh))
    double = compile_eval(lambda params, collections, batch: params["w"] * batch["x"], mesh)
    batch = make_line_batch(0, 4)
    out = double(params, {}, place_batch(batch, mesh))
    np.testing.assert_allclose(out, 2 * batch["x"], rtol=1e-6)
    assert out.sharding.is_fully_replicated
