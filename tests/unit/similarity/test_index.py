"""Galleries of videos: what is best, and files that hold them."""

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxmm import Index
from jaxmm.errors import CheckpointError, DataError
from jaxmm.similarity.index import VideoIndex

ARRAYS = {
    "embeddings": np.arange(10, dtype=np.float32).reshape(5, 2),
    "places": np.array([0, 0, 0, 1, 2]),
    "spans": np.array([[0, 2], [1, 3], [2, 4], [0, 2], [0, 1.5]], np.float32),
}
VALUES = {"names": ["a.mp4", "b/ü.mp4", "c.mp4"], "seconds": 2.0, "hop": 1.0, "digest": "abc"}


@pytest.fixture
def index():
    return VideoIndex(**ARRAYS, **{**VALUES, "names": tuple(VALUES["names"])})


def test_each_video_is_listed_once_by_its_best_window(index):
    found = index.best(np.array([0.3, 0.9, 0.8, 0.4, 0.9], np.float32), k=5)
    assert [(hit.name, hit.start, hit.end) for hit in found] == [
        ("a.mp4", 1.0, 3.0),
        ("c.mp4", 0.0, 1.5),
        ("b/ü.mp4", 0.0, 2.0),
    ]
    assert [hit.probability for hit in found] == pytest.approx([0.9, 0.9, 0.4])
    assert [hit.name for hit in index.best(np.array([0, 0, 0.1, 0.2, 0.1], np.float32), k=2)] == ["b/ü.mp4", "a.mp4"]


def test_a_written_index_is_read_back_equal(index, tmp_path):
    index.write(tmp_path / "new" / "gallery")
    back = VideoIndex.read(tmp_path / "new" / "gallery")
    for field in dataclasses.fields(VideoIndex):
        ours, theirs = getattr(index, field.name), getattr(back, field.name)
        if field.name in ARRAYS:
            assert ours.dtype == theirs.dtype and isinstance(theirs, np.memmap)
            np.testing.assert_array_equal(ours, theirs)
        else:
            assert ours == theirs


def test_an_index_answers_only_the_checkpoint_that_made_it(index):
    index.check_made_by("abc")
    with pytest.raises(CheckpointError, match="made by another checkpoint; make it anew with jaxmm index"):
        index.check_made_by("abd")


def test_an_empty_gallery_is_an_error(index):
    with pytest.raises(DataError, match="the gallery is empty; index a folder of videos that can be read"):
        dataclasses.replace(index, names=())


def test_an_index_of_another_kind_is_refused(index, tmp_path):
    index.write(tmp_path / "gallery")
    with pytest.raises(DataError, match="is not an index; make one with jaxmm index"):
        Index.read(tmp_path / "gallery")


@pytest.mark.parametrize(
    "damage",
    [
        {"names": ["a.mp4", "b.mp4"]},
        {"names": ["a", "b", 3]},
        {"names": 3},
        {"seconds": "2"},
        {"digest": 7},
        {"more": 1},
        {"places": ARRAYS["places"][:4]},
        {"places": ARRAYS["places"] + 1},
        {"spans": ARRAYS["spans"] * np.float32(np.nan)},
        {"embeddings": ARRAYS["embeddings"][:4]},
        {"embeddings": ARRAYS["embeddings"].astype(np.float16)},
    ],
    ids=str,
)
def test_an_index_whose_parts_do_not_fit_is_refused(damage, tmp_path):
    arrays = ARRAYS | {name: own for name, own in damage.items() if name in ARRAYS}
    values = VALUES | {name: own for name, own in damage.items() if name not in ARRAYS}
    metadata = {"format": "jaxmm-video-index-1", "values": json.dumps(values)}
    save_file(arrays, tmp_path / "gallery", metadata=metadata)
    with pytest.raises(DataError, match=r"gallery: is damaged \(.*\); make the index anew with jaxmm index"):
        VideoIndex.read(tmp_path / "gallery")


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_cut_index_is_refused(keep, index, tmp_path):
    path = tmp_path / "gallery"
    index.write(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"gallery: cannot be read .*; make an index with jaxmm index"):
        VideoIndex.read(path)
