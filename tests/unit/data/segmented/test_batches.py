"""What a batch holds: scaled videos, padded; in training, random stretches of them at varied speed."""

import dataclasses

import numpy as np
import pytest

from jaxmm.data.segmentation.sources import ProceduralSegments, SegmentationFolder
from jaxmm.data.segmented import SegmentedVideos
from jaxmm.errors import ConfigError

from ..kinds import SEED, first_batches
from .conftest import BATCH_SIZE, DIM, reopened


def test_a_batch_holds_scaled_videos_padded_with_zeros(opened, videos):
    batch = opened.sample_batch()
    assert batch["features"].shape == (BATCH_SIZE, 80, DIM)
    for row, video in enumerate(videos[:BATCH_SIZE]):
        length = video.num_frames
        np.testing.assert_array_equal(batch["features"][row, :length], opened.scale(video.features))
        np.testing.assert_array_equal(batch["labels"][row, :length], video.labels)
        np.testing.assert_array_equal(batch["frame_mask"][row], np.arange(80) < length)
        assert not batch["features"][row, length:].any() and not batch["labels"][row, length:].any()
    assert batch["example_mask"].all()
    assert {name: array.dtype for name, array in batch.items()} == {
        **{"features": np.float32, "labels": np.int32},
        **dict.fromkeys(("frame_mask", "label_mask", "example_mask"), np.bool_),
    }


def test_frames_of_unseen_labels_are_seen_and_count_in_no_loss(opened):
    """Zero-shot labels: their features are there, as if nobody had named them."""
    unseen = reopened(opened, unseen_labels=("null", "cut"))
    batch = unseen.sample_batch()
    np.testing.assert_array_equal(batch["label_mask"], batch["frame_mask"] & (batch["labels"] == 1))
    assert 0 < batch["label_mask"].sum() < batch["frame_mask"].sum()
    np.testing.assert_array_equal(batch["features"], opened.sample_batch()["features"])
    for train in first_batches(unseen, 3):
        assert not np.isin(train["labels"][train["label_mask"]], (0, 2)).any()
    val = next(unseen.batches("val"))
    np.testing.assert_array_equal(val["label_mask"], val["frame_mask"] & (val["labels"] == 1))


def test_a_split_comes_in_order_and_its_last_batch_is_filled_with_masked_rows(opened, settings, videos):
    data = dataclasses.replace(settings, batch_size=4).open(opened.assets)
    (batch,) = data.batches("val")
    assert batch["example_mask"].tolist() == [True, True, False, False]
    assert batch["frame_mask"].sum(axis=1).tolist() == [50, 12, 0, 0]
    assert not batch["features"][2:].any()
    shown = [batch["features"][row, : video.num_frames] for row, video in enumerate(videos[6:8])]
    for features, video in zip(shown, videos[6:8], strict=True):
        np.testing.assert_array_equal(features, data.scale(video.features))


def test_videos_of_a_split_are_those_of_the_source(opened, videos):
    for ours, theirs in zip(opened.videos("test"), videos[-2:], strict=True):
        assert (ours.key, ours.fps, dict(ours.tags)) == (theirs.key, theirs.fps, dict(theirs.tags))
        np.testing.assert_array_equal(ours.features, theirs.features)
        np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_a_blank_batch_is_one_row_of_the_shortest_length():
    blank = SegmentedVideos(source=ProceduralSegments(dim=16)).blank_batch()
    assert blank["features"].shape == (1, 64, 16) and not blank["features"].any()
    several = SegmentationFolder(features=("features", "enhanced"), dim=(56, 384))
    assert SegmentedVideos(source=several).blank_batch()["features"].shape == (1, 64, 440)
    with pytest.raises(ConfigError, match=r"data\.source\.dim is empty, so only the files tell .*; name it"):
        SegmentedVideos(source=SegmentationFolder()).blank_batch()
    with pytest.raises(ConfigError, match="features of videos, which have no joints; leave it out"):
        SegmentedVideos().blank_batch(num_joints=25)


# Stretches and speeds


def test_of_a_long_video_training_sees_random_stretches(opened, videos):
    data = reopened(opened, max_frames=25, standardize=False)
    whole = {len(data.scale(video.features)): data.scale(video.features) for video in videos[:6]}
    labels = {video.num_frames: video.labels for video in videos[:6]}
    starts = set()
    for batch in first_batches(data, 30):
        assert batch["features"].shape[1] == 64
        for row, mask in enumerate(batch["frame_mask"]):
            own = batch["features"][row, mask]
            length, start = next(
                (length, start)
                for length, features in whole.items()
                for start in range(length - len(own) + 1)
                if np.array_equal(features[start : start + len(own)], own)
            )
            assert mask.sum() == min(25, length)
            np.testing.assert_array_equal(batch["labels"][row, mask], labels[length][start : start + len(own)])
            starts.add(start / max(1, length - 25))
    assert len(starts) > 10 and min(starts) < 0.2 and max(starts) > 0.8
    (val,) = data.batches("val")
    assert val["frame_mask"].sum(axis=1).tolist() == [50, 12]  # what is evaluated is whole


def test_a_stretch_depends_on_seed_step_and_row_alone(opened):
    data = reopened(opened, max_frames=25, most_speed=1.3)
    for one, other in zip(first_batches(data, 4), first_batches(reopened(data, num_threads=4), 4), strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
    again = next(data.train_batches(seed=SEED + 1))
    assert not np.array_equal(again["features"], first_batches(data, 1)[0]["features"])


def test_training_plays_videos_faster_and_slower(opened, settings, videos, tmp_path):
    data = dataclasses.replace(settings, most_speed=2.0, standardize=False).open(tmp_path)
    by_label = {video.num_frames: video for video in videos[:6]}
    lengths = []
    for batch in first_batches(data, 30):
        for row, mask in enumerate(batch["frame_mask"]):
            own, labels = batch["features"][row, mask], batch["labels"][row, mask]
            video = next(video for video in by_label.values() if np.array_equal(video.features[0], own[0]))
            frames = own[:, -1].astype(int)
            np.testing.assert_array_equal(own, video.features[frames])
            np.testing.assert_array_equal(labels, video.labels[frames])
            assert frames[0] == 0 and video.num_frames - 3 <= frames[-1] < video.num_frames
            assert (np.diff(frames) >= 0).all() and np.ptp(np.diff(frames)) <= 1
            lengths.append(len(own) / video.num_frames)
    assert 0.48 < min(lengths) < 0.65 and 1.6 < max(lengths) < 2.02
    assert opened.sample_batch()["frame_mask"].sum(axis=1).tolist() == [30, 70]
