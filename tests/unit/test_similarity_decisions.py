"""One test for each decision about video similarity: each fails if the mistake of seed 003 came back.

Those of modules come first, then those of the task.
"""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.data.comparing import LabelPairs
from jaxmm.data.similar_videos import SimilarVideos, SimilarVideosData
from jaxmm.data.video.augmentation import ClipAugmentation
from jaxmm.data.video.sources import ProceduralVideos
from jaxmm.encoders.clip import ClipVision
from jaxmm.encoders.similarity import EmbeddingTrunk, MultiScaleEncoder, PairHead, PooledTrunk, SiameseNetwork
from jaxmm.encoders.similarity.pairs import pair_distance
from jaxmm.errors import DataError
from jaxmm.experiment import Experiment
from jaxmm.horizon import Horizon
from jaxmm.model import Model
from jaxmm.optim import AdamW
from jaxmm.similarity.evaluation import evaluate_similarity
from jaxmm.tasks.video_similarity import VideoSimilarityTask
from jaxmm.tasks.visual import FrameEncoder

BATCH, TIME, DIM = 4, 3, 5
NETWORK = SiameseNetwork(
    encoder=PooledTrunk(trunk=EmbeddingTrunk(hidden_dims=(6,), embedding_dim=4, batch_norm=True)),
    head=PairHead(hidden_dims=(6,)),
)
MASK = jnp.ones((BATCH, TIME), bool)
VISION = ClipVision(
    dim=8, num_layers=1, num_heads=2, feedforward_dim=8, embedding_dim=6, image_size=8, patch_size=4, parent=None
)
TASK = VideoSimilarityTask(
    frames=FrameEncoder(backbone=VISION),
    encoder=PooledTrunk(trunk=EmbeddingTrunk(hidden_dims=(5,), embedding_dim=4, parent=None), parent=None),
    head=PairHead(hidden_dims=(5,), parent=None),
    optimizer=AdamW(lr=0.1, end_lr=0.1),
)
DATA = SimilarVideos(
    source=ProceduralVideos(looks=("red_bar",), moves=("left", "right"), num_train=2, num_val=0, num_test=2),
    comparing=LabelPairs(classes_per_batch=2, clips_per_class=2),
    frame_size=8,
    frames_per_clip=2,
    batch_size=4,
)


@pytest.fixture(scope="module", autouse=True)
def own_cache(cache):
    """What is packed is packed into the cache of the tests."""
    del cache


@functools.cache
def batch_of_data():
    """Random frames of two classes."""
    frames = np.random.default_rng(0).integers(0, 256, (4, 2, 8, 8, 3), dtype=np.uint8)
    label = np.array([0, 0, 1, 1], np.int32)
    relation = np.where(label[:, None] == label, 1, -1) * (1 - np.eye(4, dtype=int))
    return {
        "frames": jnp.asarray(frames),
        "frame_mask": jnp.ones((4, 2), bool),
        "example_mask": jnp.ones(4, bool),
        "relation": jnp.asarray(relation, jnp.int8),
        "label": jnp.asarray(label),
        "group": jnp.asarray(label),
    }


@functools.cache
def variables_of_task():
    return jax.jit(TASK.init_variables)(jax.random.key(0), batch_of_data())


def videos():
    return jnp.asarray(np.random.default_rng(0).normal(size=(2, BATCH, TIME, DIM)).astype(np.float32))


@functools.cache
def variables():
    return NETWORK.init(jax.random.key(0), videos()[0], MASK, videos()[1], MASK, deterministic=True)


@functools.cache
def compiled():
    return jax.jit(functools.partial(NETWORK.apply, variables(), deterministic=True))


def answer(a, mask_a, b, mask_b):
    return compiled()(a, mask_a, b, mask_b)


def test_d1_a_siamese_network_returns_embeddings_and_score():
    a, b, logits = answer(videos()[0], MASK, videos()[1], MASK)
    assert a.shape == b.shape == (BATCH, 4)
    assert logits.shape == (BATCH,)
    head = {"params": variables()["params"]["head"]}
    np.testing.assert_allclose(NETWORK.head.apply(head, a, b, deterministic=True), logits, atol=1e-6)


def test_d2_a_batch_of_one_keeps_its_axis():
    whole = answer(videos()[0], MASK, videos()[1], MASK)
    alone = answer(videos()[0][:1], MASK[:1], videos()[1][:1], MASK[:1])
    for own, wanted in zip(alone, whole, strict=True):
        assert own.shape == (1, *wanted.shape[1:])
        np.testing.assert_allclose(own, wanted[:1], atol=1e-6)


def test_d3_the_default_score_does_not_tell_which_video_is_first():
    assert PairHead().kind == "difference_and_product"
    forwards, backwards = (answer(videos()[i], MASK, videos()[1 - i], MASK)[2] for i in (0, 1))
    np.testing.assert_array_equal(forwards, backwards)
    told = NETWORK.clone(head=PairHead(kind="concatenation", hidden_dims=(6,)))
    one, other = (told.apply(variables(), videos()[i], MASK, videos()[1 - i], MASK, deterministic=True) for i in (0, 1))
    assert np.abs(one[2] - other[2]).max() > 1e-4
    averaged = told.clone(head=told.head.clone(both_orders=True))
    found = averaged.apply(variables(), videos()[0], MASK, videos()[1], MASK, deterministic=True)[2]
    np.testing.assert_allclose(found, (one[2] + other[2]) / 2, atol=1e-6)


def test_d4_scales_longer_than_a_video_see_it_and_tails_are_not_dropped():
    encoder = MultiScaleEncoder(dim=4, trunk=EmbeddingTrunk(hidden_dims=(), embedding_dim=4))
    frames = jnp.asarray(np.random.default_rng(1).normal(size=(1, 5, DIM)).astype(np.float32))
    params = encoder.init(jax.random.key(0), frames, jnp.ones((1, 5), bool), deterministic=True)["params"]
    # Only the longest scale sees anything, and its rectifiers are open.
    blind = {scale: jax.tree.map(jnp.zeros_like, params[scale]) for scale in ("scale_1", "scale_2")}
    own = {**params, **blind, "scale_4": {**params["scale_4"], "bias": jnp.full(4, 9.0)}}

    @jax.jit
    @jax.grad
    def slope(x):
        return encoder.apply({"params": own}, x, jnp.ones(x.shape[:2], bool), deterministic=True).sum()

    for length in (1, 2, 5):
        assert (np.abs(slope(frames[:, :length])).max(axis=2) > 0).all()


def test_d5_batch_statistics_are_those_of_both_sides_together():
    a, b = videos()[0], videos()[1] + 3
    _, changed = NETWORK.apply(
        variables(), a, MASK, b, MASK, deterministic=False, mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)}
    )
    hidden = jax.tree.map(np.asarray, variables()["params"]["encoder"]["trunk"]["hidden_0"])
    seen = np.concatenate([a, b]).mean(axis=1) @ hidden["kernel"] + hidden["bias"]
    found = changed["batch_stats"]["encoder"]["trunk"]["norm_0"]
    np.testing.assert_allclose(found["mean"], 0.1 * seen.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found["var"], 0.9 + 0.1 * seen.var(axis=0, ddof=1), atol=1e-5)


def test_d6_distance_adds_to_the_difference_and_has_a_finite_gradient_at_zero():
    a = jnp.asarray(videos()[0, :, 0])
    np.testing.assert_allclose(pair_distance(a, a), np.full(BATCH, 1e-6 * DIM**0.5), rtol=1e-5)
    slope = jax.grad(lambda b: pair_distance(a, b).sum())(a)
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0


def test_d1_the_contrastive_loss_takes_the_embeddings_and_the_cross_entropy_the_score():
    params, collections = variables_of_task()
    blank = {**params, "head": jax.tree.map(jnp.zeros_like, params["head"])}
    found, wanted = (
        TASK.loss(own, collections, batch_of_data(), jax.random.key(0), train=False)[1][1] for own in (blank, params)
    )
    assert found["metric_loss"] == wanted["metric_loss"] > 0
    assert abs(wanted["pair_loss"] - np.log(2)) > 1e-4
    np.testing.assert_allclose(found["pair_loss"], np.log(2), rtol=1e-6)


def test_d7_pairs_of_one_kind_have_no_auc_which_is_told_and_the_other_scores(tmp_path, monkeypatch, caplog):
    model = Model(tmp_path, Experiment(task=TASK, data=DATA), *variables_of_task(), step=0)
    same = [pair for pair in DATA.open(tmp_path / "assets").pairs("test") if pair.same]
    monkeypatch.setattr(SimilarVideosData, "pairs", lambda self, split: same)
    scores = evaluate_similarity([model], split="test")
    assert "are same, so there is no roc_auc, average_precision, eer; add different pairs" in caplog.text
    assert "test/roc_auc" not in scores
    assert scores["test/different"] == 0
    assert {"test/accuracy", "test/f1", "test/best_f1"} <= set(scores)
    with pytest.raises(DataError, match="a ROC curve"):
        evaluate_similarity([model], split="test", pictures=tmp_path / "pictures")


def test_d8_augmentation_is_drawn_once_a_clip(tmp_path):
    mirrored = dataclasses.replace(DATA, augmentation=ClipAugmentation(flip_rate=0.5))
    batches = [itertools.islice(own.open(tmp_path / "assets").train_batches(seed=0), 4) for own in (DATA, mirrored)]
    seen = set()
    for before, after in zip(*batches, strict=True):
        for clip, own in zip(before["frames"], after["frames"], strict=True):
            same, flipped = (own == clip).all(), (own == clip[:, :, ::-1]).all()
            assert same or flipped, "all frames of a clip are changed alike"
            seen.add(bool(same))
    assert seen == {True, False}


@pytest.mark.parametrize("learns", [False, True])
def test_d9_the_backbone_rests_unless_it_is_told_to_learn(learns):
    assert not VideoSimilarityTask().train_backbone
    task = dataclasses.replace(TASK, train_backbone=learns)
    state = jax.jit(task.init, static_argnums=2)(jax.random.key(0), batch_of_data(), Horizon(epochs=1))
    after, _ = jax.jit(task.train_step)(state, batch_of_data())
    moved = {
        name: [
            bool((old != new).any()) for old, new in zip(*map(jax.tree.leaves, (own, after.params[name])), strict=True)
        ]
        for name, own in state.params.items()
    }
    assert any(moved["visual"]) == learns
    assert any(moved["encoder"])
    assert any(moved["head"])
