import logging

import numpy as np
import pytest

from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.sweep import SortedPairs, Sweep
from jaxmm.evaluate.verification import roc_auc_gains, scores_by_kind, verification_scores

NEED_BOTH = {"roc_auc", "average_precision", "eer"}


def many_pairs(num_pairs=200, seed=0):
    rng = np.random.default_rng(seed)
    same = rng.random(num_pairs) < 0.4
    return np.round(rng.normal(size=num_pairs) + 1.2 * same, 1), same


def test_pairs_that_a_threshold_parts_are_told_without_error():
    found = verification_scores(np.array([0.2, 0.9, 0.7, 0.1]), np.array([False, True, True, False]))
    assert found["roc_auc"] == found["average_precision"] == found["best_f1"] == found["f1"] == 1
    assert (found["eer"], found["best_threshold"], found["threshold"]) == (0, 0.7, 0.5)
    assert (found["same"], found["different"], found["true_negatives"]) == (2, 2, 2)


def test_scores_without_meaning_are_those_of_chance():
    found = verification_scores(np.full(10, 0.3), np.arange(10) < 4)
    assert (found["roc_auc"], found["eer"], found["average_precision"]) == (0.5, 0.5, 0.4)
    assert (found["best_threshold"], found["recall"], found["precision"], found["accuracy"]) == (0.3, 0, 0, 0.6)


def test_turning_the_sign_of_scores_turns_the_curves():
    scores, same = many_pairs()
    one, other = Sweep.of(scores, same), Sweep.of(-scores, same)
    assert one.roc_auc() == pytest.approx(1 - other.roc_auc())
    assert one.equal_error_rate() == pytest.approx(1 - other.equal_error_rate())


@pytest.mark.parametrize("kind", [True, False])
def test_of_one_class_the_other_scores_are_given_and_the_missing_are_named(kind, caplog):
    scores, same = np.array([0.2, 0.7, 0.9]), np.full(3, kind)
    with caplog.at_level(logging.WARNING):
        found = verification_scores(scores, same, num_resamples=20)
    assert not NEED_BOTH & set(found) and all(np.isfinite(list(found.values())))
    assert found["accuracy"] == pytest.approx(2 / 3 if kind else 1 / 3)
    assert ("best_f1" in found) == kind
    (record,) = caplog.records
    word = "same" if kind else "different"
    assert record.message.startswith(f"all 3 pairs are {word}, so there is no roc_auc, average_precision, eer")
    sweep = Sweep.of(scores, same)
    for score, name in (
        (sweep.roc_auc, "ROC-AUC"),
        (sweep.average_precision, "average precision"),
        (sweep.equal_error_rate, "the equal error rate"),
        (sweep.roc, "a ROC curve"),
        (sweep.precision_recall, "a precision-recall curve"),
    ):
        with pytest.raises(DataError, match=f"{name} needs same and different pairs, but all are .*{word}; add pairs"):
            score()
    if not kind:
        with pytest.raises(DataError, match="no pair is the same, so no threshold is best"):
            sweep.best_f1()


def test_both_kinds_are_told_without_a_warning(caplog):
    verification_scores(*many_pairs())
    assert not caplog.records


def test_each_kind_of_pairs_stands_among_all_of_the_other_truth():
    scores, same = many_pairs()
    kinds = np.where(same, np.array(["cropped", "retimed"])[np.arange(200) % 2], "unrelated")
    found = scores_by_kind(scores, same, kinds)
    assert {name.rpartition("/")[0] for name in found} == {"same/cropped", "same/retimed", "different/unrelated"}
    chosen = (kinds == "cropped") | ~same
    for name, value in verification_scores(scores[chosen], same[chosen]).items():
        assert found[f"same/cropped/{name}"] == value
    assert found["different/unrelated/roc_auc"] == Sweep.of(scores, same).roc_auc()


def test_kinds_of_one_class_are_warned_of_once(caplog):
    found = scores_by_kind(np.array([0.3, 0.6]), np.array([True, True]), np.array(["a", "b"]))
    assert found["same/a/recall"] == 0 and "same/a/roc_auc" not in found
    assert len(caplog.records) == 1


def test_a_sweep_of_weights_is_one_of_repeated_pairs():
    scores, same = many_pairs(40)
    weights = np.random.default_rng(1).integers(0, 4, 40)
    ours, naive = SortedPairs(scores, same).sweep(weights), Sweep.of(scores.repeat(weights), same.repeat(weights))
    for name in ("roc_auc", "average_precision", "equal_error_rate", "best_f1"):
        assert getattr(ours, name)() == pytest.approx(getattr(naive, name)())
    assert ours.at(0.4) == pytest.approx(naive.at(0.4))


def test_intervals_are_those_of_pairs_drawn_with_repetition():
    scores, same = many_pairs(60)
    found = verification_scores(scores, same, num_resamples=50, seed=3)
    rng = np.random.default_rng(3)
    draws = [rng.integers(60, size=60) for _ in range(50)]
    for name, score in (("roc_auc", Sweep.roc_auc), ("eer", Sweep.equal_error_rate)):
        expected = np.quantile([score(Sweep.of(scores[drawn], same[drawn])) for drawn in draws], [0.025, 0.975])
        assert (found[f"{name}/low"], found[f"{name}/high"]) == pytest.approx(tuple(expected))
        assert found[f"{name}/low"] < found[name] < found[f"{name}/high"]
    assert "true_positives/low" not in found


def test_pairs_of_few_videos_are_less_certain_than_as_many_of_their_own():
    rng = np.random.default_rng(0)
    units = np.array([(one, other) for one in range(20) for other in range(one)])
    same = units[:, 0] % 2 == units[:, 1] % 2
    easy = rng.normal(size=20)  # what all pairs of a video share
    scores = same + easy[units].sum(axis=1) + rng.normal(size=len(units))
    alone, shared = (
        verification_scores(scores, same, threshold=0.0, num_resamples=200, units=own) for own in (None, units)
    )
    width, wider = (found["accuracy/high"] - found["accuracy/low"] for found in (alone, shared))
    assert wider > 1.5 * width


def test_a_pair_within_a_group_counts_as_often_as_the_group():
    scores, same = many_pairs(60)
    own = np.repeat(np.arange(60)[:, None], 2, axis=1)
    pairs = verification_scores(scores, same, num_resamples=20)
    assert verification_scores(scores, same, num_resamples=20, units=own + 7) == pairs


def test_draws_that_lack_a_kind_are_drawn_anew():
    found = verification_scores(np.array([0.9, 0.1, 0.2]), np.array([True, False, False]), num_resamples=50)
    assert (found["roc_auc/low"], found["roc_auc/high"]) == (1, 1)


def test_what_cannot_be_scored_is_refused():
    scores, same = np.array([0.1, np.nan]), np.array([True, False])
    with pytest.raises(DataError, match="a score of a pair is not finite"):
        verification_scores(scores, same)
    with pytest.raises(DataError, match="there are no pairs"):
        verification_scores(np.zeros(0), np.zeros(0, bool))
    with pytest.raises(ConfigError, match="bootstrap is -1"):
        verification_scores(np.zeros(2), same, num_resamples=-1)
    with pytest.raises(ConfigError, match="threshold is nan"):
        verification_scores(np.zeros(2), same, threshold=np.nan)


def test_gains_are_differences_of_areas_and_turn_their_sign():
    scores, same = many_pairs()
    worse = scores + np.random.default_rng(1).normal(scale=2, size=len(same))
    gains = roc_auc_gains(np.stack([scores, worse]), same, num_resamples=200)
    areas = [Sweep.of(own, same).roc_auc() for own in (scores, worse)]
    np.testing.assert_allclose(gains.roc_auc, areas)
    assert gains.low[0, 1] < areas[0] - areas[1] < gains.high[0, 1]
    np.testing.assert_allclose(gains.low, -gains.high.T)
    assert gains.tells(0, 1) and not gains.tells(1, 0) and not gains.tells(0, 0)


def test_pairing_leaves_out_what_a_draw_does_to_all_models():
    """Of scores that differ little the difference is known far better than either area."""
    scores, same = many_pairs(100)
    like = scores + np.random.default_rng(2).normal(scale=0.05, size=len(same))
    gains = roc_auc_gains(np.stack([scores, like]), same, num_resamples=200)
    alone = verification_scores(scores, same, num_resamples=200)
    assert gains.high[0, 1] - gains.low[0, 1] < 0.3 * (alone["roc_auc/high"] - alone["roc_auc/low"])


def test_gains_are_drawn_by_what_videos_were_cut_from():
    scores, same = many_pairs(60)
    worse = scores + np.random.default_rng(3).normal(scale=1, size=len(same))
    both, units = np.stack([scores, worse]), np.arange(120).reshape(-1, 2)
    apart = roc_auc_gains(both, same, num_resamples=300, units=np.repeat(units[:, :1], 2, axis=1))
    pairs = roc_auc_gains(both, same, num_resamples=300)
    np.testing.assert_array_equal(apart.low, pairs.low)
    few = roc_auc_gains(both, same, num_resamples=300, units=np.repeat(np.arange(60)[:, None] // 10, 2, axis=1))
    assert not np.array_equal(few.low, pairs.low)


def test_gains_need_draws_and_both_kinds_of_pairs():
    with pytest.raises(ConfigError, match="bootstrap is 0; give 1 draw or more"):
        roc_auc_gains(np.zeros((1, 3)), np.array([True, False, True]), num_resamples=0)
    with pytest.raises(DataError, match="ROC-AUC needs same and different pairs"):
        roc_auc_gains(np.zeros((1, 3)), np.ones(3, bool), num_resamples=5)
