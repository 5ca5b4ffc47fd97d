import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.encoders import gru
from jaxmm.encoders.gru import BidirectionalGru, Gru, gru_scan

TIME, BATCH, DIM, FEATURES = 5, 3, 2, 4
masks = st.lists(st.lists(st.booleans(), min_size=BATCH, max_size=BATCH), min_size=TIME, max_size=TIME)


def reference(gates_in, mask, kernel, candidate_bias, xp=np):
    """The GRU of torch's documentation, one frame after another, in NumPy or for JAX to differentiate by itself."""
    state, states = xp.zeros((gates_in.shape[1], kernel.shape[0])), []
    for frame in range(gates_in.shape[0]):
        r_in, z_in, n_in = xp.split(gates_in[frame], 3, axis=1)
        r_state, z_state, n_state = xp.split(state @ kernel, 3, axis=1)
        reset, update = 1 / (1 + xp.exp(-r_in - r_state)), 1 / (1 + xp.exp(-z_in - z_state))
        candidate = xp.tanh(n_in + reset * (n_state + candidate_bias[None, :]))
        state = xp.where(mask[frame][:, None], (1 - update) * candidate + update * state, state)
        states.append(state)
    return xp.stack(states)


@functools.cache
def inputs(time=TIME):
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape).astype(np.float32) for shape in ((time, BATCH, 6), (DIM, 6), (DIM,)))


def value_and_gradients(run, time, mask):
    """A sum in which every state counts differently, and its gradients."""
    weights = np.cos(np.arange(time * BATCH * DIM, dtype=np.float32)).reshape(time, BATCH, DIM)

    def total(gates_in, kernel, candidate_bias):
        return (run(gates_in, mask, kernel, candidate_bias) * weights).sum()

    return jax.value_and_grad(total, argnums=(0, 1, 2))(*map(jnp.asarray, inputs(time)))


@functools.partial(jax.jit, static_argnums=0)
def ours_and_plain(time, mask):
    return [value_and_gradients(run, time, mask) for run in (gru_scan, functools.partial(reference, xp=jnp))]


@settings(max_examples=25, deadline=None)
@given(mask=masks)
def test_value_and_gradients_equal_those_of_a_plain_loop(mask):
    ours, plain = ours_and_plain(TIME, jnp.array(mask))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_sequences_beyond_the_unroll_limit_equal_a_plain_loop(monkeypatch):
    monkeypatch.setattr(gru, "_MAX_UNROLL", 3)
    time = 7
    mask = np.arange(time)[:, None] < np.array([[time, 1, 5]])
    ours, plain = ours_and_plain(time, jnp.array(mask))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_states_of_a_sequence_longer_than_the_real_limit():
    time = gru._MAX_UNROLL + 3
    gates_in, kernel, candidate_bias = inputs(time)
    mask = np.arange(time)[:, None] < np.array([[time, 1, time - 1]])
    ours = gru_scan(*map(jnp.asarray, (gates_in, mask, kernel, candidate_bias)))
    np.testing.assert_allclose(ours, reference(gates_in, mask, kernel, candidate_bias), atol=1e-5)


def test_no_gradient_reaches_a_masked_frame():
    mask = np.ones((TIME, BATCH), bool)
    mask[1] = False
    (_, (gradient, _, _)), _ = ours_and_plain(TIME, jnp.array(mask))
    assert not np.asarray(gradient[1]).any()
    assert np.asarray(gradient[0]).all()
    assert np.asarray(gradient[2]).all()


@functools.cache
def sequence():
    return np.random.default_rng(2).normal(size=(BATCH, TIME, FEATURES)).astype(np.float32)


def random_variables(module, *example):
    """Variables well away from their start."""
    shapes = jax.eval_shape(module.init, jax.random.key(0), *example)
    rng = np.random.default_rng(3)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)


def states_of(params, x, mask):
    """States of one direction, by the reference, from the module's parameters."""
    gates_in = np.einsum("btf,fg->tbg", x, params["kernel_in"]) + params["bias"]
    return reference(gates_in, mask.T, params["kernel"], params["candidate_bias"])


def test_one_direction_has_one_bias_less_than_torch():
    example = jnp.ones((1, 1, FEATURES)), jnp.ones((1, 1), bool)
    variables = jax.jit(Gru(dim=DIM).init)(jax.random.key(0), *example)
    shapes = {name: leaf.shape for name, leaf in variables["params"].items()}
    assert shapes == {"kernel_in": (4, 6), "kernel": (2, 6), "bias": (6,), "candidate_bias": (2,)}
    assert all(0 < np.abs(leaf).max() <= DIM**-0.5 for leaf in jax.tree.leaves(variables))


@pytest.mark.parametrize("reverse", [False, True])
def test_a_direction_reads_from_its_own_end(reverse):
    module = Gru(dim=DIM, reverse=reverse)
    x, mask = sequence(), np.arange(TIME)[None, :] < np.array([[5], [2], [3]])
    variables = random_variables(module, jnp.asarray(x), jnp.asarray(mask))
    ours = jax.jit(module.apply)(variables, jnp.asarray(x.swapaxes(0, 1)), jnp.asarray(mask.T))
    way = slice(None, None, -1 if reverse else 1)
    expected = states_of(variables["params"], x[:, way], mask[:, way])[way]
    np.testing.assert_allclose(ours, expected, atol=1e-5)


STACK = BidirectionalGru(dim=DIM, num_layers=2, dropout_rate=0.5)
PADDING = 3


@functools.cache
def stack_variables():
    initialise = functools.partial(STACK.init, deterministic=True)
    shapes = jax.eval_shape(initialise, jax.random.key(0), jnp.ones((1, 2, FEATURES)), jnp.ones((1, 2), bool))
    rng = np.random.default_rng(3)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)


@functools.partial(jax.jit, static_argnums=2)
def run_stack(x, mask, deterministic, key=None):
    rngs = {"dropout": jax.random.key(0) if key is None else key}
    return STACK.apply(stack_variables(), x, mask, deterministic=deterministic, rngs=rngs)


def placed(lengths, before, junk):
    """The first frames of every sequence at `before`, with junk around them."""
    x = np.full((BATCH, TIME + PADDING, FEATURES), junk, np.float32)
    mask = np.zeros((BATCH, TIME + PADDING), bool)
    for row, length in enumerate(lengths):
        x[row, before : before + length], mask[row, before : before + length] = sequence()[row, :length], True
    return jnp.asarray(x), jnp.asarray(mask)


lengths = st.tuples(*[st.integers(0, TIME)] * BATCH)


@settings(max_examples=20, deadline=None)
@given(lengths=lengths, before=st.integers(0, PADDING), junk=st.floats(-1e3, 1e3, width=32))
def test_padding_appended_or_prepended_changes_no_final_state(lengths, before, junk):
    plain = run_stack(*placed(lengths, 0, 0.0), True)
    np.testing.assert_allclose(run_stack(*placed(lengths, before, junk), True), plain, atol=1e-5)


def test_final_states_are_the_forward_one_at_the_end_and_the_backward_one_at_the_start():
    lengths = (5, 2, 3)
    out, params = run_stack(*placed(lengths, 0, 9.0), True), stack_variables()["params"]
    for row, length in enumerate(lengths):
        x, mask = sequence()[row : row + 1, :length], np.ones((1, length), bool)
        for layer in range(2):
            forward = states_of(params[f"layer_{layer}_forward"], x, mask)
            backward = states_of(params[f"layer_{layer}_backward"], x[:, ::-1], mask)[::-1]
            x = np.concatenate([forward, backward], axis=-1).swapaxes(0, 1)
        np.testing.assert_allclose(out[row], np.concatenate([forward[-1, 0], backward[0, 0]]), atol=1e-5)


def test_dropout_acts_only_when_asked_and_by_its_key():
    batch = placed((5, 2, 3), 0, 0.0)
    plain = run_stack(*batch, True)
    one, same, other = (np.asarray(run_stack(*batch, False, jax.random.key(seed))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3 < np.abs(one - plain).max()


def test_a_single_layer_has_nothing_to_drop():
    single = BidirectionalGru(dim=DIM, num_layers=1, dropout_rate=0.9)
    x, mask = placed((5, 2, 3), 0, 0.0)
    first = {name: own for name, own in stack_variables()["params"].items() if "layer_0" in name}
    variables = jax.tree.map(jnp.asarray, {"params": first})

    @functools.partial(jax.jit, static_argnums=0)
    def run(deterministic):
        rngs = {"dropout": jax.random.key(0)}
        return single.apply(variables, x, mask, deterministic=deterministic, rngs=rngs)

    np.testing.assert_array_equal(run(False), run(True))
