import dataclasses
import importlib.util

import numpy as np
import pytest

from jaxmm import Experiment, SegmentationFolder, SegmentedVideos
from jaxmm.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from jaxmm.frames import compare
from jaxmm.frames.compare import compare_features


@pytest.fixture
def refused(alignment, segmentation, tmp_path, monkeypatch):
    """Compares with changed arguments, which must be refused before anything is trained."""
    monkeypatch.setattr(compare, "train", lambda *_, **__: pytest.fail("something was trained"))

    def run(message, *, kind=ConfigError, data=None, first=None, second=None, **options):
        first = first or dataclasses.replace(alignment.experiment, data=data or alignment.experiment.data)
        with pytest.raises(kind, match=message):
            compare_features(first, second or segmentation.experiment, tmp_path / "all", **options)

    return run


def test_the_folder_and_the_width_of_its_features_must_be_named(refused, tmp_path):
    folder = SegmentationFolder(dim=(8,))
    refused(r"data\.root is not set; give the folder", kind=DataError, data=SegmentedVideos(source=folder))
    refused(r"no is not a folder", kind=DataError, data=SegmentedVideos(source=folder, root=str(tmp_path / "no")))
    unmeasured = SegmentedVideos(source=SegmentationFolder(), root=str(tmp_path))
    refused(r"data\.source\.dim is empty; name the number of features", data=unmeasured)
    turned = SegmentedVideos(source=dataclasses.replace(folder, orientation="time_dim"), root=str(tmp_path))
    refused(r"orientation is 'time_dim', but enhanced features are \(dim, time\)", data=turned)
    empty = SegmentedVideos(source=folder, root=str(tmp_path))
    refused(r"train\.split1\.bundle: no such file, nor one of another split", kind=DataError, data=empty)


def test_made_up_videos_take_no_folder(refused, alignment, tmp_path):
    data = dataclasses.replace(alignment.experiment.data, root=str(tmp_path))
    refused(r"data\.root is .*, but the procedural source reads no files", kind=DataError, data=data)


def test_what_is_no_alignment_or_no_segmentation_of_videos_is_refused(refused, task, data, alignment, segmentation):
    retrieval = Experiment(task=task, data=data.settings)
    refused("DanceTextTask aligns no features; give the config of an alignment first", first=retrieval)
    refused("SegmentationTask aligns no features", first=segmentation.experiment)
    refused("SemanticAlignmentTask is no segmentation; give the config of one second", second=alignment.experiment)
    refused("DanceTextTask is no segmentation", second=retrieval)
    refused("data are MotionText; compare on SegmentedVideos", data=data.settings)
    folded = dataclasses.replace(alignment.experiment.data, fold=(0, 2))
    refused(r"data\.fold is \(0, 2\); leave it out", data=folded)


def test_numbers_are_refused_before_anything_is_trained(refused):
    refused("cross_fit is 1; give 2 parts or more", cross_fit=1)
    refused("bootstrap is -1; give a number of draws", num_resamples=-1)


def test_pictures_that_cannot_be_drawn_are_refused_before_anything_is_trained(refused, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *own: None if name == "matplotlib" else found(name, *own)
    )
    refused("matplotlib is not installed", kind=MissingExtraError, pictures=True)


def test_data_that_a_killed_process_left_are_written_anew(alignment, segmentation, tmp_path, monkeypatch):
    """Training is left out: of what is compared, only the files matter here."""

    class Enough(Exception):
        pass

    def write_answers(*_, **__):
        raise Enough

    monkeypatch.setattr(compare, "train", lambda *_, **__: None)
    monkeypatch.setattr(compare, "write_answers", write_answers)
    features = tmp_path / "all/data/features"
    features.mkdir(parents=True)
    np.save(features / "train-0.npy", np.zeros((1, 1), np.float32))
    with pytest.raises(Enough):
        compare_features(alignment.experiment, segmentation.experiment, tmp_path / "all")
    assert (tmp_path / "all/data/mapping.txt").is_file()
    assert np.load(features / "train-0.npy").shape[0] == 8


def test_made_up_videos_of_other_settings_are_not_compared_on(refused, alignment, segmentation, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(compare, "train", lambda *_, **__: None)
        with pytest.raises(CheckpointError):  # nothing was trained that could be loaded
            compare_features(alignment.experiment, segmentation.experiment, tmp_path / "all")
    data = alignment.experiment.data
    other = dataclasses.replace(data, source=dataclasses.replace(data.source, seed=data.source.seed + 1))
    refused(r"all/data: holds videos of other settings \(seed: 0 -> 1\); choose another working folder", data=other)
