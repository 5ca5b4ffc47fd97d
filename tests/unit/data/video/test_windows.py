"""How videos are cut into windows."""

import numpy as np
import pytest

from jaxmm.data.video.windows import Windows
from jaxmm.errors import ConfigError


def frames(count):
    return [np.full((2, 2, 3), number, np.uint8) for number in range(count)]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, [(0, 1)]),
        (3, [(0, 3)]),
        (4, [(0, 4)]),
        (5, [(0, 4), (1, 5)]),
        (7, [(0, 4), (3, 7)]),
        (9, [(0, 4), (3, 7), (5, 9)]),
    ],
)
def test_windows_overlap_and_leave_no_frame_out(count, expected):
    windows = list(Windows(seconds=2.0, hop=1.5).of(frames(count), fps=2.0))
    assert [(own.start, own.end) for own in windows] == [(first / 2, last / 2) for first, last in expected]
    for own, (first, last) in zip(windows, expected, strict=True):
        assert own.frames[:, 0, 0, 0].tolist() == list(range(first, last))


def test_a_window_is_there_as_soon_as_its_last_frame_is():
    came = []

    def coming():
        for number, frame in enumerate(frames(8)):
            came.append(number)
            yield frame

    first = next(Windows(seconds=1.0, hop=1.0).of(coming(), fps=3.0))
    assert came == [0, 1, 2] and first.end == 1.0


def test_no_frames_are_no_window():
    assert list(Windows(seconds=1.0, hop=1.0).of([], fps=3.0)) == []


@pytest.mark.parametrize("numbers", [(0.0, 1.0), (float("nan"), 1.0), (1.0, 0.0), (1.0, 1.5), (1.0, float("nan"))])
def test_numbers_out_of_their_range_are_refused(numbers):
    with pytest.raises(ConfigError, match="give a time above zero"):
        Windows(seconds=numbers[0], hop=numbers[1])
