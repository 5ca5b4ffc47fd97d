"""The task on a tiny backbone and synthetic videos; its decisions are in tests/unit/test_clip_decisions.py."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.prompts import Prompts
from jaxmm.data.video.augmentation import ClipAugmentation
from jaxmm.data.video.sources import ProceduralVideos
from jaxmm.encoders.clip import ClipVision
from jaxmm.encoders.heads import ClassifierHead
from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon, Stage
from jaxmm.objectives.settings import Contrastive
from jaxmm.tasks import frame_features
from jaxmm.tasks.clip_har import ClipHarTask
from jaxmm.tasks.frame_features import FEATURES
from jaxmm.tasks.semantics import Semantics
from jaxmm.tasks.visual import FrameEncoder
from jaxmm.train.step import Devices, embed_rows, make_mesh

VISION = ClipVision(
    dim=8, num_layers=1, num_heads=2, feedforward_dim=8, embedding_dim=6, image_size=8, patch_size=4, parent=None
)
DATA = ActionVideos(
    source=ProceduralVideos(looks=("red_bar",), moves=("left", "right", "grow"), num_train=1, num_val=1, num_test=1),
    frame_size=8,
    frames_per_clip=4,
    batch_size=3,
)
VOCABULARY = DATA.source.vocabulary(None)
BASE = ClipHarTask(frames=FrameEncoder(backbone=VISION), head=ClassifierHead(num_classes=3, dropout_rate=0.0))
PROMPTED = dataclasses.replace(
    BASE, semantics=Semantics(source="words", words_dim=5), embedding_dim=5, contrastive_weight=0.5
)
RUN = Horizon(
    epochs=3,
    stages=(
        Stage(epochs=1, pattern="^(head|temporal|adapter)/"),
        Stage(epochs=2, pattern="^visual/(layer_0|post_norm)/"),
    ),
)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXMM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory, cache):
    return DATA.open(tmp_path_factory.mktemp("assets"))


def shapes_of(task):
    return jax.eval_shape(task.init_variables, jax.random.key(0), DATA.blank_batch())


@functools.cache
def variables_of(task):
    """Random variables, which take no program to be drawn."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: (0.4 * rng.normal(size=leaf.shape)).astype(np.float32), shapes_of(task))


@functools.partial(jax.jit, static_argnums=0)
def losses(task, params, collections, batch):
    return task.loss(params, collections, batch, jax.random.key(0), train=True)


def test_the_loss_is_the_weighted_sum_of_both():
    params, collections = variables_of(PROMPTED)
    collections = {**collections, "classes": {"embeddings": PROMPTED.class_embeddings(VOCABULARY)}}
    seen = {name: values for name, values in DATA.blank_batch().items() if name != "frames"}
    batch = {name: np.repeat(values, 3, axis=0) for name, values in seen.items()} | {
        FEATURES: np.random.default_rng(1).normal(size=(3, 4, 6)).astype(np.float32),
        "label": np.array([2, 0, 2], np.int32),
    }

    def loss(**weights):
        return losses(dataclasses.replace(PROMPTED, **weights), params, collections, batch)[0]

    parts = loss(head_weight=1.0, contrastive_weight=0.0) + 0.5 * loss(head_weight=0.0, contrastive_weight=1.0)
    np.testing.assert_allclose(loss(head_weight=1.0, contrastive_weight=0.5), parts, rtol=1e-5)


def test_videos_of_one_class_are_negatives_only_where_that_is_asked_for():
    params, collections = variables_of(PROMPTED)
    collections = {**collections, "classes": {"embeddings": PROMPTED.class_embeddings(VOCABULARY)}}
    seen = {name: np.repeat(values, 2, axis=0) for name, values in DATA.blank_batch().items() if name != "frames"}
    batch = seen | {FEATURES: np.ones((2, 4, 6), np.float32), "label": np.array([2, 2], np.int32)}

    def loss(false_negatives):
        objective = Contrastive(false_negatives=false_negatives)
        task = dataclasses.replace(PROMPTED, head_weight=0.0, contrastive_weight=1.0, objective=objective)
        return losses(task, params, collections, batch)[0]

    # The same video twice, by the same prompt: told from itself by chance, or from nothing.
    np.testing.assert_allclose(loss("keep"), np.log(2), rtol=1e-5)
    np.testing.assert_allclose(loss("mask"), 0, atol=1e-5)


def test_a_class_is_the_mean_of_its_prompts():
    prompts = Prompts(templates=("{}", "a video of {}"))
    task = dataclasses.replace(PROMPTED, prompts=prompts)
    found = task.class_embeddings(VOCABULARY)
    single = [
        dataclasses.replace(PROMPTED, prompts=Prompts(templates=(template,))).class_embeddings(VOCABULARY)
        for template in prompts.templates
    ]
    mean = np.mean(single, axis=0)
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-6)
    with pytest.raises(ConfigError, match=r"have 5 numbers, but features 6; set task.embedding_dim to 5"):
        dataclasses.replace(PROMPTED, embedding_dim=6).class_embeddings(VOCABULARY)


@pytest.mark.parametrize(("stage", "trained"), [(0, {"head"}), (1, {"head", "visual"}), (None, {"head", "visual"})])
def test_stages_train_what_they_say(stage, trained):
    params, _ = shapes_of(BASE)
    moving = BASE.moving(params, dataclasses.replace(RUN, stage=stage))
    assert {name for name, own in moving.items() if jax.tree.leaves(own)} == trained
    assert BASE.trains_backbone(params, dataclasses.replace(RUN, stage=stage)) == ("visual" in trained)


def precomputed(task, data, horizon):
    params, collections = variables_of(BASE)
    mesh = make_mesh(Devices(num_devices=1))
    embed = functools.partial(embed_rows, params=params, collections=collections, mesh=mesh)
    return task.precompute(params, data, embed, horizon)


def test_features_are_computed_once_while_the_backbone_rests_and_the_loss_is_the_same(data, monkeypatch):
    params, collections = variables_of(BASE)
    put_in = precomputed(BASE, data, dataclasses.replace(RUN, stage=0))
    plain = next(data.train_batches(seed=0))
    ready = put_in(plain)
    assert FEATURES in ready
    assert "frames" not in ready
    for one, other in zip(
        losses(BASE, params, collections, plain), losses(BASE, params, collections, ready), strict=True
    ):
        jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-5), one, other)
    monkeypatch.setattr(frame_features._Seer, "__call__", seen_once(frame_features._Seer.__call__))
    again = precomputed(BASE, data, dataclasses.replace(RUN, stage=0))(plain)  # found on the disk
    np.testing.assert_array_equal(again[FEATURES], ready[FEATURES])


def test_features_of_one_split_are_not_put_into_a_batch_of_another(data):
    put_in = precomputed(BASE, data, dataclasses.replace(RUN, stage=0))
    with pytest.raises(KeyError):
        put_in(next(data.batches("val")))


def seen_once(call):
    calls = []

    def seen(self, frames):
        calls.append(len(frames))
        assert calls == [1], "only the picture of noise is seen again"
        return call(self, frames)

    return seen


@pytest.mark.parametrize("why", ["stage", "augmented", "memory"])
def test_frames_are_seen_at_every_step_where_features_cannot_be_kept(data, why):
    task = dataclasses.replace(BASE, features_mib=0) if why == "memory" else BASE
    if why == "augmented":
        settings = dataclasses.replace(DATA, augmentation=ClipAugmentation(brightness=0.2))
        data = settings.open(data.assets)
    batch = data.sample_batch()
    assert precomputed(task, data, dataclasses.replace(RUN, stage=int(why == "stage")))(batch) is batch


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head_weight": 0.0}, "are both 0; raise one"),
        ({"contrastive_weight": 1.0}, "task.semantics is None; name a text backbone"),
        ({"embedding_dim": 4}, "task.embedding_dim is given, but task.semantics is None"),
        ({"label_smoothing": 1.0}, "task.label_smoothing is 1.0; give 0 or more, below 1"),
        ({"adapter_dim": -1}, "task.adapter_dim is -1; give 0 or more"),
        (
            {"objective": Contrastive(false_negatives="mask", found_by="similar_caption")},
            "found_by is similar_caption, but videos belong together by their classes",
        ),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(BASE, **settings)


def test_data_that_do_not_fit_are_refused(data, tmp_path):
    BASE.check_data(data)
    with pytest.raises(ConfigError, match=r"task.head.num_classes is 9, but the data have 3; set it to 3"):
        dataclasses.replace(BASE, head=ClassifierHead(num_classes=9)).check_data(data)
    larger = dataclasses.replace(DATA, frame_size=16).open(tmp_path)
    with pytest.raises(ConfigError, match=r"data.frame_size is 16, but the backbone sees 8 pixels; set it to 8"):
        BASE.check_data(larger)
