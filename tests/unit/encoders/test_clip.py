import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.config import decode, encode
from jaxmm.encoders.clip import Clip, ClipText, ClipVision
from jaxmm.errors import ConfigError, DataError

SMALL = {"dim": 8, "num_layers": 2, "num_heads": 2, "feedforward_dim": 12, "embedding_dim": 6}
VISION = ClipVision(image_size=10, patch_size=4, **SMALL)
TEXT = ClipText(vocab_size=20, max_tokens=7, end_token=19, **SMALL)
IMAGES = np.random.default_rng(0).normal(size=(3, 10, 10, 3)).astype(np.float32)
IDS = np.array([[18, 3, 4, 19, 0], [18, 5, 19, 0, 0]], np.int32)
MASK = np.arange(5) < np.array([[4], [3]])


def random_params(module, *inputs):
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(functools.partial(module.init, deterministic=True), jax.random.key(0), *inputs)
    return jax.tree.map(lambda leaf: (0.4 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)["params"]


@functools.cache
def params_of(tower):
    return random_params(tower, *((IMAGES,) if isinstance(tower, ClipVision) else (IDS, MASK)))


@functools.partial(jax.jit, static_argnums=0)
def apply(tower, params, *inputs):
    return tower.apply({"params": params}, *inputs, deterministic=True)


def seen(images):
    return apply(VISION, params_of(VISION), images)


def read(token_ids, token_mask, tower=TEXT):
    return apply(tower, params_of(TEXT), token_ids, token_mask)


def test_blocks_have_numbers_and_no_parameter_is_beside_them_unnamed():
    layers = {"layer_0", "layer_1"}
    assert (
        set(params_of(VISION)) == {"class_token", "patches", "position", "pre_norm", "post_norm", "projection"} | layers
    )
    assert set(params_of(TEXT)) == {"token", "position", "final_norm", "projection"} | layers
    assert params_of(VISION)["position"].shape == (1 + 2 * 2, 8)


def test_pixels_beyond_the_last_whole_patch_are_not_seen():
    changed = IMAGES.copy()
    changed[:, 8:], changed[:, :, 8:] = 7, 7
    np.testing.assert_array_equal(seen(changed), seen(IMAGES))
    changed[:, 7, 7] = 7
    assert np.abs(seen(changed) - seen(IMAGES)).max() > 1e-3


def test_the_order_of_patches_matters():
    swapped = np.concatenate([IMAGES[:, 4:8], IMAGES[:, :4], IMAGES[:, 8:]], axis=1)
    assert np.abs(seen(swapped) - seen(IMAGES)).max() > 1e-3


def test_features_of_patches_are_the_projected_mean_of_their_states():
    params = params_of(VISION)
    pooled = VISION.clone(pooling="patches")
    watch = functools.partial(
        pooled.apply, deterministic=True, capture_intermediates=lambda module, _: module.name == "layer_1"
    )
    features, state = jax.jit(watch)({"params": params}, IMAGES)
    hidden = state["intermediates"]["layer_1"]["__call__"][0]
    mean = np.asarray(hidden[:, 1:]).mean(axis=1)
    normed = (mean - mean.mean(-1, keepdims=True)) / np.sqrt(mean.var(-1, keepdims=True) + 1e-5)
    normed = normed * params["post_norm"]["scale"] + params["post_norm"]["bias"]
    np.testing.assert_allclose(features, normed @ params["projection"]["kernel"], rtol=1e-4, atol=1e-5)
    assert np.abs(features - seen(IMAGES)).max() > 1e-2


def test_features_are_not_normalised():
    for features in (seen(IMAGES), read(IDS, MASK)):
        assert np.ptp(np.linalg.norm(features, axis=1)) > 1e-2


def test_a_text_is_read_at_its_first_end_whatever_follows():
    features = read(IDS, MASK)
    padded_with_ends = np.where(MASK, IDS, 19)
    np.testing.assert_array_equal(read(padded_with_ends, MASK), features)
    np.testing.assert_array_equal(read(padded_with_ends, np.ones_like(MASK)), features)
    wider = np.concatenate([IDS, np.full((2, 2), 18, np.int32)], axis=1), np.pad(MASK, ((0, 0), (0, 2)))
    np.testing.assert_allclose(read(*wider), features, atol=1e-6)
    assert np.abs(features[0] - features[1]).max() > 1e-2


def test_early_checkpoints_take_the_largest_valid_id_for_the_end():
    early = TEXT.clone(end_token=2)
    np.testing.assert_array_equal(read(IDS, MASK, early), read(IDS, MASK))
    without_end = np.where(IDS == 19, 17, IDS)
    assert np.abs(read(without_end, MASK, early) - read(without_end, MASK)).max() < 1e-6  # both at the start, 18
    larger_first = np.where(IDS == 3, 18, IDS)
    np.testing.assert_array_equal(read(larger_first, MASK, early), read(larger_first, MASK))


def test_tokens_see_what_comes_before_them_alone():
    rows = np.array([[18, 3, 19, 5, 6]], np.int32), np.ones((1, 5), bool)
    other_end = np.array([[18, 3, 19, 7, 8]], np.int32), rows[1]
    other_start = np.array([[18, 4, 19, 5, 6]], np.int32), rows[1]
    np.testing.assert_array_equal(read(*rows), read(*other_end))
    assert np.abs(read(*rows) - read(*other_start)).max() > 1e-3


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_the_activation_is_that_of_the_settings(activation):
    tower = VISION.clone(activation=activation)
    other = VISION.clone(activation="gelu" if activation == "quick_gelu" else "quick_gelu")
    first, second = (apply(module, params_of(VISION), IMAGES) for module in (tower, other))
    assert 1e-5 < np.abs(first - second).max() < 0.5


@pytest.mark.parametrize("tower", [VISION, TEXT], ids=["vision", "text"])
def test_fresh_adapters_change_nothing(tower):
    tower = tower.clone(num_layers=1)
    adapted = tower.clone(lora_rank=2)
    inputs = (jnp.array(IMAGES),) if isinstance(tower, ClipVision) else (jnp.array(IDS), jnp.array(MASK))
    fresh = jax.jit(functools.partial(adapted.init, deterministic=True))(jax.random.key(0), *inputs)["params"]
    plain = params_of(tower)
    attention = {**fresh["layer_0"]["attention"], **plain["layer_0"]["attention"]}
    added = set(attention) - set(plain["layer_0"]["attention"])
    assert added == {"query_lora", "key_lora", "value_lora", "out_lora"}
    params = {**fresh, **plain, "layer_0": {**plain["layer_0"], "attention": attention}}
    with jax.disable_jit():  # two programs may round otherwise; operation by operation, what is added is zero
        np.testing.assert_array_equal(apply(adapted, params, *inputs), apply(tower, plain, *inputs))
    value = jax.tree.map(jnp.ones_like, attention["value_lora"])
    changed = {**params, "layer_0": {**params["layer_0"], "attention": {**attention, "value_lora": value}}}
    assert np.abs(apply(adapted, changed, *inputs) - apply(tower, plain, *inputs)).max() > 1e-3


def test_bfloat16_stays_bfloat16():
    half = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.bfloat16), (params_of(VISION), params_of(TEXT), IMAGES))
    for found, exact in (
        (apply(VISION, half[0], half[2]), seen(IMAGES)),
        (apply(TEXT, half[1], IDS, MASK), read(IDS, MASK)),
    ):
        assert found.dtype == jnp.bfloat16
        assert 0 < np.abs(found.astype(np.float32) - exact).max() < 0.1 * np.abs(exact).max()


def test_dropout_acts_in_training_alone():
    tower = VISION.clone(dropout_rate=0.5)
    np.testing.assert_array_equal(apply(tower, params_of(VISION), IMAGES), seen(IMAGES))
    train = jax.jit(functools.partial(tower.apply, deterministic=False))
    dropped = train({"params": params_of(VISION)}, IMAGES, rngs={"dropout": jax.random.key(0)})
    assert np.abs(dropped - seen(IMAGES)).max() > 1e-2


@pytest.mark.parametrize(
    ("tower", "error", "message"),
    [
        (VISION.clone(image_size=12), DataError, "images of 10 x 10 pixels, but image_size is 12; prepare them with"),
        (VISION.clone(num_heads=3), ConfigError, "dim is 8 and num_heads 3; set dim to a multiple of num_heads"),
        (VISION.clone(num_heads=0), ConfigError, "dim is 8 and num_heads 0; set dim to a multiple of num_heads"),
        (VISION.clone(patch_size=11), ConfigError, "patch_size is 11; give 1 to image_size, which is 10"),
        (VISION.clone(patch_size=0), ConfigError, "patch_size is 0; give 1 to image_size"),
        (VISION.clone(lora_rank=-2), ConfigError, "lora_rank is -2; give 1 or more"),
        (TEXT.clone(max_tokens=4), DataError, "texts of 5 tokens, but max_tokens is 4; tokenize with truncation"),
    ],
)
def test_what_does_not_fit_is_refused(tower, error, message):
    inputs = (IMAGES,) if isinstance(tower, ClipVision) else (IDS, MASK)
    with pytest.raises(error, match=message):
        jax.eval_shape(functools.partial(tower.init, deterministic=True), jax.random.key(0), *inputs)


def test_towers_of_different_widths_are_refused():
    clip = Clip(vision=VISION.clone(embedding_dim=7), text=TEXT)
    with pytest.raises(ConfigError, match=r"vision.embedding_dim is 7 and text.embedding_dim 6; set both to one"):
        jax.eval_shape(functools.partial(clip.init, deterministic=True), jax.random.key(0), IMAGES, IDS, MASK)


def test_the_defaults_are_vit_b_32():
    images, ids = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32), jax.ShapeDtypeStruct((1, 77), jnp.int32)
    mask = jax.ShapeDtypeStruct((1, 77), jnp.bool_)
    shapes = jax.eval_shape(functools.partial(Clip().init, deterministic=True), jax.random.key(0), images, ids, mask)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 151_277_313


def test_settings_come_back_from_json():
    clip = Clip(vision=VISION.clone(lora_rank=4), text=TEXT)
    assert decode(encode(clip)) == clip != Clip()
