"""What a report says follows from the numbers that it is given."""

import numpy as np
import pytest

from jaxmm.errors import ConfigError, DataError
from jaxmm.similarity.findings import (
    at_chance,
    best_by_kind,
    best_of_all,
    better_of,
    findings,
    gains_of,
    real_time,
    smallest,
)

from .handmade import KINDS, NUM_PAIRS, SAME, compared, scores_with

GOOD, FAIR, POOR = scores_with(0), scores_with(2), scores_with(15)
ALL = np.ones(NUM_PAIRS, bool)


def gains(*rows):
    return gains_of(rows, ALL, num_resamples=200)


def answers(rows, ensemble=None):
    return {finding.question: finding for finding in findings(rows, ensemble, num_resamples=200)}


def test_one_is_better_by_its_difference_where_the_interval_leaves_zero_out():
    rows = [compared("siamese", POOR), compared("triplet", GOOD)]
    found = better_of("Siamese or triplet?", rows, gains(*rows), baseline=0, other=1)
    assert found.answer.startswith("triplet, by 0.500 of ROC-AUC (siamese 0.500, triplet 1.000; 95% interval of")
    assert found.numbers["better"] == "triplet" and found.numbers["low"] > 0
    assert found.numbers["difference"] == pytest.approx(0.5)
    back = better_of("Siamese or triplet?", rows[::-1], gains(*rows[::-1]), baseline=0, other=1)
    assert back.answer.startswith("triplet, by 0.500 of ROC-AUC (triplet 1.000, siamese 0.500;")
    assert back.numbers["better"] == "triplet" and back.numbers["high"] < 0


def test_no_difference_is_told_where_the_interval_holds_zero():
    rows = [compared("siamese", GOOD), compared("triplet", scores_with(1))]
    found = better_of("Siamese or triplet?", rows, gains(*rows), baseline=0, other=1)
    assert found.answer.startswith("No difference that the data can tell: ROC-AUC of siamese 1.000, triplet 0.967;")
    assert found.answer.endswith("which holds zero.") and found.numbers["better"] is None
    assert found.numbers["low"] < 0 <= found.numbers["high"]


def test_the_best_is_told_with_those_that_it_cannot_be_told_from():
    rows = [compared("siamese", POOR), compared("tcn", GOOD), compared("graph", scores_with(1))]
    found = best_of_all(rows, gains(*rows))
    assert found.answer.startswith("tcn, with ROC-AUC 1.000 (1.000 to 1.000); the data cannot tell it from graph.")
    assert found.numbers == {"best": "tcn", "tied": ["graph"]}
    assert best_of_all(rows[:2], gains(*rows[:2])).answer.endswith("; it is better than all others.")
    tied = [compared(name, GOOD) for name in ("a", "b", "c")]
    assert best_of_all(tied, gains(*tied)).answer.endswith("; but the data can tell it from none of the others.")
    assert best_of_all(tied[:1], gains(*tied[:1])).answer.endswith("; there is no other.")


def test_only_questions_about_architectures_that_there_are_get_answers():
    found = answers([compared("tcn", GOOD), compared("graph", POOR)])
    assert not any("triplet" in question or "attention" in question for question in found)
    rows = [compared(name, GOOD) for name in ("siamese", "attention")]
    assert answers(rows)["What does attention change, against the mean over frames?"].numbers["baseline"] == "siamese"
    rows.append(compared("siamese_batch_norm", POOR))
    found = answers(rows)["What does attention change, against the mean over frames?"]
    assert found.numbers["baseline"] == "siamese_batch_norm" and found.answer.startswith("attention, by ")


def test_architectures_at_chance_are_named():
    rows = [compared("siamese", POOR), compared("triplet", GOOD), compared("tcn", scores_with(14))]
    (found,) = at_chance(rows)
    assert found.answer.startswith("siamese, tcn: their intervals reach 0.5, which is chance; train longer")
    assert at_chance(rows[:2])[0].answer.startswith("siamese: its interval reaches 0.5,")
    assert at_chance(rows[1:2]) == []
    assert "Which has learnt nothing that the data can tell?" in answers(rows)


def test_an_ensemble_is_compared_with_the_best_of_all():
    rows = [compared("siamese", POOR), compared("triplet", FAIR)]
    found = answers(rows, compared("ensemble", GOOD))
    numbers = found["Does an ensemble help?"].numbers
    assert (numbers["baseline"], numbers["other"]) == ("triplet", "ensemble")
    assert found["Which architecture is best?"].numbers["best"] == "triplet"


def test_each_kind_of_pairs_has_its_best():
    blind = {kind: np.where((kind == KINDS) & SAME, 0.05, GOOD) for kind in ("logo", "cropped")}
    rows = [compared("siamese", blind["logo"]), compared("tcn", blind["cropped"])]
    found = {finding.numbers["kind"]: finding for finding in best_by_kind(rows, num_resamples=200)}
    assert set(found) == {"same/logo", "same/cropped"}  # different pairs are of one kind
    assert found["same/logo"].numbers["best"] == "tcn" and found["same/cropped"].numbers["best"] == "siamese"
    assert found["same/logo"].question == "Which for same pairs of the kind logo?"
    assert found["same/logo"].answer == "tcn, with ROC-AUC 1.000; it is better than all others."
    alone = [compared("tcn", GOOD, kinds=np.where(SAME, "same_class", "different_class"))]
    assert best_by_kind(alone, num_resamples=20) == []


def test_the_smallest_is_looked_for_within_the_interval_of_the_best():
    large = compared("attention", FAIR, parameters=1000)
    found = smallest([large, compared("tcn", scores_with(3), parameters=250), compared("siamese", POOR, parameters=10)])
    low = large.scores["roc_auc/low"]
    assert low <= compared("tcn", scores_with(3)).roc_auc
    assert found.answer.startswith("tcn: ROC-AUC 0.900 with 250 parameters, 25% of those of attention (ROC-AUC 0.933")
    assert found.numbers == {"smallest": "tcn", "parameters": 250, "best": "attention", "low": low}
    own = smallest([compared("siamese", GOOD, parameters=10), compared("tcn", FAIR, parameters=250)])
    assert own.answer == "siamese, which is the best itself, with 10 parameters."


def test_real_time_is_told_by_the_fastest_that_is_good_enough():
    slow, fast = compared("attention", FAIR, embed_ms=12.0), compared("tcn", scores_with(3), embed_ms=4.0)
    hasty = compared("siamese", POOR, embed_ms=0.1)
    found = real_time([slow, fast, hasty])
    assert found.answer == (
        "tcn is the fastest within the interval of the best: 1,000 frames a second, or a video of 8 frames in 8 ms, of "
        "which the backbone takes 50%; then 2,000 pairs a second, one after another; it keeps up with 125 streams of 8 "
        "frames a second; attention, the slowest, has 500 frames a second."
    )
    assert "the slowest" not in real_time([slow, slow]).answer
    assert found.numbers["frames_per_second"]["siamese"] == pytest.approx(8000 / 4.1)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"see_ms": 99.0, "embed_ms": 8.0}, "it keeps up with 1 stream of 8 frames a second."),
        ({"see_ms": 300.0}, "it does not keep up with a stream of 8 frames a second."),
        ({"fps": None}, "2,000 pairs a second, one after another."),
    ],
)
def test_streams_are_told_where_their_rate_is_known(settings, told):
    assert real_time([compared("tcn", GOOD, **settings)]).answer.endswith(told)


def test_pairs_of_one_class_and_no_draws_are_refused():
    rows = [compared("siamese", GOOD)]
    with pytest.raises(DataError, match="all pairs of the test split are the same or all are different"):
        gains_of(rows, SAME, num_resamples=5)
    with pytest.raises(ConfigError, match="bootstrap is 0; give 1 draw or more"):
        gains_of(rows, ALL, num_resamples=0)
