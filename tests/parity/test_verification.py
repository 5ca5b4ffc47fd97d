"""Scores of pairs, and retrieval by labels, against scikit-learn and against their definitions."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from jaxmm.evaluate.retrieval import retrieval_by_label
from jaxmm.evaluate.sweep import Sweep
from jaxmm.evaluate.verification import verification_scores

metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn, the extra 'plots'")

TOLERANCE = 1e-9


def tied_pairs(seed):
    """Scores, of which many are tied in most cases, of pairs of which at least one of either kind is there."""
    rng = np.random.default_rng(seed)
    num_pairs = int(rng.integers(2, 60))
    same = rng.random(num_pairs) < rng.uniform(0.1, 0.9)
    same[rng.permutation(num_pairs)[:2]] = [True, False]
    scores = rng.normal(size=num_pairs) + rng.uniform(-1, 3) * same
    return (np.round(scores * rng.choice([1, 3, 1000])) / 7).astype(rng.choice([np.float32, np.float64])), same


def naive_equal_error(scores, same):
    """The crossing of miss and false alarm rates, counted at every threshold in fractions."""
    points = []
    for threshold in [np.inf, *sorted(set(scores.tolist()), reverse=True)]:
        told = scores >= threshold
        alarms = Fraction(int((told & ~same).sum()), int((~same).sum()))
        points.append((alarms, Fraction(int((~told & same).sum()), int(same.sum()))))
    for (alarms, missed), (more, fewer) in itertools.pairwise(points):
        if more >= fewer:  # on the segment the miss rate falls from above the false alarm rate to it or below
            gap, next_gap = missed - alarms, fewer - more
            return float(alarms + (more - alarms) * gap / (gap - next_gap))
    raise AssertionError("the rates cross, since both begin and end at 0 and 1")


@pytest.mark.parametrize("block", range(10))
def test_scores_are_those_of_scikit_learn(block):
    for seed in range(40 * block, 40 * block + 40):
        scores, same = tied_pairs(seed)
        sweep, threshold = Sweep.of(scores, same), float(np.random.default_rng(seed).choice(scores))
        found, told = verification_scores(scores, same, threshold=threshold), scores >= threshold
        precision, recall, thresholds = metrics.precision_recall_curve(same, scores)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
        f1 = f1[:-1]  # the last point has no threshold
        tn, fp, fn, tp = metrics.confusion_matrix(same, told).ravel()
        expected = {
            "roc_auc": metrics.roc_auc_score(same, scores),
            "average_precision": metrics.average_precision_score(same, scores),
            "eer": naive_equal_error(scores, same),
            "best_f1": f1.max(),
            "best_threshold": thresholds[f1 > f1.max() - 1e-12].max(),
            "accuracy": metrics.accuracy_score(same, told),
            "precision": metrics.precision_score(same, told),
            "recall": metrics.recall_score(same, told),
            "f1": metrics.f1_score(same, told),
            "true_positives": tp,
            "false_positives": fp,
            "false_negatives": fn,
            "true_negatives": tn,
        }
        assert {name: found[name] for name in expected} == pytest.approx(expected, abs=TOLERANCE), seed
        alarms, hits, at = metrics.roc_curve(same, scores, drop_intermediate=False)
        np.testing.assert_allclose(sweep.roc(), (alarms, hits), atol=TOLERANCE)
        np.testing.assert_allclose(sweep.thresholds, at, atol=TOLERANCE)
        ours = sweep.precision_recall()
        np.testing.assert_allclose((ours[0][::-1], ours[1][::-1]), (precision, recall), atol=TOLERANCE)


@pytest.mark.parametrize("seed", range(20))
def test_the_equal_error_rate_lies_where_the_roc_curve_meets_the_falling_diagonal(seed):
    from scipy.optimize import brentq

    scores, same = tied_pairs(seed)
    alarms, hits, _ = metrics.roc_curve(same, scores, drop_intermediate=False)
    along = np.linspace(0, 1, len(alarms))  # a place on the curve, which may run upright

    def gap(place):
        return np.interp(place, along, alarms) + np.interp(place, along, hits) - 1

    expected = float(np.interp(brentq(gap, 0, 1, xtol=1e-14), along, alarms))
    assert Sweep.of(scores, same).equal_error_rate() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(30))
def test_precision_of_retrieval_is_that_of_scikit_learn_for_every_query(seed):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 0], rng.integers(0, 5, int(rng.integers(1, 25)))])
    similarity = rng.integers(-3, 4, (len(labels),) * 2) / 3  # of which many are tied
    similarity[np.diag_indices(len(labels))] = rng.choice([-9.0, 9.0])
    precisions = []
    for query, label in enumerate(labels):
        others = np.arange(len(labels)) != query
        if (labels[others] == label).any():
            precisions.append(metrics.average_precision_score(labels[others] == label, similarity[query, others]))
    found = retrieval_by_label(similarity, labels)
    assert found["map"] == pytest.approx(np.mean(precisions), abs=TOLERANCE)
    assert (found["queries"], found["gallery"]) == (len(precisions), len(labels) - 1)
