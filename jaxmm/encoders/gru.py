"""A bidirectional GRU that ignores padding, and whose backward pass is written out for speed.

The input projection of a whole sequence is one product; only the recurrent product stays in the scan. The forward pass
keeps its gates, four widths a frame; backward accumulates the recurrent kernel's gradient in one product, so that its
scan carries a single small product per frame.
"""

from typing import NamedTuple, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import uniform_bias
from jaxmm.errors import ConfigError

_MAX_UNROLL = 64  # frames; unrolled, the gates of a frame fuse into its product, but compiling takes longer


@jax.custom_vjp
def gru_scan(
    gates_in: Float[Array, "time batch gates"],
    mask: Bool[Array, "time batch"],
    kernel: Float[Array, "dim gates"],
    candidate_bias: Float[Array, "dim"],
) -> Float[Array, "time batch dim"]:
    """Runs a GRU from a zero state and returns its state after each frame; masked frames keep the state.

    Args:
        gates_in: Input projections of the reset, update and candidate gates, with their biases (gates = 3 dim).
        mask: True where a frame is valid.
        kernel: Recurrent kernel, gates in the same order.
        candidate_bias: Bias inside the reset product of the candidate, torch's `b_hn`.

    Example:
        >>> gru_scan(jnp.zeros((5, 2, 9)), jnp.ones((5, 2), bool), jnp.zeros((3, 9)), jnp.zeros(3)).shape
        (5, 2, 3)

    Reference: arXiv:1406.1078, in the form of torch's and cuDNN's GRU (arXiv:1410.0759).
    """
    return _run(gates_in, mask, kernel, candidate_bias)[0]


class _Gates(NamedTuple):
    """What a frame makes of the state before it; `candidate_state` is what the reset gate lets through."""

    reset: Array
    update: Array
    candidate: Array
    candidate_state: Array


_Residuals: TypeAlias = tuple[Array, Array, Array, _Gates]
"""Mask, recurrent kernel, states and gates."""


def _run(gates_in: Array, mask: Array, kernel: Array, candidate_bias: Array) -> tuple[Array, _Gates]:
    """Returns the states, and the gates that they came from."""

    def step(state: Array, frame: tuple[Array, Array]) -> tuple[Array, tuple[Array, _Gates]]:
        gates_in, valid = frame
        reset_in, update_in, candidate_in = jnp.split(gates_in, 3, axis=-1)
        reset_state, update_state, candidate_state = jnp.split(state @ kernel, 3, axis=-1)
        reset, update = jax.nn.sigmoid(reset_in + reset_state), jax.nn.sigmoid(update_in + update_state)
        candidate_state = candidate_state + candidate_bias[None]
        candidate = jnp.tanh(candidate_in + reset * candidate_state)
        new = jnp.where(valid[:, None], candidate + update * (state - candidate), state)
        return new, (new, _Gates(reset, update, candidate, candidate_state))

    num_frames, batch = gates_in.shape[:2]
    unroll = min(num_frames, _MAX_UNROLL) if isinstance(num_frames, int) else 1  # exported for any number of frames
    start = jnp.zeros((batch, kernel.shape[0]), gates_in.dtype)
    return jax.lax.scan(step, start, (gates_in, mask), unroll=unroll)[1]


def _forward(gates_in: Array, mask: Array, kernel: Array, candidate_bias: Array) -> tuple[Array, _Residuals]:
    states, gates = _run(gates_in, mask, kernel, candidate_bias)
    return states, (mask, kernel, states, gates)


def _backward(residuals: _Residuals, states_bar: Array) -> tuple[Array, None, Array, Array]:
    mask, kernel, states, (reset, update, candidate, candidate_state) = residuals
    before = jnp.concatenate([jnp.zeros_like(states[:1]), states[:-1]])
    valid = mask[..., None]
    # Each factor turns the cotangent of a frame's state into that of one gate's pre-activation.
    keep = jnp.where(valid, update, 1)
    to_candidate = jnp.where(valid, (1 - update) * (1 - candidate**2), 0)
    to_update = jnp.where(valid, (before - candidate) * update * (1 - update), 0)
    to_reset = to_candidate * candidate_state * reset * (1 - reset)
    factors = jnp.concatenate([to_reset, to_update, to_candidate * reset], axis=-1)

    def step(carry: Array, frame: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        state_bar, keep, factors = frame
        total = carry + state_bar
        gates_bar = jnp.tile(total, 3) * factors
        return total * keep + gates_bar @ kernel.T, (total, gates_bar)

    start = jnp.zeros_like(states[0])
    totals, gates_state_bar = jax.lax.scan(step, start, (states_bar, keep, factors), reverse=True)[1]
    dim = states.shape[-1]
    gates_in_bar = jnp.concatenate([gates_state_bar[..., : 2 * dim], totals * to_candidate], axis=-1)
    kernel_bar = jnp.einsum("tbd,tbg->dg", before, gates_state_bar)
    return gates_in_bar, None, kernel_bar, gates_state_bar[..., 2 * dim :].sum((0, 1))


gru_scan.defvjp(_forward, _backward)


class Gru(nn.Module):
    """One direction of one GRU layer, time-major.

    The reset and update gates have one bias, not torch's redundant two: 2 `dim` parameters fewer, same function.

    Attributes:
        dim: Width of the state.
        reverse: Whether to read the sequence from its end.

    Example:
        >>> x, mask = jnp.ones((5, 2, 4)), jnp.ones((5, 2), bool)
        >>> Gru(dim=3).init_with_output(jax.random.key(0), x, mask)[0].shape
        (5, 2, 3)
    """

    dim: int
    reverse: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "time batch features"], mask: Bool[Array, "time batch"]
    ) -> Float[Array, "time batch dim"]:
        """Returns the state after each frame, in the order of the input; masked frames keep the state."""
        uniform = uniform_bias(self.dim)
        kernel_in = self.param("kernel_in", uniform, (x.shape[-1], 3 * self.dim))
        kernel = self.param("kernel", uniform, (self.dim, 3 * self.dim))
        bias = self.param("bias", uniform, (3 * self.dim,))
        candidate_bias = self.param("candidate_bias", uniform, (self.dim,))
        if self.reverse:
            x, mask = jnp.flip(x, 0), jnp.flip(mask, 0)
        states = gru_scan(x @ kernel_in + jnp.expand_dims(bias, (0, 1)), mask, kernel, candidate_bias)
        return jnp.flip(states, 0) if self.reverse else states


class BidirectionalGru(nn.Module):
    """A stack of bidirectional GRU layers that returns the final states of the last one.

    Attributes:
        dim: Width of one direction's state.
        num_layers: Number of layers, >= 1.
        dropout_rate: Dropout between layers, in [0, 1).

    Example:
        >>> x, mask = jnp.ones((2, 5, 4)), jnp.ones((2, 5), bool)
        >>> BidirectionalGru(dim=3).init_with_output(jax.random.key(0), x, mask, deterministic=True)[0].shape
        (2, 6)
    """

    dim: int = 256
    num_layers: int = 2
    dropout_rate: float = 0.2

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch time features"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch two_dim"]:
        """Returns the forward state after the last valid frame, then the backward one after the first."""
        if self.num_layers < 1:
            raise ConfigError(f"num_layers is {self.num_layers}; give 1 or more")
        x, mask = jnp.swapaxes(x, 0, 1), jnp.swapaxes(mask, 0, 1)
        for layer in range(self.num_layers):
            if layer > 0:
                x = Dropout(self.dropout_rate)(x, deterministic=deterministic)
            forward = Gru(self.dim, name=f"layer_{layer}_forward")(x, mask)
            backward = Gru(self.dim, reverse=True, name=f"layer_{layer}_backward")(x, mask)
            x = jnp.concatenate([forward, backward], axis=-1)
        return jnp.concatenate([forward[-1], backward[0]], axis=-1)
