import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.encoders.patches import PatchEmbedding, motion_inputs, sinusoids
from jaxmm.errors import ConfigError


@settings(max_examples=25, deadline=None)
@given(valid=st.lists(st.booleans(), min_size=6, max_size=6), junk=st.sampled_from([0.0, 1e6, float("nan")]))
def test_velocities_are_differences_within_the_valid_frames(valid, junk):
    motion = np.random.default_rng(0).normal(size=(1, 6, 2, 3)).astype(np.float32)
    filled = np.where(np.array(valid)[None, :, None, None], motion, junk).astype(np.float32)
    out = np.asarray(motion_inputs(jnp.asarray(filled), jnp.asarray([valid]), "positions_and_velocities"))
    for frame in range(6):
        position = motion[0, frame] if valid[frame] else np.zeros((2, 3))
        moves = frame > 0 and valid[frame] and valid[frame - 1]
        velocity = motion[0, frame] - motion[0, frame - 1] if moves else np.zeros((2, 3))
        np.testing.assert_allclose(out[0, frame], np.concatenate([position, velocity], axis=-1), atol=1e-6)


def test_positions_are_kept_and_padding_is_zeroed():
    motion = jnp.full((1, 2, 1, 3), 7.0)
    out = motion_inputs(motion, jnp.array([[True, False]]), "positions")
    assert out[:, :, 0].tolist() == [[[7.0] * 3, [0.0] * 3]]


def test_unknown_inputs_are_refused():
    with pytest.raises(ConfigError, match="inputs 'angles' are unknown"):
        motion_inputs.__wrapped__(jnp.ones((1, 2, 1, 3)), jnp.ones((1, 2), bool), "angles")


def test_a_token_is_the_linear_map_of_its_part_plus_its_place():
    embedding = PatchEmbedding(dim=6, joints_per_patch=2, frames_per_patch=3)
    features = np.random.default_rng(0).normal(size=(2, 7, 5, 3)).astype(np.float32)
    mask = np.arange(7) < np.array([[7], [4]])
    (tokens, token_mask), variables = jax.jit(embedding.init_with_output)(jax.random.key(0), features, mask)
    kernel, bias = (np.asarray(variables["params"][name]) for name in ("kernel", "bias"))
    assert kernel.shape == (3, 3 * 2 * 3, 6)
    assert token_mask.tolist() == [[True, True, True], [True, True, False]]
    padded = np.pad(features, ((0, 0), (0, 2), (0, 1), (0, 0)))
    waves = np.asarray(sinusoids(3, 6))
    for step in range(3):
        for part in range(3):
            patch = padded[:, 3 * step : 3 * step + 3, 2 * part : 2 * part + 2].reshape(2, -1)
            expected = patch @ kernel[part] + bias[part] + waves[step]
            np.testing.assert_allclose(tokens[:, step, part], expected, atol=1e-5)


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0)])
def test_empty_patches_are_refused(sizes):
    embedding = PatchEmbedding(8, *sizes)
    with pytest.raises(ConfigError, match=r"joints_per_patch is \d and frames_per_patch \d; give 1 or more"):
        embedding.init(jax.random.key(0), jnp.ones((1, 2, 2, 3)), jnp.ones((1, 2), bool))


@pytest.mark.parametrize("dim", [2, 5, 8])
def test_every_place_has_its_own_sinusoids(dim):
    waves = np.asarray(sinusoids(200, dim))
    assert waves.shape == (200, dim)
    distances = np.linalg.norm(waves[:, None] - waves[None], axis=-1) + np.eye(200)
    assert distances.min() > 1e-4


def test_kernels_start_with_the_spread_that_keeps_the_inputs_size():
    embedding = PatchEmbedding(dim=64, joints_per_patch=2, frames_per_patch=5)
    initialise = functools.partial(embedding.init, jax.random.key(0))
    params = jax.jit(initialise)(jnp.zeros((1, 5, 8, 3)), jnp.ones((1, 5), bool))["params"]
    assert np.std(params["kernel"]) == pytest.approx((2 * 5 * 3) ** -0.5, rel=0.05)
    assert np.std(params["bias"]) == pytest.approx(0.02, rel=0.2)


def test_places_do_not_widen_half_precision():
    module, mask = PatchEmbedding(dim=4, joints_per_patch=1, frames_per_patch=1), jnp.ones((1, 2), bool)
    features = jnp.ones((1, 2, 2, 3), jnp.bfloat16)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), module.init(jax.random.key(0), features, mask))
    assert module.apply(params, features, mask)[0].dtype == jnp.bfloat16
