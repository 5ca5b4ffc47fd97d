import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.train.throttle import Throttle


@settings(max_examples=20, deadline=None)
@given(num_in_flight=st.integers(0, 4), num_steps=st.integers(0, 9))
def test_outputs_come_back_once_in_order_and_never_more_than_allowed_wait(num_in_flight, num_steps):
    throttle, returned = Throttle(num_in_flight), []
    for step in range(num_steps):
        finished = throttle.add(step)
        assert (finished is None) == (step < num_in_flight)
        returned += [] if finished is None else [finished]
        assert step + 1 - len(returned) <= num_in_flight
    assert [*returned, *throttle.drain()] == list(range(num_steps))
    assert throttle.drain() == []


def test_what_comes_back_is_finished():
    throttle = Throttle(0)
    step, outputs = throttle.add((3, {"loss": jnp.ones(1000).sum()}))
    assert step == 3
    assert outputs["loss"].is_ready()


def test_a_step_that_failed_is_told_when_it_is_waited_for():
    class Failed:
        def block_until_ready(self):
            raise RuntimeError("the device ran out of memory")

    throttle = Throttle(1)
    throttle.add(Failed())
    with pytest.raises(RuntimeError, match="the device ran out of memory"):
        throttle.add(Failed())
