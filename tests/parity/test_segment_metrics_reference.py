"""The naive metrics of segmentation and alignment against values computed by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest

from . import segment_metrics as metrics
from .segment_metrics import Counts, Segment


def test_segments_are_maximal_runs():
    assert metrics.segments("aabba") == [Segment("a", 0, 1), Segment("b", 2, 3), Segment("a", 4, 4)]
    assert metrics.segments("") == []


def test_background_is_dropped_after_runs_are_found():
    assert metrics.segments("aa.a", background=".") == [Segment("a", 0, 1), Segment("a", 3, 3)]


def test_accuracy_is_over_the_frames_of_all_videos():
    # 1 of 1 and 1 of 3: the mean over videos would be 66.7.
    assert metrics.frame_accuracy(["a", "abb"], ["a", "aaa"]) == 50
    assert metrics.frame_accuracy(["aab"], [".ab"], background=".") == 100
    assert metrics.frame_accuracy(["a.b"], ["aab"], background=".") == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [("kitten", "sitting", 3), ("saturday", "sunday", 3), ("", "abc", 3), ("abc", "abc", 0), ("ab", "ba", 2)],
)
def test_levenshtein(first, second, distance):
    assert metrics.levenshtein(first, second) == distance


def test_levenshtein_of_long_sequences():
    assert metrics.levenshtein("ab" * 300, "b" + "ab" * 300) == 1


def test_edit_is_of_segments_not_frames():
    assert metrics.edit_score(["aaaabc"], ["abbbbc"]) == 100
    # Segments abab against ab: two deletions of four.
    assert metrics.edit_score(["abab"], ["aabb"]) == 50
    # Without background the segments are aa against a.
    assert metrics.edit_score(["a.a"], ["aaa"], background=".") == 50
    assert metrics.edit_score([".."], [".."], background=".") == 100


def test_edit_is_the_mean_over_videos():
    assert metrics.edit_score(["abab", "a"], ["aabb", "b"]) == 25


@pytest.mark.parametrize(
    ("one", "other", "exclusive", "inclusive"),
    [
        ((0, 9), (0, 9), Fraction(1), Fraction(1)),
        ((0, 9), (5, 14), Fraction(5, 15), Fraction(4, 14)),
        ((0, 9), (9, 19), Fraction(1, 20), Fraction(0)),
        ((0, 9), (10, 19), Fraction(0), Fraction(0)),
        ((3, 3), (3, 3), Fraction(1), Fraction(1)),
        ((3, 3), (4, 4), Fraction(0), Fraction(0)),
        ((3, 3), (3, 4), Fraction(1, 2), Fraction(0)),
    ],
)
def test_overlap_of_segments(one, other, exclusive, inclusive):
    one, other = Segment("a", *one), Segment("a", *other)
    for first, second in ((one, other), (other, one)):
        assert metrics.intersection_over_union(first, second, "exclusive") == exclusive
        assert metrics.intersection_over_union(first, second, "inclusive") == inclusive


def test_a_true_segment_is_found_once():
    # True a: 0..9. Predicted a: 0..4 (IoU 1/2) and 6..9 (4/10), between them b.
    predicted, true = "aaaaabaaaa", "aaaaaaaaaa"
    assert metrics.count_of_video(predicted, true, 25) == Counts(1, 2, 0)
    assert metrics.count_of_video(predicted, true, 50) == Counts(1, 2, 0)
    assert metrics.count_of_video(predicted, true, 51) == Counts(0, 3, 1)
    # Lengths less by one: 4/9 and 3/9.
    assert metrics.count_of_video(predicted, true, 50, "inclusive") == Counts(0, 3, 1)
    assert metrics.count_of_video(predicted, true, 44, "inclusive") == Counts(1, 2, 0)


def test_a_prediction_does_not_pass_on_to_a_segment_that_is_free():
    # One prediction spans both true a's (IoU 2/5 and 2/5): the earliest is picked, the other is missed, as is b.
    assert metrics.count_of_video("aaaaa", "aabaa", 40) == Counts(1, 0, 2)
    # Both predicted a's overlap the first true a most; the second (4/13) could have had the last instead (1/7).
    true = "aaaaaaaaaabba"
    predicted = "aaaaabaaaaaaa"
    assert metrics.count_of_video(predicted, true, 10) == Counts(1, 2, 2)


def test_f1_sums_counts_over_videos():
    predicted, true = ["ab", "aaaa"], ["ab", "bbbb"]
    assert metrics.count(predicted, true, 50) == Counts(2, 1, 1)
    assert metrics.f1_score(predicted, true, 50) == pytest.approx(100 * 4 / 6)


def test_f1_leaves_background_out():
    assert metrics.f1_score([".aa."], ["baab"], 50, background=".") == pytest.approx(50)
    assert metrics.f1_score([".aa."], ["..a."], 50, background=".") == 100
    assert metrics.f1_score([".."], [".."], 50, background=".") == 100


def test_all_metrics_by_name():
    result = metrics.segmentation_metrics(["aab"], ["abb"])
    assert list(result) == ["accuracy", "edit", *(f"f1@{k} {b}" for b in metrics.BOUNDARIES for k in (10, 25, 50))]
    assert result["accuracy"] == pytest.approx(200 / 3)
    assert result["edit"] == result["f1@50 exclusive"] == 100
    assert result["f1@10 inclusive"] == 0  # of each pair one has no length


def test_cosine_similarity():
    assert metrics.cosine_similarity(np.array([3.0, 4.0]), np.array([4.0, 3.0])) == pytest.approx(24 / 25)
    assert metrics.cosine_similarity(np.zeros(2), np.ones(2)) == 0


def test_alignment_of_three_frames():
    embeddings = [[1, 0], [0, 1]]
    aligned = [[2, 0], [3, 4], [4, 3]]
    labels = [0, 0, 1]
    result = metrics.alignment_metrics(aligned, labels, embeddings)
    # Cosines with the right label: 1, 0.6, 0.6; squares over two dimensions: 1/2, (4 + 16)/2, (16 + 4)/2.
    assert result["mse_loss"] == pytest.approx((0.5 + 10 + 10) / 3)
    assert result["mean_cosine_similarity"] == pytest.approx(2.2 / 3)
    assert result["median_cosine_similarity"] == pytest.approx(0.6)
    assert result["std_cosine_similarity"] == pytest.approx(math.sqrt(2 / 9) * 0.4)
    assert result["accuracy@1"] == pytest.approx(1 / 3)
    assert result["accuracy@5"] == 1


def test_accuracy_at_five_among_seven():
    embeddings = np.stack([[math.cos(angle), math.sin(angle)] for angle in np.arange(7) * 0.1])
    aligned = np.tile(embeddings[0], (7, 1))
    result = metrics.alignment_metrics(aligned, range(7), embeddings)
    assert result["accuracy@1"] == pytest.approx(1 / 7)
    assert result["accuracy@5"] == pytest.approx(5 / 7)


def test_equal_descriptions_are_both_right():
    assert metrics.alignment_metrics([[1.0, 0.0]], [1], [[1, 0], [1, 0], [0, 1]])["accuracy@1"] == 1


def test_a_tie_of_descriptions_counts_against():
    assert metrics.alignment_metrics([[0.0, 0.0], [1.0, 0.0]], [0, 0], [[1, 0], [0, 1]])["accuracy@1"] == 0.5


def test_types_are_told_by_name_and_absent_without_frames():
    names = ["cut", "null", "slip"]
    result = metrics.alignment_metrics_by_type(np.eye(3)[[0, 1]], [0, 1], np.eye(3), names, ["null"], ["slip"])
    assert list(result) == ["all", "actions", "null"]
    assert result["actions"]["mean_cosine_similarity"] == 1
