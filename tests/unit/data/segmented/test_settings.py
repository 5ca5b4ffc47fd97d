"""Settings that no data could follow are refused; labels are named in them."""

import dataclasses

import pytest

from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.segmented import SegmentedVideos
from jaxmm.errors import ConfigError

from .conftest import VOCABULARY, make_videos, write


@pytest.mark.parametrize("field", ["null_labels", "wrong_labels", "unseen_labels"])
def test_an_unknown_label_is_refused_by_name(field, settings, tmp_path):
    """D4: what stands for no action or a mistake is found by name, so a name must exist."""
    with pytest.raises(ConfigError, match=rf"data\.{field}: no label 'nul'; choose among cut, mix_all, null"):
        dataclasses.replace(settings, **{field: ("nul",)}).open(tmp_path)


def test_a_label_stands_for_what_its_name_says_wherever_it_is_numbered(settings, cache, tmp_path):
    """D4."""
    del cache
    turned = Vocabulary.of(VOCABULARY.labels[::-1])
    root = write(make_videos(), tmp_path / "turned", turned)
    named = dataclasses.replace(settings, null_labels=("null",), wrong_labels=("mix_all",))
    for own in (named, dataclasses.replace(named, root=str(root))):
        data = own.open(tmp_path / f"assets{own.root == settings.root}")
        types = {label: data.settings.type_of(label) for label in data.vocabulary.labels}
        assert types == {"cut": "actions", "mix_all": "wrong", "null": "null"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"val_fraction": 1.0}, r"data\.val_fraction is 1\.0; give 0 or more, below 1"),
        ({"val_fraction": float("nan")}, r"data\.val_fraction is nan"),
        ({"fold": (2, 2)}, r"data\.fold is \(2, 2\); give \(k, K\) with K of 2 or more and k from 0 to K - 1"),
        ({"fold": (-1, 2)}, r"data\.fold is \(-1, 2\)"),
        ({"fold": (0, 1)}, r"data\.fold is \(0, 1\)"),
        ({"max_frames": 0}, r"data\.max_frames is 0; give 1 or more, or None"),
        ({"most_speed": 0.9}, r"data\.most_speed is 0\.9; give a factor of 1 or more"),
        ({"null_labels": ("a", "b"), "wrong_labels": ("b",)}, r"data\.null_labels and data\.wrong_labels both hold b"),
    ],
)
def test_settings_out_of_range_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        SegmentedVideos(**fields)
