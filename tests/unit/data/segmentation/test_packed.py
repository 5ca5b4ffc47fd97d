import dataclasses
import json
import os

import numpy as np
import pytest

from jaxmm.data.segmentation import packed as packing
from jaxmm.data.segmentation.features import write_features
from jaxmm.data.segmentation.packed import packed_videos, vocabulary_of
from jaxmm.data.segmentation.sources import ProceduralSegments, SegmentationFolder, write_segmentation_folder
from jaxmm.errors import DataError

from .conftest import VOCABULARY, make_video

SOURCE = SegmentationFolder()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def meta(folder, tmp_path):
    """The description of a packed source."""
    packed_videos(SOURCE, folder)
    (only,) = (tmp_path / "cache" / "videos").iterdir()
    return only / "meta.json"


def test_videos_are_packed_once_as_they_are(folder, videos, monkeypatch):
    first = packed_videos(SOURCE, folder)
    monkeypatch.setattr(packing, "store", lambda *_, **__: pytest.fail("packed a second time"))
    again = packed_videos(SOURCE, folder)
    assert again.keys == first.keys == ("a", "b", "c", "d")
    assert vocabulary_of(again.about) == VOCABULARY
    for place, video in enumerate(videos):
        np.testing.assert_array_equal(again.clip(place), video.features)
        note = again.notes[place]
        labels = np.concatenate([[number] * count for number, count in note["runs"]])
        np.testing.assert_array_equal(labels, video.labels)
        assert len(note["runs"]) == 1 + np.count_nonzero(np.diff(video.labels))
        assert note["tags"] == video.tags


def test_videos_of_other_numbers_of_features_are_refused(folder, tmp_path):
    np.save(folder / "features" / "c.npy", make_video("x", 22, 5).features)
    message = "c: has 5 features a frame where a has 3; compute them anew"
    with pytest.raises(DataError, match=message):
        packed_videos(SOURCE, folder)
    assert list((tmp_path / "cache" / "videos").iterdir()) == []
    with pytest.raises(DataError, match=r"c\.npy: has shape \(22, 5\), neither axis of which is dim 3"):
        packed_videos(SegmentationFolder(dim=(3,)), folder)


def test_the_procedural_source_has_one_number_of_features():
    packed = packed_videos(ProceduralSegments(num_train=3, num_val=1, num_test=1, dim=9), None)
    assert packed.frames.shape[1] == packed.about["dim"] == 9


def changed_later(path):
    """Makes sure that a clock of coarse steps tells that a file was written again."""
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))


@pytest.mark.parametrize("way", ["absolute", "relative", "linked"])
def test_features_that_lie_elsewhere_are_packed_anew_when_they_change(way, folder, videos, tmp_path):
    elsewhere = tmp_path / "run" / "enhanced"
    elsewhere.mkdir(parents=True)
    for video in videos:
        write_features(elsewhere / f"{video.key}.npy", video.features)
    name = {"absolute": str(elsewhere), "relative": "../run/enhanced", "linked": "enhanced"}[way]
    if way == "linked":
        (folder / name).symlink_to(elsewhere)
    source = SegmentationFolder(features=("features", name))
    before = packed_videos(source, folder)
    np.testing.assert_array_equal(before.clip(0), np.tile(videos[0].features, 2))
    write_features(elsewhere / "a.npy", 2 * videos[0].features)
    changed_later(elsewhere / "a.npy")
    after = packed_videos(source, folder)
    np.testing.assert_array_equal(after.clip(0), np.concatenate([videos[0].features, 2 * videos[0].features], axis=1))
    np.testing.assert_array_equal(after.clip(1), before.clip(1))


def test_labels_and_descriptions_that_lie_elsewhere_are_read_anew_when_they_change(folder, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text('cut "slice it"\n')
    source = SegmentationFolder(descriptions=str(words))
    assert packed_videos(source, folder).about["descriptions"][0] == "slice it"
    words.write_text('cut "chop it up"\n')
    assert packed_videos(source, folder).about["descriptions"][0] == "chop it up"


def test_only_what_lies_elsewhere_is_named(folder, tmp_path):
    assert SOURCE.outside(folder) == SOURCE.outside(None) == ProceduralSegments().outside(None) == ()
    source = SegmentationFolder(features=("features", "/far/away"), labels="../labels", mapping="mapping.txt")
    assert [str(path) for path in source.outside(folder)] == ["/far/away", f"{folder}/../labels"]
    (folder / "splits").rename(tmp_path / "splits")
    (folder / "splits").symlink_to(tmp_path / "splits")
    assert SOURCE.outside(folder) == (folder / "splits",)


@pytest.mark.parametrize(
    "about",
    [
        {},
        [],
        {"labels": None},
        {"labels": "cmn"},
        {"labels": ["cut", "mix_all", 3]},
        {"labels": ["cut", "cut", "null"]},
        {"labels": ["cut"]},
        {"descriptions": ["", "", ""]},
        {"dim": None},
        {"dim": "3"},
        {"dim": 4},
    ],
)
def test_a_packed_source_that_is_described_otherwise_is_refused(about, meta, folder):
    """Also one of another source, copied over."""
    fields = json.loads(meta.read_text())
    meta.write_text(json.dumps({**fields, "about": {**fields["about"], **about} if about else about}))
    with pytest.raises(DataError, match=rf"{meta.parent}: .*; delete the folder to have it packed anew"):
        packed_videos(SOURCE, folder)


@pytest.mark.parametrize(
    "note",
    [
        {"runs": None},
        {"runs": []},
        {"runs": [20]},
        {"runs": [[0, 20, 1]]},
        {"runs": [[0, 19]]},
        {"runs": [[0, 25], [1, -5]]},
        {"runs": [[0, 20], [1, 0]]},
        {"runs": [[0, 20.0]]},
        {"runs": [[3, 20]]},
        {"runs": [[-1, 20]]},
        {"runs": [["cut", 20]]},
        {"tags": None},
        {"tags": ["split"]},
        {"tags": {"split": 1}},
    ],
)
def test_a_damaged_note_is_refused(note, meta, folder):
    fields = json.loads(meta.read_text())
    fields["clips"]["a"]["note"].update(note)
    meta.write_text(json.dumps(fields))
    with pytest.raises(DataError, match=rf"{meta.parent}: not a packed data set .*; delete the folder"):
        packed_videos(SOURCE, folder)


@pytest.mark.parametrize("name", ["runs", "tags"])
def test_a_note_that_lacks_something_is_refused(name, meta, folder):
    fields = json.loads(meta.read_text())
    del fields["clips"]["a"]["note"][name]
    meta.write_text(json.dumps(fields))
    with pytest.raises(DataError, match=rf"{meta.parent}: not a packed data set .*; delete the folder"):
        packed_videos(SOURCE, folder)


def test_frames_that_were_cut_are_refused(meta, folder):
    frames = meta.parent / "frames.f32"
    frames.write_bytes(frames.read_bytes()[:-4])
    with pytest.raises(DataError, match=r"frames\.f32 was cut or changed; delete the folder to have it packed anew"):
        packed_videos(SOURCE, folder)


def test_a_source_that_fails_leaves_nothing_behind(folder, tmp_path):
    (folder / "groundTruth" / "d.txt").write_text("chop\n")
    with pytest.raises(DataError, match=r"d\.txt:1: 'chop' is no label"):
        packed_videos(SOURCE, folder)
    assert list((tmp_path / "cache" / "videos").iterdir()) == []


def test_a_long_video_of_one_label_is_one_run(videos, tmp_path):
    still = dataclasses.replace(videos[0], labels=np.full(20, 2, np.int32))
    write_segmentation_folder([still, *videos[1:]], VOCABULARY, tmp_path / "still")
    assert packed_videos(SOURCE, tmp_path / "still").notes[0]["runs"] == [[2, 20]]
