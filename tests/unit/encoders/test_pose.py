import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.encoders.pose import PoseConvGru

BATCH, TIME, PADDING, JOINTS = 3, 6, 4, 3
TINY = PoseConvGru(conv_dims=(5, 4), hidden_dim=3, num_layers=2, dropout_rate=0.5, projection_dim=6, embedding_dim=4)


@functools.cache
def motion(num_frames=TIME):
    return np.random.default_rng(0).normal(size=(BATCH, num_frames, JOINTS, 3)).astype(np.float32)


@functools.cache
def variables():
    """Variables well away from their start, so that no bias is zero and running statistics matter."""
    initialise = functools.partial(TINY.init, deterministic=True)
    shapes = jax.eval_shape(initialise, jax.random.key(0), jnp.asarray(motion()), jnp.ones((BATCH, TIME), bool))
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda leaf: rng.normal(scale=0.6, size=leaf.shape).astype(np.float32), shapes["params"])
    stats = jax.tree.map(lambda leaf: rng.uniform(0.2, 1.0, leaf.shape).astype(np.float32), shapes["batch_stats"])
    return {"params": params, "batch_stats": stats}


@jax.jit
def embed(motion, mask):
    return TINY.apply(variables(), motion, mask, deterministic=True)


@jax.jit
def train(motion, mask, key):
    return TINY.apply(variables(), motion, mask, deterministic=False, mutable=["batch_stats"], rngs={"dropout": key})


def padded(lengths, before, junk):
    """Places the first frames of every motion at `before`, with junk around them."""
    frames = np.full((BATCH, TIME + PADDING, JOINTS, 3), junk, np.float32)
    mask = np.zeros((BATCH, TIME + PADDING), bool)
    for row, length in enumerate(lengths):
        frames[row, before : before + length], mask[row, before : before + length] = motion()[row, :length], True
    return jnp.asarray(frames), jnp.asarray(mask)


lengths = st.tuples(*[st.integers(1, TIME)] * BATCH)
junk = st.floats(-1e3, 1e3, width=32) | st.just(float("nan"))


@settings(max_examples=25, deadline=None)
@given(lengths=lengths, before=st.integers(0, PADDING), junk=junk)
def test_padding_before_or_after_changes_no_embedding(lengths, before, junk):
    plain = embed(*padded(lengths, 0, 0.0))
    np.testing.assert_allclose(embed(*padded(lengths, before, junk)), plain, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(plain, axis=1), 1.0, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(lengths=lengths, before=st.integers(0, PADDING), junk=junk)
def test_padding_changes_neither_training_outputs_nor_batch_statistics(lengths, before, junk):
    key = jax.random.key(0)
    ((plain, plain_stats), (other, other_stats)) = (
        train(*padded(lengths, *where), key) for where in ((0, 0.0), (0, junk))
    )
    np.testing.assert_allclose(other, plain, atol=1e-5)
    _, moved_stats = train(*padded(lengths, before, junk), key)
    for stats in (other_stats, moved_stats):
        for a, b in zip(jax.tree.leaves(stats), jax.tree.leaves(plain_stats), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_an_unpadded_batch_of_another_length_gives_the_same_embedding():
    for length in (1, 4):
        alone = embed(jnp.asarray(motion()[:, :length]), jnp.ones((BATCH, length), bool))
        np.testing.assert_allclose(alone, embed(*padded([length] * BATCH, 0, 0.0)), atol=1e-5)


def test_every_valid_frame_and_joint_matters():
    mask = jnp.ones((BATCH, TIME), bool)
    gradient = jax.jit(jax.grad(lambda x: embed(x, mask)[:, 0].sum()))(jnp.asarray(motion()))
    assert np.abs(gradient).max(axis=(2, 3)).min() > 0
    assert np.abs(gradient).max(axis=(0, 1)).min() > 0


def test_motions_of_a_batch_do_not_change_each_other_when_deterministic():
    frames, mask = padded([6, 3, 5], 0, 0.0)
    changed = embed(frames.at[1].add(1.0), mask)
    np.testing.assert_allclose(changed[0], embed(frames, mask)[0], atol=1e-6)
    assert np.abs(changed[1] - embed(frames, mask)[1]).max() > 1e-4


def test_dropout_and_batch_statistics_act_only_in_training():
    frames, mask = padded([6, 3, 5], 0, 0.0)
    (one, stats), (same, _), (other, _) = (train(frames, mask, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    changes = jax.tree.map(lambda a, b: np.abs(a - b).max(), stats["batch_stats"], variables()["batch_stats"])
    assert min(jax.tree.leaves(changes)) > 1e-3
    np.testing.assert_array_equal(embed(frames, mask), embed(frames, mask))


def test_a_wholly_masked_motion_is_finite_and_so_are_its_gradients():
    frames, mask = padded([6, 3, 5], 0, float("nan"))

    def total(params):
        out, _ = TINY.apply(
            {**variables(), "params": params},
            frames,
            mask.at[1].set(False),
            deterministic=False,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(0)},
        )
        return out.sum()

    value, gradients = jax.jit(jax.value_and_grad(total))(variables()["params"])
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_parameter_counts_at_the_defaults():
    shapes = jax.eval_shape(
        functools.partial(PoseConvGru().init, deterministic=True),
        jax.random.key(0),
        jnp.zeros((1, 30, 25, 3)),
        jnp.ones((1, 30), bool),
    )["params"]
    counts = {name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in shapes.items()}
    assert counts.pop("gru") == 1_773_568
    assert counts.pop("head") == 197_120
    assert sum(counts.values()) == 39_552


def test_scrambled_axes_are_those_of_the_seeds_reshape():
    """The seed has motions as (batch, joints, time, 3) and reshapes them to (batch, channels, time)."""
    x, mask = motion(), jnp.ones((BATCH, TIME), bool)
    channels_first = x.transpose(0, 2, 1, 3).reshape(BATCH, -1, TIME)
    equivalent = channels_first.transpose(0, 2, 1).reshape(x.shape)
    scrambling = TINY.clone(scramble_axes=True)
    scrambled = jax.jit(functools.partial(scrambling.apply, deterministic=True))(variables(), jnp.asarray(x), mask)
    np.testing.assert_allclose(scrambled, embed(jnp.asarray(equivalent), mask), atol=1e-6)
    assert np.abs(scrambled - embed(jnp.asarray(x), mask)).max() > 1e-3


@pytest.mark.parametrize(("frames", "joints"), [(1, 1), (7, 25)])
def test_any_number_of_frames_and_joints_is_embedded(frames, joints):
    initialise = functools.partial(TINY.init_with_output, deterministic=True)
    example = jnp.ones((2, frames, joints, 3)), jnp.ones((2, frames), bool)
    out, _ = jax.eval_shape(initialise, jax.random.key(0), *example)
    assert out.shape == (2, 4)
