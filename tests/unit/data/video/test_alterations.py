"""What each kind of alteration changes of a clip, and what it must keep."""

import dataclasses
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.data.video.alterations import ALTERATION_KINDS, Alteration, fitted
from jaxmm.errors import ConfigError

PLAIN = Alteration(kind="mixed")
HEIGHT, WIDTH = 36, 48


def scene(num_frames=16, height=HEIGHT, width=WIDTH):
    """Colours that run across the picture, and a bright box that moves over them."""
    y, x = np.mgrid[:height, :width]
    ground = np.stack([40 + 3 * y, 30 + 2 * x, 90 + y + x], axis=-1).astype(np.uint8)
    frames = np.repeat(ground[None], num_frames, axis=0)
    for number, frame in enumerate(frames):
        frame[10:22, number : number + 12] = (230, 220, 60)
    return frames


def others(num_frames=16):
    return np.full((num_frames, 20, 20, 3), 7, np.uint8)


def drawn(kind, seed=0):
    return Alteration.drawn(np.random.default_rng(seed), kind=kind)


def changed_fields(alteration):
    plain = dataclasses.replace(PLAIN, kind=alteration.kind)
    return {
        field.name
        for field in dataclasses.fields(Alteration)
        if getattr(alteration, field.name) != getattr(plain, field.name)
    }


def test_nothing_is_changed_by_default():
    frames = scene()
    assert PLAIN(frames) is frames


@pytest.mark.parametrize("kind", ALTERATION_KINDS)
def test_every_kind_changes_a_clip_the_same_every_time(kind):
    frames = scene()
    one, again = (drawn(kind)(frames, others()) for _ in range(2))
    assert one.dtype == np.uint8 and one.ndim == 4
    np.testing.assert_array_equal(one, again)
    assert one.shape != frames.shape or (one != frames).any()
    np.testing.assert_array_equal(frames, scene())
    assert drawn(kind).kind == kind and (kind == "mirrored" or drawn(kind) != drawn(kind, seed=1))


@given(seed=st.integers(0, 10**6), kind=st.sampled_from([kind for kind in ALTERATION_KINDS if kind != "spliced"]))
@settings(max_examples=40)
def test_all_frames_of_a_clip_are_changed_alike(seed, kind):
    still = np.repeat(scene(1), 3, axis=0)
    changed = dataclasses.replace(drawn(kind, seed), crf=None)(still)
    assert (changed == changed[0]).all()


@given(seed=st.integers(0, 10**6))
def test_what_is_cropped_is_a_part_of_the_picture(seed):
    left, top, width, height = drawn("cropped", seed).box
    assert left >= 0 and top >= 0 and left + width <= 1 + 1e-9 and top + height <= 1 + 1e-9
    cropped = drawn("cropped", seed)(scene())
    num_rows, num_columns = cropped.shape[1:3]
    assert 0.7 * HEIGHT <= num_rows < HEIGHT and 0.7 * WIDTH <= num_columns < WIDTH
    top, left = round(top * HEIGHT), round(left * WIDTH)
    np.testing.assert_array_equal(cropped, scene()[:, top : top + num_rows, left : left + num_columns])


def test_what_is_scaled_shows_the_same_in_another_size():
    smaller, larger = (dataclasses.replace(PLAIN, scale=scale)(scene()) for scale in (0.5, 1.5))
    assert smaller.shape == (16, 18, 24, 3) and larger.shape == (16, 54, 72, 3)
    np.testing.assert_allclose(larger.mean((1, 2)), scene().mean((1, 2)), atol=2)
    np.testing.assert_allclose(smaller, scene().reshape(16, 18, 2, 24, 2, 3).mean((2, 4)), atol=60)
    scales = {drawn("scaled", seed).scale > 1 for seed in range(10)}
    assert scales == {False, True}


@pytest.mark.parametrize(("speed", "expected"), [(2.0, [0, 2, 4]), (0.5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])])
def test_what_is_retimed_shows_its_frames_in_order(speed, expected):
    frames = scene()[:6]
    retimed = dataclasses.replace(PLAIN, speed=speed)(frames)
    np.testing.assert_array_equal(retimed, frames[expected])


def test_a_drawn_speed_leaves_as_many_frames_as_fit_its_time():
    assert drawn("retimed").speed == pytest.approx(1.676989)
    # 12 / 1.676989 = 7.16; frames 0, 1.68, 3.35, 5.03, 6.71, 8.38 and 10.06 are shown.
    np.testing.assert_array_equal(drawn("retimed")(scene(12)), scene(12)[[0, 1, 3, 5, 6, 8, 10]])


@given(seed=st.integers(0, 10**6))
def test_a_speed_is_that_of_what_is_seen(seed):
    speed = drawn("retimed", seed).speed
    assert 0.5 <= speed <= 0.82 or 1.22 <= speed <= 2
    assert len(drawn("retimed", seed)(scene())) == round(16 / speed)
    assert len(drawn("retimed", seed)(scene(1))) in (1, 2)


def test_turned_hues_leave_greys_and_brightness():
    grey = np.arange(4 * 64, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    np.testing.assert_allclose(dataclasses.replace(PLAIN, hue=50.0)(grey), grey, atol=1)
    frames = scene()
    np.testing.assert_allclose(dataclasses.replace(PLAIN, hue=360.0)(frames), frames, atol=1)
    turned = dataclasses.replace(PLAIN, hue=20.0)(frames)
    luma = np.array([0.213, 0.715, 0.072])
    np.testing.assert_allclose((turned @ luma)[:, :8], (frames @ luma)[:, :8], atol=1.5)
    assert np.abs(turned.astype(int) - frames).max() > 20


def test_colours_change_and_edges_stay():
    frames = scene()
    for seed in range(4):
        changed = drawn("colour", seed)(frames)
        assert changed.shape == frames.shape
        across = [np.abs(np.diff(own.astype(int), axis=2)).sum((0, 1, 3)) for own in (frames, changed)]
        assert np.corrcoef(*across)[0, 1] > 0.9


def test_bars_are_black_and_the_whole_picture_is_between_them():
    frames = scene()
    boxed = dataclasses.replace(PLAIN, bars=0.25)(frames)
    assert boxed.shape == (16, 48, 48, 3)
    assert not boxed[:, :6].any() and not boxed[:, -6:].any()
    np.testing.assert_array_equal(boxed[:, 6:-6], frames)
    upright = frames.swapaxes(1, 2)
    np.testing.assert_array_equal(dataclasses.replace(PLAIN, bars=0.25)(upright), boxed.swapaxes(1, 2))
    assert all(0.15 <= drawn("letterboxed", seed).bars <= 0.4 for seed in range(20))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30)
def test_a_logo_stays_in_its_place_within_the_centre(seed):
    frames = scene()
    changed = (drawn("logo", seed)(frames) != frames).any(axis=(0, 3))
    rows, columns = changed.any(axis=1).nonzero()[0], changed.any(axis=0).nonzero()[0]
    width = drawn("logo", seed).logo.width * HEIGHT
    assert 0 < len(columns) <= width + 1 and 0 < len(rows) <= 0.4 * width + 1
    assert columns[0] >= (WIDTH - HEIGHT) // 2 and columns[-1] < (WIDTH + HEIGHT) // 2


@given(seed=st.integers(0, 10**6))
@settings(max_examples=50)
def test_a_spliced_copy_shows_a_stretch_of_its_own_among_others(seed):
    frames = scene()
    spliced = drawn("spliced", seed)(frames, others(3))
    assert spliced.shape == frames.shape
    own = np.array([number for number, frame in enumerate(spliced) if (frame != 7).any()])
    assert 8 <= len(own) <= 13 and (np.diff(own) == 1).all()
    assert any((frames[start : start + len(own)] == spliced[own]).all() for start in range(16 - len(own) + 1))


def test_others_come_before_behind_and_around():
    places = set()
    for seed in range(30):
        is_own = (drawn("spliced", seed)(scene(), others()) != 7).any(axis=(1, 2, 3))
        places.add((bool(is_own[0]), bool(is_own[-1])))
    assert places == {(True, False), (False, True), (False, False)}
    assert len(drawn("spliced")(scene(1), others())) == 1


def test_several_are_mixed_that_keep_what_is_shown():
    kinds = [changed_fields(drawn("mixed", seed)) for seed in range(60)]
    assert set.union(*kinds) == {
        *("speed", "box", "brightness", "contrast", "saturation", "hue", "scale", "bars", "logo", "crf")
    }
    counts = {len(kind - {"contrast", "saturation", "hue"}) for kind in kinds}
    assert counts == {2, 3, 4}


def test_a_mirrored_copy_exchanges_left_and_right():
    np.testing.assert_array_equal(drawn("mirrored")(scene()), scene()[:, :, ::-1])


def test_the_centre_of_frames_fits_a_size():
    frames = scene()
    np.testing.assert_array_equal(fitted(frames, HEIGHT, HEIGHT), frames[:, :, 6:42])
    assert fitted(frames, 20, 60).shape == (16, 20, 60, 3)


def test_what_cannot_be_done_is_said():
    with pytest.raises(ConfigError, match="a spliced copy shows another video too; give frames of one"):
        drawn("spliced")(scene())
    unchecked = inspect.unwrap(Alteration.drawn.__func__)  # as it is where types are not checked
    with pytest.raises(ConfigError, match="no copy is 'blurred'; choose one of reencoded, cropped"):
        unchecked(Alteration, np.random.default_rng(0), kind="blurred")
