"""The scale and the labels, which a run keeps."""

import dataclasses
import json

import numpy as np
import pytest

from jaxmm.data.segmentation.sources import SegmentationFolder
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.segmented import SegmentedVideos
from jaxmm.errors import DataError

from .conftest import DIM, VOCABULARY, make_videos, reopened, write


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
