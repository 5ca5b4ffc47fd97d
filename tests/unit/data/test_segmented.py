"""Labelled videos as batches: few lengths, splits and folds, what a run keeps, and fingerprints."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.config import differences
from jaxmm.data.segmentation.labels import Vocabulary
from jaxmm.data.segmentation.scale import Scale
from jaxmm.data.segmentation.sources import ProceduralSegments, SegmentationFolder, write_segmentation_folder
from jaxmm.data.segmentation.video import LabelledVideo
from jaxmm.data.segmented import SegmentedVideos, padded_length
from jaxmm.errors import ConfigError, DataError

SEED, DIM, BATCH_SIZE = 3, 4, 2
VOCABULARY = Vocabulary.of(["cut", "mix_all", "null"], {"cut": "cut it up"})
# The longest is one of few: most batches are much shorter.
LENGTHS = {"train": (30, 70, 64, 20, 300, 41), "val": (50, 12), "test": (33, 66)}


def make_video(key, num_frames, split, *, dim=DIM, shift=0.0):
    """A video whose last feature counts its frames."""
    rng = np.random.default_rng(list(key.encode()))
    features = (rng.normal(size=(num_frames, dim)) + shift).astype(np.float32)
    features[:, -1] = np.arange(num_frames)
    labels = np.sort(rng.integers(0, 3, num_frames)).astype(np.int32)
    return LabelledVideo(key=key, features=features, labels=labels, fps=15.0, tags={"split": split})


def make_videos(lengths=LENGTHS, **which):
    return [
        make_video(f"{split}_{place}", length, split, **which)
        for split, own in lengths.items()
        for place, length in enumerate(own)
    ]


def write(videos, root, vocabulary=VOCABULARY):
    write_segmentation_folder(videos, vocabulary, root)
    return root


@pytest.fixture(scope="module")
def videos():
    """Ten videos in three splits, named by split and number."""
    return make_videos()


@pytest.fixture(scope="module")
def settings(videos, cache, tmp_path_factory):
    """Data settings over the videos as a folder."""
    del cache
    root = write(videos, tmp_path_factory.mktemp("videos") / "folder")
    return SegmentedVideos(source=SegmentationFolder(), root=str(root), batch_size=BATCH_SIZE, num_threads=1)


@pytest.fixture(scope="module")
def opened(settings, tmp_path_factory):
    return settings.open(tmp_path_factory.mktemp("assets"))


def reopened(opened, **changes):
    """The same run with other settings."""
    return dataclasses.replace(opened.settings, **changes).open(opened.assets)


def first_batches(data, num_batches, **which):
    return list(itertools.islice(data.train_batches(seed=SEED, **which), num_batches))


def keys(data, split):
    return [video.key for video in data.videos(split)] if data.has_split(split) else []


# Batches


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


def test_frames_of_unseen_labels_are_seen_and_count_in_no_loss_of_training(opened):
    """Zero-shot labels: their features are there, as if nobody had named them."""
    unseen = reopened(opened, unseen_labels=("null", "cut"))
    batch = unseen.sample_batch()
    np.testing.assert_array_equal(batch["label_mask"], batch["frame_mask"] & (batch["labels"] == 1))
    assert 0 < batch["label_mask"].sum() < batch["frame_mask"].sum()
    np.testing.assert_array_equal(batch["features"], opened.sample_batch()["features"])
    for train in first_batches(unseen, 3):
        assert not np.isin(train["labels"][train["label_mask"]], (0, 2)).any()
    whole = next(unseen.batches("val"))
    np.testing.assert_array_equal(whole["label_mask"], whole["frame_mask"])


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


# Lengths


@given(num_frames=st.integers(1, 10**7))
def test_a_padded_length_is_the_smallest_of_few(num_frames):
    length = padded_length(num_frames)
    assert num_frames <= length <= max(64, 1.25 * num_frames + 8)
    assert length % 8 == 0 and padded_length(length) == length
    assert padded_length(num_frames + 1) >= length


def test_lengths_grow_by_a_quarter_so_that_they_are_few():
    lengths = sorted({padded_length(num_frames) for num_frames in range(1, 20_001)})
    assert all(long >= 1.25 * short for short, long in itertools.pairwise(lengths))
    assert len(lengths) <= 2 + np.log(20_000 / 64) / np.log(1.25)


def test_a_batch_is_as_long_as_its_own_longest_video_and_not_that_of_the_data(opened):
    batches = first_batches(opened, 9)
    longest = [int(batch["frame_mask"].sum(axis=1).max()) for batch in batches]
    assert [batch["features"].shape[1] for batch in batches] == [padded_length(own) for own in longest]
    assert {padded_length(own) for own in longest} >= {80, 352}


def test_processes_share_a_batch_and_agree_on_its_length(opened):
    data = reopened(opened, max_frames=100, most_speed=1.5)
    whole = first_batches(data, 9)
    parts = [first_batches(data, 9, process=process, num_processes=2) for process in range(2)]
    shorter = 0
    for step, batch in enumerate(whole):
        for name, rows in batch.items():
            np.testing.assert_array_equal(rows, np.concatenate([part[step][name] for part in parts]))
        lengths = [padded_length(int(part[step]["frame_mask"].sum(axis=1).max())) for part in parts]
        shorter += min(lengths) < batch["features"].shape[1]
    assert shorter > 3  # alone, these processes would have made other shapes


@pytest.fixture(scope="module")
def salads(shared_data):
    found = shared_data / "segmentation" / "50salads"
    if not found.is_dir():
        pytest.skip("needs real videos in ../shared/data/segmentation/50salads, which are not part of the repository")
    return found


@pytest.mark.parametrize("most_speed", [1.0, 1.25])
def test_real_salads_have_at_most_eight_lengths(most_speed, salads, cache, tmp_path):
    """The number that is stated of 50 Salads: five as they are, and seven at varied speed."""
    del cache
    source = SegmentationFolder(dim=(56,))
    settings = SegmentedVideos(source=source, root=str(salads), num_threads=1, most_speed=most_speed)
    data = settings.open(tmp_path)
    lengths = [video.num_frames for split in ("train", "val", "test") for video in data.videos(split)]
    shortest, longest = round(min(lengths) / most_speed), round(max(lengths) * most_speed)
    possible = {padded_length(num_frames) for num_frames in range(shortest, longest + 1)}
    assert len(possible) == (5 if most_speed == 1 else 7)
    met = {batch["features"].shape[1] for batch in first_batches(data, 3 * data.steps_per_epoch)}
    assert met <= possible and len(met) > 1


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


# Splits (D7)


def assigned(lengths, assets, root, **fields):
    """The keys of each split of videos of some lengths."""
    path = write(make_videos(lengths), root)
    data = SegmentedVideos(source=SegmentationFolder(), root=str(path), batch_size=1, **fields).open(assets)
    return {split: keys(data, split) for split in ("train", "val", "test")}


def test_a_fraction_of_the_training_videos_is_held_out_by_name_alone(cache, tmp_path):
    """D7: apart from test, and the same whatever the videos hold."""
    del cache
    found = assigned({"train": (5,) * 12, "test": (6, 6)}, tmp_path / "a", tmp_path / "one", val_fraction=0.25)
    assert found["test"] == ["test_0", "test_1"]
    assert len(found["val"]) == 3 and len(found["train"]) == 9
    assert sorted(found["train"] + found["val"]) == sorted(f"train_{place}" for place in range(12))
    assert found["val"] != [f"train_{place}" for place in range(3)]
    lengths = {"train": range(7, 19), "test": (9,)}
    assert assigned(lengths, tmp_path / "b", tmp_path / "two", val_fraction=0.25)["val"] == found["val"]


def test_the_source_s_own_validation_split_is_kept(opened, settings, tmp_path):
    assert keys(opened, "val") == ["val_0", "val_1"]
    data = dataclasses.replace(settings, val_fraction=0.5).open(tmp_path)
    assert keys(data, "val") == ["val_0", "val_1"] and len(keys(data, "train")) == 6


@pytest.mark.parametrize(
    ("num_train", "fraction", "num_val"), [(4, 0.0, 0), (4, 0.01, 1), (4, 0.99, 3), (2, 0.9, 1), (1, 0.5, 0)]
)
def test_however_much_is_held_out_some_is_left_to_train_on(num_train, fraction, num_val, cache, tmp_path):
    del cache
    found = assigned({"train": (5,) * num_train, "test": (6,)}, tmp_path / "a", tmp_path / "v", val_fraction=fraction)
    assert (len(found["val"]), len(found["train"])) == (num_val, num_train - num_val)


@pytest.mark.parametrize("with_val", [True, False])
def test_folds_are_disjoint_cover_all_but_test_and_never_train_on_the_held_out(with_val, cache, tmp_path):
    """D8: what cross-fitting rests on."""
    del cache
    root = write(make_videos({"train": (5,) * 7, **({"val": (6,) * 3} if with_val else {}), "test": (6, 6)}), tmp_path)
    settings = SegmentedVideos(source=SegmentationFolder(), root=str(root), batch_size=1)
    whole = settings.open(tmp_path / "whole")
    own = {*keys(whole, "train"), *keys(whole, "val")}
    tested = []
    for part in range(3):
        data = dataclasses.replace(settings, fold=(part, 3)).open(tmp_path / f"fold{part}")
        held_out, learnt, val = (set(keys(data, split)) for split in ("test", "train", "val"))
        assert not held_out & (learnt | val) and not learnt & val
        assert held_out | learnt | val == own
        assert learnt and val and len(held_out) >= 2
        expected = Scale.of(video.features for video in data.videos("train"))
        np.testing.assert_array_equal(data.scale.mean, expected.mean)
        np.testing.assert_array_equal(data.scale.std, expected.std)
        tested += keys(data, "test")
    assert sorted(tested) == sorted(own)


def test_more_folds_than_videos_are_refused(settings, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.fold is \(0, 9\), but there are 8 videos to train on; use fewer"):
        dataclasses.replace(settings, fold=(0, 9)).open(tmp_path)


def test_a_source_without_training_videos_is_refused(cache, tmp_path):
    del cache
    root = write(make_videos({"val": (5,), "test": (5,)}), tmp_path / "videos")
    with pytest.raises(DataError, match=r"data\.source: no video is one of training; name some in its bundle"):
        SegmentedVideos(source=SegmentationFolder(), root=str(root)).open(tmp_path / "assets")


# Scale, labels, and what a run keeps


def test_the_scale_is_that_of_the_training_frames_only(cache, tmp_path):
    del cache
    shifted = [*make_videos({"train": (30, 40)}), *make_videos({"val": (9,), "test": (9,)}, shift=1000.0)]
    root = write(shifted, tmp_path / "videos")
    settings = SegmentedVideos(source=SegmentationFolder(), root=str(root), batch_size=2)
    data = settings.open(tmp_path / "scaled")
    frames = np.concatenate([video.features for video in shifted[:2]])
    np.testing.assert_allclose(data.scale.mean, frames.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(data.scale.std, frames.std(axis=0), rtol=1e-5)
    batch = data.sample_batch()
    seen = batch["features"][batch["frame_mask"]]
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(seen.std(axis=0), 1, atol=1e-5)
    plain = dataclasses.replace(settings, standardize=False).open(tmp_path / "plain")
    np.testing.assert_array_equal(plain.sample_batch()["features"][0, :30], shifted[0].features)


def test_a_run_keeps_the_scale_and_the_descriptions_that_it_began_with(opened, settings, tmp_path):
    others = Vocabulary.of(VOCABULARY.labels, {"cut": "slice it"})
    root = write(make_videos(shift=5.0), tmp_path / "other", others)
    again = reopened(opened, root=str(root))
    np.testing.assert_array_equal(again.scale.mean, opened.scale.mean)
    np.testing.assert_array_equal(again.scale.std, opened.scale.std)
    assert again.vocabulary == opened.vocabulary == settings.saved_vocabulary(opened.assets) == VOCABULARY
    np.testing.assert_array_equal(settings.saved_scale(opened.assets).mean, opened.scale.mean)
    assert sorted(path.name for path in opened.assets.iterdir()) == sorted(SegmentedVideos.asset_files)
    assert dataclasses.replace(settings, root=str(root)).open(tmp_path / "new").vocabulary == others


@pytest.mark.parametrize(
    ("labels", "dim", "found"),
    [
        (("cut", "mix_all", "null"), DIM + 1, "has 3 labels and 5 features a frame"),
        (("cut", "mix_all", "null", "fry"), DIM, "has 4 labels and 4 features a frame"),
        (("mix_all", "cut", "null"), DIM, "has 3 labels and 4 features a frame"),
        (("cut", "mix_all", "pause"), DIM, "has 3 labels and 4 features a frame"),
    ],
)
def test_other_labels_or_features_than_those_of_the_run_are_refused(labels, dim, found, opened, tmp_path):
    root = write(make_videos(dim=dim), tmp_path / "other", Vocabulary.of(labels))
    with pytest.raises(DataError, match=rf"data\.root: {root} {found}, but the run was trained on 3 and 4"):
        reopened(opened, root=str(root))


@pytest.mark.parametrize("field", ["null_labels", "wrong_labels", "unseen_labels"])
def test_an_unknown_label_is_refused_by_name(field, settings, tmp_path):
    """D4: what stands for no action or a mistake is found by name, so a name must exist."""
    with pytest.raises(ConfigError, match=rf"data\.{field}: no label 'nul'; choose among cut, mix_all, null"):
        dataclasses.replace(settings, **{field: ("nul",)}).open(tmp_path)


def test_a_label_stands_for_what_its_name_says_wherever_it_is_numbered(settings, cache, tmp_path):
    """D4."""
    del cache
    turned = Vocabulary.of(VOCABULARY.labels[::-1])
    root = write(make_videos(), tmp_path / "turned", turned)
    named = dataclasses.replace(settings, null_labels=("null",), wrong_labels=("mix_all",))
    for own in (named, dataclasses.replace(named, root=str(root))):
        data = own.open(tmp_path / f"assets{own.root == settings.root}")
        types = {label: data.settings.type_of(label) for label in data.vocabulary.labels}
        assert types == {"cut": "actions", "mix_all": "wrong", "null": "null"}


SAVED = {"labels": ["a"], "descriptions": ["an a"], "mean": [0.0], "std": [1.0]}


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        *(json.dumps({name: value for name, value in SAVED.items() if name != left}).encode() for left in SAVED),
        *(
            json.dumps({**SAVED, **changed}).encode()
            for changed in (
                {"labels": []},
                {"labels": ["a", "a"], "descriptions": ["an a", "an a"]},
                {"labels": [3]},
                {"labels": "a"},
                {"labels": ["a b"]},
                {"descriptions": [""]},
                {"descriptions": None},
                {"mean": [0.0, 1.0]},
                {"mean": ["x"]},
                {"mean": 0.0, "std": 1.0},
                {"mean": [[0.0]], "std": [[1.0]]},
                {"mean": [1e300]},
                {"mean": [{}]},
                {"std": [0.0]},
                {"std": [-1.0]},
                {"std": [None]},
                {"std": [float("nan")]},
            )
        ),
    ],
)
def test_a_run_without_its_labels_and_statistics_is_incomplete(content, tmp_path):
    (tmp_path / "videos.json").write_bytes(json.dumps(SAVED).encode())
    assert SegmentedVideos().saved_scale(tmp_path).dim == SegmentedVideos().saved_vocabulary(tmp_path).num_labels == 1
    (tmp_path / "videos.json").unlink()
    if content is not None:
        (tmp_path / "videos.json").write_bytes(content)
    for read in (SegmentedVideos().saved_vocabulary, SegmentedVideos().saved_scale):
        with pytest.raises(DataError, match=r"videos\.json: cannot be read .*; the run is incomplete"):
            read(tmp_path)


# Fingerprint


def differing(one, other):
    """The fields in which the fingerprints of two opened data differ, without their values."""
    lines = differences(one.fingerprint(seed=SEED), other.fingerprint(seed=SEED))
    return {line.split(": ")[0].removesuffix(".0") for line in lines}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"max_frames": 25}, {"data.max_frames"}),
        ({"most_speed": 1.5}, {"data.most_speed"}),
        ({"standardize": False}, {"data.standardize"}),
        ({"unseen_labels": ("cut",)}, {"data.unseen_labels"}),
        ({"null_labels": ("null",)}, {"data.null_labels"}),
        ({"wrong_labels": ("null",)}, {"data.wrong_labels"}),
        ({"val_fraction": 0.5}, {"data.val_fraction"}),
        ({"batch_size": 1}, {"data.batch_size"}),
        ({"num_threads": 2}, set()),
    ],
)
def test_the_fingerprint_names_a_setting_that_changes(changes, names, opened):
    assert differing(opened, reopened(opened, **changes)) == names


def test_the_fingerprint_names_another_fold(opened):
    names = differing(reopened(opened, fold=(0, 2)), reopened(opened, fold=(1, 2)))
    assert {"data.fold", "data.order", "data.clips.train_0.split"} <= names
    assert all(name.endswith((".fold", ".order", ".split")) for name in names)


def test_the_fingerprint_names_another_split_of_the_source(opened, settings):
    splits = settings.folder / "splits"
    for part, own in (("train", "train_0\ntrain_1\nval_0\n"), ("test", "test_0\n")):
        (splits / f"{part}.split2.bundle").write_text(own)
    names = differing(opened, reopened(opened, source=SegmentationFolder(split=2)))
    assert {"data.source.split", "data.clips.val_0.split", "data.order"} <= names


def relabelled(video):
    return {"labels": np.where(video.labels == 0, 1, video.labels).astype(np.int32)}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (relabelled, {"data.clips.train_1.labels"}),
        (lambda video: {"features": np.nextafter(video.features, np.float32(9))}, {"data.clips.train_1.frames"}),
        (lambda _: {"tags": {"split": "test"}}, {"data.clips.train_1.split", "data.order"}),
    ],
)
def test_the_fingerprint_names_a_video_that_changes(change, names, opened, videos, tmp_path):
    changed = [dataclasses.replace(one, **change(one)) if one.key == "train_1" else one for one in videos]
    root = write(changed, tmp_path / "changed")
    # A video of another split is listed elsewhere, which changes no batch of the others.
    assert differing(opened, reopened(opened, root=str(root))) == names


def test_the_fingerprint_names_another_scale_and_other_descriptions(opened, settings, videos, tmp_path):
    root = write(videos, tmp_path / "words", Vocabulary.of(VOCABULARY.labels, {"cut": "slice it"}))
    assert differing(opened, reopened(opened, root=str(root))) == {"data.about.descriptions"}
    plain = dataclasses.replace(settings, standardize=False).open(tmp_path / "plain")
    assert differing(opened, plain) == {"data.scale", "data.standardize"}


# Settings


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"val_fraction": 1.0}, r"data\.val_fraction is 1\.0; give 0 or more, below 1"),
        ({"val_fraction": float("nan")}, r"data\.val_fraction is nan"),
        ({"fold": (2, 2)}, r"data\.fold is \(2, 2\); give \(k, K\) with K of 2 or more and k from 0 to K - 1"),
        ({"fold": (-1, 2)}, r"data\.fold is \(-1, 2\)"),
        ({"fold": (0, 1)}, r"data\.fold is \(0, 1\)"),
        ({"max_frames": 0}, r"data\.max_frames is 0; give 1 or more, or None"),
        ({"most_speed": 0.9}, r"data\.most_speed is 0\.9; give a factor of 1 or more"),
        ({"null_labels": ("a", "b"), "wrong_labels": ("b",)}, r"data\.null_labels and data\.wrong_labels both hold b"),
    ],
)
def test_settings_out_of_range_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        SegmentedVideos(**fields)
