import jax
import jax.numpy as jnp

from jaxmm.horizon import Horizon
from jaxmm.state import TrainState


def state_of(step, seed=0):
    return TrainState(
        step=jnp.int32(step),
        params={"w": jnp.ones(2)},
        collections={},
        opt_state=(),
        key=jax.random.key_data(jax.random.key(seed)),
        guards={},
        horizon=Horizon(epochs=2, steps_per_epoch=3),
    )


def key_of(state):
    return jax.random.key_data(state.step_key()).tolist()


def test_each_step_and_each_run_has_its_own_key():
    keys = [key_of(state_of(step, seed)) for seed in range(2) for step in range(3)]
    assert len({tuple(key) for key in keys}) == 6


def test_the_key_of_a_step_does_not_depend_on_the_way_there():
    assert key_of(state_of(0).replace(step=jnp.int32(5))) == key_of(state_of(5))


def test_the_key_is_the_same_under_jit():
    assert jax.jit(lambda state: jax.random.key_data(state.step_key()))(state_of(4)).tolist() == key_of(state_of(4))


def test_the_horizon_is_carried_along_but_is_no_array():
    state = state_of(1)
    doubled = jax.tree.map(lambda leaf: leaf + leaf, state)
    assert doubled.horizon == state.horizon
    assert int(doubled.step) == 2
    assert len(jax.tree.leaves(state)) == 3
