"""Our retrieval metrics against their definition: every order of the gallery, ties broken by position, averaged."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxmm.errors import DataError
from jaxmm.evaluate.ranks import RECALL_AT
from jaxmm.evaluate.retrieval import evaluate_retrieval, retrieval_metrics

TOLERANCE = 1e-9
FEW_VALUES = st.sampled_from([-0.5, 0.0, 0.25, 1.0])  # so that ties are common


def first_hit_ranks(scores, relevant):
    """Ranks of each query's first hit, from 1, in every order that the gallery may stand in."""
    ranks = []
    for order in itertools.permutations(range(scores.shape[1])):
        placed = np.argsort(-scores[:, order], axis=1, kind="stable")
        hits = np.take_along_axis(relevant[:, order], placed, axis=1)
        ranks.append(1 + hits.argmax(axis=1))
    return np.array(ranks)


def averaged_metrics(scores, relevant):
    ranks = first_hit_ranks(scores, relevant)  # orders, queries
    return {
        **{f"recall@{k}": (ranks <= k).mean() for k in RECALL_AT},
        "median_rank": np.median(ranks.mean(axis=0)),  # the median query, each by its mean rank
        "mean_rank": ranks.mean(),
        "mrr": (1 / ranks).mean(),
        "queries": scores.shape[0],
        "gallery": scores.shape[1],
    }


def assert_metrics(ours, expected):
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, rel=0, abs=TOLERANCE), name


@st.composite
def rankings(draw, max_items=5):
    """Scores with many ties, and one or more right answers for every query."""
    shape = draw(st.integers(1, 4)), draw(st.integers(1, max_items))
    scores = draw(arrays(np.float64, shape, elements=FEW_VALUES))
    relevant = draw(arrays(np.bool_, shape, elements=st.booleans()))
    for query in range(shape[0]):
        relevant[query, draw(st.integers(0, shape[1] - 1))] = True
    return scores, relevant


@settings(max_examples=60, deadline=None)
@given(rankings())
def test_metrics_are_the_mean_over_all_orders_of_the_gallery(ranking):
    assert_metrics(retrieval_metrics(*ranking), averaged_metrics(*ranking))


@pytest.mark.parametrize("num_right", [1, 2, 5, 6])
def test_a_gallery_of_equal_scores_is_ranked_by_chance(num_right):
    scores, relevant = np.zeros((3, 6)), np.zeros((3, 6), bool)
    relevant[:, :num_right] = True
    ours = retrieval_metrics(scores, relevant)
    assert_metrics(ours, averaged_metrics(scores, relevant))
    assert ours["recall@1"] == pytest.approx(num_right / 6, abs=TOLERANCE)


def test_metrics_equal_the_definition_on_a_gallery_of_seven():
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 3, (5, 7)) / 2
    relevant = np.zeros((5, 7), bool)
    relevant[np.arange(5), generator.integers(0, 7, 5)] = True
    relevant[:2, 3] = True
    assert_metrics(retrieval_metrics(scores, relevant), averaged_metrics(scores, relevant))


@settings(max_examples=30, deadline=None)
@given(
    motion=arrays(np.float64, (4, 2), elements=FEW_VALUES),
    text=arrays(np.float64, (5, 2), elements=FEW_VALUES),
    extra=arrays(np.bool_, (4, 5)),
)
def test_both_directions_rank_their_own_gallery(motion, text, extra):
    relevant = extra | np.eye(4, 5, dtype=bool)
    relevant[3, 4] = True
    ours = evaluate_retrieval(motion, text, relevant)
    scores = motion @ text.T
    for direction, expected in (
        ("motion_to_text", averaged_metrics(scores, relevant)),
        ("text_to_motion", averaged_metrics(scores.T, relevant.T)),
    ):
        own = {name.removeprefix(f"{direction}/"): value for name, value in ours.items() if name.startswith(direction)}
        assert_metrics(own, expected)
    assert len(ours) == 2 * len(averaged_metrics(scores, relevant))
    assert (ours["text_to_motion/gallery"], ours["motion_to_text/gallery"]) == (4, 5)


def test_exchanging_motions_and_texts_exchanges_the_directions():
    generator = np.random.default_rng(1)
    motion, text = generator.normal(size=(9, 3)), generator.normal(size=(9, 3))
    one = evaluate_retrieval(motion, text, np.eye(9, dtype=bool))
    other = evaluate_retrieval(text, motion, np.eye(9, dtype=bool))
    for name, value in one.items():
        direction, metric = name.split("/")
        turned = "motion_to_text" if direction == "text_to_motion" else "text_to_motion"
        assert other[f"{turned}/{metric}"] == pytest.approx(value, abs=TOLERANCE)


@settings(max_examples=30, deadline=None)
@given(rankings(max_items=12))
def test_single_answers_without_ties_score_as_scikit_learn_scores_them(ranking):
    metrics = pytest.importorskip("sklearn.metrics")
    scores = np.argsort(np.argsort(ranking[0], axis=1, kind="stable"), axis=1) / 7  # the same order without ties
    relevant = np.zeros_like(ranking[1])
    relevant[np.arange(len(scores)), ranking[1].argmax(axis=1)] = True
    if scores.shape[1] == 1:
        return  # scikit-learn takes a single column for a binary problem
    ours = retrieval_metrics(scores, relevant)
    mrr = metrics.label_ranking_average_precision_score(relevant, scores)
    assert ours["mrr"] == pytest.approx(mrr, abs=TOLERANCE)
    assert ours["mean_rank"] == pytest.approx(metrics.coverage_error(relevant, scores), abs=TOLERANCE)
    if scores.shape[1] > 2:
        for k in RECALL_AT[:2]:
            top = metrics.top_k_accuracy_score(relevant.argmax(axis=1), scores, k=k, labels=range(scores.shape[1]))
            assert ours[f"recall@{k}"] == pytest.approx(top, abs=TOLERANCE)


def test_small_batches_average_each_direction_over_batches_of_32():
    generator = np.random.default_rng(2)
    motion, text = generator.normal(size=(2, 70, 5))
    ours = evaluate_retrieval(motion, text, np.eye(70, dtype=bool), protocol="small_batches")
    drawn = np.random.default_rng(0)
    orders = [drawn.permutation(70) for _ in range(20)]
    parts = []
    for rows in [rows for order in orders for rows in (order[:32], order[32:64])]:  # six motions fill no batch
        scores = (motion @ text.T)[np.ix_(rows, rows)]
        ranks = 1 + (scores > np.diag(scores)[:, None]).sum(axis=1)
        parts.append({"recall@5": (ranks <= 5).mean(), "median_rank": np.median(ranks), "mrr": (1 / ranks).mean()})
    for name in parts[0]:
        mean = np.mean([part[name] for part in parts])
        assert ours[f"motion_to_text/{name}"] == pytest.approx(mean, abs=TOLERANCE)
    assert ours["text_to_motion/gallery"] == 32


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(DataError, match="the gallery is empty"):
        retrieval_metrics(np.zeros((2, 0)), np.zeros((2, 0), bool))
    with pytest.raises(DataError, match="query 1 has no answer in the gallery"):
        retrieval_metrics(np.zeros((2, 2)), np.array([[True, False], [False, False]]))
    with pytest.raises(DataError, match="a similarity is not finite"):
        retrieval_metrics(np.array([[np.nan, 0.0]]), np.array([[True, False]]))
