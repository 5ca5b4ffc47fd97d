"""What the tests of faults share: a tiny state, and runs with a few checkpoints of it."""

import itertools

import grain
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.horizon import Horizon
from jaxmm.state import TrainState


def state_at(step: int, *, width: int = 2000) -> TrainState:
    rng = np.random.default_rng(step)

    def array(size):
        return jnp.asarray(rng.normal(size=size).astype(np.float32))

    return TrainState(
        step=jnp.int32(step),
        params={"motion": {"kernel": array(width), "bias": array(3)}},
        collections={"motion": {"mean": array(3)}},
        opt_state=({"mu": array(width)}, jnp.int32(step)),
        key=jnp.array([0, step], jnp.uint32),
        guards={},
        horizon=Horizon(),
    )


def at_step(step: int) -> grain.DatasetIterator:
    batches = iter(grain.MapDataset.range(100).seed(1).shuffle().to_iter_dataset())
    for _ in range(step):
        next(batches)
    return batches


class Rig:
    """Saves and compares the same states in every test, and in the processes that tests kill."""

    state_at = staticmethod(state_at)
    at_step = staticmethod(at_step)

    def saved(self, run, *steps, **settings):
        """A run with a checkpoint of each step."""
        with Checkpoints(run, **settings) as checkpoints:
            for step in steps:
                checkpoints.save(state_at(step), at_step(step), {})
        return run

    def assert_resumes(self, checkpoints, step, *, width=2000):
        """Resuming gives the state and the place in the data of a step, to the bit."""
        batches = at_step(0)
        state = checkpoints.resume(state_at(0, width=width), batches)
        for ours, theirs in zip(jax.tree.leaves(state), jax.tree.leaves(state_at(step, width=width)), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert list(itertools.islice(batches, 3)) == list(itertools.islice(at_step(step), 3))


@pytest.fixture(scope="session")
def rig() -> Rig:
    return Rig()
