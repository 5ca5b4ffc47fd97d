import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxmm.data.motion import Skeleton
from jaxmm.errors import CheckpointError, DataError
from jaxmm.motions.index import Index

ARRAYS = ("motion", "text", "relevant", "frames", "offsets")


@pytest.fixture
def index():
    rng = np.random.default_rng(0)
    motion = np.eye(3, 4, dtype=np.float32)
    return Index(
        motion=motion,
        text=motion[:2],
        relevant=np.array([[True, False], [True, True], [False, True]]),
        frames=rng.normal(size=(9, 2, 3)).astype(np.float16),
        offsets=np.array([0, 2, 5, 9]),
        keys=("walk", "run", "jümp"),
        captions=("a walk", "a run"),
        split="test",
        fps=20.0,
        skeleton=Skeleton(joint_names=("Hips", "Head"), parents=(-1, 0)),
        digest="abc",
    )


def test_a_written_index_is_read_back_equal(index, tmp_path):
    path = tmp_path / "new" / "gallery.safetensors"
    index.write(path)
    back = Index.read(path)
    for field in dataclasses.fields(Index):
        ours, theirs = getattr(index, field.name), getattr(back, field.name)
        if field.name in ARRAYS:
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
        else:
            assert ours == theirs


def test_each_motion_keeps_its_own_frames_and_captions(index):
    assert [len(index.positions(place)) for place in range(3)] == [2, 3, 4]
    np.testing.assert_array_equal(index.positions(1), index.frames[2:5].astype(np.float32))
    assert [index.captions_of(place) for place in range(3)] == [("a walk",), ("a walk", "a run"), ("a run",)]


def test_hits_are_sorted_with_their_names_and_scores(index):
    (hits,) = index.find_motions(np.array([[0.1, 0.7, 0.3, 0.0]], np.float32), k=2)
    assert [(hit.place, hit.name) for hit in hits] == [(1, "run"), (2, "jümp")]
    assert [hit.score for hit in hits] == pytest.approx([0.7, 0.3])
    (hits,) = index.find_captions(np.array([[0.1, 0.7, 0.3, 0.0]], np.float32), k=1)
    assert hits[0].name == "a run"


def test_ties_go_to_the_lower_place_and_every_query_has_its_row(index):
    rows = index.find_motions(np.array([[0, 0, 0, 1], [0, 0, 1, 0]], np.float32), k=3)
    assert [[hit.place for hit in row] for row in rows] == [[0, 1, 2], [2, 0, 1]]


def test_more_answers_than_the_gallery_holds_are_all_of_it(index):
    assert len(index.find_motions(np.ones((1, 4), np.float32), k=50)[0]) == 3


def test_an_empty_gallery_is_an_error(index):
    for empty in ({"keys": ()}, {"captions": ()}):
        with pytest.raises(DataError, match="the gallery is empty; index a split that holds motions"):
            dataclasses.replace(index, **empty)


def test_an_index_answers_only_the_checkpoint_that_made_it(index):
    index.check_made_by("abc")
    with pytest.raises(CheckpointError, match="made by another checkpoint; make it anew with jaxmm index"):
        index.check_made_by("abd")


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_cut_index_is_refused(keep, index, tmp_path):
    path = tmp_path / "gallery"
    index.write(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"gallery: cannot be read .*; make an index with jaxmm index"):
        Index.read(path)


def test_an_absent_index_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"gallery: cannot be read .*; make an index with jaxmm index"):
        Index.read(tmp_path / "gallery")


def test_other_safetensors_are_no_index(tmp_path):
    save_file({"motion": np.eye(2)}, tmp_path / "gallery")
    with pytest.raises(DataError, match=r"gallery: is not an index; make one with jaxmm index"):
        Index.read(tmp_path / "gallery")


@pytest.mark.parametrize("values", [None, "{", "{}", "[]", '{"split": 3}'])
def test_an_index_whose_values_are_damaged_is_refused(values, index, tmp_path):
    metadata = {"format": "jaxmm-index-1"} | ({} if values is None else {"values": values})
    save_file({name: np.ascontiguousarray(getattr(index, name)) for name in ARRAYS}, tmp_path / "g", metadata=metadata)
    with pytest.raises(DataError, match="/g: "):
        Index.read(tmp_path / "g")


def test_an_index_without_one_of_its_arrays_is_refused(index, tmp_path):
    metadata = {"format": "jaxmm-index-1", "values": json.dumps({})}
    save_file({"motion": index.motion}, tmp_path / "gallery", metadata=metadata)
    with pytest.raises(DataError, match=r"gallery: cannot be read \(.*text.*\); make an index"):
        Index.read(tmp_path / "gallery")


def test_a_place_that_cannot_be_written_is_refused(index, tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "gallery", tmp_path):
        with pytest.raises(DataError, match="cannot be written"):
            index.write(path)


def test_a_read_index_is_mapped_from_its_file_and_not_loaded(index, tmp_path):
    index.write(tmp_path / "gallery")
    back = Index.read(tmp_path / "gallery")
    assert all(isinstance(getattr(back, name), np.memmap) for name in ARRAYS)
    index.write(tmp_path / "gallery")  # a new file takes the place of the mapped one
    np.testing.assert_array_equal(back.motion, index.motion)
    with pytest.raises(ValueError, match="read-only"):
        back.motion[0, 0] = 2


def test_an_index_answers_alike_by_either_search(index, tmp_path):
    pytest.importorskip("faiss", reason="needs the extra 'faiss'")
    index.write(tmp_path / "gallery")
    other = dataclasses.replace(Index.read(tmp_path / "gallery"), search="faiss")
    queries = np.array([[0.1, 0.7, 0.3, 0.0], [0.9, 0.1, 0.2, 0.0]], np.float32)
    for ours, theirs in zip(index.find_motions(queries, k=3), other.find_motions(queries, k=3), strict=True):
        assert [hit.name for hit in ours] == [hit.name for hit in theirs]
        assert [hit.score for hit in ours] == pytest.approx([hit.score for hit in theirs])
    other.write(tmp_path / "again")
    assert Index.read(tmp_path / "again").search == "exact"
