import functools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.signs import SignDistance, baselines, clip_errors, diversity, score_signs

ONE_HAND = SignDistance(parts=("left_hand",))
WRIST = HOLISTIC.landmark("left_hand/WRIST")
INDEX = HOLISTIC.landmark("left_hand/INDEX_FINGER_TIP")
SHORT = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=4)


def clip_of(places, *, landmark=WRIST):
    """Frames that show one landmark at places on the x axis, one a frame, and at y = 1 so that it is never zero."""
    frames = np.zeros((len(places), 540), np.float32)
    features = HOLISTIC.position_features[landmark]
    frames[:, features[0]], frames[:, features[1]] = places, 1
    return frames


def moving(seed, num_frames=6):
    """Frames of random numbers, none of which is zero."""
    return np.random.default_rng(seed).uniform(0.1, 1, size=(num_frames, 540)).astype(np.float32)


def without(frames, *landmarks, rows=slice(None)):
    """The same frames with landmarks undetected."""
    left = frames.copy()
    for landmark in landmarks:
        left[rows, HOLISTIC.position_features[landmark]] = 0
    return left


@functools.cache
def every_path(height, width):
    """Every alignment from the first pair to the last by steps of one frame in either or both."""

    def onwards(row, column):
        if (row, column) == (height - 1, width - 1):
            yield ((row, column),)
            return
        for after in ((row + 1, column + 1), (row + 1, column), (row, column + 1)):
            if after[0] < height and after[1] < width:
                yield from (((row, column), *path) for path in onwards(*after))

    return tuple(onwards(0, 0))


def shared(made, real):
    """Distances of one landmark between every two frames."""
    return np.abs(np.subtract.outer(made, real))


# nDTW-MJE


@settings(max_examples=60)
@given(
    made=st.lists(st.integers(-5, 5), min_size=1, max_size=5),
    real=st.lists(st.integers(-5, 5), min_size=1, max_size=5),
)
def test_the_aligned_error_is_that_of_a_path_of_least_total_error_among_all_paths(made, real):
    costs = shared(made, real)
    paths = [[costs[pair] for pair in path] for path in every_path(*costs.shape)]
    least = min(map(sum, paths))
    found = ONE_HAND.aligned_error(clip_of(made), clip_of(real))
    assert any(found == pytest.approx(np.mean(path), abs=1e-6) for path in paths if sum(path) == least)


@settings(max_examples=60)
@given(data=st.data())
def test_without_ties_the_aligned_error_is_that_of_the_one_best_path(data):
    height, width = data.draw(SHORT)
    made, real = (
        data.draw(arrays(np.float32, size, elements=st.floats(-4, 4, width=16), unique=True))
        for size in (height, width)
    )
    costs = shared(made, real)
    paths = sorted((sum(costs[pair] for pair in path), len(path)) for path in every_path(height, width))
    total, length = paths[0]
    assume(len(paths) == 1 or paths[1][0] - total > 1e-4)
    assert ONE_HAND.aligned_error(clip_of(made), clip_of(real)) == pytest.approx(total / length, abs=1e-5)


@settings(max_examples=30)
@given(repeats=st.lists(st.integers(1, 4), min_size=6, max_size=6))
def test_a_clip_played_slower_has_no_error(repeats):
    real = moving(0)
    slower = np.repeat(real, repeats, axis=0)
    assert SignDistance().aligned_error(slower, real) == 0
    assert SignDistance().aligned_error(real, slower) == 0


@settings(max_examples=30)
@given(lengths=st.tuples(st.integers(1, 6), st.integers(1, 6)), seed=st.integers(0, 9))
def test_where_all_is_detected_the_two_clips_may_change_places(lengths, seed):
    one, other = moving(seed, lengths[0]), moving(seed + 100, lengths[1])
    there, back = SignDistance().aligned_error(one, other), SignDistance().aligned_error(other, one)
    assert there == pytest.approx(back, rel=1e-5)
    assert there > 0


def test_time_turned_round_in_both_clips_changes_nothing():
    one, other = moving(1, 5), moving(2, 7)
    turned = SignDistance().aligned_error(one[::-1].copy(), other[::-1].copy())
    assert SignDistance().aligned_error(one, other) == pytest.approx(turned, rel=1e-6)


def test_the_aligned_error_is_at_most_that_frame_by_frame():
    for seed in range(5):
        one, other = moving(seed), moving(seed + 50)
        costs = SignDistance().frame_errors(one, other)
        assert SignDistance().aligned_error(one, other) <= np.trace(costs) / len(one) + 1e-9


# Which landmarks count


def test_the_error_of_a_frame_is_the_mean_distance_of_its_landmarks():
    real = clip_of([0.0]) + clip_of([0.0], landmark=INDEX)
    made = clip_of([3.0]) + clip_of([1.0], landmark=INDEX)
    assert ONE_HAND.frame_errors(made, real).tolist() == [[2.0]]


def test_what_was_not_detected_in_the_real_frame_counts_nowhere():
    real = without(moving(0), WRIST, rows=slice(2, 4))
    made, other = moving(1), moving(1)
    other[:, HOLISTIC.position_features[WRIST]] += 100.0
    differ = (SignDistance().frame_errors(made, real) != SignDistance().frame_errors(other, real)).any(axis=0)
    assert differ.tolist() == [True, True, False, False, True, True]
    unseen = without(real, WRIST)
    assert SignDistance().aligned_error(made, unseen) == SignDistance().aligned_error(other, unseen)
    assert SignDistance().position_error(made, unseen) == SignDistance().position_error(without(made, WRIST), unseen)


def test_a_landmark_that_is_missed_counts_as_one_shoulder_width():
    real = clip_of([0.0, 0.0]) + clip_of([0.0, 0.0], landmark=INDEX)
    made = without(real, WRIST, rows=slice(1, 2))
    missed = ONE_HAND.settings()["missed_landmark"]
    assert ONE_HAND.frame_errors(made, real).tolist() == [[0, 0], [missed / 2, missed / 2]]
    assert ONE_HAND.position_error(np.zeros_like(real), real) == missed == 1


def test_a_real_clip_of_which_nothing_was_detected_has_no_error():
    assert ONE_HAND.aligned_error(moving(0), np.zeros((3, 540), np.float32)) == 0


def test_only_the_named_parts_count_and_no_visibility():
    real = moving(0)
    made = real.copy()
    made[:, HOLISTIC.part_features("face")] += 1
    made[:, [HOLISTIC.feature(name, "visibility") for name in HOLISTIC.landmarks[:33]]] += 1
    assert SignDistance().aligned_error(made, real) == 0
    assert SignDistance(parts=("face",)).aligned_error(made, real) == pytest.approx(3**0.5, rel=1e-5)


@pytest.mark.parametrize(("parts", "message"), [((), "no part"), (("tail",), "no part 'tail'; choose among body")])
def test_parts_that_there_are_not_are_refused(parts, message):
    with pytest.raises(ConfigError, match=message):
        SignDistance(parts=parts)


# APE and length


def test_the_position_error_compares_each_real_frame_with_the_one_at_the_same_share():
    assert ONE_HAND.position_error(clip_of([0, 1, 2]), clip_of([0, 1, 4])) == pytest.approx(2 / 3)
    assert ONE_HAND.position_error(clip_of([0, 9, 1, 9, 2]), clip_of([0, 1, 2])) == 0
    assert ONE_HAND.position_error(clip_of([5]), clip_of([5, 5, 6])) == pytest.approx(1 / 3)
    assert ONE_HAND.position_error(clip_of([5, 6]), clip_of([6])) == 1  # one frame is the first of all shares


def test_scores_are_means_over_clips_and_lengths_are_shares_of_the_real_one():
    made, real = [clip_of([0, 0]), clip_of([2] * 6)], [clip_of([0] * 4), clip_of([0] * 4)]
    errors = clip_errors(made, real, ONE_HAND)
    assert {name: values.tolist() for name, values in errors.items()} == {
        "ndtw_mje": [0.0, 2.0],
        "ape": [0.0, 2.0],
        "length_error": [0.5, 0.5],
    }
    assert score_signs(errors) == {"ndtw_mje": 1.0, "ape": 1.0, "length_error": 0.5}


def test_intervals_hold_the_mean_and_are_as_wide_as_the_clips_differ():
    errors = {"ape": np.array([0.0, 1.0] * 50), "ndtw_mje": np.ones(100)}
    scores = score_signs(errors, num_resamples=400)
    # Of the mean of 100 values with deviation 1/2, 95% lie within 1.96 / 20.
    assert 0.5 - scores["ape/low"] == pytest.approx(0.098, abs=0.025)
    assert scores["ape/high"] - 0.5 == pytest.approx(0.098, abs=0.025)
    assert scores["ndtw_mje/low"] == scores["ndtw_mje/high"] == 1
    with pytest.raises(ConfigError, match="bootstrap is -1"):
        score_signs(errors, num_resamples=-1)


# Baselines


def clip(key, gloss, *, signer="", value=1.0, num_frames=2, sentence=None):
    frames = np.full((num_frames, 540), value, np.float32)
    return SignClip(key=key, frames=frames, fps=25.0, gloss=gloss, signer=signer, sentence=sentence)


def nearest(train, wanted, **options):
    """The values by which the frames of the chosen clips are told."""
    return [frames[0, 0].item() for frames in baselines(train, wanted, **{"text": "gloss", **options})["nearest_text"]]


def words(low=0):
    return st.lists(st.sampled_from("abc"), min_size=low, max_size=4)


@functools.cache
def edits(one, other):
    """Levenshtein's distance by its definition."""
    if not one or not other:
        return len(one) + len(other)
    if one[0] == other[0]:
        return edits(one[1:], other[1:])
    return 1 + min(edits(one[1:], other), edits(one, other[1:]), edits(one[1:], other[1:]))


@settings(max_examples=60)
@given(train=st.lists(words(1), min_size=1, max_size=5), wanted=words(1))
def test_the_nearest_text_is_the_first_of_least_edit_distance_in_words(train, wanted):
    clips = [clip(f"train_{place}", " ".join(own), value=place + 1) for place, own in enumerate(train)]
    distances = [edits(tuple(own), tuple(wanted)) for own in train]
    assert nearest(clips, [clip("asked", " ".join(wanted))]) == [np.argmin(distances) + 1]


def test_the_nearest_text_is_that_of_the_same_signer_where_there_is_one():
    train = [clip("a", "I GO", signer="eva", value=1), clip("b", "YOU SLEEP NOW", signer="tom", value=2)]
    assert nearest(train, [clip("asked", "I GO", signer="tom")]) == [2]
    assert nearest(train, [clip("asked", "YOU SLEEP", signer="ann")]) == [2]
    assert nearest(train, [clip("asked", "I GO", signer="ann")]) == [1]


def test_the_nearest_text_is_of_the_kind_that_is_asked_for():
    train = [clip("a", "I GO", sentence="she sleeps", value=1), clip("b", "I SLEEP", sentence="they went", value=2)]
    asked = [clip("asked", "I SLEEP", sentence="she sleeps")]
    assert (nearest(train, asked), nearest(train, asked, text="sentence")) == ([2], [1])


def test_random_clips_are_of_the_training_split_and_follow_the_seed():
    train = [clip(f"train_{place}", "GO", value=place + 1) for place in range(20)]
    wanted = [clip(f"asked_{place}", "GO", value=100) for place in range(12)]

    def drawn(seed):
        return [frames[0, 0].item() for frames in baselines(train, wanted, text="gloss", seed=seed)["random_clip"]]

    assert drawn(0) == drawn(0) != drawn(1)
    assert set(drawn(0)) <= set(range(1, 21))
    assert len(set(drawn(0))) > 4


def test_the_mean_pose_is_held_for_the_real_length_and_leaves_out_what_was_not_detected():
    seen, partly = clip("a", "GO", value=2, num_frames=3), clip("b", "GO", value=4, num_frames=1)
    unseen = without(partly.frames, WRIST)
    train = [seen, SignClip(key="c", frames=unseen, fps=25.0, gloss="GO")]
    (held,) = baselines(train, [clip("asked", "GO", num_frames=5)], text="gloss")["mean_pose"]
    assert held.shape == (5, 540)
    assert (held == held[0]).all()
    assert held[0, HOLISTIC.position_features[WRIST]].tolist() == [2, 2, 2]
    assert held[0, HOLISTIC.position_features[INDEX]].tolist() == [2.5, 2.5, 2.5]


def test_baselines_of_the_training_clips_themselves_find_them():
    train = [clip(f"train_{place}", gloss, value=place + 1) for place, gloss in enumerate(("I GO", "YOU GO", "GO"))]
    answers = baselines(train, train, text="gloss")["nearest_text"]
    found = score_signs(clip_errors(answers, [own.frames for own in train], ONE_HAND))
    assert found == {"ndtw_mje": 0.0, "ape": 0.0, "length_error": 0.0}


# Diversity


def test_diversity_is_the_mean_over_pairs():
    clips = [clip_of([0, 0]), clip_of([1, 1]), clip_of([3, 3])]
    assert diversity(clips, ONE_HAND) == pytest.approx((1 + 3 + 2) / 3)
    assert diversity([clips[0]] * 4, ONE_HAND) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_diversity_of_less_than_two_clips_is_refused(count):
    with pytest.raises(DataError, match="give two or more"):
        diversity([clip_of([0])] * count, ONE_HAND)


def test_real_frames_in_which_nothing_was_detected_count_nowhere():
    distance, real = SignDistance(), np.ones((6, HOLISTIC.dim), np.float32)
    made = real + 1
    whole = distance.position_error(made, real), distance.aligned_error(made, real)
    assert min(whole) > 1
    real[3:] = 0
    np.testing.assert_allclose((distance.position_error(made, real), distance.aligned_error(made, real)), whole)
