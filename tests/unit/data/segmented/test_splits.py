"""Which videos train, validate and test: those of the source, a fraction held out (D7), and folds (D8)."""

import dataclasses

import numpy as np
import pytest

from jaxmm.data.segmentation.scale import Scale
from jaxmm.data.segmentation.sources import SegmentationFolder
from jaxmm.data.segmented import SegmentedVideos
from jaxmm.errors import ConfigError, DataError

from .conftest import make_videos, write


def keys(data, split):
    return [video.key for video in data.videos(split)] if data.has_split(split) else []


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
