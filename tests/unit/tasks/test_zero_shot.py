"""Classes that nobody was trained to tell, by both towers of a CLIP checkpoint, or by a file of embeddings."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.prompts import Prompts
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.text import CaptionTokenizer
from jaxmm.encoders.clip import Clip, ClipText, ClipVision
from jaxmm.encoders.heads import ClassifierHead
from jaxmm.tasks.clip_har import ClipHarTask
from jaxmm.tasks.semantics import Semantics
from jaxmm.tasks.sentences import SentenceEncoder
from jaxmm.tasks.visual import FrameEncoder
from jaxmm.weights.clip import clip_shapes, save_clip
from jaxmm.weights.label_embeddings import write_label_embeddings

SMALL = {"dim": 8, "num_layers": 1, "num_heads": 2, "feedforward_dim": 8, "embedding_dim": 6}
CLIP = Clip(
    vision=ClipVision(image_size=8, patch_size=4, **SMALL),
    text=ClipText(vocab_size=30, max_tokens=12, end_token=3, **SMALL),  # 3 ends the texts of the tokenizer of words
)
CLASSES = Vocabulary.of(["jumping_jack", "wave", "bow_and_wave"])
PROMPTS = Prompts(templates=("a video of {}.",))
DATA = ActionVideos(frame_size=8, frames_per_clip=1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), clip_shapes(CLIP))
    save_clip(params, CLIP, folder)
    CaptionTokenizer.of_words(PROMPTS.texts(CLASSES.descriptions), max_tokens=12).write(folder)
    return folder, params


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))


def task_of(folder):
    return ClipHarTask(
        frames=FrameEncoder(backbone=CLIP.vision.clone(parent=None), weights=str(folder)),
        head=ClassifierHead(num_classes=3),
        semantics=Semantics(source=str(folder)),
        prompts=PROMPTS,
    )


def test_a_sentence_is_what_the_text_tower_says_of_it(checkpoint):
    folder, params = checkpoint
    texts = PROMPTS.texts(CLASSES.descriptions)
    for text, vector in zip(texts, SentenceEncoder.read(str(folder))(texts), strict=True):
        token_ids, token_mask = map(jnp.asarray, CaptionTokenizer.read(folder, max_tokens=12)([text]))
        features = CLIP.text.apply({"params": params["text"]}, token_ids, token_mask, deterministic=True)[0]
        np.testing.assert_allclose(vector, features / np.linalg.norm(features), atol=1e-5)


def test_pictures_are_compared_with_classes_as_clip_does(checkpoint):
    folder, params = checkpoint
    task = task_of(folder)
    frame = np.random.default_rng(1).integers(256, size=(1, 8, 8, 3), dtype=np.uint8)
    batch = jax.tree.map(jnp.asarray, DATA.stack([frame], num_rows=1))
    embeddings = jnp.asarray(task.class_embeddings(CLASSES))
    objective = {"visual": params["vision"], "objective": task.objective.init_params()}
    found = task.compare(objective, {"visual": {}, "classes": {"embeddings": embeddings}}, batch)
    token_ids, token_mask = CaptionTokenizer.read(folder, max_tokens=12)(PROMPTS.texts(CLASSES.descriptions))
    images = (jnp.asarray(frame, jnp.float32) - jnp.array(task.frames.mean)[None, None, None]) / jnp.array(
        task.frames.std
    )[None, None, None]
    expected = CLIP.apply(
        {"params": params}, images, jnp.asarray(token_ids), jnp.asarray(token_mask), deterministic=True
    )
    scale = np.exp(min(float(params["logit_scale"]), np.log(100)))
    np.testing.assert_allclose(found * task.objective.temperature, np.asarray(expected) / scale, atol=1e-4)


def test_a_file_is_asked_by_label_and_not_by_sentence(tmp_path):
    path = tmp_path / "labels.npz"
    vectors = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    write_label_embeddings(path, dict(zip(CLASSES.labels, vectors, strict=True)))
    task = dataclasses.replace(task_of(tmp_path), semantics=Semantics(source=str(path)))
    expected = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(task.class_embeddings(CLASSES), expected, atol=1e-6)
