"""What a training step reads and returns."""

from collections.abc import Mapping

import flax.struct
import jax
import optax

from jaxmm.horizon import Horizon
from jaxmm.numerics import Guard
from jaxmm.typing import Array, Collections, Params


@flax.struct.dataclass
class TrainState:
    """Everything that changes in training, as one tree of arrays.

    Attributes:
        step: Number of updates done.
        params: Parameters by component, module and variable.
        collections: Other variables of the modules, such as batch statistics, by component.
        opt_state: State of the optimizer.
        key: Raw data of the PRNG key from which each step's randomness is derived; never changes.
        guards: What is remembered of each optimizer's steps, to tell bad ones.
        horizon: Length of the run, which schedules read; not an array.

    Example:
        >>> import jax.numpy as jnp
        >>> state = TrainState(step=jnp.int32(3), params={}, collections={}, opt_state=(),
        ...                    key=jax.random.key_data(jax.random.key(0)), guards={}, horizon=Horizon())
        >>> state.step_key() == jax.random.fold_in(jax.random.key(0), 3)
        Array(True, dtype=bool)
    """

    step: Array
    params: Params
    collections: Collections
    opt_state: optax.OptState
    key: Array
    guards: Mapping[str, Guard]
    horizon: Horizon = flax.struct.field(pytree_node=False)

    def step_key(self) -> jax.Array:
        """Returns the PRNG key of the coming step."""
        return jax.random.fold_in(jax.random.wrap_key_data(self.key), self.step)
