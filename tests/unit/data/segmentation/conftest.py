"""A small folder of labelled videos that the tests of segmentation share."""

import numpy as np
import pytest

from jaxmm.data.segmentation.sources import write_segmentation_folder
from jaxmm.data.segmentation.video import LabelledVideo
from jaxmm.data.segmentation.vocabulary import Vocabulary

VOCABULARY = Vocabulary.of(["cut", "mix_all", "null"], {"cut": "cut it up", "null": "nothing"})
SPLITS = {"a": "train", "b": "train", "c": "val", "d": "test"}


def make_video(key, num_frames=20, dim=3, **fields):
    generator = np.random.default_rng(list(key.encode()))
    usual = {
        "features": generator.normal(size=(num_frames, dim)).astype(np.float32),
        "labels": np.sort(generator.integers(0, 3, num_frames)).astype(np.int32),
        "fps": 15.0,
        "tags": {"split": SPLITS.get(key, "train")},
    }
    return LabelledVideo(key=key, **{**usual, **fields})


@pytest.fixture
def videos():
    """Four videos: two of training, one of validation, one of testing."""
    return [make_video(key, 20 + place) for place, key in enumerate(SPLITS)]


@pytest.fixture
def folder(videos, tmp_path):
    """The videos as a folder on disk."""
    write_segmentation_folder(videos, VOCABULARY, tmp_path / "videos")
    return tmp_path / "videos"
