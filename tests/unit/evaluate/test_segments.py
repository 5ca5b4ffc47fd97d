import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.segments import gains_of, scores_of, segment_ratios, segments_of

F1 = [f"f1@{overlap}/{boundary}" for boundary in ("exclusive", "inclusive") for overlap in (10, 25, 50)]


def video(labels):
    """Labels of frames, one letter each."""
    return np.array([ord(letter) - ord("a") for letter in labels])


def scores(predicted, true, background=""):
    pairs = [[video(labels) for labels in own] for own in (predicted, true)]
    return scores_of(segment_ratios(*pairs, background=video(background).tolist()))


def test_segments_are_maximal_runs_of_a_label():
    assert segments_of(video("aabaa")).tolist() == [[0, 0, 1], [1, 2, 2], [0, 3, 4]]
    assert segments_of(video("a")).tolist() == [[0, 0, 0]]


def test_background_parts_runs_of_a_label_and_is_dropped():
    assert segments_of(video("aazaa"), background=[25]).tolist() == [[0, 0, 1], [0, 3, 4]]
    assert segments_of(video("zzz"), background=[25]).shape == (0, 3)


def test_what_is_right_scores_one_and_what_shares_nothing_zero():
    assert scores(["aabbbc"], ["aabbbc"]) == dict.fromkeys(["accuracy", "edit", *F1], 1.0)
    assert scores(["aaaa"], ["bbbb"]) == dict.fromkeys(["accuracy", "edit", *F1], 0.0)


def test_accuracy_and_f1_are_over_all_frames_and_segments_and_edit_over_videos():
    found = scores(["aaaaaaaa", "b"], ["aaaaaaaa", "a"])
    assert found["accuracy"] == pytest.approx(8 / 9)
    assert found["edit"] == 0.5
    assert found["f1@50/exclusive"] == 0.5
    found = scores(["ababab", "c"], ["aaabbb", "c"])
    # Of ababab the last four segments are too many; two of seven predicted find one of three true ones each.
    assert found["edit"] == pytest.approx((2 / 6 + 1) / 2)
    assert found["f1@10/exclusive"] == pytest.approx(2 * 3 / (7 + 3))


@pytest.mark.parametrize(
    ("predicted", "true", "edit"), [("abc", "abc", 1), ("ac", "abc", 2 / 3), ("abc", "cab", 1 / 3)]
)
def test_the_edit_score_counts_insertions_deletions_and_substitutions(predicted, true, edit):
    long = ["".join(3 * letter for letter in labels) for labels in (predicted, true)]
    size = max(map(len, long))
    # A trailing segment of its own fills up the shorter one, and counts on both sides.
    one, other = (own + "z" * (size - len(own) + 1) for own in long)
    assert scores([one], [other], background="z")["edit"] == pytest.approx(edit)


def test_conventions_of_a_boundary_differ_by_one_frame():
    # Frames 0 to 2 against 1 to 3: two of four frames with exclusive ends, one of three with inclusive ones.
    found = scores(["aaaz"], ["zaaa"], background="z")
    assert [found[name] for name in F1] == [1, 1, 1, 1, 1, 0]
    # A segment of one frame has no length with inclusive ends: it is found where it is, and nowhere else.
    found = scores(["zaz"], ["zaz"], background="z")
    assert [found[name] for name in F1] == [1] * 6
    found = scores(["zaz"], ["zaa"], background="z")
    assert [found[name] for name in F1] == [1, 1, 1, 0, 0, 0]


def test_an_overlap_that_is_just_reached_counts():
    found = scores(["a" + "z" * 9], ["a" * 10], background="z")
    assert found["f1@10/exclusive"] == 1.0
    assert found["f1@25/exclusive"] == 0.0
    assert scores(["aazz"], ["aaaa"], background="z")["f1@50/exclusive"] == 1.0


def test_a_true_segment_is_found_once():
    found = scores(["azaa"], ["aaaa"], background="z")
    assert found["f1@25/exclusive"] == pytest.approx(2 / 3)
    # The first prediction has taken it, though the second one overlaps more.
    assert found["f1@10/exclusive"] == pytest.approx(2 / 3)


def test_one_frame_and_background_alone():
    assert scores(["a"], ["a"])["edit"] == 1.0
    assert scores(["b"], ["a"])["f1@10/inclusive"] == 0.0
    nothing = scores(["zz", "a"], ["zz", "a"], background="z")
    assert set(nothing.values()) == {1.0}
    alone = scores(["zz"], ["zz"], background="z")
    assert alone == dict.fromkeys(["accuracy", "edit", *F1], 1.0)
    invented = scores(["za"], ["zz"], background="z")
    assert invented == {"accuracy": 0.5, "edit": 0.0, **dict.fromkeys(F1, 0.0)}


@pytest.mark.parametrize(("predicted", "true"), [([], []), (["a"], []), (["ab"], ["a"])])
def test_what_cannot_be_compared_is_refused(predicted, true):
    with pytest.raises(DataError, match=r"predicted and . true videos; give one or more, of equal lengths"):
        scores(predicted, true)


labellings = st.lists(st.tuples(st.text("abcz", min_size=1, max_size=12), st.randoms()), min_size=1, max_size=4)


@settings(max_examples=30, deadline=None)
@given(labellings)
def test_scores_lie_between_zero_and_one_and_are_one_of_a_video_and_itself(drawn):
    true = [labels for labels, _ in drawn]
    guess = ["".join(random.sample(labels, len(labels))) for labels, random in drawn]
    found = scores(guess, true, background="z")
    assert all(0 <= value <= 1 for value in found.values())
    assert set(scores(true, true, background="z").values()) == {1.0}
    for boundary in ("exclusive", "inclusive"):
        ten, quarter, half = (found[f"f1@{overlap}/{boundary}"] for overlap in (10, 25, 50))
        assert ten >= quarter >= half


def many_videos(rate, seed=0):
    """Ratios of thirty videos of which a share of the frames is right."""
    rng = np.random.default_rng(seed)
    true = [np.repeat(rng.integers(0, 5, 8), rng.integers(3, 12, 8)) for _ in range(30)]
    guess = [np.where(rng.random(len(own)) < rate, own, 5) for own in true]
    return segment_ratios(guess, true)


def test_intervals_hold_the_score_and_are_drawn_over_videos():
    ratios = many_videos(0.8)
    plain, found = scores_of(ratios), scores_of(ratios, num_resamples=300)
    for name, value in plain.items():
        assert found[name] == value
        assert found[f"{name}/low"] < value < found[f"{name}/high"]
    assert found == scores_of(ratios, num_resamples=300)
    assert found != scores_of(ratios, num_resamples=300, seed=1)
    # What the bootstrap says of accuracy is what the formula for a ratio of sums does, nearly.
    right, frames = ratios["accuracy"].T
    residuals = right - plain["accuracy"] * frames
    deviation = np.sqrt(len(frames)) * residuals.std() / frames.sum()
    assert found["accuracy/high"] - found["accuracy/low"] == pytest.approx(2 * 1.96 * deviation, rel=0.25)


def test_one_video_has_an_interval_of_no_width():
    found = scores_of(segment_ratios([video("aab")], [video("abb")]), num_resamples=5)
    assert found["accuracy/low"] == found["accuracy"] == found["accuracy/high"] == pytest.approx(2 / 3)


def test_gains_are_of_pairs_of_the_same_videos():
    """Videos differ by far more than the methods do on each of them, so that only pairs tell them apart."""
    rng = np.random.default_rng(0)
    frames = np.full(40, 100.0)
    right = rng.uniform(10, 80, 40)
    before, after = ({"accuracy": np.stack([own, frames], axis=1)} for own in (right, right + 2))
    gains = gains_of([before], [after], num_resamples=200)
    assert gains == pytest.approx({"accuracy": 0.02, "accuracy/low": 0.02, "accuracy/high": 0.02})
    found = scores_of(before, num_resamples=200)
    assert found["accuracy/high"] - found["accuracy/low"] > 0.05
    lost = gains_of([after], [before], num_resamples=0)
    assert lost == pytest.approx({"accuracy": -0.02})


def test_gains_of_every_score_hold_their_difference():
    before, after = many_videos(0.6), many_videos(0.9)
    gains = gains_of([before], [after], num_resamples=100)
    for name in before:
        assert gains[name] == pytest.approx(scores_of(after)[name] - scores_of(before)[name])
        assert gains[f"{name}/low"] <= gains[name] <= gains[f"{name}/high"]
    assert gains["accuracy/low"] > 0.2


def test_scores_of_several_parts_are_means_of_each_alone():
    """As of the test videos of several splits, each of which counts alike however many videos it has."""
    parts = many_videos(0.6), segment_ratios([video("aab")], [video("abb")])
    alone = [scores_of(part) for part in parts]
    found = scores_of(*parts, num_resamples=100)
    for name in alone[0]:
        assert found[name] == pytest.approx((alone[0][name] + alone[1][name]) / 2)
        assert found[f"{name}/low"] <= found[name] <= found[f"{name}/high"]
    # The one video of the second part never changes, and halves the width.
    width, whole = (
        own["accuracy/high"] - own["accuracy/low"] for own in (found, scores_of(parts[0], num_resamples=100))
    )
    assert width == pytest.approx(whole / 2)
    gains = gains_of(parts, (many_videos(0.9), parts[1]), num_resamples=50)
    assert gains["accuracy"] == pytest.approx((scores_of(many_videos(0.9))["accuracy"] - alone[0]["accuracy"]) / 2)
    assert gains["accuracy/low"] > 0.1


def test_a_negative_number_of_draws_is_refused():
    with pytest.raises(ConfigError, match="bootstrap is -1; give a number of draws, or 0 for no intervals"):
        scores_of(many_videos(0.9), num_resamples=-1)
