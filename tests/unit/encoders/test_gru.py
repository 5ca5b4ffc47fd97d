import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.encoders.gru import _MAX_UNROLL, BidirectionalGru, Gru, gru_scan

TIME, BATCH, DIM = 5, 3, 2
LONG = 2 * _MAX_UNROLL + 3
masks = st.lists(st.lists(st.booleans(), min_size=BATCH, max_size=BATCH), min_size=TIME, max_size=TIME)


def reference(gates_in, mask, kernel, candidate_bias):
    """The GRU of torch's documentation, one frame after another, for JAX to differentiate by itself."""
    state, states = jnp.zeros((gates_in.shape[1], kernel.shape[0])), []
    for frame in range(gates_in.shape[0]):
        r_in, z_in, n_in = jnp.split(gates_in[frame], 3, axis=1)
        r_state, z_state, n_state = jnp.split(state @ kernel, 3, axis=1)
        reset, update = jax.nn.sigmoid(r_in + r_state), jax.nn.sigmoid(z_in + z_state)
        candidate = jnp.tanh(n_in + reset * (n_state + candidate_bias[None, :]))
        state = jnp.where(mask[frame][:, None], (1 - update) * candidate + update * state, state)
        states.append(state)
    return jnp.stack(states)


@functools.cache
def inputs(time=TIME):
    rng = np.random.default_rng(0)
    shapes = ((time, BATCH, 3 * DIM), (DIM, 3 * DIM), (DIM,))
    return tuple(jnp.asarray(rng.normal(size=shape).astype(np.float32)) for shape in shapes)


def weighted(function, weights):
    """Value and gradients of a sum in which every state counts differently."""

    def total(gates_in, kernel, candidate_bias, mask):
        return (function(gates_in, mask, kernel, candidate_bias) * weights).sum()

    return jax.value_and_grad(total, argnums=(0, 1, 2))


@functools.partial(jax.jit, static_argnums=0)
def both(time, mask):
    weights = jnp.cos(jnp.arange(time * BATCH * DIM, dtype=jnp.float32)).reshape(time, BATCH, DIM)
    gates_in, kernel, candidate_bias = inputs(time)
    return [weighted(run, weights)(gates_in, kernel, candidate_bias, mask) for run in (gru_scan, reference)]


@settings(max_examples=25, deadline=None)
@given(mask=masks)
def test_value_and_gradients_equal_those_of_a_plain_loop(mask):
    ours, plain = both(TIME, jnp.array(mask))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_sequences_beyond_the_unroll_limit_equal_a_plain_loop():
    gates_in, kernel, candidate_bias = inputs(LONG)
    mask = jnp.arange(LONG)[:, None] < jnp.array([[LONG, 1, _MAX_UNROLL + 1]])
    state, states = np.zeros((BATCH, DIM), np.float32), []
    for frame in range(LONG):
        r_in, z_in, n_in = np.split(np.asarray(gates_in[frame]), 3, axis=1)
        r_state, z_state, n_state = np.split(state @ np.asarray(kernel), 3, axis=1)
        reset, update = 1 / (1 + np.exp(-r_in - r_state)), 1 / (1 + np.exp(-z_in - z_state))
        candidate = np.tanh(n_in + reset * (n_state + np.asarray(candidate_bias)))
        state = np.where(np.asarray(mask[frame])[:, None], (1 - update) * candidate + update * state, state)
        states.append(state)
    np.testing.assert_allclose(gru_scan(gates_in, mask, kernel, candidate_bias), np.stack(states), atol=1e-5)


def test_gradients_beyond_the_unroll_limit_equal_finite_differences():
    gates_in, kernel, candidate_bias = inputs(LONG)
    mask = jnp.arange(LONG)[:, None] < jnp.array([[LONG, 7, LONG - 1]])

    @jax.jit
    def total(kernel, candidate_bias):
        return jnp.square(gru_scan(gates_in, mask, kernel, candidate_bias)).mean()

    gradients = jax.grad(total, argnums=(0, 1))(kernel, candidate_bias)
    rng, step = np.random.default_rng(1), 1e-2
    for _ in range(3):
        toward = [jnp.asarray(rng.normal(size=leaf.shape).astype(np.float32)) for leaf in (kernel, candidate_bias)]
        ahead = total(kernel + step * toward[0], candidate_bias + step * toward[1])
        behind = total(kernel - step * toward[0], candidate_bias - step * toward[1])
        slope = sum(float((g * d).sum()) for g, d in zip(gradients, toward, strict=True))
        assert float(ahead - behind) / (2 * step) == pytest.approx(slope, rel=0.02, abs=2e-4)


def test_no_gradient_reaches_a_masked_frame():
    mask = jnp.array([[True], [False], [True]]) & jnp.ones((3, BATCH), bool)
    gates_in, kernel, candidate_bias = inputs(3)
    gradient = jax.grad(lambda x: gru_scan(x, mask, kernel, candidate_bias).sum())(gates_in)
    assert not np.asarray(gradient[1]).any()
    assert np.asarray(gradient[0]).all()
    assert np.asarray(gradient[2]).all()


def apply(module, variables, *inputs, **settings):
    return np.asarray(module.apply(variables, *inputs, **settings))


@functools.cache
def sequence(num_frames):
    return np.random.default_rng(2).normal(size=(num_frames, BATCH, 4)).astype(np.float32)


def test_reading_in_reverse_is_reading_the_flipped_sequence():
    x, mask = sequence(TIME), np.arange(TIME)[:, None] < np.array([[5, 2, 3]])
    forward, backward = Gru(dim=DIM), Gru(dim=DIM, reverse=True)
    variables = forward.init(jax.random.key(0), x, mask)
    flipped = apply(forward, variables, jnp.flip(x, 0), jnp.flip(mask, 0))
    np.testing.assert_allclose(apply(backward, variables, jnp.asarray(x), jnp.asarray(mask)), flipped[::-1], atol=1e-6)


def test_one_direction_has_one_bias_less_than_torch():
    variables = Gru(dim=DIM).init(jax.random.key(0), jnp.ones((1, 1, 4)), jnp.ones((1, 1), bool))
    shapes = {name: leaf.shape for name, leaf in variables["params"].items()}
    assert shapes == {"kernel_in": (4, 6), "kernel": (2, 6), "bias": (6,), "candidate_bias": (2,)}
    assert all(np.abs(leaf).max() <= DIM**-0.5 for leaf in jax.tree.leaves(variables))


STACK = BidirectionalGru(dim=DIM, num_layers=2, dropout_rate=0.5)


@functools.cache
def stack_variables():
    x, mask = jnp.ones((1, 2, 4)), jnp.ones((1, 2), bool)
    shapes = jax.eval_shape(functools.partial(STACK.init, deterministic=True), jax.random.key(0), x, mask)
    rng = np.random.default_rng(3)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape).astype(np.float32)), shapes)


@jax.jit
def run_stack(x, mask):
    return STACK.apply(stack_variables(), x, mask, deterministic=True)


@settings(max_examples=20, deadline=None)
@given(
    length=st.integers(1, TIME),
    before=st.integers(0, 3),
    junk=st.floats(-1e3, 1e3, width=32),
)
def test_padding_appended_or_prepended_changes_no_final_state(length, before, junk):
    x = sequence(TIME).swapaxes(0, 1)
    padded, mask = np.full((BATCH, TIME + 3, 4), junk, np.float32), np.zeros((BATCH, TIME + 3), bool)
    padded[:, before : before + length], mask[:, before : before + length] = x[:, :length], True
    plain = np.zeros_like(padded)
    plain[:, :length] = x[:, :length]
    plain_mask = np.broadcast_to(np.arange(TIME + 3) < length, mask.shape)
    np.testing.assert_allclose(
        run_stack(jnp.asarray(padded), jnp.asarray(mask)), run_stack(jnp.asarray(plain), jnp.asarray(plain_mask)), atol=1e-5
    )


def test_final_states_are_the_forward_one_at_the_end_and_the_backward_one_at_the_start():
    one = BidirectionalGru(dim=DIM, num_layers=1)
    x, mask = jnp.asarray(sequence(TIME).swapaxes(0, 1)), jnp.arange(TIME)[None, :] < jnp.array([[5], [2], [3]])
    out, variables = one.init_with_output(jax.random.key(0), x, mask, deterministic=True)
    for row, length in enumerate((5, 2, 3)):
        alone, full = x[row : row + 1, :length].swapaxes(0, 1), jnp.ones((length, 1), bool)
        for place, (name, last) in enumerate((("forward", -1), ("backward", 0))):
            gru = Gru(dim=DIM, reverse=name == "backward")
            states = apply(gru, {"params": variables["params"][f"layer_0_{name}"]}, alone, full)
            np.testing.assert_allclose(out[row, place * DIM : (place + 1) * DIM], states[last, 0], atol=1e-6)


def test_dropout_acts_between_layers_only_and_only_when_asked():
    x, mask = jnp.asarray(sequence(TIME).swapaxes(0, 1)), jnp.ones((BATCH, TIME), bool)
    plain = apply(STACK, stack_variables(), x, mask, deterministic=True)
    dropped = [
        apply(STACK, stack_variables(), x, mask, deterministic=False, rngs={"dropout": jax.random.key(seed)})
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(dropped[0], dropped[1])
    assert np.abs(dropped[0] - dropped[2]).max() > 1e-3 < np.abs(dropped[0] - plain).max()
    single = BidirectionalGru(dim=DIM, num_layers=1, dropout_rate=0.9)
    variables = single.init(jax.random.key(0), x, mask, deterministic=True)
    np.testing.assert_array_equal(
        apply(single, variables, x, mask, deterministic=False, rngs={"dropout": jax.random.key(0)}),
        apply(single, variables, x, mask, deterministic=True),
    )
