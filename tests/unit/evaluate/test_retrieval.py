import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.graded import ndcg
from jaxmm.evaluate.protocols import dissimilar_subset, galleries
from jaxmm.evaluate.ranks import RECALL_AT, FirstHits
from jaxmm.evaluate.retrieval import cosines, evaluate_retrieval, retrieval_by_label, retrieval_metrics

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


def similar_split():
    """130 motions, one caption each and one with two; meanings come in near-equal pairs."""
    rng = np.random.default_rng(3)
    relevant = np.eye(130, 131, dtype=bool)
    relevant[7, 130] = True
    meanings = unit(rng, 66, 6)
    sentences = meanings[np.arange(131) // 2] + 0.05 * rng.normal(size=(131, 6))
    sentences /= np.linalg.norm(sentences, axis=1, keepdims=True)
    return unit(rng, 130, 5), unit(rng, 131, 5), relevant, sentences


def naive_ranks(scores, right):
    """Rank of the first right item of each query, counted; no scores are equal."""
    return np.array([1 + sum(row > max(row[own])) for row, own in zip(scores, right, strict=True)])


def test_similar_captions_answer_for_each_other():
    motion, text, relevant, sentences = similar_split()
    right = np.zeros_like(relevant)
    for place in range(130):
        for caption in range(131):
            near = [(1 + sentences[own] @ sentences[caption]) / 2 for own in np.flatnonzero(relevant[place])]
            right[place, caption] = max(near) >= 0.95
    assert right.sum() > 1.5 * relevant.sum()
    ours = evaluate_retrieval(motion, text, relevant, protocol="similar_captions", sentences=sentences)
    for direction, ranks in (
        ("motion_to_text", naive_ranks(motion @ text.T, right)),
        ("text_to_motion", naive_ranks(text @ motion.T, right.T)),
    ):
        assert ours[f"{direction}/recall@5"] == pytest.approx((ranks <= 5).mean())
        assert ours[f"{direction}/median_rank"] == np.median(ranks)
        assert ours[f"{direction}/mrr"] == pytest.approx((1 / ranks).mean())
    assert (ours["text_to_motion/queries"], ours["text_to_motion/gallery"]) == (131.0, 130.0)


def test_similar_captions_of_unlike_meanings_are_the_protocol_all():
    motion, text, relevant, _ = similar_split()
    alone = np.eye(131)
    assert evaluate_retrieval(
        motion, text, relevant, protocol="similar_captions", sentences=alone
    ) == evaluate_retrieval(motion, text, relevant)


def test_the_dissimilar_hundred_are_searched_with_their_own_captions():
    motion, text, relevant, sentences = similar_split()
    ours = evaluate_retrieval(motion, text, relevant, protocol="dissimilar", sentences=sentences)
    near = np.stack([(sentences[own] @ sentences.T).max(axis=0) for own in relevant])
    between = np.stack([near[:, own].max(axis=1) for own in relevant], axis=1)
    rows = dissimilar_subset(between, 100)
    columns = np.flatnonzero(relevant[rows].any(axis=0))
    ranks = naive_ranks((motion @ text.T)[np.ix_(rows, columns)], relevant[np.ix_(rows, columns)])
    assert ours["motion_to_text/mean_rank"] == pytest.approx(ranks.mean())
    assert (ours["text_to_motion/gallery"], ours["motion_to_text/queries"]) == (100.0, 100.0)
    assert ours["motion_to_text/gallery"] == len(columns)


@pytest.mark.parametrize("protocol", ["all", "small_batches"])
def test_ndcg_takes_the_similarity_of_captions_as_gain(protocol):
    motion, text, relevant, sentences = similar_split()
    ours = evaluate_retrieval(motion, text, relevant, protocol=protocol, sentences=sentences, graded=True)
    gains = np.stack([(sentences[own] @ sentences.T).max(axis=0) for own in relevant]).clip(0, 1)
    gains[relevant] = 1
    parts = []
    for rows in galleries(protocol, relevant, None):
        cells = np.ix_(rows, np.flatnonzero(relevant[rows].any(axis=0)))
        parts.append(ndcg((motion @ text.T)[cells], gains[cells], k=10).mean())
    assert ours["motion_to_text/ndcg@10"] == pytest.approx(np.mean(parts), abs=1e-6)
    assert ours["text_to_motion/ndcg"] > ours["text_to_motion/ndcg@10"] > 0


@pytest.mark.parametrize("protocol", ["all", "similar_captions", "dissimilar", "small_batches"])
def test_every_protocol_takes_intervals_that_hold_the_estimate(protocol):
    motion, text, relevant, sentences = similar_split()
    ours = evaluate_retrieval(motion, text, relevant, protocol=protocol, sentences=sentences, num_resamples=100)
    plain = evaluate_retrieval(motion, text, relevant, protocol=protocol, sentences=sentences)
    assert plain.items() <= ours.items()
    for name in plain:
        if not name.endswith(("queries", "gallery")):
            assert ours[f"{name}/low"] <= ours[name] <= ours[f"{name}/high"]
    assert len(ours) == 2 * (8 * 3 + 2)
    assert ours["text_to_motion/mean_rank/low"] < ours["text_to_motion/mean_rank/high"]


def test_captions_are_not_compared_without_sentence_embeddings():
    motion, text, relevant, _ = similar_split()
    with pytest.raises(ConfigError, match="protocol dissimilar compares captions by meaning; give sentence embed"):
        evaluate_retrieval(motion, text, relevant, protocol="dissimilar")
    with pytest.raises(ConfigError, match="nDCG compares captions by meaning"):
        evaluate_retrieval(motion, text, relevant, graded=True)
    with pytest.raises(ConfigError, match="bootstrap is -1; give a number of draws, or 0"):
        evaluate_retrieval(motion, text, relevant, num_resamples=-1)


def test_items_of_one_label_find_each_other_but_never_themselves():
    similarity = np.array([[9.0, 0.1, 0.5], [0.1, 9.0, 0.2], [0.5, 0.2, 9.0]])
    found = retrieval_by_label(similarity, np.array([4, 4, 7]))
    # Item 2 is alone with its label: no query, but nearer to both others than they are to each other.
    assert (found["map"], found["recall@1"], found["recall@2"]) == (0.5, 0, 1)
    assert (found["queries"], found["gallery"], found["mean_rank"]) == (2, 2, 2)


def test_intervals_of_retrieval_by_label_hold_the_score():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 60)
    embeddings = np.eye(5)[labels] + rng.normal(size=(60, 5))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    found = retrieval_by_label(cosines(embeddings, embeddings), labels, num_resamples=100)
    assert found["map/low"] < found["map"] < found["map/high"]


def test_queries_of_one_source_are_drawn_together():
    rng = np.random.default_rng(0)
    sources, labels = np.repeat(np.arange(12), 6), np.repeat(np.arange(12) % 4, 6)
    centres = np.eye(4)[np.arange(12) % 4] + rng.normal(size=(12, 4))
    embeddings = centres[sources] / np.linalg.norm(centres, axis=1)[sources, None]  # all of a source are alike
    similarity = cosines(embeddings, embeddings)
    alone, drawn = (retrieval_by_label(similarity, labels, num_resamples=300, units=own) for own in (None, sources))
    assert drawn["map"] == alone["map"] and drawn["queries"] == alone["queries"] == 72
    assert drawn["map/high"] - drawn["map/low"] > 1.5 * (alone["map/high"] - alone["map/low"])


def test_labels_without_a_second_item_and_negative_draws_are_refused():
    with pytest.raises(DataError, match="no two items share a label"):
        retrieval_by_label(np.eye(3), np.arange(3))
    with pytest.raises(ConfigError, match="bootstrap is -1"):
        retrieval_by_label(np.eye(2), np.zeros(2, int), num_resamples=-1)
