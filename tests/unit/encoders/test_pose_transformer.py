import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec

from jaxmm.config import decode, encode
from jaxmm.data.motion_text import MotionText
from jaxmm.encoders.pose_transformer import PosePatchVit, PoseTransformer
from jaxmm.experiment import Experiment
from jaxmm.inspect import parts
from jaxmm.train.step import Devices, make_mesh

BATCH, TIME, PADDING, JOINTS = 3, 6, 4, 5
SMALL = {"dim": 8, "num_layers": 1, "num_heads": 2, "feedforward_dim": 12, "dropout_rate": 0.4}
ENDS = {"projection_dim": 6, "embedding_dim": 4, "inputs": "positions_and_velocities"}
TINY = {
    "transformer": PoseTransformer(**SMALL, **ENDS, frames_per_token=1),
    "transformer_of_clips": PoseTransformer(**SMALL, **ENDS, frames_per_token=4),
    "patch_vit": PosePatchVit(**SMALL, **ENDS, joints_per_patch=2, frames_per_patch=4),
}
encoders = pytest.mark.parametrize("name", TINY)
# Two of the three where the whole program is compiled for the test: frames of one token and of several are one class.
kinds = pytest.mark.parametrize("name", ["transformer_of_clips", "patch_vit"])


@functools.cache
def motion():
    return np.random.default_rng(0).normal(size=(BATCH, TIME, JOINTS, 3)).astype(np.float32)


@functools.cache
def variables(name):
    """Variables well away from their start, so that no bias is zero."""
    initialise = functools.partial(TINY[name].init, deterministic=True)
    shapes = jax.eval_shape(initialise, jax.random.key(0), jnp.asarray(motion()), jnp.ones((BATCH, TIME), bool))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: rng.normal(scale=0.5, size=leaf.shape).astype(np.float32), shapes)


@functools.partial(jax.jit, static_argnums=0)
def embed(name, motion, mask):
    return TINY[name].apply(variables(name), motion, mask, deterministic=True)


@functools.partial(jax.jit, static_argnums=0)
def train(name, params, motion, mask, seed=0):
    """Sum of the embeddings with unlike weights, the embeddings, and the parameters' gradients."""

    def total(params):
        rngs = {"dropout": jax.random.key(seed)}
        out = TINY[name].apply({"params": params}, motion, mask, deterministic=False, rngs=rngs)
        return (out * jnp.cos(jnp.arange(out.size)).reshape(out.shape)).sum(), out

    return jax.value_and_grad(total, has_aux=True)(params)


def padded(lengths, junk=0.0, num_frames=TIME + PADDING):
    """The first frames of every motion, with junk behind them."""
    mask = np.arange(num_frames) < np.array(lengths)[:, None]
    frames = np.pad(motion(), ((0, 0), (0, PADDING), (0, 0), (0, 0)))[:, :num_frames]
    return jnp.asarray(np.where(mask[..., None, None], frames, np.float32(junk))), jnp.asarray(mask)


@encoders
@settings(max_examples=15, deadline=None)
@given(
    lengths=st.tuples(*[st.integers(1, TIME)] * BATCH),
    junk=st.floats(-1e3, 1e3, width=32) | st.just(float("nan")),
)
def test_padding_changes_no_embedding(name, lengths, junk):
    plain = embed(name, *padded(lengths, num_frames=TIME))
    np.testing.assert_allclose(embed(name, *padded(lengths, junk)), plain, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(plain, axis=1), 1.0, atol=1e-5)


@encoders
def test_a_motion_alone_and_unpadded_gives_the_same_embedding(name):
    lengths = (6, 1, 5)
    together = embed(name, *padded(lengths))
    for row, length in enumerate(lengths):
        alone = embed(name, jnp.asarray(motion()[row : row + 1, :length]), jnp.ones((1, length), bool))
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


@kinds
def test_every_valid_frame_and_joint_matters_and_no_other(name):
    frames, mask = padded((6, 3, 5))
    gradient = np.asarray(jax.jit(jax.grad(lambda x: embed(name, x, mask)[:, 0].sum()))(frames))
    assert (np.abs(gradient).max(axis=-1)[np.asarray(mask)] > 0).all()
    assert not gradient[~np.asarray(mask)].any()


@encoders
def test_order_of_frames_and_of_joints_matters(name):
    frames, mask = padded((6, 6, 6))
    plain = embed(name, frames, mask)
    for axis in (1, 2):
        order = np.arange(frames.shape[axis])
        order[[0, 4]] = order[[4, 0]]
        assert np.abs(embed(name, jnp.take(frames, order, axis), mask) - plain).max() > 1e-3


@kinds
def test_dropout_acts_only_in_training_and_by_its_key(name):
    params = variables(name)["params"]
    (one, same, other) = (train(name, params, *padded((6, 3, 5)), seed)[0][1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3 < np.abs(one - embed(name, *padded((6, 3, 5)))).max()


@kinds
def test_a_gradient_reaches_every_parameter(name):
    gradients = train(name, variables(name)["params"], *padded((6, 3, 5)))[1]
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        # The same bias in every key adds the same to every score of a query, which the softmax takes away.
        if path[-2:] != (jax.tree_util.DictKey("key"), jax.tree_util.DictKey("bias")):
            assert np.abs(leaf).max() > 1e-6, jax.tree_util.keystr(path)


@kinds
def test_a_wholly_masked_motion_is_finite_and_so_are_its_gradients(name):
    (value, out), gradients = train(name, variables(name)["params"], *padded((6, 0, 5), float("nan")))
    assert np.isfinite(value)
    assert np.isfinite(out).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


@kinds
def test_one_device_and_eight_agree_in_training(name):
    if jax.device_count() < 8:
        pytest.skip(f"needs 8 devices, real or virtual; JAX has {jax.device_count()}")
    rng = np.random.default_rng(3)
    frames, mask = rng.normal(size=(8, TIME, JOINTS, 3)).astype(np.float32), np.arange(TIME) < np.arange(1, 9)[:, None]
    mesh = make_mesh(Devices(num_devices=8))
    rows, whole = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    one = train(name, variables(name)["params"], jnp.asarray(frames), jnp.asarray(mask))
    params, shared = jax.device_put(variables(name)["params"], whole), jax.device_put((frames, mask), rows)
    eight = jax.block_until_ready(train(name, params, *shared))
    for ours, expected in zip(jax.tree.leaves(eight), jax.tree.leaves(one), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5 * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize(("frames", "joints"), [(1, 1), (7, 25), (60, 22)])
@encoders
def test_any_number_of_frames_and_joints_is_embedded(name, frames, joints):
    initialise = functools.partial(TINY[name].init_with_output, deterministic=True)
    example = jnp.ones((2, frames, joints, 3)), jnp.ones((2, frames), bool)
    assert jax.eval_shape(initialise, jax.random.key(0), *example)[0].shape == (2, 4)


@pytest.mark.parametrize("encoder", [PoseTransformer(), PosePatchVit()], ids=lambda encoder: type(encoder).__name__)
def test_sizes_at_the_defaults_suit_small_data(encoder):
    initialise = functools.partial(encoder.init, deterministic=True)
    example = jnp.ones((1, 30, 22, 3)), jnp.ones((1, 30), bool)
    shapes = jax.eval_shape(initialise, jax.random.key(0), *example)
    assert 2e6 < sum(leaf.size for leaf in jax.tree.leaves(shapes)) < 4e6
    assert shapes.keys() == {"params"}


@kinds
def test_it_is_a_motion_tower_that_trains_survives_json_and_can_be_inspected(name, task, batch):
    own = dataclasses.replace(task, motion=TINY[name].clone(embedding_dim=8))
    experiment = Experiment(task=own, data=MotionText(num_frames=8, max_tokens=6))
    assert decode(json.loads(json.dumps(encode(experiment)))) == experiment
    rows = {row.name: row for row in parts(experiment, num_joints=5, depth=2)}
    assert rows["motion/head"].num_parameters == rows["motion/head"].trainable > 0
    params, collections = jax.jit(own.init_variables)(jax.random.key(0), batch)

    @jax.jit
    def loss(params, key):
        return own.loss(params, collections, batch, key, train=True)[0].mean()

    value, gradients = jax.value_and_grad(loss)(params, jax.random.key(1))
    lower = loss(jax.tree.map(lambda leaf, slope: leaf - 1e-2 * slope, params, gradients), jax.random.key(1))
    assert lower < value
