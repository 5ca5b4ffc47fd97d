import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.data.segmentation.scale import Scale


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), offset=st.sampled_from([0.0, 1e3, -1e4]))
def test_the_statistics_of_videos_are_those_of_all_their_frames(lengths, offset):
    rng = np.random.default_rng(lengths)
    videos = [(offset + rng.normal(size=(length, 3))).astype(np.float32) for length in lengths]
    scale, frames = Scale.of(videos), np.concatenate(videos).astype(np.float64)
    np.testing.assert_allclose(scale.mean, frames.mean(axis=0), rtol=1e-6, atol=1e-6)
    if len(frames) > 1:
        np.testing.assert_allclose(scale.std, frames.std(axis=0), rtol=1e-4)


def test_a_feature_that_never_changes_becomes_zero():
    videos = [np.array([[1.0, 7.0], [3.0, 7.0]], np.float32)]
    scale = Scale.of(videos)
    assert scale.std.tolist() == [1.0, 1.0]
    assert scale(videos[0]).tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_statistics_that_change_nothing_change_nothing():
    features = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_array_equal(Scale.none(3)(features), features)
    assert Scale.none(3).dim == 3


def test_statistics_are_read_exactly():
    scale = Scale.of([np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)])
    again = Scale.of_json(json.loads(json.dumps(scale.as_json())))
    np.testing.assert_array_equal(again.mean, scale.mean)
    np.testing.assert_array_equal(again.std, scale.std)


@pytest.mark.parametrize("fields", [{"mean": [0.0]}, {"mean": [0.0], "std": [0.0]}, {"mean": [[0.0]], "std": [[1.0]]}])
def test_what_are_no_statistics_is_refused(fields):
    with pytest.raises((KeyError, ValueError)):
        Scale.of_json(fields)
