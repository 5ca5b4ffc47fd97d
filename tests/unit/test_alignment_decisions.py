"""One test for each decision about semantic alignment: each fails if the mistake of seed 002 came back."""

import dataclasses
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.data.segmentation.features import read_features
from jaxmm.data.segmentation.labels import read_descriptions, read_frame_labels
from jaxmm.data.segmentation.sources import (
    ProceduralSegments,
    SegmentationFolder,
    read_segmentation_folder,
    write_segmentation_folder,
)
from jaxmm.data.segmentation.video import LabelledVideo
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.segmented import SegmentedVideos
from jaxmm.encoders.tcn import FrameProjector, TemporalConvNet
from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.alignment import alignment_scores
from jaxmm.horizon import Horizon
from jaxmm.tasks.semantic_alignment import SemanticAlignmentTask
from jaxmm.tasks.semantics import Semantics
from jaxmm.weights.label_embeddings import write_label_embeddings

VOCABULARY = Vocabulary.of(["cut", "null", "mix", "spill"], {"cut": "cut it up"})
SPLITS = {"a": "train", "b": "train", "c": "train", "d": "train", "e": "train", "f": "train", "g": "test", "h": "test"}
TINY = SemanticAlignmentTask(
    encoder=TemporalConvNet(dims=(4,), dropout_rate=0.0),
    projector=FrameProjector(hidden_dim=4, embedding_dim=3, dropout_rate=0.0),
    num_labels=VOCABULARY.num_labels,
)


def make_video(key, num_frames=12, dim=3, split="train"):
    rng = np.random.default_rng(list(key.encode()))
    features = rng.normal(size=(num_frames, dim)).astype(np.float32)
    labels = np.sort(rng.integers(0, VOCABULARY.num_labels, num_frames)).astype(np.int32)
    return LabelledVideo(key=key, features=features, labels=labels, fps=15.0, tags={"split": split})


@pytest.fixture
def folder(cache, tmp_path):
    """Six videos of training and two of testing, as a folder on disk without a part for validation."""
    del cache
    videos = [make_video(key, 12 + place, split=split) for place, (key, split) in enumerate(SPLITS.items())]
    write_segmentation_folder(videos, VOCABULARY, tmp_path / "videos")
    return tmp_path / "videos"


@pytest.fixture
def settings(folder):
    return SegmentedVideos(source=SegmentationFolder(dim=(3,)), root=str(folder), batch_size=2, num_threads=1)


def keys(data, split):
    return {video.key for video in data.videos(split)} if data.has_split(split) else set()


def shapes_of(module, *example):
    variables = jax.eval_shape(lambda: module.init(jax.random.key(0), *example, deterministic=True))
    return jax.tree.map(jnp.shape, variables["params"])


def test_d1_the_projector_goes_from_64_over_512_to_384_and_all_widths_are_settings():
    shapes = shapes_of(FrameProjector(), jnp.zeros((1, 2, TemporalConvNet().dims[-1])))
    assert (shapes["hidden"]["kernel"], shapes["out"]["kernel"]) == ((64, 512), (512, 384))
    shapes = shapes_of(FrameProjector(hidden_dim=128, embedding_dim=768), jnp.zeros((1, 2, 384)))
    assert (shapes["hidden"]["kernel"], shapes["out"]["kernel"]) == ((384, 128), (128, 768))
    wide = TemporalConvNet(dims=(640, 512, 384))
    shapes = shapes_of(wide, jnp.zeros((1, 2, 768)), jnp.ones((1, 2), bool))
    assert [shapes[f"level_{level}_conv_0"]["conv"]["kernel"] for level in range(3)] == [
        (3, 768, 640),
        (3, 640, 512),
        (3, 512, 384),
    ]


def test_d2_a_level_is_two_normalised_convolutions_of_three_taps_with_a_residual():
    network = TemporalConvNet()
    assert (network.dims, network.dropout_rate, network.causal) == ((512, 128, 64), 0.3, False)
    assert sum(network.context) + 1 == 29
    shapes = shapes_of(network, jnp.zeros((1, 2, 768)), jnp.ones((1, 2), bool))
    for level, (narrow, wide) in enumerate(((768, 512), (512, 128), (128, 64))):
        assert shapes[f"level_{level}_conv_0"]["conv"]["kernel"] == (3, narrow, wide)
        assert shapes[f"level_{level}_conv_1"]["conv"]["kernel"] == (3, wide, wide)
        assert shapes[f"level_{level}_residual"]["kernel"] == (narrow, wide)
        assert all(shapes[f"level_{level}_norm_{number}"]["scale"] == (wide,) for number in range(2))
    assert len(shapes) == 3 * 5
    # Nothing but the residual is left where both convolutions are zero; what is negative is cut off.
    identity = TemporalConvNet(dims=(2,))
    x, mask = jnp.array([[[1.0, -1.0], [2.0, 3.0]]]), jnp.ones((1, 2), bool)
    variables = jax.tree.map(jnp.zeros_like, identity.init(jax.random.key(0), x, mask, deterministic=True))
    np.testing.assert_array_equal(identity.apply(variables, x, mask, deterministic=True), jnp.maximum(x, 0))


def test_d3_two_groups_of_adamw_fall_together_and_start_again():
    task = SemanticAlignmentTask()
    settings = task.optimizer
    assert (settings.lr, settings.clip_norm, SegmentedVideos().batch_size) == (3e-4, 0.5, 4)
    assert [(group.lr_scale, group.weight_decay) for group in settings.groups] == [(0.5, 1e-4), (1.0, 1e-3)]
    params, _ = jax.eval_shape(task.init_variables, jax.random.key(0), SegmentedVideos().blank_batch())
    horizon = Horizon(epochs=150, steps_per_epoch=3)
    settings.build(params, horizon=horizon)  # every parameter is in one of both
    for scale in (0.5, 1.0):
        rate = settings.schedule(scale, horizon)
        peak = 3e-4 * scale
        found = [float(rate(3 * epoch)) for epoch in (0, 5, 10, 20, 30, 70)]
        assert found == pytest.approx([peak, (peak + 1e-6) / 2, peak, (peak + 1e-6) / 2, peak, peak])
        assert min(float(rate(3 * epoch)) for epoch in (9, 29, 69, 149)) > 1e-6
        assert float(rate(3 * 149)) < 3e-6
        assert float(rate(3 * 4 + 2)) == float(rate(3 * 4))


def test_d4_types_of_labels_are_found_by_name_and_an_unknown_label_is_an_error_with_its_line(settings, folder):
    named = dataclasses.replace(settings, null_labels=("null",), wrong_labels=("spill",))
    assert [named.type_of(label) for label in VOCABULARY.labels] == ["actions", "null", "actions", "wrong"]
    assert {settings.type_of(label) for label in VOCABULARY.labels} == {"actions"}
    with pytest.raises(ConfigError, match=r"data\.null_labels: no label 'background'; choose among cut, null, mix"):
        dataclasses.replace(settings, null_labels=("background",)).open(folder.parent / "assets")
    path = folder / "groundTruth" / "a.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], "stir", *lines[5:]]))
    with pytest.raises(DataError, match=r"a\.txt:5: 'stir' is no label of the mapping"):
        read_frame_labels(path, VOCABULARY)
    with pytest.raises(DataError, match=r"a\.txt:5: 'stir' is no label of the mapping"):
        settings.open(folder.parent / "assets")


def test_d5_padding_is_in_no_loss_and_no_statistic_and_the_loss_is_over_frames():
    videos = [make_video("a", 40), make_video("b", 3)]
    example = [video.features for video in videos], [video.labels for video in videos]
    batch = jax.tree.map(jnp.asarray, SegmentedVideos().stack(*example, num_rows=3, num_frames=40))
    state = jax.jit(TINY.init, static_argnums=2)(jax.random.key(0), batch, Horizon())
    embeddings = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))
    collections = {**state.collections, "semantics": {"embeddings": embeddings}}
    train = jax.jit(lambda batch: TINY.loss(state.params, collections, batch, jax.random.key(0), train=True))
    spoilt = {**batch, "features": jnp.where(batch["frame_mask"][..., None], batch["features"], jnp.nan)}
    (losses, (changed, _)), (same, (others, _)) = train(batch), train(spoilt)
    np.testing.assert_allclose(same, losses, rtol=1e-6)
    for ours, expected in zip(jax.tree.leaves(others), jax.tree.leaves(changed), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6)
    score = jax.jit(TINY.eval_step)
    state = dataclasses.replace(state, collections=collections)
    first, second = (
        float(score(state, {**batch, "label_mask": batch["label_mask"] & (jnp.arange(3) == row)[:, None]})["loss"])
        for row in range(2)
    )
    assert float(score(state, batch)["loss"]) == pytest.approx((40 * first + 3 * second) / 43, rel=1e-5)
    assert abs(first - second) > 1e-3


def test_d6_targets_have_unit_length_unless_told_otherwise(tmp_path):
    path = tmp_path / "labels.npz"
    write_label_embeddings(path, {label: np.arange(3.0) + 2 for label in VOCABULARY.labels})
    assert Semantics().normalize
    np.testing.assert_allclose(np.linalg.norm(Semantics(source=str(path))(VOCABULARY), axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(Semantics(source=str(path), normalize=False)(VOCABULARY)[0], [2, 3, 4])
    # It matters: the squared error knows of lengths.
    features, labels = [np.array([[2.0, 3.0, 4.0]])], [np.array([0])]
    scores = [
        alignment_scores(features, labels, Semantics(source=str(path), normalize=unit)(VOCABULARY))
        for unit in (True, False)
    ]
    assert scores[0]["all/mse_loss"] > 1 > scores[1]["all/mse_loss"]


def test_d7_validation_videos_are_neither_of_testing_nor_of_training(settings, folder, tmp_path):
    data = dataclasses.replace(settings, val_fraction=0.3).open(tmp_path / "assets")
    parts = [keys(data, split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [4, 2, 2]
    assert set.union(*parts) == set(SPLITS)
    assert parts[2] == {"g", "h"}
    # Which ones are held out depends on their names alone.
    again = dataclasses.replace(settings, val_fraction=0.3).open(tmp_path / "again")
    assert keys(again, "val") == parts[1]
    (folder / "splits" / "val.split1.bundle").write_text("h.txt\n")
    (folder / "splits" / "test.split1.bundle").write_text("g.txt\n")
    own = dataclasses.replace(settings, val_fraction=0.3).open(tmp_path / "own")
    assert [len(keys(own, split)) for split in ("train", "val", "test")] == [6, 1, 1]


@pytest.mark.parametrize("folds", [2, 3, 6])
def test_d8_features_out_of_fold_come_from_a_run_that_has_not_seen_the_video(settings, tmp_path, folds):
    held_out = []
    for fold in range(folds):
        data = dataclasses.replace(settings, fold=(fold, folds), val_fraction=0.2).open(tmp_path / str(fold))
        train, val, test = (keys(data, split) for split in ("train", "val", "test"))
        assert test
        assert not test & (train | val)
        assert not train & val
        assert not (train | val | test) & {"g", "h"}  # the source's own test videos train no fold
        # Neither do the statistics that features are scaled by.
        frames = np.concatenate([video.features for video in data.videos("train")])
        np.testing.assert_allclose(data.scale.mean, frames.mean(axis=0), atol=1e-5)
        held_out += sorted(test)
    assert sorted(held_out) == sorted(key for key, split in SPLITS.items() if split == "train")


def test_d9_lengths_beyond_the_tolerance_are_an_error_and_others_are_cut_and_reported(folder, caplog):
    path = folder / "groundTruth" / "a.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-2]))
    for tolerance in (0, 1):
        with pytest.raises(DataError, match=r"a\.txt: has 10 frames where .*a\.npy has 12; repair one of them, or set"):
            list(read_segmentation_folder(folder, source=SegmentationFolder(dim=(3,), tolerance=tolerance))[0])
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        first, *others = read_segmentation_folder(folder, source=SegmentationFolder(dim=(3,), tolerance=2))[0]
    assert (first.num_frames, len(first.labels)) == (10, 10)
    np.testing.assert_array_equal(first.features, make_video("a").features[:10])
    assert [video.num_frames for video in others] == list(range(13, 20))
    (record,) = caplog.records
    assert "a.txt: has 10 frames where" in record.getMessage()


def test_d10_a_square_array_is_told_by_the_configured_dim_and_otherwise_refused(tmp_path):
    path, square = tmp_path / "a.npy", np.arange(9, dtype=np.float32).reshape(3, 3)
    np.save(path, square)
    np.testing.assert_array_equal(read_features(path, dim=3), square.T)
    np.testing.assert_array_equal(read_features(path, dim=3, orientation="time_dim"), square)
    with pytest.raises(DataError, match=r"a\.npy: has shape \(3, 3\), both axes of which fit 3 labels; give dim"):
        read_features(path, num_frames=3)
    with pytest.raises(DataError, match=r"a\.npy: has shape \(3, 3\), of which either may be time; give dim"):
        read_features(path)
    np.save(path, square[:2])
    for known in ({"dim": 3}, {"dim": 2}):
        assert read_features(path, **known).shape[1] == known["dim"]


def test_d11_descriptions_need_no_quotes_blank_lines_are_skipped_and_no_label_is_described_twice(tmp_path):
    path = tmp_path / "action_description.txt"
    path.write_text('cut "cut the tomato"\n\n   \nmix mix it all\nnull no "action"\n')
    assert read_descriptions(path) == {"cut": "cut the tomato", "mix": "mix it all", "null": 'no "action"'}
    path.write_text('cut "cut it"\n\nmix mix it\ncut "cut it again"\n')
    with pytest.raises(DataError, match=r"description\.txt:4: label 'cut' is on line 1 already; keep one"):
        read_descriptions(path)


def test_procedural_videos_have_a_validation_part_of_their_own(cache, tmp_path):
    del cache
    source = ProceduralSegments(num_train=3, num_val=1, num_test=1, dim=8)
    data = SegmentedVideos(source=source, val_fraction=0.5, batch_size=2).open(tmp_path)
    assert [len(keys(data, split)) for split in ("train", "val", "test")] == [3, 1, 1]
