import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.errors import DataError, MissingExtraError
from jaxmm.search import ExactSearch, FaissSearch, make_search


def unit(rng, *shape):
    x = rng.normal(size=shape)
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def naive(gallery, queries, k):
    """Places by falling score in double precision, and then by rising place."""
    scores = queries.astype(np.float64) @ gallery.astype(np.float64).T
    return [sorted(range(len(gallery)), key=lambda item: (-row[item], item))[:k] for row in scores]


@settings(max_examples=60, deadline=None)
@given(
    num_items=st.integers(1, 40),
    num_queries=st.integers(1, 3),
    k=st.integers(1, 45),
    block_size=st.integers(1, 45),
    seed=st.integers(0, 9),
)
def test_blocks_answer_as_sorting_everything_does_ties_included(num_items, num_queries, k, block_size, seed):
    rng = np.random.default_rng(seed)
    gallery = rng.integers(-1, 2, (num_items, 3)).astype(np.float32)  # few values, so that ties are the rule
    queries = rng.integers(-1, 2, (num_queries, 3)).astype(np.float32)
    places, scores = ExactSearch(gallery, block_size=block_size)(queries, k)
    assert places.tolist() == naive(gallery, queries, k)
    assert scores.tolist() == np.take_along_axis(queries @ gallery.T, places, axis=1).tolist()


@pytest.mark.parametrize(("num_items", "dim"), [(5003, 37), (2011, 64), (3000, 256)])
def test_neither_blocks_nor_company_change_a_bit_of_an_answer(num_items, dim):
    rng = np.random.default_rng(0)
    gallery = unit(rng, num_items, dim)
    gallery[num_items // 2 :] = gallery[: num_items - num_items // 2]  # everything twice
    queries = gallery[:9] + np.float32(0.05) * unit(rng, 9, dim)
    places, scores = ExactSearch(gallery, block_size=num_items)(queries, 20)
    np.testing.assert_array_equal(scores[:, ::2], scores[:, 1::2])
    np.testing.assert_array_equal(places[:, ::2] + num_items // 2, places[:, 1::2])
    for block_size in (16384, 1000, 777, 64):
        search = ExactSearch(gallery, block_size=block_size)
        for chosen in (slice(None), slice(0, 1), slice(2, 5)):
            own_places, own_scores = search(queries[chosen], 20)
            np.testing.assert_array_equal(own_places, places[chosen])
            np.testing.assert_array_equal(own_scores, scores[chosen])


@pytest.mark.parametrize("scale", [1.0, 1e-3, 300.0])
def test_items_nearer_to_each_other_than_rounded_products_tell_are_ordered_all_the_same(scale):
    rng = np.random.default_rng(0)
    centre = unit(rng, 64)
    gallery = np.float32(scale) * (centre + np.float32(1e-4) * unit(rng, 4000, 64))
    queries = np.stack([centre, -centre, np.float32(10) * unit(rng, 64)])
    assert ExactSearch(gallery, block_size=700)(queries, 25)[0].tolist() == naive(gallery, queries, 25)


def test_more_queries_than_are_searched_at_once_keep_their_rows():
    rng = np.random.default_rng(0)
    gallery, queries = unit(rng, 50, 4), unit(rng, 1100, 4)
    assert ExactSearch(gallery)(queries, 3)[0].tolist() == naive(gallery, queries, 3)


def test_a_memory_mapped_gallery_is_searched_like_any_other(tmp_path):
    gallery = unit(np.random.default_rng(0), 300, 8)
    np.save(tmp_path / "gallery.npy", gallery)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    for ours, theirs in zip(ExactSearch(mapped)(gallery[:4], 5), ExactSearch(gallery)(gallery[:4], 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", ["exact", "faiss"])
def test_what_cannot_be_searched_is_refused(kind):
    if kind == "faiss":
        pytest.importorskip("faiss", reason="needs the extra 'faiss'")
    with pytest.raises(DataError, match="the gallery is empty"):
        make_search(kind, np.zeros((0, 3), np.float32))
    with pytest.raises(DataError, match="the gallery holds a value that is not finite"):
        make_search(kind, np.full((2, 3), np.nan, np.float32))
    with pytest.raises(DataError, match="a query's embedding is not finite"):
        make_search(kind, np.eye(3, dtype=np.float32))(np.full((1, 3), np.inf), 1)


@pytest.mark.slow
def test_faiss_finds_ten_of_two_hundred_thousand_almost_as_exact_search_does():
    pytest.importorskip("faiss", reason="needs the extra 'faiss'")
    rng = np.random.default_rng(0)
    centres = unit(rng, 1000, 32)
    gallery = centres[rng.integers(1000, size=200_000)] + np.float32(0.5) * unit(rng, 200_000, 32)
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    queries = gallery[rng.integers(len(gallery), size=200)] + np.float32(0.2) * unit(rng, 200, 32)
    found, scores = FaissSearch(gallery)(queries, 10)
    best, _ = ExactSearch(gallery)(queries, 10)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.tolist(), best.tolist(), strict=True)])
    assert recall >= 0.99
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("num_items", [1, 5, 100, 2000])
def test_faiss_gives_as_many_answers_as_are_asked_for(num_items):
    pytest.importorskip("faiss", reason="needs the extra 'faiss'")
    gallery = unit(np.random.default_rng(0), num_items, 8)
    places, scores = FaissSearch(gallery, num_probed=1)(gallery[:3], 60)
    assert places.shape == scores.shape == (min(3, num_items), min(60, num_items))
    assert places.min() >= 0
    assert all(len(set(row)) == len(row) for row in places.tolist())


def test_without_faiss_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"faiss is not installed; run: pip install 'jaxmm\[faiss\]'"):
        make_search("faiss", np.eye(2, dtype=np.float32))
