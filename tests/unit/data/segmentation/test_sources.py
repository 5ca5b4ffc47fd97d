import dataclasses
import logging
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.config import decode, encode
from jaxmm.data.segmentation import procedural
from jaxmm.data.segmentation.sources import (
    ProceduralSegments,
    SegmentationFolder,
    read_segmentation_folder,
    segmentation_source_of,
    write_segmentation_folder,
)
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.errors import ConfigError, DataError

from .conftest import VOCABULARY, make_video


def assert_same(ours, theirs):
    assert (ours.key, ours.fps, dict(ours.tags)) == (theirs.key, theirs.fps, dict(theirs.tags))
    np.testing.assert_array_equal(ours.features, theirs.features)
    np.testing.assert_array_equal(ours.labels, theirs.labels)


# Folders


def test_a_folder_is_read_as_it_was_written(folder, videos):
    read, vocabulary = read_segmentation_folder(folder)
    assert vocabulary == VOCABULARY
    for ours, theirs in zip(read, videos, strict=True):
        assert_same(ours, theirs)


@given(data=st.data())
def test_whatever_is_written_is_read(data, tmp_path_factory):
    dim = data.draw(st.integers(1, 4))
    parts = data.draw(st.lists(st.sampled_from(["train", "val", "test"]), min_size=1, max_size=4))
    videos = [
        make_video(f"v{place}", data.draw(st.integers(5, 9)), dim, tags={"split": part})
        for place, part in enumerate(sorted(parts, key=["train", "val", "test"].index))
    ]
    root = tmp_path_factory.mktemp("written")
    assert write_segmentation_folder(videos, VOCABULARY, root) == len(videos)
    read, vocabulary = read_segmentation_folder(root, source=SegmentationFolder(dim=(dim,)))
    for ours, theirs in zip(read, videos, strict=True):
        assert_same(ours, theirs)
    assert vocabulary == VOCABULARY


def test_nothing_is_read_before_it_is_asked_for(folder):
    (folder / "groundTruth" / "b.txt").write_text("chop\n")
    videos = SegmentationFolder().inventory(folder).items()
    assert next(videos).key == "a"
    with pytest.raises(DataError, match=r"b\.txt:1: 'chop' is no label"):
        next(videos)


def test_the_settings_of_a_folder_are_used(folder, tmp_path):
    for old, new in (("features", "i3d"), ("groundTruth", "gt"), ("mapping.txt", "labels.txt")):
        (folder / old).rename(folder / new)
    for part in ("train", "val", "test"):
        (folder / "splits" / f"{part}.split1.bundle").rename(folder / "splits" / f"{part}.split7.bundle")
    (folder / "words.txt").write_text('null "a pause"')
    source = SegmentationFolder(
        features=("i3d",), labels="gt", mapping="labels.txt", descriptions="words.txt", split=7, fps=30.0
    )
    assert [video.fps for video in source.inventory(folder).items()] == [30.0] * 4
    assert source.vocabulary(folder).descriptions == ("cut", "mix all", "a pause")


def test_frames_that_are_cut_off_are_logged_in_one_line(folder, caplog):
    """D9."""
    path = folder / "groundTruth" / "a.txt"
    path.write_text(path.read_text() + "null\n")
    with caplog.at_level(logging.WARNING):
        assert next(SegmentationFolder(tolerance=1).inventory(folder).items()).num_frames == 20
    (record,) = caplog.records
    assert re.search(r"a\.npy: has 20 frames where .*a\.txt has 21; those beyond are cut off", record.getMessage())


def test_descriptions_are_those_of_the_only_file_of_the_root(folder):
    (folder / "action_description.txt").unlink()
    assert SegmentationFolder().vocabulary(folder) == Vocabulary.of(VOCABULARY.labels)
    for name in ("one_description.txt", "two_description.txt"):
        (folder / name).write_text(f'cut "{name}"')
    message = "holds 'one_description.txt, two_description.txt'; choose one as data.source.descriptions"
    with pytest.raises(DataError, match=re.escape(message)):
        SegmentationFolder().vocabulary(folder)
    chosen = SegmentationFolder(descriptions="two_description.txt")
    assert chosen.vocabulary(folder).descriptions[0] == "two_description.txt"
    with pytest.raises(DataError, match=r"no\.txt: cannot be read"):
        SegmentationFolder(descriptions="no.txt").vocabulary(folder)


def test_a_mapping_that_cannot_be_read_is_a_problem_of_the_list(folder):
    (folder / "mapping.txt").write_text("0 cut\n0 mix\n")
    inventory = SegmentationFolder().inventory(folder)
    assert [problem.kind for problem in inventory.problems] == ["labels"]
    with pytest.raises(DataError, match=r"mapping\.txt:2: index 0"):
        inventory.items()


def test_a_root_is_needed_and_must_be_a_folder(tmp_path):
    for use in (SegmentationFolder().inventory, SegmentationFolder().vocabulary):
        with pytest.raises(DataError, match=r"data\.root is not set; give the folder that holds mapping\.txt with"):
            use(None)
        with pytest.raises(DataError, match=rf"data\.root: {tmp_path}/no is not a folder"):
            use(tmp_path / "no")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": ()}, "data.source.features is (); name one folder or more, each once"),
        ({"features": ("a", "a")}, "data.source.features is ('a', 'a')"),
        ({"dim": (3, 4)}, "data.source.dim is (3, 4); give one number above zero for each of ('features',), or none"),
        ({"dim": (0,)}, "data.source.dim is (0,)"),
        ({"tolerance": -1}, "data.source.tolerance is -1; give a number from 0 on"),
        ({"split": -1}, "data.source.split is -1"),
        ({"fps": 0.0}, "data.source.fps is 0.0; give a rate from 0.1 to 10000"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        SegmentationFolder(**settings)


@pytest.mark.parametrize(
    "source", [SegmentationFolder(dim=(56,), orientation="dim_time"), ProceduralSegments(num_unseen=2)]
)
def test_settings_are_kept_as_json(source):
    assert decode(encode(source)) == source


# Writing


def test_a_folder_is_not_written_over(folder, videos):
    with pytest.raises(DataError, match="holds videos already; choose another folder"):
        write_segmentation_folder(videos, VOCABULARY, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": "a"}, "a: two videos have this key; give each its own"),
        ({"key": "x/y"}, "'x/y' is not the name of a video"),
        ({"tags": {}}, "b: tag 'split' is None, not train, val or test"),
        ({"features": np.zeros((20, 4), np.float32), "labels": np.zeros(20, np.int32)}, "b: has 4 features a frame"),
        ({"labels": np.full(21, 3, np.int32)}, "labels must be one number or more from 0 to 2"),
    ],
)
def test_what_could_not_be_read_is_not_written(change, message, videos, tmp_path):
    with pytest.raises(DataError, match=re.escape(message)):
        write_segmentation_folder([videos[0], dataclasses.replace(videos[1], **change)], VOCABULARY, tmp_path / "new")
    # The mapping, by which a folder is known, is written last.
    assert segmentation_source_of(tmp_path / "new") is None


def test_no_videos_are_not_written(tmp_path):
    with pytest.raises(DataError, match="there is no video to write; give one or more"):
        write_segmentation_folder([], VOCABULARY, tmp_path / "new")


# Which source


def test_a_folder_of_labelled_videos_is_known_by_its_files(folder, tmp_path):
    assert segmentation_source_of(folder) == SegmentationFolder()
    assert segmentation_source_of(tmp_path) is None
    for part in ("train", "val", "test"):
        (folder / "splits" / f"{part}.split1.bundle").rename(folder / "splits" / f"{part}.split3.bundle")
    assert segmentation_source_of(folder) == SegmentationFolder(split=3)
    (folder / "mapping.txt").unlink()
    assert segmentation_source_of(folder) is None


# The procedural source


def test_the_procedural_source_refuses_files(tmp_path):
    with pytest.raises(DataError, match=r"procedural source reads no files; .* data\.source is SegmentationFolder"):
        ProceduralSegments().inventory(tmp_path)


def test_the_procedural_source_passes_on_its_settings_by_split(monkeypatch):
    asked = []

    def none(split, **settings):
        asked.append((split, settings))
        return iter(())

    monkeypatch.setattr(procedural, "segments", none)
    source = ProceduralSegments(seed=3, num_train=5, num_val=2, num_test=4, dim=16, num_unseen=3)
    assert list(source.inventory(None).items()) == []
    shared = {"seed": 3, "dim": 16, "num_unseen": 3}
    assert asked == [
        ("train", {**shared, "num_videos": 5}),
        ("val", {**shared, "num_videos": 2}),
        ("test", {**shared, "num_videos": 4}),
    ]
    assert source.unseen == procedural.unseen_labels(3)
    assert source.vocabulary(None) == procedural.VOCABULARY


# Real videos


@pytest.mark.parametrize("split", range(1, 6))
@pytest.mark.parametrize("dim", [(), (56,)])
def test_all_real_salads_are_read(split, dim, salads):
    source = SegmentationFolder(split=split, dim=dim)
    videos = list(source.inventory(salads).items())
    assert len(videos) == 50
    assert sum(video.num_frames for video in videos) == 16_596
    assert {video.dim for video in videos} == {56}
    parts = [video.tags["split"] for video in videos]
    assert (parts.count("train"), parts.count("test")) == (40, 10)
    assert np.unique(np.concatenate([video.labels for video in videos])).tolist() == list(range(18))


def test_real_salads_are_described(salads):
    assert segmentation_source_of(salads) == SegmentationFolder()
    vocabulary = SegmentationFolder().vocabulary(salads)
    assert vocabulary.num_labels == 18
    assert vocabulary.descriptions[vocabulary.index("null")] == "no action or transition"
    assert vocabulary.descriptions[vocabulary.index("cut_cheese")] == "cut the cheese"


def test_real_salads_are_the_same_once_written_again(salads, tmp_path):
    source = SegmentationFolder(split=2)
    videos = list(source.inventory(salads).items())
    write_segmentation_folder(videos, source.vocabulary(salads), tmp_path / "salads")
    read, vocabulary = read_segmentation_folder(tmp_path / "salads")
    assert vocabulary == source.vocabulary(salads)
    for ours, theirs in zip(read, videos, strict=True):
        assert_same(ours, theirs)
