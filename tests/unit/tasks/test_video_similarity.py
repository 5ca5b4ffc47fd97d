"""The task on a tiny backbone and synthetic videos; its decisions are in tests/unit/test_similarity_decisions.py."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.comparing import LabelPairs
from jaxmm.data.listed_pairs import ListedPairs
from jaxmm.data.similar_videos import SimilarVideos
from jaxmm.data.video.augmentation import ClipAugmentation
from jaxmm.data.video.sources import ProceduralVideos
from jaxmm.encoders.clip import ClipVision
from jaxmm.encoders.similarity import AttentionEncoder, EmbeddingTrunk, PairHead, PooledTrunk
from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon
from jaxmm.objectives.metric_settings import PairContrastive, SupervisedContrastive
from jaxmm.tasks import frame_features
from jaxmm.tasks.frame_features import FEATURES
from jaxmm.tasks.video_similarity import VideoSimilarityTask
from jaxmm.tasks.visual import FrameEncoder
from jaxmm.train.step import Devices, embed_rows, make_mesh

DIM, TIME, ROWS = 6, 4, 6
VISION = ClipVision(
    dim=8, num_layers=1, num_heads=2, feedforward_dim=8, embedding_dim=DIM, image_size=8, patch_size=4, parent=None
)
TRUNK = EmbeddingTrunk(hidden_dims=(5,), embedding_dim=4, dropout_rate=0.0, batch_norm=True, parent=None)
BASE = VideoSimilarityTask(
    frames=FrameEncoder(backbone=VISION),
    encoder=PooledTrunk(trunk=TRUNK, parent=None),
    head=PairHead(kind="concatenation", hidden_dims=(5,), dropout_rate=0.0, parent=None),
    objective=PairContrastive(squared=True, average="all"),
    metric_weight=0.7,
    pair_weight=0.4,
)
ALONE = dataclasses.replace(
    BASE, objective=SupervisedContrastive(), head=PairHead(kind="cosine", parent=None), metric_weight=1, pair_weight=0
)
DATA = SimilarVideos(
    source=ProceduralVideos(looks=("red_bar",), moves=("left", "right"), num_train=2, num_val=2, num_test=2),
    comparing=LabelPairs(classes_per_batch=2, clips_per_class=2),
    frame_size=8,
    frames_per_clip=2,
    batch_size=4,
)
RUN = Horizon(epochs=2, steps_per_epoch=3)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXMM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory, cache):
    return DATA.open(tmp_path_factory.mktemp("assets"))


@functools.cache
def variables_of(task):
    """Random parameters, which take no program to be drawn; statistics and memory are as they start."""
    rng = np.random.default_rng(0)
    params, collections = jax.eval_shape(task.init_variables, jax.random.key(0), DATA.blank_batch())
    params = jax.tree.map(lambda leaf: jnp.asarray(0.5 * rng.normal(size=leaf.shape), jnp.float32), params)
    started = {"mean": jnp.zeros, "var": jnp.ones}
    return params, jax.tree_util.tree_map_with_path(
        lambda path, leaf: started.get(path[-1].key, jnp.zeros)(leaf.shape, leaf.dtype), collections
    )


def batch_of(labels, *, seed=1, num_frames=TIME, num_rows=None):
    """Features of videos of several lengths; what is behind the masks is no number or another label."""
    rng, own = np.random.default_rng(seed), len(labels)
    num_rows, label = num_rows or own, np.array(labels)
    features = np.full((num_rows, num_frames, DIM), np.nan, np.float32)
    mask = np.zeros((num_rows, num_frames), bool)
    for row in range(own):
        length = 1 + row % TIME
        features[row, :length], mask[row, :length] = rng.normal(size=(length, DIM)), True
    relation = np.ones((num_rows, num_rows), np.int8)
    relation[:own, :own] = np.where(label[:, None] == label, 1, -1) * (1 - np.eye(own, dtype=int))
    ids = np.pad(label, (0, num_rows - own), constant_values=label[0]).astype(np.int32)
    return {
        FEATURES: jnp.asarray(features),
        "frame_mask": jnp.asarray(mask),
        "example_mask": jnp.arange(num_rows) < own,
        "relation": jnp.asarray(relation),
        "label": jnp.asarray(ids),
        "group": jnp.asarray(ids),
    }


@functools.partial(jax.jit, static_argnums=0, static_argnames="train")
def losses(task, params, collections, batch, *, train):
    return task.loss(params, collections, batch, jax.random.key(0), train=train)


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("encoder", "head", "counts"),
    [
        (PooledTrunk(parent=None), PairHead(kind="concatenation", parent=None), (1_213_312, 41_217)),
        (
            PooledTrunk(trunk=EmbeddingTrunk(batch_norm=True, unit_norm=True, parent=None), parent=None),
            PairHead(kind="cosine", parent=None),
            (1_214_848, 2),
        ),
        (
            AttentionEncoder(positions=False, parent=None),
            PairHead(kind="concatenation", hidden_dims=(128,), parent=None),
            (17_901_184, 17_934_209 - 17_901_184),
        ),
    ],
    ids=["siamese", "triplet", "attention"],
)
def test_the_networks_of_the_seed_have_its_numbers_of_parameters(encoder, head, counts):
    frames = FrameEncoder(backbone=VISION.clone(embedding_dim=2048))
    task = VideoSimilarityTask(frames=frames, encoder=encoder, head=head)
    params, _ = jax.eval_shape(task.init_variables, jax.random.key(0), DATA.blank_batch())
    assert (count(params["encoder"]), count(params["head"])) == counts


def test_the_loss_is_the_weighted_sum_of_the_formulas_of_both():
    params, collections = variables_of(BASE)
    batch = batch_of([3, 3, 8, 8, 9], num_rows=ROWS)
    relation = np.array(batch["relation"])
    relation[0, 2] = relation[2, 0] = 0  # not compared
    found, (_, metrics) = losses(BASE, params, collections, {**batch, "relation": jnp.asarray(relation)}, train=False)

    embeddings = np.asarray(BASE.embed_video(params, collections, batch), np.float64)[:5]
    same, other = relation[:5, :5] > 0, relation[:5, :5] < 0
    away = np.sqrt(((embeddings[:, None] - embeddings[None]) ** 2).sum(axis=-1))
    assert (away[other] < 1).any(), "a negative costs something"
    contrastive = (away[same] ** 2).sum() + (np.maximum(0, 1 - away[other]) ** 2).sum()
    contrastive /= same.sum() + other.sum()
    hidden, out = (jax.tree.map(np.asarray, params["head"][name]) for name in ("hidden_0", "out"))
    places = np.stack(np.meshgrid(range(5), range(5), indexing="ij"), axis=-1)
    pairs = embeddings[places].reshape(5, 5, -1)
    logits = np.maximum(0, pairs @ hidden["kernel"] + hidden["bias"]) @ out["kernel"][:, 0] + out["bias"][0]
    head = (np.log1p(np.exp(-logits[same])).mean() + np.log1p(np.exp(logits[other])).mean()) / 2

    np.testing.assert_allclose(metrics["metric_loss"], contrastive, rtol=1e-5)
    np.testing.assert_allclose(metrics["pair_loss"], head, rtol=1e-5)
    np.testing.assert_allclose(found[:5].mean(), 0.7 * contrastive + 0.4 * head, rtol=1e-5)


@pytest.mark.parametrize(("num_frames", "num_rows"), [(9, ROWS), (TIME, 8)], ids=["frames", "rows"])
def test_padding_changes_neither_losses_nor_statistics(num_frames, num_rows):
    params, collections = variables_of(BASE)
    labels = [1, 1, 2, 2, 5, 5]
    plain, (after, metrics) = losses(BASE, params, collections, batch_of(labels), train=True)
    padded = batch_of(labels, num_frames=num_frames, num_rows=num_rows)
    found, (after_padded, metrics_padded) = losses(BASE, params, collections, padded, train=True)
    np.testing.assert_allclose(found[:ROWS], plain, atol=1e-6)
    for ours, wanted in ((after_padded, after), (metrics_padded, metrics)):
        jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-6), ours, wanted)
    assert count(after["encoder"]["batch_stats"])


def test_videos_of_1_frame_to_10000_share_a_batch():
    params, collections = variables_of(BASE)
    lengths, rng = (1, 2, 100, 10_000), np.random.default_rng(0)
    videos = [rng.normal(size=(length, DIM)).astype(np.float32) for length in lengths]
    features = np.stack([np.pad(own, ((0, 10_000 - len(own)), (0, 0)), constant_values=np.nan) for own in videos])
    mask = np.arange(10_000) < np.array(lengths)[:, None]
    together = BASE.embed_video(params, collections, {FEATURES: jnp.asarray(features), "frame_mask": jnp.asarray(mask)})
    for own, wanted in zip(videos, together, strict=True):
        alone = {FEATURES: jnp.asarray(own[None]), "frame_mask": jnp.ones((1, len(own)), bool)}
        np.testing.assert_allclose(BASE.embed_video(params, collections, alone)[0], wanted, atol=1e-5)


def test_a_batch_of_one_is_compared_with_none_and_teaches_nothing():
    params, collections = variables_of(BASE)
    batch = batch_of([3])
    assert BASE.embed_video(params, collections, batch).shape == (1, 4)

    def total(params):
        return BASE.loss(params, collections, batch, jax.random.key(0), train=True)[0].sum()

    loss, slopes = jax.jit(jax.value_and_grad(total))(params)
    assert float(loss) == 0
    assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(slopes))


def test_a_memory_is_filled_in_training_only_and_by_real_rows():
    task = dataclasses.replace(ALONE, memory=8)
    params, collections = variables_of(task)
    batch = batch_of([3, 3, 8, 8], num_rows=ROWS)
    _, (evaluated, _) = losses(task, params, collections, batch, train=False)
    jax.tree.map(np.testing.assert_array_equal, evaluated, collections)
    _, (trained, _) = losses(task, params, collections, batch, train=True)
    memory = trained["memory"]
    assert memory["valid"].tolist() == [True] * 4 + [False] * 4
    assert memory["labels"][:4].tolist() == [3, 3, 8, 8]
    assert int(memory["position"]) == 4
    assert np.isfinite(memory["embeddings"]).all()


def test_with_a_memory_the_loss_is_that_of_a_larger_batch():
    # Without batch statistics, which would be those of the larger batch.
    plain = dataclasses.replace(ALONE, encoder=PooledTrunk(trunk=TRUNK.clone(batch_norm=False), parent=None))
    task = dataclasses.replace(plain, memory=5)
    params, collections = variables_of(task)
    both = batch_of([1, 1, 2, 2, 1, 2, 1, 2])
    earlier, later = ({name: rows[part] for name, rows in both.items()} for part in (slice(4), slice(4, 8)))
    earlier["relation"], later["relation"] = both["relation"][:4, :4], both["relation"][4:, 4:]
    _, (filled, _) = losses(task, params, collections, earlier, train=True)
    found, _ = losses(task, params, filled, later, train=True)
    wanted, _ = losses(plain, *variables_of(plain), both, train=True)
    np.testing.assert_allclose(found, wanted[4:], rtol=1e-5)
    without, _ = losses(task, params, collections, later, train=True)
    assert np.abs(np.asarray(found) - np.asarray(without)).max() > 1e-2


def test_what_sees_the_frames_rests_unless_it_is_told_to_learn():
    params, _ = variables_of(BASE)
    for task, learns in ((BASE, False), (dataclasses.replace(BASE, train_backbone=True), True)):
        moving = task.moving(params, RUN)
        assert bool(jax.tree.leaves(moving["visual"])) == task.trains_backbone(params, RUN) == learns
        assert jax.tree.leaves(moving["encoder"])
        assert jax.tree.leaves(moving["head"])


def precomputed(task, data):
    params, collections = variables_of(task)
    mesh = make_mesh(Devices(num_devices=1))
    embed = functools.partial(embed_rows, params=params, collections=collections, mesh=mesh)
    return task.precompute(params, data, embed, RUN)


def test_frames_are_seen_once_while_the_backbone_rests_and_the_loss_is_the_same(data, monkeypatch):
    seen, see = [], frame_features._Seer.__call__
    monkeypatch.setattr(frame_features._Seer, "__call__", lambda self, frames: seen.append(1) or see(self, frames))
    put_in = precomputed(BASE, data)
    assert len(seen) == len(list(data.clips("train"))) + 1  # and a picture of noise
    plain = next(data.train_batches(seed=0))
    ready = put_in(plain)
    assert "frames" not in ready
    variables = variables_of(BASE)
    pair = (losses(BASE, *variables, batch, train=True) for batch in (plain, ready))
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-5), *pair)
    precomputed(BASE, data)
    assert len(seen) == len(list(data.clips("train"))) + 2  # the others are found on the disk


@pytest.mark.parametrize("why", ["learning", "augmented", "memory"])
def test_frames_are_seen_at_every_step_where_features_cannot_be_kept(data, why):
    task = dataclasses.replace(
        BASE, train_backbone=why == "learning", features_mib=0 if why == "memory" else BASE.features_mib
    )
    if why == "augmented":
        data = dataclasses.replace(DATA, augmentation=ClipAugmentation(brightness=0.2)).open(data.assets)
    batch = data.sample_batch()
    assert precomputed(task, data)(batch) is batch


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric_weight": -1.0}, r"task.metric_weight is -1.0; give 0 or more"),
        ({"pair_weight": float("nan")}, r"task.pair_weight is nan; give 0 or more"),
        ({"memory": -1}, r"task.memory is -1; give 0 or more"),
        ({"features_mib": -1}, r"task.features_mib is -1; give 0 or more"),
        ({"metric_weight": 0.0, "pair_weight": 0.0}, r"are both 0; raise one"),
        ({"pair_weight": 0.0}, r"sees the 'concatenation' would never learn; raise it, or set task.head.kind to"),
        ({"metric_weight": 0.0, "memory": 4}, r"task.memory is for the objective, but task.metric_weight is 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(BASE, **settings)


def test_data_that_do_not_fit_are_refused(data, tmp_path):
    dataclasses.replace(BASE, memory=4).check_data(data)
    with pytest.raises(ConfigError, match=r"data.frame_size is 16, but the backbone sees 8 pixels; set it to 8"):
        BASE.check_data(dataclasses.replace(DATA, frame_size=16).open(tmp_path / "larger"))
    actions = ActionVideos(source=DATA.source, frame_size=8, frames_per_clip=2, batch_size=4)
    with pytest.raises(ConfigError, match=r"data are ActionVideos; VideoSimilarityTask learns from SimilarVideos"):
        BASE.check_data(actions.open(tmp_path / "actions"))
    keys = [clip.key for clip in data.clips("train")]
    table = tmp_path / "pairs.csv"
    table.write_text(f"a,b,label\n{keys[0]},{keys[1]},1\n{keys[2]},{keys[3]},0\n")
    listed = dataclasses.replace(DATA, comparing=ListedPairs(table=str(table))).open(tmp_path / "listed")
    BASE.check_data(listed)
    with pytest.raises(ConfigError, match=r"task.memory is 4, but labels alone do not tell how these videos belong"):
        dataclasses.replace(BASE, memory=4).check_data(listed)
