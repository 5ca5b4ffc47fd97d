"""An untrained text-to-sign run, and what makes others."""

import jax
import jax.numpy as jnp
import pytest

from jaxmm import Experiment
from jaxmm.model import Model


@pytest.fixture(scope="module")
def untrained():
    """Returns random parameters of a task, and the running mean of those that generate."""

    def make(task, data):
        return jax.jit(task.init_variables)(jax.random.key(0), jax.tree.map(jnp.asarray, data.sample_batch()))

    return make


@pytest.fixture(scope="module")
def variables(untrained, sign_task, sign_data):
    return untrained(sign_task, sign_data)


@pytest.fixture(scope="module")
def model(sign_task, sign_settings, sign_data, variables):
    return Model(sign_data.assets.parent, Experiment(task=sign_task, data=sign_settings), *variables, step=0)
