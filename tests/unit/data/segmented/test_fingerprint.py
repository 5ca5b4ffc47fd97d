"""What the fingerprint of labelled videos tells apart."""

import dataclasses

import numpy as np
import pytest

from jaxmm.config import differences
from jaxmm.data.segmentation.sources import SegmentationFolder
from jaxmm.data.segmentation.vocabulary import Vocabulary

from ..kinds import SEED
from .conftest import VOCABULARY, reopened, write


def differing(one, other):
    """The fields in which the fingerprints of two opened data differ, without their values."""
    lines = differences(one.fingerprint(seed=SEED), other.fingerprint(seed=SEED))
    return {line.split(": ")[0].removesuffix(".0") for line in lines}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"max_frames": 25}, {"data.max_frames"}),
        ({"most_speed": 1.5}, {"data.most_speed"}),
        ({"standardize": False}, {"data.standardize"}),
        ({"unseen_labels": ("cut",)}, {"data.unseen_labels"}),
        ({"null_labels": ("null",)}, {"data.null_labels"}),
        ({"wrong_labels": ("null",)}, {"data.wrong_labels"}),
        ({"val_fraction": 0.5}, {"data.val_fraction"}),
        ({"batch_size": 1}, {"data.batch_size"}),
        ({"num_threads": 2}, set()),
    ],
)
def test_the_fingerprint_names_a_setting_that_changes(changes, names, opened):
    assert differing(opened, reopened(opened, **changes)) == names


def test_the_fingerprint_names_another_fold(opened):
    names = differing(reopened(opened, fold=(0, 2)), reopened(opened, fold=(1, 2)))
    assert {"data.fold", "data.order", "data.clips.train_0.split"} <= names
    assert all(name.endswith((".fold", ".order", ".split")) for name in names)


def test_the_fingerprint_names_another_split_of_the_source(opened, settings):
    splits = settings.folder / "splits"
    for part, own in (("train", "train_0\ntrain_1\nval_0\n"), ("test", "test_0\n")):
        (splits / f"{part}.split2.bundle").write_text(own)
    names = differing(opened, reopened(opened, source=SegmentationFolder(split=2)))
    assert {"data.source.split", "data.clips.val_0.split", "data.order"} <= names


def relabelled(video):
    return {"labels": np.where(video.labels == 0, 1, video.labels).astype(np.int32)}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (relabelled, {"data.clips.train_1.labels"}),
        (lambda video: {"features": np.nextafter(video.features, np.float32(9))}, {"data.clips.train_1.frames"}),
        (lambda _: {"tags": {"split": "test"}}, {"data.clips.train_1.split", "data.order"}),
    ],
)
def test_the_fingerprint_names_a_video_that_changes(change, names, opened, videos, tmp_path):
    changed = [dataclasses.replace(one, **change(one)) if one.key == "train_1" else one for one in videos]
    root = write(changed, tmp_path / "changed")
    # A video of another split is listed elsewhere, which changes no batch of the others.
    assert differing(opened, reopened(opened, root=str(root))) == names


def test_the_fingerprint_names_another_scale_and_other_descriptions(opened, settings, videos, tmp_path):
    root = write(videos, tmp_path / "words", Vocabulary.of(VOCABULARY.labels, {"cut": "slice it"}))
    assert differing(opened, reopened(opened, root=str(root))) == {"data.about.descriptions"}
    plain = dataclasses.replace(settings, standardize=False).open(tmp_path / "plain")
    assert differing(opened, plain) == {"data.scale", "data.standardize"}
