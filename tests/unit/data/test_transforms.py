import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jaxmm.data.motion import Skeleton
from jaxmm.data.transforms import Augmentation, Change, centre, face_forward, mirror, mirror_caption, turn
from jaxmm.errors import ConfigError, DataError

SKELETON = Skeleton(joint_names=("Hips", "LeftUpLeg", "RightUpLeg", "Head"), parents=(-1, 0, 0, 0))
motions = arrays.arrays(np.float32, (3, 4, 3), elements=st.floats(-5, 5, width=32))
angles = st.floats(-7, 7)
# Words that hold the letters of a side without naming one, and words that do name one.
words = st.sampled_from(
    [
        "leftover",
        "upright",
        "bright",
        "rightly",
        "cleft",
        "left",
        "Right",
        "RIGHT",
        "leftward",
        "right-handed",
        "and",
        "a",
    ]
)


def distances(positions):
    return np.linalg.norm(positions[:, :, None] - positions[:, None, :], axis=-1)


@settings(max_examples=30, deadline=None)
@given(motions)
def test_mirroring_twice_changes_nothing(positions):
    np.testing.assert_array_equal(mirror(mirror(positions, SKELETON), SKELETON), positions)


@settings(max_examples=30, deadline=None)
@given(motions)
def test_mirroring_swaps_sides_and_reflects_across_the_path(positions):
    mirrored = mirror(positions, SKELETON)
    np.testing.assert_array_equal(mirrored[:, 1] * [-1, 1, 1], positions[:, 2])
    np.testing.assert_array_equal(mirrored[:, 3] * [-1, 1, 1], positions[:, 3])


@settings(max_examples=40, deadline=None)
@given(st.lists(words, max_size=6).map(" ".join))
def test_mirroring_a_caption_twice_changes_nothing(caption):
    assert mirror_caption(mirror_caption(caption)) == caption


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=30).filter(lambda text: "left" not in text.lower() and "right" not in text.lower()))
def test_a_caption_without_sides_stays_as_it_is(caption):
    assert mirror_caption(caption) == caption


@pytest.mark.parametrize(
    ("caption", "mirrored"),
    [
        ("raises the left hand", "raises the right hand"),
        ("Left, then right.", "Right, then left."),
        ("TURN LEFT!", "TURN RIGHT!"),
        ("a left-handed throw leftwards", "a right-handed throw rightwards"),
        ("left/right", "right/left"),
        ("his left's", "his right's"),
        ("left leftover", "right leftover"),
        ("an upright, bright, rightful, copyright cleft", "an upright, bright, rightful, copyright cleft"),
    ],
)
def test_only_words_that_name_a_side_are_exchanged(caption, mirrored):
    assert mirror_caption(caption) == mirrored


@settings(max_examples=30, deadline=None)
@given(motions, angles)
def test_turning_keeps_distances_and_heights_and_can_be_undone(positions, yaw):
    turned = turn(positions, yaw)
    assert turned.dtype == np.float32
    np.testing.assert_allclose(distances(turned), distances(positions), atol=1e-4)
    np.testing.assert_allclose(turned[..., 1], positions[..., 1], atol=1e-6)
    np.testing.assert_allclose(turn(turned, -yaw), positions, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(motions.filter(lambda x: np.linalg.norm((x[0, 1] - x[0, 2])[[0, 2]]) > 1e-2))
def test_facing_forward_puts_the_left_hip_at_plus_x_about_the_first_root(positions):
    faced = face_forward(positions, SKELETON)
    across = faced[0, 1] - faced[0, 2]
    assert across[0] > 0
    assert across[2] == pytest.approx(0.0, abs=1e-4)
    np.testing.assert_allclose(faced[0, 0], positions[0, 0], atol=1e-5)
    np.testing.assert_allclose(distances(faced), distances(positions), atol=1e-4)
    np.testing.assert_allclose(face_forward(faced, SKELETON), faced, atol=1e-4)


@pytest.mark.parametrize("heading", [0.0, 1.0, np.pi / 2, 3.0, -2.0])
def test_a_figure_that_walks_where_it_faces_walks_along_plus_z_afterwards(heading):
    still = np.array([[0, 1, 0], [0.1, 1, 0], [-0.1, 1, 0], [0, 1.7, 0]], np.float32)
    ahead = np.array([0, 0, 1], np.float32) * np.arange(4, dtype=np.float32)[:, None, None]
    walk = turn(still + ahead, heading) + np.array([3, 0, -2], np.float32)
    path = face_forward(walk, SKELETON)[:, 0]
    np.testing.assert_allclose(path - path[0], np.array([0, 0, 1]) * np.arange(4)[:, None], atol=1e-5)


def test_facing_needs_hips():
    unnamed = Skeleton(joint_names=("a", "b"), parents=(-1, 0))
    with pytest.raises(DataError, match="no pair of hips among a, b; name them like LeftUpLeg/RightUpLeg"):
        face_forward(np.zeros((2, 2, 3), np.float32), unnamed)


@settings(max_examples=20, deadline=None)
@given(motions)
def test_centring_moves_the_root_to_the_origin_where_it_says(positions):
    np.testing.assert_array_equal(centre(positions, "none"), positions)
    first = centre(positions, "first_frame")
    assert not first[0, 0].any()
    np.testing.assert_allclose(np.diff(first[:, 0], axis=0), np.diff(positions[:, 0], axis=0), atol=1e-5)
    every = centre(positions, "every_frame")
    assert not every[:, 0].any()
    np.testing.assert_allclose(distances(every), distances(positions), atol=1e-5)


def line(num_frames):
    """One joint that moves a metre a frame."""
    return (np.arange(num_frames)[:, None, None] * np.array([1.0, 0, 0])).astype(np.float32)


@pytest.mark.parametrize(("rate", "times"), [(2.0, [0, 2, 4]), (0.5, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5])])
def test_a_rate_plays_faster_or_slower(rate, times):
    assert Change(rate=rate).at_rate(line(6))[:, 0, 0].tolist() == times


def test_the_default_change_is_none():
    positions = np.random.default_rng(0).normal(size=(3, 4, 3)).astype(np.float32)
    change = Change()
    assert change.at_rate(positions) is positions
    assert change.place(positions, SKELETON) is positions
    assert change.describe("left") == "left"


def test_a_mirrored_motion_has_a_mirrored_caption_and_is_turned_after():
    positions = np.random.default_rng(0).normal(size=(3, 4, 3)).astype(np.float32)
    change = Change(mirrors=True, yaw=0.7)
    np.testing.assert_allclose(change.place(positions, SKELETON), turn(mirror(positions, SKELETON), 0.7), atol=1e-6)
    assert change.describe("left") == "right"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_nothing_is_drawn_when_all_is_off(seed):
    assert Augmentation().draw(np.random.default_rng(seed)) == Change()


FULL = Augmentation(mirror_rate=0.5, speed_range=(0.5, 2.0), yaw_range=90.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_draws_stay_in_range_and_depend_on_the_generator_alone(seed):
    change = FULL.draw(np.random.default_rng(seed))
    assert change == FULL.draw(np.random.default_rng(seed))
    assert 0.5 <= change.rate <= 2.0
    assert abs(change.yaw) <= np.pi / 2


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_switching_one_change_on_or_off_does_not_change_the_others(seed):
    alone, rng = Augmentation(yaw_range=90.0), np.random.default_rng(seed)
    assert alone.draw(rng).yaw == FULL.draw(np.random.default_rng(seed)).yaw
    after = np.random.default_rng(seed)
    FULL.draw(after)
    assert rng.random() == after.random()


def test_draws_are_spread_over_their_range():
    rng = np.random.default_rng(0)
    drawn = [FULL.draw(rng) for _ in range(400)]
    assert 0.4 < np.mean([change.mirrors for change in drawn]) < 0.6
    assert abs(np.mean(np.log([change.rate for change in drawn]))) < 0.08
    assert min(change.yaw for change in drawn) < -1.3 < 1.3 < max(change.yaw for change in drawn)
    assert all(Augmentation(mirror_rate=1.0).draw(rng).mirrors for _ in range(20))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mirror_rate": -0.1}, "augmentation.mirror_rate is -0.1; give a probability from 0 to 1"),
        ({"mirror_rate": 1.5}, "augmentation.mirror_rate is 1.5; give a probability"),
        ({"mirror_rate": float("nan")}, "augmentation.mirror_rate is nan"),
        ({"speed_range": (0.0, 1.0)}, r"augmentation.speed_range is \(0.0, 1.0\); give 0 < slowest <= fastest"),
        ({"speed_range": (1.2, 0.8)}, r"augmentation.speed_range is \(1.2, 0.8\); give 0 < slowest <= fastest"),
        ({"yaw_range": -1.0}, "augmentation.yaw_range is -1.0; give degrees from 0 to 180"),
        ({"yaw_range": 360.0}, "augmentation.yaw_range is 360.0; give degrees from 0 to 180"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Augmentation(**settings)


def test_no_speed_is_infinite():
    with pytest.raises(ConfigError, match=r"augmentation.speed_range is \(1.0, inf\)"):
        Augmentation(speed_range=(1.0, math.inf))
