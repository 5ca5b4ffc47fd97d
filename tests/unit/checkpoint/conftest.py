"""A small state, and runs with checkpoints of it."""

import grain
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.horizon import Horizon
from jaxmm.numerics import Guard
from jaxmm.state import TrainState

METRIC = "val/recall"


def state_at(step, *, width=2000, dtype=np.float32, name="kernel"):
    """A state whose arrays are large enough to lie in files of their own."""
    rng = np.random.default_rng(step)

    def array(*shape):
        return jnp.asarray(rng.normal(size=shape).astype(dtype))

    return TrainState(
        step=jnp.int32(step),
        params={"motion": {name: array(width), "bias": array(3)}},
        collections={"motion": {"batch_stats": {"mean": array(3)}}},
        opt_state=({"mu": array(width)}, jnp.int32(step)),
        key=jax.random.key_data(jax.random.key(step)),
        guards={"all": Guard.fresh()},
        horizon=Horizon(epochs=2, steps_per_epoch=5),
    )


def stream():
    return iter(grain.MapDataset.range(100).seed(1).shuffle().to_iter_dataset())


def at_step(step):
    batches = stream()
    for _ in range(step):
        next(batches)
    return batches


def saved(run, *steps, scores=None, **settings):
    with Checkpoints(run, **settings) as checkpoints:
        for step in steps:
            checkpoints.save(state_at(step), at_step(step), {} if scores is None else {METRIC: scores[step]})
    return run


def assert_same(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run with one checkpoint, not to be changed."""
    return saved(tmp_path_factory.mktemp("run"), 4)
