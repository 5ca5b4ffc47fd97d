"""A checkpoint of any number of devices continues on any other."""

import functools
import itertools

import grain
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.train import step as train_step
from jaxmm.train.step import Devices, compile_train_step, make_mesh, place_whole, state_shardings

from .example import HORIZON, NUM_DEVICES, TASK, example_batch

pytestmark = [pytest.mark.slow, pytest.mark.faults]
COUNTS = (1, 2, 4, 8)
SAVED_AT, STEPS_LATER, TOLERANCE = 3, 20, 1e-5
# Nothing depends on these: normalisation takes the one away, the softmax the other. Their gradients are rounding
# errors around zero, which Adam turns into steps of full size on any number of devices.
WITHOUT_EFFECT = {"['motion']['conv_0']['bias']", "['text']['backbone']['layer_0']['attention']['key']['bias']"}


@pytest.fixture(scope="module", autouse=True)
def divided_parameters():
    """Divides these small arrays too where devices share parameters."""
    if jax.device_count() < NUM_DEVICES:
        pytest.skip(f"needs {NUM_DEVICES} devices, real or virtual; JAX has {jax.device_count()}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_step, "_WORTH_SPLITTING", 32)
        yield


class Machine:
    """A number of devices, and the step compiled for them; from four on, two devices share the parameters."""

    def __init__(self, num_devices):
        self.mesh = make_mesh(Devices(num_devices=num_devices, model_parallelism=2 if num_devices >= 4 else 1))
        batch = place_whole(example_batch(), self.mesh)
        places = state_shardings(jax.eval_shape(lambda: TASK.init(jax.random.key(0), batch, HORIZON)), self.mesh)
        init = jax.jit(TASK.init, static_argnums=2, out_shardings=places)
        self.fresh = functools.partial(init, jax.random.key(0), batch, HORIZON)
        self._step = compile_train_step(TASK, jax.eval_shape(self.fresh), self.mesh)

    def train(self, state, *, until):
        for number in range(int(state.step), until):
            state, _, _ = jax.block_until_ready(self._step(state, example_batch(seed=number), 0))
        return state


machine = functools.cache(Machine)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """For each number of devices: a run with a checkpoint, the saved state, and the state that the run ended with."""
    found = {}
    for count in COUNTS:
        run = tmp_path_factory.mktemp(f"devices_{count}")
        state = machine(count).train(machine(count).fresh(), until=SAVED_AT)
        with Checkpoints(run) as checkpoints:
            checkpoints.save(state, iter(grain.MapDataset.range(9).to_iter_dataset()), {})
        at_save = jax.device_get(state)
        found[count] = run, at_save, jax.device_get(machine(count).train(state, until=SAVED_AT + STEPS_LATER))
    return found


@pytest.mark.parametrize(("before", "after"), list(itertools.product(COUNTS, COUNTS)))
def test_a_checkpoint_continues_on_another_number_of_devices(before, after, saved):
    run, at_save, uninterrupted = saved[before]
    with Checkpoints(run, writable=False) as checkpoints:
        state = checkpoints.restore(machine(after).fresh(), None, step=SAVED_AT)
    assert all(len(leaf.sharding.device_set) == after for leaf in jax.tree.leaves(state.params))
    for ours, expected in zip(jax.tree.leaves(state), jax.tree.leaves(at_save), strict=True):
        assert jnp.asarray(ours).dtype == jnp.asarray(expected).dtype
        np.testing.assert_array_equal(ours, expected)
    ended = machine(after).train(state, until=SAVED_AT + STEPS_LATER)
    assert int(ended.step) == SAVED_AT + STEPS_LATER
    paths = jax.tree_util.tree_leaves_with_path(uninterrupted.params)
    errors = {
        jax.tree_util.keystr(path): np.abs(np.asarray(ours) - expected).max() / np.abs(expected).max()
        for ours, (path, expected) in zip(jax.tree.leaves(ended.params), paths, strict=True)
    }
    assert errors.keys() > WITHOUT_EFFECT
    assert {name: error for name, error in errors.items() if error > TOLERANCE}.keys() <= WITHOUT_EFFECT
    batch = example_batch(seed=100)
    for embed in (TASK.embed_motion, TASK.embed_text):
        ours = jax.jit(embed)(*jax.device_get((ended.params, ended.collections)), batch)
        expected = jax.jit(embed)(uninterrupted.params, uninterrupted.collections, batch)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE)
