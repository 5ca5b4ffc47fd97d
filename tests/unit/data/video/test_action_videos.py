"""Batches of labelled videos: what they hold, in which order, and where they go on."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from jaxmm.config import decode, differences, encode
from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.splits import FileSplit, HashSplit
from jaxmm.data.video.augmentation import ClipAugmentation
from jaxmm.data.video.folders import ClassFolders, VideoTable
from jaxmm.data.video.sampling import DenseFrames, SegmentFrames, UniformFrames
from jaxmm.data.video.sources import ProceduralVideos
from jaxmm.errors import ConfigError, DataError

from ..kinds import SEED, assert_equal, first_batches

SOURCE = ProceduralVideos(
    looks=("red_bar", "green_square"), moves=("left", "right"), num_train=4, num_val=1, num_test=2
)
CHANGES = ClipAugmentation(crop_area=(0.4, 1.0), brightness=0.3, saturation=0.2)


@pytest.fixture(scope="module")
def settings(cache):
    del cache
    return ActionVideos(
        source=SOURCE, frame_size=16, frames_per_clip=6, batch_size=4, num_threads=1, augmentation=CHANGES
    )


@pytest.fixture(scope="module")
def data(settings, tmp_path_factory):
    return settings.open(tmp_path_factory.mktemp("assets"))


def opened(settings, tmp_path, **changes):
    return dataclasses.replace(settings, **changes).open(tmp_path / "assets")


def test_a_batch_has_frames_masks_labels_and_where_they_come_from(data):
    (batch,) = first_batches(data, 1)
    shapes = {name: (array.shape, array.dtype) for name, array in batch.items()}
    assert shapes == {
        "frames": ((4, 6, 16, 16, 3), np.uint8),
        "frame_mask": ((4, 6), bool),
        "label": ((4,), np.int32),
        "example_mask": ((4,), bool),
        "clip": ((4,), np.int32),
        "frame_index": ((4, 6), np.int32),
    }
    for other in (data.sample_batch(), next(data.batches("test"))):
        assert {name: (array.shape, array.dtype) for name, array in other.items()} == shapes
    blank = data.settings.blank_batch()
    assert {name: (array.shape[1:], array.dtype) for name, array in blank.items()} == {
        name: (shape[1:], dtype) for name, (shape, dtype) in shapes.items()
    }


def test_labels_and_frames_are_those_of_the_clips(settings, tmp_path):
    plain = opened(settings, tmp_path, augmentation=ClipAugmentation())
    clips = {clip.index: clip for clip in plain.clips("train")}
    table = np.concatenate([clip.frames for split in ("train", "val", "test") for clip in plain.clips(split)])
    for batch in first_batches(plain, 3):
        for row, index in enumerate(batch["clip"]):
            clip = clips[index]
            np.testing.assert_array_equal(batch["frames"][row], clip.frames[batch["frame_index"][row]])
            assert batch["label"][row] == clip.label
            assert clip.key.split("-")[1] == plain.vocabulary.labels[clip.label]
        rows = plain.clip_starts[batch["clip"]][:, None] + batch["frame_index"]
        np.testing.assert_array_equal(table[rows], batch["frames"])


def test_clips_are_changed_in_training_alone(data):
    clips = {clip.index: clip for split in ("train", "test") for clip in data.clips(split)}

    def changed(batch):
        own = [clips[index].frames[places] for index, places in zip(batch["clip"], batch["frame_index"], strict=True)]
        return [(one != other).any() for one, other in zip(own, batch["frames"], strict=True)]

    assert all(changed(first_batches(data, 1)[0]))
    assert not any(changed(next(data.batches("test")))) and not any(changed(data.sample_batch()))


def test_short_videos_are_masked_and_no_frame_is_made_up(class_folder, cache, tmp_path):
    settings = ActionVideos(
        source=ClassFolders(), root=str(class_folder), split=HashSplit(test=()), fps=5.0, frame_size=16, max_frames=10,
        frames_per_clip=8, batch_size=12, num_threads=2,
    )  # fmt: skip
    for sampling in (UniformFrames(), SegmentFrames(), DenseFrames(stride=1)):
        batch = next(opened(settings, tmp_path, sampling=sampling).batches("train"))
        assert batch["frame_mask"].sum(axis=1).tolist() == [5, 7, 8, 8, 8, 8] * 2
        for mask, frames, places in zip(batch["frame_mask"], batch["frames"], batch["frame_index"], strict=True):
            assert len(set(places[mask].tolist())) == mask.sum()
            assert not frames[~mask].any() and not places[~mask].any()


def test_the_last_batch_of_a_split_is_filled_up(data):
    batches = list(data.batches("train"))
    assert len(batches) == 4 and all(batch["example_mask"].all() for batch in batches)
    few = dataclasses.replace(data.settings, batch_size=3)
    last = list(few.open(data.assets).batches("test"))[-1]
    assert last["example_mask"].tolist() == [True, True, False]
    assert not last["frame_mask"][2].any() and last["label"][2] == 0


def test_batches_depend_on_the_seed_and_the_step_alone(settings, data, tmp_path):
    whole = first_batches(data, 5)
    for ours, theirs in zip(whole, first_batches(opened(settings, tmp_path, num_threads=3), 5), strict=True):
        assert_equal(ours, theirs)
    halves = [first_batches(data, 5, process=process, num_processes=2) for process in range(2)]
    for step, batch in enumerate(whole):
        assert_equal(batch, {name: np.concatenate([half[step][name] for half in halves]) for name in batch})
    assert any((one["clip"] != other["clip"]).any() for one, other in zip(whole, whole[4:], strict=False))


def test_a_stream_goes_on_exactly_where_it_was(data):
    stream = data.train_batches(seed=SEED)
    for _ in range(3):
        next(stream)
    position, ahead = stream.get_state(), [next(stream) for _ in range(4)]
    again = data.train_batches(seed=SEED)
    again.set_state(json.loads(json.dumps(position)))
    for batch in ahead:
        assert_equal(batch, next(again))


def test_few_shots_of_each_class_are_trained_on(settings, data, tmp_path):
    def trained(**changes):
        return [clip.key for clip in opened(settings, tmp_path, **changes).clips("train")]

    two, three, others = trained(shots=2), trained(shots=3), trained(shots=2, shots_seed=1)
    assert len(two) == 8 and len(three) == 12
    assert set(two) < set(three) and set(two) != set(others)
    assert all(sum(label in key for key in two) == 2 for label in data.vocabulary.labels)
    assert [clip.key for clip in opened(settings, tmp_path, shots=1).clips("test")] == [
        clip.key for clip in data.clips("test")
    ]


def test_unseen_labels_are_in_the_test_alone(settings, data, tmp_path):
    unseen = "red_bar_left"
    apart = opened(settings, tmp_path, unseen_labels=(unseen,))
    assert apart.vocabulary == data.vocabulary
    number = data.vocabulary.labels.index(unseen)
    for split, count in (("train", 4), ("val", 1)):
        labels = [clip.label for clip in apart.clips(split)]
        assert number not in labels and len(labels) == len(data.split(split)) - count
    assert apart.split("test") == data.split("test")
    with pytest.raises(ConfigError, match=r"data.unseen_labels: no label 'jump'; choose among"):
        opened(settings, tmp_path, unseen_labels=("jump",))


def test_groups_are_held_out_whole(class_folder, cache, tmp_path):
    root = shutil.copytree(class_folder, tmp_path / "table")
    rows = [f"jump/{n}.avi,jump,train,g{n // 2}" for n in range(6)] + [
        f"air walk/{n}.mp4,walk,train," for n in range(6)
    ]
    (root / "videos.csv").write_text("\n".join(["path,label,split,group", *rows]))
    settings = ActionVideos(source=VideoTable(), root=str(root), val_fraction=0.4, fps=2.0, frame_size=8, batch_size=2)
    data = settings.open(tmp_path / "assets")
    held_out, kept = ({clip.key for clip in data.clips(split)} for split in ("val", "train"))
    assert held_out and kept and not held_out & kept
    for group in range(3):
        assert len({f"jump/{2 * group + n}.avi" for n in range(2)} & held_out) in (0, 2)


def test_bad_videos_are_left_out_and_a_list_of_splits_may_name_them(class_folder, cache, tmp_path):
    root = shutil.copytree(class_folder, tmp_path / "classes")
    (root / "jump" / "3.avi").write_bytes(b"nothing")
    keys = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))
    (tmp_path / "split.json").write_text(json.dumps({"train": keys[:9], "test": keys[9:]}))
    settings = ActionVideos(
        source=ClassFolders(), root=str(root), split=FileSplit(path=str(tmp_path / "split.json")), frame_size=8,
        fps=2.0, batch_size=2, on_bad="skip",
    )  # fmt: skip
    data = settings.open(tmp_path / "assets")
    assert [clip.key for clip in data.clips("train")] + [clip.key for clip in data.clips("test")] == [
        key for key in keys if key != "jump/3.avi"
    ]
    assert list(data.bad) == ["jump/3.avi"] and "is damaged" in data.bad["jump/3.avi"]
    assert str(root) not in json.dumps(data.fingerprint(seed=SEED))
    with pytest.raises(DataError, match=r"jump/3.avi: is damaged"):
        opened(settings, tmp_path, on_bad="fail")


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"frames_per_clip": 5}, {"data.frames_per_clip"}),
        ({"sampling": DenseFrames()}, {"data.sampling.class", "data.sampling.stride"}),
        (
            {"augmentation": ClipAugmentation(flip_rate=0.5, crop_area=(0.4, 1.0), brightness=0.3, saturation=0.2)},
            {"data.augmentation.flip_rate"},
        ),
        ({"on_bad": "skip", "packed_gib": 3.0, "num_threads": 3}, set()),
    ],
)
def test_the_fingerprint_names_what_changes_batches(changes, names, settings, data, tmp_path):
    lines = differences(data.fingerprint(seed=SEED), opened(settings, tmp_path, **changes).fingerprint(seed=SEED))
    assert {line.split(": ")[0] for line in lines} == names


def test_the_fingerprint_names_the_videos_whose_frames_or_labels_are_others(settings, data, tmp_path):
    other = opened(settings, tmp_path, source=dataclasses.replace(SOURCE, seed=1))
    lines = differences(data.fingerprint(seed=SEED), other.fingerprint(seed=SEED))
    assert sum(".frames: " in line for line in lines) == len(data.fingerprint(seed=SEED)["data"]["clips"])
    assert data.fingerprint(seed=SEED)["data"]["clips"]["train-red_bar_right-0"]["label"] == 1


def test_a_run_opens_the_classes_that_it_was_trained_on_alone(settings, tmp_path):
    settings.open(tmp_path / "assets")
    assert settings.saved_vocabulary(tmp_path / "assets").descriptions[0] == "a red bar moves left"
    with pytest.raises(DataError, match="has 6 classes where the run was trained on 4, or others"):
        opened(settings, tmp_path, source=dataclasses.replace(SOURCE, moves=("left", "right", "up")))
    (tmp_path / "assets" / "labels.json").write_text("[]")
    with pytest.raises(DataError, match=r"labels.json: cannot be read \(it holds no fields\); the run is incomplete"):
        settings.saved_vocabulary(tmp_path / "assets")


def test_settings_are_saved_and_read(settings):
    assert decode(json.loads(json.dumps(encode(settings)))) == settings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"frames_per_clip": 0}, "data.frames_per_clip is 0; give a value above zero"),
        ({"time_limit_s": 0.0}, "data.time_limit_s is 0.0; give a value above zero"),
        ({"fps": 0.0}, "data.fps is 0.0; give a rate from"),
        ({"frame_size": 0}, "data.frame_size is 0; give 1 to 4096 pixels"),
        ({"max_frames": 0}, "data.max_frames is 0; give 1 or more"),
        ({"shots": 0}, "data.shots is 0; give 1 or more, or None"),
        ({"val_fraction": 1.0}, "data.val_fraction is 1.0; give 0 or more, below 1"),
        ({"batch_size": 0}, "data.batch_size is 0; give a value above zero"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        ActionVideos(**wrong)


def test_videos_have_no_joints():
    with pytest.raises(ConfigError, match="have no joints"):
        ActionVideos().blank_batch(num_joints=3)
