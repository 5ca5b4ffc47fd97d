import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxmm.errors import DataError
from jaxmm.evaluate.graded import caption_similarity, ndcg

FEW_SCORES = st.sampled_from([-0.5, 0.0, 0.25, 1.0])  # so that ties are common
GAINS = st.sampled_from([0.0, 0.2, 0.5, 1.0])


@settings(max_examples=80, deadline=None)
@given(data=st.data(), k=st.sampled_from([None, 1, 2, 10]))
def test_ndcg_is_that_of_scikit_learn_ties_included(data, k):
    metrics = pytest.importorskip("sklearn.metrics")
    shape = data.draw(st.integers(1, 4)), data.draw(st.integers(2, 14))
    scores = data.draw(arrays(np.float64, shape, elements=FEW_SCORES))
    gains = data.draw(arrays(np.float64, shape, elements=GAINS))
    ours = ndcg(scores, gains, k=k)
    assert ours.mean() == pytest.approx(metrics.ndcg_score(gains, scores, k=k), abs=1e-6)


def test_ndcg_without_ties_is_its_formula():
    gains = np.array([[0.2, 1.0, 0.0, 0.6]])
    scores = np.array([[0.9, 0.1, 0.5, 0.3]])  # ranks 1, 4, 2, 3
    reached = 0.2 / np.log2(2) + 0.6 / np.log2(4) + 1.0 / np.log2(5)
    ideal = 1.0 / np.log2(2) + 0.6 / np.log2(3) + 0.2 / np.log2(4)
    assert ndcg(scores, gains)[0] == pytest.approx(reached / ideal)
    assert ndcg(scores, gains, k=1)[0] == pytest.approx(0.2)
    assert ndcg(gains, gains).tolist() == [1.0]
    assert ndcg(scores, np.zeros((1, 4))).tolist() == [0.0]


def test_a_negative_gain_is_refused():
    with pytest.raises(DataError, match="a gain is negative"):
        ndcg(np.zeros((1, 2)), np.array([[0.5, -0.1]]))


def test_a_motion_is_as_near_a_caption_as_its_nearest_own_caption():
    rng = np.random.default_rng(0)
    sentences = rng.normal(size=(6, 4))
    sentences /= np.linalg.norm(sentences, axis=1, keepdims=True)
    relevant = np.eye(5, 6, dtype=bool)
    relevant[2, 5] = True
    similarity = caption_similarity(sentences, relevant)
    for motion in range(5):
        for caption in range(6):
            own = [float(sentences[other] @ sentences[caption]) for other in np.flatnonzero(relevant[motion])]
            assert similarity[motion, caption] == pytest.approx(max(own), abs=1e-6)
    assert (similarity[relevant] == 1).all()
    assert np.abs(similarity).max() <= 1


def test_a_damaged_sentence_embedding_is_refused():
    with pytest.raises(DataError, match="sentence embedding is not finite"):
        caption_similarity(np.array([[np.nan, 1.0]]), np.ones((1, 1), bool))
