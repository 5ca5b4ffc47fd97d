import dataclasses
import re

import numpy as np
import pytest

from jaxmm.errors import DataError

from .conftest import make_video

VIDEO = make_video("a", 4)


def test_a_video_knows_its_size():
    assert (VIDEO.num_frames, VIDEO.dim) == (4, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros((0, 3), np.float32)}, "a: features have shape (0, 3); expected (time >= 1, dim >= 1)"),
        ({"features": np.zeros((4, 0), np.float32)}, "a: features have shape (4, 0)"),
        ({"labels": np.zeros(5, np.int32)}, "a: 4 frames have 5 labels; give one label a frame"),
        ({"labels": np.array([0, 1, -2, 0], np.int32)}, "a: frame 2 has label -2; count from 0"),
        ({"fps": 0.0}, "a: fps is 0.0; give a frame rate from 0.1 to 10000"),
        ({"fps": float("nan")}, "a: fps is nan"),
        ({"key": "\ud800"}, r"'\ud800': its key is not valid Unicode"),
    ],
)
def test_what_no_video_has_is_refused(change, message):
    with pytest.raises(DataError, match=re.escape(message)):
        dataclasses.replace(VIDEO, **change)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named_by_frame(value):
    features = VIDEO.features.copy()
    features[[1, 3], 2] = value
    with pytest.raises(DataError, match=r"a: frame 1 holds a value that is not finite \(2 such frames\); repair or"):
        dataclasses.replace(VIDEO, features=features)
