import re

import numpy as np
import pytest

from jaxmm.data.segmentation.folder import Reading, VideoFiles, bundle_path, list_videos, split_numbers
from jaxmm.data.segmentation.labels import read_frame_labels
from jaxmm.errors import DataError

from .conftest import VOCABULARY, make_video


def listed(folder, split=1, features=("features",), labels="groundTruth"):
    return list_videos(folder, features=features, labels=labels, split=split)


def files_of(folder, key="a", features=("features",)):
    return VideoFiles(
        key=key,
        split="train",
        features=tuple(folder / name / f"{key}.npy" for name in features),
        labels=folder / "groundTruth" / f"{key}.txt",
    )


def read(folder, report=lambda message: None, features=("features",), **reading):
    return files_of(folder, features=features).read(VOCABULARY, Reading(fps=15.0, **reading), report=report)


def shorten(folder, num_frames):
    """Leaves labels of the first frames of video a only."""
    path = folder / "groundTruth" / "a.txt"
    path.write_text("\n".join(path.read_text().split()[:num_frames]))
    return path


# Listing


def test_videos_are_listed_by_the_bundles_of_their_split(folder):
    listing = listed(folder)
    assert [(files.key, files.split) for files in listing.videos] == [
        ("a", "train"),
        ("b", "train"),
        ("c", "val"),
        ("d", "test"),
    ]
    assert (listing.problems, listing.undescribed) == ((), ())


def test_the_bundle_of_validation_may_be_missing_and_its_files_are_then_undescribed(folder):
    bundle_path(folder, "val", 1).unlink()
    listing = listed(folder)
    assert [files.key for files in listing.videos] == ["a", "b", "d"]
    assert listing.undescribed == ("features/c.npy", "groundTruth/c.txt")


def test_splits_are_found_by_their_numbers(folder):
    (folder / "splits" / "test.split10.bundle").write_text("a")
    for other in ("test.split02.bundle", "extra.split3.bundle", "test.split4.txt"):
        (folder / "splits" / other).write_text("a")
    assert split_numbers(folder) == [1, 10]
    (problem,) = listed(folder, split=2).problems
    assert problem.message.endswith("train.split2.bundle: no such file, nor one for test; choose split '1, 10'")


def test_a_folder_without_bundles_is_told_what_to_write(tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "groundTruth").mkdir()
    (problem,) = listed(tmp_path).problems
    assert problem.kind == "splits"
    assert problem.message.endswith("no such file, nor one for test; write the videos' names into them, one a line")
    (tmp_path / "splits").mkdir()
    bundle_path(tmp_path, "test", 1).touch()
    (problem,) = listed(tmp_path).problems
    assert problem.message.endswith("names no video, nor does another bundle of split 1; write one a line")


def test_a_video_in_two_parts_is_named_by_line(folder):
    bundle_path(folder, "test", 1).write_text("d.txt\nb.txt\n")
    listing = listed(folder)
    (problem,) = listing.problems
    assert problem.kind == "leakage"
    assert problem.message.endswith("test.split1.bundle:2: 'b' is in train already; keep it in one")
    assert len(listing.videos) == 4


def test_missing_files_are_named_with_the_line_that_asks_for_them(folder):
    (folder / "features" / "b.npy").unlink()
    (folder / "groundTruth" / "b.txt").unlink()
    (folder / "groundTruth" / "d.txt").unlink()
    listing = listed(folder)
    assert [files.key for files in listing.videos] == ["a", "c"]
    assert {problem.kind for problem in listing.problems} == {"files"}
    for problem, line in zip(
        listing.problems,
        [
            r"train\.split1\.bundle:2: no file 'b\.npy' in .*/features and no 'b\.txt' in .*/groundTruth; add what is",
            r"test\.split1\.bundle:1: no file 'd\.txt' in .*/groundTruth; add what is missing, or remove the line",
        ],
        strict=True,
    ):
        assert re.search(line, problem.message)


def test_a_missing_folder_is_one_problem(folder):
    (problem,) = listed(folder, features=("features", "enhanced")).problems
    assert problem.message == f"{folder}/enhanced: no such folder; add it, or name the folder of the videos' .npy files"


def test_features_and_labels_may_lie_in_one_folder(folder):
    for path in (folder / "groundTruth").iterdir():
        path.rename(folder / "features" / path.name)
    listing = listed(folder, labels="features")
    assert (len(listing.videos), listing.problems, listing.undescribed) == (4, (), ())


# Reading


def test_a_video_is_read_with_its_labels(folder):
    video, expected = read(folder), make_video("a")
    np.testing.assert_array_equal(video.features, expected.features)
    np.testing.assert_array_equal(video.labels, expected.labels)
    assert (video.fps, video.tags) == (15.0, {"split": "train"})


def test_features_of_several_folders_stand_side_by_side(folder, tmp_path):
    more = make_video("more", 20, dim=5).features
    (tmp_path / "elsewhere").mkdir()
    np.save(tmp_path / "elsewhere" / "a.npy", more)
    names = ("features", str(tmp_path / "elsewhere"))
    for dim in ((3, 5), ()):
        video = read(folder, features=names, dim=dim)
        np.testing.assert_array_equal(video.features, np.concatenate([make_video("a").features, more], axis=1))


def test_lengths_that_differ_are_an_error(folder):
    """D9."""
    shorten(folder, 18)
    with pytest.raises(
        DataError,
        match=r"a\.txt: has 18 frames where .*a\.npy has 20; repair one of them, or set tolerance to 2 or more",
    ):
        read(folder, dim=(3,), tolerance=1)


@pytest.mark.parametrize("dim", [(3,), ()])
def test_lengths_that_differ_within_the_tolerance_are_cut_off_and_told(dim, folder):
    """D9."""
    path, told = shorten(folder, 18), []
    video = read(folder, told.append, dim=dim, tolerance=2)
    np.testing.assert_array_equal(video.features, make_video("a").features[:18])
    np.testing.assert_array_equal(video.labels, read_frame_labels(path, VOCABULARY))
    assert told == [f"{path}: has 18 frames where {folder}/features/a.npy has 20; those beyond are cut off"]


def test_the_parts_of_a_video_tell_what_is_wrong_with_each(folder):
    (folder / "groundTruth" / "a.txt").write_text("chop\n")
    (folder / "features" / "a.npy").write_bytes(b"")
    labels, features, errors = files_of(folder).parts(VOCABULARY, Reading(dim=(3,), fps=15.0))
    assert (labels, features) == (None, [])
    assert [str(error).split("/")[-1].split(":")[0] for error in errors] == ["a.txt", "a.npy"]
    # Without labels and a dimension, nothing tells which axis is time.
    assert len(files_of(folder).parts(VOCABULARY, Reading(fps=15.0))[2]) == 1
    with pytest.raises(DataError, match="'chop' is no label"):
        read(folder)
