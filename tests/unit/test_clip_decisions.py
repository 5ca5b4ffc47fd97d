"""One test for each decision about CLIP-HAR: each fails if the mistake of seed 001 came back."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxmm.data.action_videos import ActionVideos
from jaxmm.encoders.clip import Clip, ClipText, ClipVision, scaled_similarity
from jaxmm.encoders.heads import ClassifierHead
from jaxmm.encoders.temporal import TemporalFusion
from jaxmm.horizon import Horizon
from jaxmm.objectives.settings import Contrastive
from jaxmm.tasks.clip_har import ClipHarTask
from jaxmm.tasks.frame_features import FEATURES
from jaxmm.tasks.semantics import Semantics
from jaxmm.tasks.visual import FrameEncoder
from jaxmm.weights.clip import clip_shapes, load_clip, read_clip

SMALL = {"dim": 8, "num_layers": 1, "num_heads": 2, "feedforward_dim": 8, "embedding_dim": 4}
CLIP = Clip(
    vision=ClipVision(image_size=8, patch_size=4, **SMALL),
    text=ClipText(vocab_size=20, max_tokens=6, end_token=19, **SMALL),
)
IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
IDS = np.array([[18, 3, 4, 19], [18, 5, 6, 19], [18, 7, 8, 19], [18, 9, 9, 19], [18, 2, 5, 19]], np.int32)
MASK = np.ones((5, 4), bool)
FRAMES = {
    FEATURES: np.random.default_rng(1).normal(size=(3, 6, 4)).astype(np.float32),
    "frame_mask": np.arange(6) < np.array([[6], [3], [5]]),
}
BASE = ClipHarTask(
    frames=FrameEncoder(backbone=ClipVision(image_size=8, patch_size=4, parent=None, **SMALL)),
    head=ClassifierHead(num_classes=3),
)
TEMPORAL = dataclasses.replace(BASE, temporal=TemporalFusion(hidden_dim=4, num_heads=2))
PROMPTED = dataclasses.replace(BASE, semantics=Semantics(source="words", words_dim=5), embedding_dim=5)
CLASSES = {"classes": {"embeddings": np.eye(5, dtype=np.float32)[:4]}}


def drawn(init, *example):
    """Random values in place of those that a function would start with."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(init, jax.random.key(0), *example)
    return jax.tree.map(lambda leaf: (0.4 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)


@functools.cache
def params():
    found = drawn(functools.partial(CLIP.init, deterministic=True), IMAGES, IDS, MASK)["params"]
    return {**found, "logit_scale": jnp.float32(1.0)}


@functools.cache
def params_of(task):
    return drawn(task.init_variables, ActionVideos(frame_size=8, frames_per_clip=6).blank_batch())[0]


@jax.jit
def similarity(params, images, token_ids, token_mask):
    return CLIP.apply({"params": params}, images, token_ids, token_mask, deterministic=True)


classify = jax.jit(lambda task, params, batch: task.classify(params, {}, batch), static_argnums=0)
compare = jax.jit(lambda task, params, batch: task.compare(params, CLASSES, batch), static_argnums=0)


def test_d1_temporal_layers_see_the_frames_of_one_video_and_a_lone_frame_is_classified_by_the_base():
    variables = params_of(TEMPORAL)
    base = {name: own for name, own in variables.items() if name != "temporal"}
    lone = {name: values[:, :1] for name, values in FRAMES.items()}
    np.testing.assert_allclose(classify(TEMPORAL, variables, lone), classify(BASE, base, lone), atol=1e-6)
    found = classify(TEMPORAL, variables, FRAMES)
    assert np.abs(found - classify(BASE, base, FRAMES)).max() > 1e-3
    # Axes that are mixed up would let a video see those beside it, and not the order of its own frames.
    among_others = {name: values[[0, 2, 1]] for name, values in FRAMES.items()}
    np.testing.assert_allclose(classify(TEMPORAL, variables, among_others), found[np.array([0, 2, 1])], atol=1e-6)
    backwards = {**FRAMES, FEATURES: FRAMES[FEATURES][:, ::-1]}
    assert np.abs(classify(TEMPORAL, variables, backwards) - found)[0].max() > 1e-3


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


def test_d2_every_video_is_compared_with_every_class():
    variables = params_of(PROMPTED)
    mask = FRAMES["frame_mask"][..., None]
    video = (FRAMES[FEATURES] * mask).sum(axis=1) / mask.sum(axis=1) @ variables["projection"]["kernel"]
    cosines = video / np.linalg.norm(video, axis=1, keepdims=True) @ CLASSES["classes"]["embeddings"].T
    assert cosines.shape == (3, 4)
    np.testing.assert_allclose(compare(PROMPTED, variables, FRAMES), cosines / 0.07, rtol=1e-4)


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


def test_d4_the_scale_is_trained_by_option_and_kept_below_100():
    fixed = params_of(PROMPTED)
    assert not fixed["objective"]
    task = dataclasses.replace(PROMPTED, objective=Contrastive(temperature=0.01, learnable=True))
    variables = {**fixed, "objective": task.objective.init_params()}
    np.testing.assert_allclose(compare(task, variables, FRAMES), compare(PROMPTED, fixed, FRAMES) * 7, rtol=1e-3)
    transform, moving = task.transform(variables, Horizon()), task.moving(variables, Horizon())
    upwards = optax.tree.ones_like(moving)
    updates, _ = jax.jit(transform.update)(upwards, transform.init(moving), moving)
    assert updates["objective"]["log_temperature"] == pytest.approx(0, abs=1e-6)  # it would fall below 0.01
    downwards = jax.tree.map(jnp.negative, upwards)
    updates, _ = jax.jit(transform.update)(downwards, transform.init(moving), moving)
    assert updates["objective"]["log_temperature"] > 1e-5


def test_d5_the_image_features_of_transformers_5_are_the_pooled_output(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tower = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**tower, "image_size": 8, "patch_size": 4}
    texts = {**tower, "vocab_size": 20, "max_position_embeddings": 6, "bos_token_id": 18, "eos_token_id": 19}
    config = transformers.CLIPConfig(projection_dim=4, vision_config=vision, text_config={**texts, "pad_token_id": 0})
    torch.manual_seed(0)
    model = transformers.CLIPModel(config).eval()
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        output = model.get_image_features(pixel_values=torch.tensor(IMAGES.transpose(0, 3, 1, 2)))
    assert isinstance(output, torch.Tensor) == transformers.__version__.startswith("4.")
    pooled = output if isinstance(output, torch.Tensor) else output.pooler_output
    clip = read_clip(tmp_path)
    loaded = load_clip(tmp_path, clip, clip_shapes(clip))
    ours = jax.jit(functools.partial(clip.vision.apply, deterministic=True))({"params": loaded["vision"]}, IMAGES)
    assert ours.shape == tuple(pooled.shape) == (2, 4)
    np.testing.assert_allclose(ours, pooled, atol=1e-5)


def test_d6_the_head_sees_vectors_as_they_are_and_prompts_their_direction():
    doubled = {**FRAMES, FEATURES: 2 * FRAMES[FEATURES]}
    variables = params_of(PROMPTED)
    np.testing.assert_allclose(
        compare(PROMPTED, variables, doubled), compare(PROMPTED, variables, FRAMES), rtol=1e-4, atol=1e-5
    )
    heads = [classify(PROMPTED, variables, own) for own in (FRAMES, doubled)]
    assert np.abs(heads[0] - heads[1]).max() > 1e-2
