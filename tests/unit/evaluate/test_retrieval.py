import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jaxmm.errors import DataError
from jaxmm.evaluate.retrieval import RECALL_AT, FirstHits, evaluate_retrieval, retrieval_metrics, top_k

ITEMS = 5
# Few distinct scores, so that ties are the rule.
scores_of_one = arrays.arrays(np.int8, ITEMS, elements=st.integers(0, 2)).map(lambda row: row.astype(np.float64)[None])
relevant_of_one = arrays.arrays(np.bool_, (1, ITEMS)).filter(np.any)


def first_ranks(scores, relevant):
    """Rank of the first right item for every order of the items that sorts the scores."""
    ranks = []
    for order in itertools.permutations(range(ITEMS)):
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order)):
            ranks.append(1 + min(place for place, item in enumerate(order) if relevant[item]))
    return np.array(ranks)


@settings(max_examples=60, deadline=None)
@given(scores=scores_of_one, relevant=relevant_of_one)
def test_ties_count_as_the_mean_over_all_orders_of_the_tied_items(scores, relevant):
    ranks = first_ranks(scores[0], relevant[0])
    metrics = retrieval_metrics(scores, relevant)
    assert metrics["mean_rank"] == metrics["median_rank"] == pytest.approx(ranks.mean())
    assert metrics["mrr"] == pytest.approx((1 / ranks).mean())
    for k in RECALL_AT:
        assert metrics[f"recall@{k}"] == pytest.approx((ranks <= k).mean())


def test_a_constant_model_scores_as_chance():
    metrics = retrieval_metrics(np.zeros((4, 20)), np.eye(4, 20, dtype=bool))
    assert metrics["recall@10"] == pytest.approx(0.5)
    assert metrics["median_rank"] == pytest.approx(10.5)


def test_the_best_of_several_right_items_counts():
    scores = np.array([[0.9, 0.8, 0.1, 0.7]])
    assert retrieval_metrics(scores, np.array([[False, True, True, False]]))["mean_rank"] == 2.0
    assert retrieval_metrics(scores, np.array([[True, True, False, False]]))["mean_rank"] == 1.0


@settings(max_examples=40, deadline=None)
@given(
    scores=arrays.arrays(np.float64, (4, ITEMS), elements=st.floats(-1, 1)),
    right=st.lists(st.integers(0, ITEMS - 1), min_size=4, max_size=4),
)
def test_recall_grows_with_k_and_values_stay_in_range(scores, right):
    metrics = retrieval_metrics(scores, np.eye(ITEMS, dtype=bool)[right])
    recalls = [metrics[f"recall@{k}"] for k in RECALL_AT]
    assert recalls == sorted(recalls)
    assert 0 <= recalls[0] <= metrics["mrr"] + 1e-12
    assert recalls[-1] == pytest.approx(1.0)  # the gallery is smaller than 10
    assert 1 <= metrics["mean_rank"] <= ITEMS
    assert (metrics["queries"], metrics["gallery"]) == (4.0, 5.0)


@settings(max_examples=30, deadline=None)
@given(scores=arrays.arrays(np.float64, (3, ITEMS), elements=st.floats(-1, 1)), order=st.permutations(range(ITEMS)))
def test_the_order_of_the_gallery_changes_no_metric(scores, order):
    relevant = np.eye(3, ITEMS, dtype=bool)
    assert retrieval_metrics(scores, relevant) == pytest.approx(retrieval_metrics(scores[:, order], relevant[:, order]))


def test_expectations_are_per_query():
    relevant = np.array([[False, False, True], [True, False, False]])
    hits = FirstHits(np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 2.0]]), relevant)
    assert len(hits) == 2
    assert hits.expected(lambda rank: rank).tolist() == [3.0, 2.5]
    assert hits.expected(lambda rank: rank <= 2).tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("scores", "relevant", "message"),
    [
        (np.zeros((2, 0)), np.zeros((2, 0), bool), "the gallery is empty; there is nothing to retrieve"),
        (np.array([[np.nan, 1.0]]), np.ones((1, 2), bool), "a similarity is not finite; .* the model diverged"),
        (np.array([[np.inf, 1.0]]), np.ones((1, 2), bool), "a similarity is not finite"),
        (
            np.ones((2, 2)),
            np.eye(2, dtype=bool) & [[True], [False]],
            "query 1 has no answer in the gallery; leave it out",
        ),
    ],
    ids=["empty", "nan", "inf", "unanswerable"],
)
def test_what_cannot_be_scored_is_refused(scores, relevant, message):
    with pytest.raises(DataError, match=message):
        retrieval_metrics(scores, relevant)


def unit(rng, *shape):
    x = rng.normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def split():
    """Seventy motions with 50 captions: most have one, some share one, and one has three."""
    rng = np.random.default_rng(0)
    relevant = np.zeros((70, 50), bool)
    relevant[np.arange(70), np.arange(70) % 48] = True
    relevant[5, [48, 49]] = True
    return unit(rng, 70, 4), unit(rng, 50, 4), relevant


def test_both_directions_are_scored_over_the_whole_split(split):
    motion, text, relevant = split
    metrics = evaluate_retrieval(motion, text, relevant)
    expected = {
        **{f"motion_to_text/{name}": v for name, v in retrieval_metrics(motion @ text.T, relevant).items()},
        **{f"text_to_motion/{name}": v for name, v in retrieval_metrics(text @ motion.T, relevant.T).items()},
    }
    assert metrics == pytest.approx(expected)
    assert (metrics["text_to_motion/queries"], metrics["text_to_motion/gallery"]) == (50.0, 70.0)


def test_small_batches_are_32_motions_with_their_own_captions_in_fixed_orders(split):
    motion, text, relevant = split
    metrics = evaluate_retrieval(motion, text, relevant, protocol="small_batches")
    rng = np.random.default_rng(0)
    orders = [rng.permutation(70) for _ in range(20)]
    parts = []
    for rows in [rows for order in orders for rows in (order[:32], order[32:64])]:
        columns = relevant[rows].any(axis=0)
        parts.append(retrieval_metrics(motion[rows] @ text[columns].T, relevant[rows][:, columns]))
    for name in parts[0]:
        assert metrics[f"motion_to_text/{name}"] == pytest.approx(np.mean([part[name] for part in parts]))
    assert metrics["text_to_motion/gallery"] == metrics["motion_to_text/queries"] == 32.0
    assert metrics == evaluate_retrieval(motion, text, relevant, protocol="small_batches")


def test_small_batches_are_easier_than_the_whole_split(split):
    whole, small = (evaluate_retrieval(*split, protocol=protocol) for protocol in ("all", "small_batches"))
    assert small["text_to_motion/recall@5"] > whole["text_to_motion/recall@5"]


def test_small_batches_of_exactly_32_motions_are_the_whole_split():
    rng = np.random.default_rng(1)
    motion, text, relevant = unit(rng, 32, 4), unit(rng, 32, 4), np.eye(32, dtype=bool)
    assert evaluate_retrieval(motion, text, relevant) == pytest.approx(
        evaluate_retrieval(motion, text, relevant, protocol="small_batches")
    )


def test_small_batches_need_32_motions():
    with pytest.raises(DataError, match="protocol small_batches needs 32 motions, the split has 2; use all"):
        evaluate_retrieval(np.eye(2), np.eye(2), np.eye(2, dtype=bool), protocol="small_batches")


@settings(max_examples=40, deadline=None)
@given(
    scores=arrays.arrays(np.int8, (2, ITEMS), elements=st.integers(-2, 2)).map(lambda x: x.astype(np.float64)),
    k=st.integers(1, 7),
)
def test_the_best_come_first_and_ties_go_to_the_lower_index(scores, k):
    places, values = top_k(scores, k)
    for row in range(2):
        expected = sorted(range(ITEMS), key=lambda item: (-scores[row, item], item))[:k]
        assert places[row].tolist() == expected
        assert values[row].tolist() == scores[row, expected].tolist()


def test_an_empty_gallery_answers_nothing():
    with pytest.raises(DataError, match="the gallery is empty; there is nothing to retrieve"):
        top_k(np.zeros((1, 0)), 3)
