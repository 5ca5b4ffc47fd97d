"""Losses and miners of metric learning against pytorch-metric-learning, and what it has otherwise in NumPy."""

import functools

import jax
import numpy as np
import pytest

from jaxmm.objectives import metric_learning, miners
from jaxmm.objectives.relation import relation_of_labels

from .torch_reference import torch

theirs_losses = pytest.importorskip("pytorch_metric_learning.losses")
theirs_miners = pytest.importorskip("pytorch_metric_learning.miners")
LpDistance = pytest.importorskip("pytorch_metric_learning.distances").LpDistance

NUM_BATCHES, SIZE, DIM, CLASSES = 200, 12, 6, 4
TOLERANCE = 1e-5
rng = np.random.default_rng(0)
ROWS = rng.normal(size=(NUM_BATCHES, SIZE, DIM)).astype(np.float32)
LABELS = rng.integers(CLASSES, size=(NUM_BATCHES, SIZE)).astype(np.int32)
PLAIN = functools.partial(LpDistance, normalize_embeddings=False)
LOSSES = {
    "contrastive": (
        functools.partial(metric_learning.contrastive_margin, margin=3.0, positive_margin=0.5),
        theirs_losses.ContrastiveLoss(pos_margin=0.5, neg_margin=3.0, distance=PLAIN()),
    ),
    "triplet": (
        functools.partial(metric_learning.triplet_margin, margin=0.3),
        theirs_losses.TripletMarginLoss(margin=0.3, distance=PLAIN()),
    ),
    "triplet, swapped": (
        functools.partial(metric_learning.triplet_margin, margin=0.3, swap=True),
        theirs_losses.TripletMarginLoss(margin=0.3, swap=True, distance=PLAIN()),
    ),
    "triplet, soft": (
        functools.partial(metric_learning.triplet_margin, margin=0.3, soft=True),
        theirs_losses.TripletMarginLoss(margin=0.3, smooth_loss=True, distance=PLAIN()),
    ),
    "n_pair": (metric_learning.n_pair, theirs_losses.NPairsLoss()),
    # Theirs scales a pair to unit length but not what it is told from; ours takes directions throughout, as the paper.
    "angular": (
        metric_learning.angular,
        lambda rows, labels: theirs_losses.AngularLoss()(torch.nn.functional.normalize(rows), labels),
    ),
    "supervised": (metric_learning.supervised_contrastive, theirs_losses.SupConLoss()),
    "multi_similarity": (metric_learning.multi_similarity, theirs_losses.MultiSimilarityLoss()),
}


def ours(function):
    """Of all batches in one program."""

    def of_batch(rows, labels):
        return function(rows, relation_of_labels(labels))

    return jax.tree.map(np.asarray, jax.jit(jax.vmap(of_batch))(ROWS, LABELS))


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients_are_theirs(name):
    loss, reference = LOSSES[name]
    value = jax.value_and_grad(lambda rows, relation: loss(rows, rows, relation).mean())
    values, gradients = ours(value)
    for rows, labels, found, slopes in zip(ROWS, LABELS, values, gradients, strict=True):
        leaf = torch.tensor(rows, requires_grad=True)
        expected = reference(leaf, torch.tensor(labels))
        expected.backward()
        np.testing.assert_allclose(found, expected.item(), rtol=TOLERANCE, atol=TOLERANCE)
        np.testing.assert_allclose(slopes, leaf.grad.numpy(), rtol=1e-4, atol=TOLERANCE)


def marked(shape, *places):
    marks = np.zeros(shape, bool)
    marks[tuple(place.numpy() for place in places)] = True
    return marks


def test_hard_pairs_are_theirs():
    found = ours(lambda rows, relation: miners.hardest_pairs(rows, rows, relation))
    miner = theirs_miners.BatchHardMiner(distance=PLAIN())
    for rows, labels, positive, negative in zip(ROWS, LABELS, found.positive, found.negative, strict=True):
        anchor, near, far = miner(torch.tensor(rows), torch.tensor(labels))
        np.testing.assert_array_equal(positive, marked(positive.shape, anchor, near))
        np.testing.assert_array_equal(negative, marked(negative.shape, anchor, far))


def test_pairs_of_multi_similarity_are_theirs():
    found = ours(lambda rows, relation: miners.similar_pairs(rows, rows, relation))
    miner = theirs_miners.MultiSimilarityMiner(epsilon=0.1)
    for rows, labels, positive, negative in zip(ROWS, LABELS, found.positive, found.negative, strict=True):
        one, near, other, far = miner(torch.tensor(rows), torch.tensor(labels))
        np.testing.assert_array_equal(positive, marked(positive.shape, one, near))
        np.testing.assert_array_equal(negative, marked(negative.shape, other, far))


def test_semi_hard_triplets_are_theirs():
    found = ours(lambda rows, relation: miners.semi_hard_triplets(rows, rows, relation, margin=0.3))
    miner = theirs_miners.TripletMarginMiner(margin=0.3, type_of_triplets="semihard", distance=PLAIN())
    for rows, labels, chosen in zip(ROWS, LABELS, found, strict=True):
        places = miner(torch.tensor(rows), torch.tensor(labels))
        np.testing.assert_array_equal(chosen, marked(chosen.shape, *places))
    assert found.any()


def test_negatives_are_as_likely_as_the_inverse_density_of_their_distance():
    found = ours(lambda rows, relation: miners.negative_probabilities(rows, rows, relation))
    rows = ROWS.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    away = np.linalg.norm(rows[:, :, None] - rows[:, None], axis=-1)
    clipped = np.clip(away, 0.5, 1.4)
    density = clipped ** (DIM - 2) * (1 - clipped**2 / 4) ** ((DIM - 3) / 2)
    weights = np.where((LABELS[:, :, None] != LABELS[:, None]) & (away < 1.4), 1 / density, 0)
    total = weights.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(found, weights / np.where(total > 0, total, 1), atol=TOLERANCE)
