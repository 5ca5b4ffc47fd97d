"""What is packed of videos, once, and what is done about those that cannot be read."""

import dataclasses
import json
import logging
import shutil

import numpy as np
import pytest

import jaxmm.data.video.packed
from jaxmm.data.video.clip import FrameView
from jaxmm.data.video.folders import ClassFolders
from jaxmm.data.video.packed import Packing, packed_actions
from jaxmm.data.video.sources import ProceduralVideos
from jaxmm.errors import ConfigError, DataError

PACKING = Packing(view=FrameView(fps=5.0, frame_size=16, max_frames=10), num_workers=2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(class_folder, tmp_path):
    """A copy of the classes that may be damaged."""
    return shutil.copytree(class_folder, tmp_path / "classes")


def test_every_video_is_kept_in_order_at_one_rate_and_size(class_folder):
    stored = packed_actions(ClassFolders(), class_folder, PACKING)
    assert stored.keys == tuple(
        f"{label}/{n}{end}" for label, end in (("air walk", ".mp4"), ("jump", ".avi")) for n in range(6)
    )
    assert stored.frames.dtype == np.uint8 and stored.frames.shape[1:] == (16, 16, 3)
    assert np.diff(stored.offsets).tolist() == [5, 7, 8, 10, 10, 10] * 2
    assert [note["label"] for note in stored.notes] == [0] * 6 + [1] * 6
    assert [note["cut"] for note in stored.notes] == [False, False, False, False, True, True] * 2
    assert {note["fps"] for note in stored.notes} == {5.0} and stored.fps == 5.0
    assert stored.about["labels"] == ["air_walk", "jump"]
    all_frames = dataclasses.replace(PACKING, view=FrameView(fps=None, frame_size=16))
    np.testing.assert_array_equal(stored.clip(0), packed_actions(ClassFolders(), class_folder, all_frames).clip(0)[::2])


def test_every_frame_is_kept_where_no_rate_is_given(class_folder):
    packing = dataclasses.replace(PACKING, view=FrameView(fps=None, frame_size=16))
    stored = packed_actions(ClassFolders(), class_folder, packing)
    assert np.diff(stored.offsets).tolist() == [10, 13, 16, 19, 22, 25] * 2
    assert stored.fps == 1.0 and {note["fps"] for note in stored.notes} == {10.0}


def test_videos_are_decoded_once(class_folder, monkeypatch):
    first = packed_actions(ClassFolders(), class_folder, PACKING)
    monkeypatch.setattr(jaxmm.data.video.packed, "_pack", None)
    np.testing.assert_array_equal(packed_actions(ClassFolders(), class_folder, PACKING).frames, first.frames)
    for view in ({"fps": 2.0}, {"frame_size": 8}, {"max_frames": 4}):
        other = dataclasses.replace(PACKING, view=dataclasses.replace(PACKING.view, **view))
        with pytest.raises(TypeError):
            packed_actions(ClassFolders(), class_folder, other)


def test_a_bad_video_fails_or_is_left_out_by_name(folder, caplog):
    (folder / "jump" / "2.avi").write_bytes(b"nothing")
    (folder / "jump" / "4.avi").write_bytes(b"")
    with pytest.raises(DataError, match=r"2.avi: is damaged, or no video; .* or set data.on_bad to 'skip'"):
        packed_actions(ClassFolders(), folder, PACKING)
    skipping = dataclasses.replace(PACKING, on_bad="skip")
    with caplog.at_level(logging.WARNING):
        stored = packed_actions(ClassFolders(), folder, skipping)
    assert len(stored) == 10 and set(stored.about["bad"]) == {"jump/2.avi", "jump/4.avi"}
    lines = [record.getMessage() for record in caplog.records]
    assert [sum(name in line for line in lines) for name in ("jump/2.avi", "jump/4.avi")] == [1, 1]
    assert lines[-1] == "2 of 12 videos are left out, since they cannot be read"
    with pytest.raises(DataError, match=r"2.avi: .* \(2 videos cannot be read\)"):
        packed_actions(ClassFolders(), folder, PACKING)


def test_a_source_of_bad_videos_alone_is_an_error(folder):
    for path in folder.rglob("*.*"):
        path.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"0.mp4: is damaged, .*\(12 videos cannot be read\)"):
        packed_actions(ClassFolders(), folder, dataclasses.replace(PACKING, on_bad="skip"))


def test_no_more_of_the_disk_is_taken_than_allowed(class_folder, own_cache):
    with pytest.raises(ConfigError, match=r"the frames of the first 3 videos take more than data.packed_gib, 1.2e-05;"):
        packed_actions(ClassFolders(), class_folder, dataclasses.replace(PACKING, packed_gib=12e-6))
    assert not list(own_cache.rglob("*.*"))


def test_synthetic_videos_are_packed_without_decoding(monkeypatch):
    monkeypatch.setattr("jaxmm.data.video.process.DecoderProcess.__init__", None)
    stored = packed_actions(ProceduralVideos(num_train=1, num_val=0, num_test=1), None, PACKING)
    assert len(stored) == 36 and stored.notes[0]["tags"] == {"origin": "synthetic", "split": "train"}


@pytest.mark.parametrize(
    "change",
    [
        lambda meta: meta["about"].pop("labels"),
        lambda meta: meta["about"].pop("bad"),
        lambda meta: meta["about"].update(bad={"a": {"reason": "x"}}),
        lambda meta: meta["about"].update(frame_size="x"),
        lambda meta: next(iter(meta["clips"].values()))["note"].update(label=99),
        lambda meta: next(iter(meta["clips"].values()))["note"].update(tags={"split": 3}),
        lambda meta: next(iter(meta["clips"].values()))["note"].pop("cut"),
    ],
)
def test_a_changed_description_of_packed_videos_is_named(change, own_cache):
    source = ProceduralVideos(looks=("red_bar",), moves=("left",), num_train=1, num_val=0, num_test=0)
    packed_actions(source, None, PACKING)
    (path,) = own_cache.rglob("meta.json")
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta))
    with pytest.raises(DataError, match=r"not a packed data set .*delete the folder"):
        packed_actions(source, None, PACKING)
