"""Labelled videos of three splits as a folder, and as a run has opened them."""

import dataclasses

import numpy as np
import pytest

from jaxmm.data.segmentation.sources import SegmentationFolder, write_segmentation_folder
from jaxmm.data.segmentation.video import LabelledVideo
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.segmented import SegmentedVideos

DIM, BATCH_SIZE = 4, 2
VOCABULARY = Vocabulary.of(["cut", "mix_all", "null"], {"cut": "cut it up"})
# The longest is one of few: most batches are much shorter.
LENGTHS = {"train": (30, 70, 64, 20, 300, 41), "val": (50, 12), "test": (33, 66)}


def make_video(key, num_frames, split, *, dim=DIM, shift=0.0):
    """A video whose last feature counts its frames."""
    rng = np.random.default_rng(list(key.encode()))
    features = (rng.normal(size=(num_frames, dim)) + shift).astype(np.float32)
    features[:, -1] = np.arange(num_frames)
    labels = np.sort(rng.integers(0, 3, num_frames)).astype(np.int32)
    return LabelledVideo(key=key, features=features, labels=labels, fps=15.0, tags={"split": split})


def make_videos(lengths=LENGTHS, **which):
    return [
        make_video(f"{split}_{place}", length, split, **which)
        for split, own in lengths.items()
        for place, length in enumerate(own)
    ]


def write(videos, root, vocabulary=VOCABULARY):
    write_segmentation_folder(videos, vocabulary, root)
    return root


@pytest.fixture(scope="module")
def videos():
    """Ten videos in three splits, named by split and number."""
    return make_videos()


@pytest.fixture(scope="module")
def settings(videos, cache, tmp_path_factory):
    """Data settings over the videos as a folder."""
    del cache
    root = write(videos, tmp_path_factory.mktemp("videos") / "folder")
    return SegmentedVideos(source=SegmentationFolder(), root=str(root), batch_size=BATCH_SIZE, num_threads=1)


@pytest.fixture(scope="module")
def opened(settings, tmp_path_factory):
    return settings.open(tmp_path_factory.mktemp("assets"))


def reopened(opened, **changes):
    """The same run with other settings."""
    return dataclasses.replace(opened.settings, **changes).open(opened.assets)
