import numpy as np
import pytest

from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.classification import class_scores, class_shares, classification_scores, confusion, mean_answers


def test_the_right_class_is_looked_for_among_the_most_likely():
    logits = np.array([[6.0, 5, 4, 3, 2, 1]] * 3)
    scores = classification_scores(logits, np.array([0, 4, 5]))
    assert scores["top1"] == pytest.approx(1 / 3)
    assert scores["top5"] == pytest.approx(2 / 3)
    assert (scores["chance1"], scores["chance5"], scores["clips"]) == (pytest.approx(1 / 6), pytest.approx(5 / 6), 3)


def test_who_says_the_same_of_all_classes_or_no_numbers_finds_nothing():
    for logits in (np.zeros((4, 9)), np.full((4, 9), np.nan)):
        scores = classification_scores(logits, np.array([0, 1, 2, 3]))
        assert scores["top1"] == scores["top5"] == 0


def test_a_class_that_is_neither_right_nor_told_has_no_part_in_the_means():
    scores = classification_scores(np.eye(9)[[0, 1, 1]], np.array([0, 0, 1]))
    assert scores["macro_recall"] == pytest.approx((0.5 + 1) / 2)
    assert scores["macro_precision"] == pytest.approx((1 + 0.5) / 2)


def test_rows_of_the_confusion_are_the_right_classes():
    counts = confusion(np.array([2, 2, 0]), np.array([1, 1, 0]), num_classes=3)
    assert counts.tolist() == [[1, 0, 0], [0, 0, 2], [0, 0, 0]]
    by_class = class_scores(counts)
    assert by_class["recall"].tolist() == [1, 0, 0]
    assert by_class["precision"].tolist() == [1, 0, 0]
    assert by_class["clips"].tolist() == [1, 2, 0]


def test_intervals_hold_the_scores_and_are_those_of_a_bootstrap_over_clips():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=300)
    logits = np.eye(4)[labels] + rng.normal(size=(300, 4))
    scores = classification_scores(logits, labels, num_resamples=500)
    for name in ("top1", "macro_f1", "macro_recall"):
        assert scores[f"{name}/low"] < scores[name] < scores[f"{name}/high"]
    spread = 2 * 1.96 * np.sqrt(scores["top1"] * (1 - scores["top1"]) / 300)  # of a binomial
    assert scores["top1/high"] - scores["top1/low"] == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "0 answers and 0 labels"),
        (np.zeros((2, 3)), np.zeros(1, int), "2 answers and 1 labels"),
        (np.zeros((1, 3)), np.array([3]), "labels are 3 to 3, but there are 3 classes"),
    ],
)
def test_what_cannot_be_compared_is_refused(logits, labels, message):
    with pytest.raises(DataError, match=message):
        classification_scores(logits, labels)


def test_an_ensemble_averages_logits_or_probabilities():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 5, 4))
    probabilities = [np.exp(own) / np.exp(own).sum(axis=1, keepdims=True) for own in (one, other)]
    np.testing.assert_allclose(np.exp(mean_answers([one, other])), np.mean(probabilities, axis=0))
    weighted = mean_answers([one, other], of="logits", weights=(3, 1))
    np.testing.assert_allclose(weighted, 0.75 * one + 0.25 * other)


@pytest.mark.parametrize("weights", [(1.0,), (0.0, 0.0), (-1.0, 2.0), (float("inf"), 1.0)])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(ConfigError, match="for 2 runs; give one a run, of 0 or more"):
        mean_answers([np.zeros((1, 2))] * 2, weights=weights)
    with pytest.raises(ConfigError, match="choose logits or probabilities"):
        mean_answers([np.zeros((1, 2))], of="votes")


def test_the_accuracy_of_each_class_sums_up_to_that_of_all():
    rng = np.random.default_rng(0)
    labels = rng.integers(6, size=200)
    logits = 2 * np.eye(7)[labels] + rng.normal(size=(200, 7))
    scores, shares = classification_scores(logits, labels), class_shares(logits, labels)
    for name in ("top1", "top5"):
        assert np.bincount(labels, minlength=7) @ shares[name] / 200 == pytest.approx(scores[name])
        assert shares[name][6] == 0  # no clip is of it
    recall = class_scores(confusion(logits.argmax(axis=1), labels, num_classes=7))["recall"]
    np.testing.assert_allclose(shares["top1"], recall)
