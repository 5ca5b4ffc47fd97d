import numpy as np
import pytest

from jaxmm.errors import DataError
from jaxmm.evaluate.alignment import alignment_scores, similarities

EMBEDDINGS = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
# Of the first video the frames have cosine 1, 0.6 and 0 to their description; of the second one 0.8.
FEATURES = [np.array([[2.0, 0.0], [0.8, 0.6], [0.0, 3.0]]), np.array([[0.6, 0.8]])]
LABELS = [np.array([0, 1, 2]), np.array([1])]


def test_scores_by_hand():
    scores = alignment_scores(FEATURES, LABELS, EMBEDDINGS)
    assert scores == pytest.approx(
        {
            "all/frames": 4,
            "all/mse_loss": (1 / 2 + (0.64 + 0.16) / 2 + (1 + 9) / 2 + (0.36 + 0.04) / 2) / 4,
            "all/mean_cosine_similarity": 0.6,
            "all/median_cosine_similarity": 0.7,
            "all/std_cosine_similarity": np.std([1, 0.6, 0, 0.8]),
            "all/accuracy@1": 0.5,
            "all/accuracy@5": 1.0,
            "all/chance@1": 1 / 3,
            "all/chance@5": 1.0,
        }
    )


def test_scores_by_type_are_those_of_their_frames_among_all_descriptions():
    types = {"actions": [0, 1], "null": [2], "wrong": []}
    scores = alignment_scores(FEATURES, LABELS, EMBEDDINGS, types=types)
    assert [scores[f"{name}/frames"] for name in ("all", "actions", "null")] == [4, 3, 1]
    assert scores["null/mean_cosine_similarity"] == 0.0
    assert scores["null/accuracy@1"] == 0.0
    assert scores["actions/accuracy@1"] == pytest.approx(2 / 3)
    assert scores["actions/median_cosine_similarity"] == pytest.approx(0.8)
    assert (scores["null/own_accuracy@1"], scores["null/own_chance@1"]) == (1.0, 1.0)
    assert not any(name.startswith("wrong") for name in scores)


def test_frames_drawn_to_other_types_are_told_from_each_other_within_their_own():
    # All three are nearest to the first description, which is of another type.
    features = [np.array([[1.0, 0.1], [1.0, -0.1], [1.0, 0.2]])]
    embeddings = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, -1.0]])
    scores = alignment_scores(features, [np.array([1, 2, 3])], embeddings, types={"unseen": [1, 2, 3]})
    assert scores["unseen/accuracy@1"] == 0.0
    assert scores["unseen/own_accuracy@1"] == pytest.approx(2 / 3)
    assert scores["unseen/own_chance@1"] == 1 / 2


def test_one_frame_has_scores_without_deviation():
    scores = alignment_scores(FEATURES[1:], LABELS[1:], EMBEDDINGS)
    assert scores["all/std_cosine_similarity"] == 0.0
    assert scores["all/mean_cosine_similarity"] == scores["all/median_cosine_similarity"] == pytest.approx(0.8)


def test_labels_of_one_description_answer_for_each_other():
    rng = np.random.default_rng(0)
    distinct = rng.normal(size=(3, 50)).astype(np.float32)
    embeddings = distinct[[0, 1, 0, 2, 0]]
    found = similarities(rng.normal(size=(200, 50)).astype(np.float32), embeddings)
    np.testing.assert_array_equal(found[:, 0], found[:, 2])
    np.testing.assert_array_equal(found[:, 0], found[:, 4])
    scores = alignment_scores([distinct[[0, 0]]], [np.array([2, 4])], embeddings)
    assert scores["all/accuracy@1"] == 1.0


def test_a_description_of_several_labels_is_nearer_once():
    embeddings = np.array([[1.0, 0.0]] * 6 + [[0.0, 1.0]])
    scores = alignment_scores([np.array([[1.0, 0.5]])], [np.array([6])], embeddings)
    assert (scores["all/accuracy@1"], scores["all/accuracy@5"], scores["all/chance@5"]) == (0.0, 1.0, 1.0)


def test_features_that_are_no_numbers_find_nothing():
    embeddings = np.eye(8)
    scores = alignment_scores([np.full((3, 8), np.nan)], [np.arange(3)], embeddings)
    assert (scores["all/accuracy@1"], scores["all/accuracy@5"]) == (0.0, 0.0)


def test_chance_is_what_features_that_know_nothing_reach():
    """Whatever labels share a description: to guess a description is to guess all of its labels."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(4, 6))[[0, 1, 2, 3, 0, 1]]
    labels = [rng.integers(0, 6, 4000)]
    features = [embeddings[rng.integers(0, 4, 4000)]]
    scores = alignment_scores(features, labels, embeddings)
    assert scores["all/chance@1"] == 0.25
    assert scores["all/accuracy@1"] == pytest.approx(0.25, abs=0.03)


def test_more_than_five_nearer_descriptions_are_too_many():
    embeddings = np.stack([np.cos(np.linspace(0, 1.5, 8)), np.sin(np.linspace(0, 1.5, 8))], axis=1)
    features = [embeddings[:1].repeat(8, axis=0)]
    scores = alignment_scores(features, [np.arange(8)], embeddings)
    assert (scores["all/accuracy@1"], scores["all/accuracy@5"]) == (1 / 8, 5 / 8)


def test_a_zero_vector_is_like_nothing():
    found = similarities(np.array([[0.0, 0.0], [0.0, 2.0]]), EMBEDDINGS)
    np.testing.assert_array_equal(found, [[0, 0, 0], [0, 1, 0]])


def test_no_frame_is_an_error():
    for features, labels in (([], []), ([np.zeros((0, 2))], [np.zeros(0, int)])):
        with pytest.raises(DataError, match="there is no frame to compare; choose another split"):
            alignment_scores(features, labels, EMBEDDINGS)


def test_features_that_tell_nothing_find_nothing():
    scores = alignment_scores([np.zeros((2, 3))], [np.array([0, 1])], np.eye(3))
    assert (scores["all/accuracy@1"], scores["all/chance@1"]) == (0.0, 1 / 3)
