import itertools

import numpy as np
import pytest

from jaxmm.errors import DataError
from jaxmm.evaluate.protocols import dissimilar_subset, galleries, similar_captions


def cosines(num_items, dim=3, seed=0):
    points = np.random.default_rng(seed).normal(size=(num_items, dim))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points @ points.T


def total(similarity, subset):
    return sum(similarity[a, b] for a, b in itertools.combinations(subset, 2))


def test_similar_means_095_where_identical_is_1_and_opposite_0():
    similar = similar_captions(np.array([[1.0, 0.91, 0.89, -1.0]], np.float32))
    assert similar.tolist() == [[True, True, False, False]]


@pytest.mark.parametrize("seed", range(6))
def test_the_dissimilar_subset_is_near_the_best_of_all_subsets(seed):
    similarity = cosines(11, seed=seed)
    sums = sorted(total(similarity, subset) for subset in itertools.combinations(range(11), 4))
    chosen = dissimilar_subset(similarity, 4)
    assert chosen.tolist() == sorted(set(chosen.tolist())) and len(chosen) == 4
    assert total(similarity, chosen) <= sums[len(sums) // 50]  # among the best fiftieth


def naive_subset(similarity, size):
    """The same choice, written with sums over pairs only."""
    pairs = itertools.combinations(range(len(similarity)), 2)
    chosen = set(min(pairs, key=lambda pair: similarity[pair]))
    everything = set(range(len(similarity)))
    while len(chosen) < size:
        chosen.add(min(sorted(everything - chosen), key=lambda item: sum(similarity[item, other] for other in chosen)))
    while True:
        swaps = [(old, new) for old in sorted(chosen) for new in sorted(everything - chosen)]
        best = min(swaps, key=lambda swap: total(similarity, chosen - {swap[0]} | {swap[1]}))
        if total(similarity, chosen - {best[0]} | {best[1]}) > total(similarity, chosen) - 1e-9:
            return sorted(chosen)
        chosen = chosen - {best[0]} | {best[1]}


@pytest.mark.parametrize("seed", range(4))
def test_the_dissimilar_subset_is_chosen_greedily_and_improved_by_exchanges(seed):
    similarity = cosines(14, dim=5, seed=seed)
    assert dissimilar_subset(similarity, 5).tolist() == naive_subset(similarity, 5)


def test_equal_items_are_never_both_chosen_and_ties_go_to_the_lower_index():
    similarity = np.kron(np.eye(4), np.ones((3, 3)))  # four meanings, each three times
    assert dissimilar_subset(similarity, 4).tolist() == [0, 3, 6, 9]


def test_a_subset_of_everything_is_everything():
    assert dissimilar_subset(cosines(5), 5).tolist() == [0, 1, 2, 3, 4]


def test_too_few_motions_for_the_subset_are_refused():
    with pytest.raises(DataError, match="protocol dissimilar needs 100 motions, the split has 3; use all"):
        galleries("dissimilar", np.eye(3, dtype=bool), np.eye(3))


def test_motions_with_a_caption_in_common_are_not_both_in_the_dissimilar_gallery():
    relevant = np.zeros((240, 120), bool)
    relevant[np.arange(240), np.arange(240) % 120] = True
    similarity = np.where(relevant, 1.0, 0.0)
    (rows,) = galleries("dissimilar", relevant, similarity)
    assert len(rows) == 100
    assert len({row % 120 for row in rows.tolist()}) == 100


@pytest.mark.parametrize("protocol", ["all", "similar_captions"])
def test_the_whole_split_is_one_gallery(protocol):
    (rows,) = galleries(protocol, np.eye(4, dtype=bool), np.eye(4))
    assert rows.tolist() == [0, 1, 2, 3]
