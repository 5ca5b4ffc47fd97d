import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.horizon import Horizon
from jaxmm.optim import AdamW, Group
from jaxmm.tasks.abilities import Embeds
from jaxmm.tasks.base import Task

HORIZON = Horizon(epochs=2, steps_per_epoch=3)


@pytest.fixture
def state(line_task, make_line_batch):
    return line_task.init(jax.random.key(0), make_line_batch(0), HORIZON)


def placed(batch):
    return {name: jnp.asarray(values) for name, values in batch.items()}


def test_a_run_starts_at_step_zero_with_its_own_key(line_task, make_line_batch, state):
    assert int(state.step) == 0
    assert state.horizon == HORIZON
    other = line_task.init(jax.random.key(1), make_line_batch(0), HORIZON)
    assert state.key.tolist() != other.key.tolist()


def test_shapes_of_a_state_cost_no_memory(line_task, make_line_batch, state):
    abstract = jax.eval_shape(lambda key: line_task.init(key, make_line_batch(0), HORIZON), jax.random.key(0))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), state) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), abstract
    )


def test_a_step_is_a_pure_function_that_lowers_the_loss(line_task, make_line_batch, state):
    batch = placed(make_line_batch(1))
    step = jax.jit(line_task.train_step)
    first, metrics = step(state, batch)
    again, _ = step(state, batch)
    for ours, theirs in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert int(state.step) == 0
    assert int(first.step) == int(first.collections["line"]["seen"]) == 1
    assert float(metrics["loss"]) > float(step(first, batch)[1]["loss"])


def test_the_loss_is_the_mean_over_real_rows_and_its_gradient_norm_is_told(line_task, make_line_batch, state):
    batch = make_line_batch(1) | {"example_mask": np.array([True, False, True, False])}
    batch["y"][1] = 1e6
    _, metrics = line_task.train_step(state, placed(batch))
    rows = [0, 2]
    assert float(metrics["loss"]) == pytest.approx(np.square(batch["y"][rows]).mean(), rel=1e-5)
    slope = -2 * (batch["x"][rows] * batch["y"][rows]).mean()
    noise = 1e-3 * float(jax.random.normal(state.step_key()))
    assert float(metrics["grad_norm"]) == pytest.approx(np.hypot(slope, noise), rel=1e-4)


def test_each_step_draws_from_its_own_key(line_task, make_line_batch, state):
    batch = placed(make_line_batch(1))
    moments = []
    for step in (0, 1, 0):
        after, _ = line_task.train_step(dataclasses.replace(state, step=jnp.int32(step)), batch)
        moments.append([np.asarray(leaf).tolist() for leaf in jax.tree.leaves(after.opt_state)])
    assert moments[0] == moments[2] != moments[1]


def test_evaluation_changes_nothing_and_draws_nothing(line_task, make_line_batch, state):
    batch = placed(make_line_batch(1))
    scores = line_task.eval_step(state, batch)
    assert float(scores["loss"]) == pytest.approx(float(jnp.square(batch["y"]).mean()), rel=1e-6)
    assert int(state.collections["line"]["seen"]) == 0


def test_frozen_parameters_stay_and_add_nothing_to_the_gradient_norm(line_task, make_line_batch):
    class Frozen(type(line_task)):
        def frozen(self, params):
            return {"line/slope"}

    task = Frozen(optimizer=AdamW(lr=0.1, weight_decay=0.5))
    state = task.init(jax.random.key(0), make_line_batch(0), HORIZON)
    after, metrics = task.train_step(state, placed(make_line_batch(1)))
    assert float(after.params["line"]["slope"]) == 0.0
    assert float(metrics["grad_norm"]) < 0.1
    assert float(after.params["line"]["noise"]) != 0.0


def test_the_optimizer_sees_the_groups_of_the_task(line_task, make_line_batch):
    groups = (Group(pattern="slope", lr_scale=None), Group(pattern=""))
    task = dataclasses.replace(line_task, optimizer=AdamW(lr=0.1, groups=groups))
    state = task.init(jax.random.key(0), make_line_batch(0), HORIZON)
    after, _ = task.train_step(state, placed(make_line_batch(1)))
    assert float(after.params["line"]["slope"]) == 0.0
    assert float(after.params["line"]["noise"]) != 0.0


def test_a_task_without_its_functions_says_which_are_missing(make_line_batch):
    task = Task()
    with pytest.raises(TypeError, match="Task must define init_variables"):
        task.init(jax.random.key(0), make_line_batch(0), HORIZON)
    with pytest.raises(TypeError, match="Task must define loss"):
        task.loss({}, {}, {}, jax.random.key(0), train=True)


def test_only_a_task_with_two_towers_embeds(line_task, task):
    assert isinstance(task, Embeds)
    assert not isinstance(line_task, Embeds)


def test_by_default_nothing_is_pretrained_frozen_or_refused(line_task, data):
    params = {"line": {"slope": jnp.zeros(())}}
    assert line_task.load_pretrained(params, {}, data) == (params, {})
    assert not line_task.frozen(params)
    line_task.check_data(data)
