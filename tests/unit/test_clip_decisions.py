"""One test for each decision about CLIP: each fails if the mistake of seed 001 came back."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.clip import Clip, ClipText, ClipVision, scaled_similarity

SMALL = {"dim": 8, "num_layers": 1, "num_heads": 2, "feedforward_dim": 8, "embedding_dim": 4}
CLIP = Clip(
    vision=ClipVision(image_size=8, patch_size=4, **SMALL),
    text=ClipText(vocab_size=20, max_tokens=6, end_token=19, **SMALL),
)
IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
IDS = np.array([[18, 3, 4, 19], [18, 5, 6, 19], [18, 7, 8, 19], [18, 9, 9, 19], [18, 2, 5, 19]], np.int32)
MASK = np.ones((5, 4), bool)


@functools.cache
def params():
    rng = np.random.default_rng(0)
    init = functools.partial(CLIP.init, deterministic=True)
    shapes = jax.eval_shape(init, jax.random.key(0), IMAGES, IDS, MASK)["params"]
    drawn = jax.tree.map(lambda leaf: (0.4 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)
    return {**drawn, "logit_scale": jnp.float32(1.0)}


@jax.jit
def similarity(params, images, token_ids, token_mask):
    return CLIP.apply({"params": params}, images, token_ids, token_mask, deterministic=True)


def test_d2_similarity_is_a_matrix_of_images_and_classes_whatever_their_numbers():
    found = similarity(params(), IMAGES, IDS, MASK)
    assert found.shape == (2, 5)
    for image in range(2):
        for label in range(5):
            alone = similarity(params(), IMAGES[image : image + 1], IDS[label : label + 1], MASK[:1])
            np.testing.assert_allclose(found[image, label], alone[0, 0], atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-3 < np.ptp(found[0])
    features, classes = jnp.array([[3.0, 4.0]]), jnp.array([[2.0, 0.0], [0.0, -5.0]])
    np.testing.assert_allclose(scaled_similarity(features, classes, jnp.float32(0)), [[0.6, -0.8]], atol=1e-6)


def test_d3_the_mask_of_a_text_is_passed_to_its_attention():
    hidden = MASK.copy()
    hidden[0, 1] = False
    found = similarity(params(), IMAGES, IDS, hidden)
    other = np.where(hidden, IDS, 11)
    np.testing.assert_array_equal(similarity(params(), IMAGES, other, hidden), found)
    whole = similarity(params(), IMAGES, IDS, MASK)
    assert np.abs(found - whole)[:, 0].max() > 1e-3
    np.testing.assert_array_equal(found[:, 1:], whole[:, 1:])


def test_d4_the_scale_is_used_and_cut_off_at_100_on_use():
    unscaled = similarity({**params(), "logit_scale": jnp.float32(0.0)}, IMAGES, IDS, MASK)
    assert np.abs(unscaled).max() <= 1 + 1e-6
    for given, wanted in ((2.0, math.exp(2)), (math.log(100), 100), (7.0, 100), (-1.0, math.exp(-1))):
        found = similarity({**params(), "logit_scale": jnp.float32(given)}, IMAGES, IDS, MASK)
        np.testing.assert_allclose(found, unscaled * wanted, rtol=1e-5)
    slope = jax.jit(jax.grad(lambda scale: scaled_similarity(jnp.ones((1, 2)), jnp.ones((1, 2)), scale)[0, 0]))
    assert float(slope(jnp.float32(2.0))) == pytest.approx(math.exp(2), rel=1e-5)
    assert float(slope(jnp.float32(5.0))) == 0
