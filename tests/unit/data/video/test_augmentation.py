import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.data.video.augmentation import ClipAugmentation, ClipChange, cut_out
from jaxmm.errors import ConfigError

EVERYTHING = ClipAugmentation(
    crop_area=(0.3, 1.0), crop_aspect=(0.75, 1.33), flip_rate=0.5, brightness=0.4, contrast=0.4, saturation=0.4
)


def clip(num_frames=3, height=12, width=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_frames, height, width, 3), np.uint8)


def test_nothing_is_changed_by_default():
    frames = clip()
    assert ClipAugmentation().draw(np.random.default_rng(0)) == ClipChange()
    assert ClipChange()(frames) is frames


@given(seed=st.integers(0, 10**6))
def test_all_frames_of_a_clip_are_changed_alike(seed):
    still = np.repeat(clip(1), 4, axis=0)
    changed = EVERYTHING.draw(np.random.default_rng(seed))(still)
    assert changed.shape == still.shape and changed.dtype == np.uint8
    assert (changed == changed[0]).all()


def test_the_same_numbers_are_drawn_whatever_is_switched_on():
    one, other = (np.random.default_rng(3) for _ in range(2))
    ClipAugmentation().draw(one)
    EVERYTHING.draw(other)
    assert one.random() == other.random()


@given(seed=st.integers(0, 10**6))
def test_what_is_cut_out_lies_in_the_picture_and_has_the_area_that_was_asked_for(seed):
    left, top, width, height = EVERYTHING.draw(np.random.default_rng(seed)).box
    assert left >= 0 and top >= 0 and left + width <= 1 + 1e-9 and top + height <= 1 + 1e-9
    assert 0.2 <= width * height <= 1


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 1.0, 1.0), (0.25, 0.1, 0.5, 0.8), (0.3, 0.6, 0.21, 0.4), (0.9, 0.9, 0.1, 0.1)]
)
def test_cutting_out_is_linear_between_pixels(box):
    frames = clip(2, 20, 30)
    left, top, width, height = box

    def places(start, share, size):
        lowest, highest = start * size, max(start * size, (start + share) * size - 1)
        return np.clip((np.arange(size) + 0.5) * share + start * size - 0.5, lowest, min(highest, size - 1))

    rows, columns = places(top, height, 20), places(left, width, 30)
    expected = np.empty(frames.shape)
    for row, y in enumerate(rows):
        for column, x in enumerate(columns):
            (i, v), (j, u) = divmod(y, 1), divmod(x, 1)
            (i, j), below, right = (int(i), int(j)), min(int(i) + 1, 19), min(int(j) + 1, 29)
            above = frames[:, i, j] * (1 - u) + frames[:, i, right] * u
            under = frames[:, below, j] * (1 - u) + frames[:, below, right] * u
            expected[:, row, column] = above * (1 - v) + under * v
    np.testing.assert_allclose(cut_out(frames, box), expected, atol=2)


def test_the_whole_picture_is_cut_out_as_it_is():
    np.testing.assert_array_equal(cut_out(clip(), (0.0, 0.0, 1.0, 1.0)), clip())


def test_left_and_right_change_places_and_no_colours_do():
    np.testing.assert_array_equal(ClipChange(flips=True)(clip()), clip()[:, :, ::-1])
    flips = [ClipAugmentation(flip_rate=0.3).draw(np.random.default_rng(seed)).flips for seed in range(400)]
    assert 0.2 < np.mean(flips) < 0.4


def test_shades_are_those_of_a_plain_formula():
    frames = clip().astype(np.float64)
    grey = frames @ [0.299, 0.587, 0.114]
    bright = np.clip(frames * 1.2, 0, 255)
    np.testing.assert_allclose(ClipChange(brightness=1.2)(clip()), bright, atol=1)
    contrast = np.clip(grey.mean() + (frames - grey.mean()) * 0.7, 0, 255)
    np.testing.assert_allclose(ClipChange(contrast=0.7)(clip()), contrast, atol=1.5)
    for saturation in (0.0, 0.6, 1.5):
        colours = np.clip(grey[..., None] + (frames - grey[..., None]) * saturation, 0, 255)
        np.testing.assert_allclose(ClipChange(saturation=saturation)(clip()), colours, atol=3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"crop_area": (0.0, 1.0)}, "crop_area is"),
        ({"crop_area": (0.9, 0.5)}, "crop_area is"),
        ({"crop_aspect": (2.0, 1.0)}, "crop_aspect is"),
        ({"flip_rate": 1.5}, "flip_rate is 1.5; give 0 to 1"),
        ({"brightness": -0.1}, "brightness is -0.1; give 0 to 1"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=f"augmentation.{message}"):
        ClipAugmentation(**wrong)
