import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import parallel
from jaxmm.errors import ConfigError
from jaxmm.objectives.memory import Memory
from jaxmm.objectives.metric_settings import (
    Angular,
    MultiSimilarity,
    NPair,
    PairContrastive,
    SupervisedContrastive,
    Triplet,
    losses_of_batch,
)
from jaxmm.objectives.reduce import masked_mean
from jaxmm.objectives.relation import relation_of_labels

OBJECTIVES = (
    PairContrastive(miner="hard"),
    Triplet(),
    Triplet(miner="semi_hard", average="all"),
    Triplet(miner="distance_weighted"),
    NPair(),
    Angular(),
    SupervisedContrastive(),
    MultiSimilarity(),
)
NUM_DEVICES, SIZE, DIM = 8, 16, 4


def update(weights, rows, relation, label, group, mask, key, memory):
    """The mean of each objective over all rows, its gradient, and the memory after the batch."""

    def means(weights):
        found = [
            losses_of_batch(
                objective, rows @ weights, relation, label, group, example_mask=mask, key=key, memory=memory
            )
            for objective in OBJECTIVES
        ]
        return jnp.stack([masked_mean(losses, mask) for losses, _ in found]), found[0][1]

    return means(weights)[0], parallel.mean(jax.jacrev(lambda weights: means(weights)[0])(weights)), means(weights)[1]


def test_eight_devices_equal_one_with_a_memory():
    rng = np.random.default_rng(0)
    rows = jnp.asarray(rng.normal(size=(SIZE, 5)), jnp.float32)
    label = jnp.asarray(rng.integers(6, size=SIZE), jnp.int32)
    group, mask = label // 2, jnp.arange(SIZE) < SIZE - 3
    found = relation_of_labels(label, groups=group)
    relation = found.positive.astype(jnp.int8) - found.negative.astype(jnp.int8)
    weights = jnp.asarray(rng.normal(size=(5, DIM)), jnp.float32)
    memory = Memory.empty(6, dim=DIM).enqueue(rows[:4, :DIM], label[:4] + 1, group[:4])
    batch = (rows, relation, label, group, mask)
    keys = jax.random.split(jax.random.key(0), NUM_DEVICES)
    means, slopes, after = jax.jit(update)(weights, *batch, keys[0], memory)
    mapped = jax.pmap(update, axis_name=parallel.AXIS, in_axes=(None, 0, 0, 0, 0, 0, 0, None))
    parts = jax.tree.map(lambda leaf: leaf.reshape(NUM_DEVICES, -1, *leaf.shape[1:]), batch)
    eight = mapped(weights, *parts, keys, memory)
    assert np.all(np.asarray(means) > 0)
    for device in (0, NUM_DEVICES - 1):
        of_device = jax.tree.map(lambda leaf, device=device: np.asarray(leaf)[device], eight)
        np.testing.assert_allclose(of_device[0], means, rtol=1e-5)
        np.testing.assert_allclose(of_device[1], slopes, atol=1e-4)
        jax.tree.map(lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-5), of_device[2], after)
    assert int(after.valid.sum()) == 6


@pytest.mark.parametrize(
    ("settings", "values", "message"),
    [
        (PairContrastive, {"margin": 0.0}, "objective.margin is 0.0; give a value above zero"),
        (PairContrastive, {"positive_margin": 1.0}, "objective.positive_margin is 1.0; give 0 or more"),
        (Triplet, {"margin": -1.0}, "objective.margin is -1.0"),
        (Angular, {"alpha": 90.0}, "objective.alpha is 90.0; give an angle between 0 and 90 degrees"),
        (SupervisedContrastive, {"temperature": 0.0}, "objective.temperature is 0.0"),
        (MultiSimilarity, {"beta": 0.0}, "objective.beta is 0.0"),
    ],
)
def test_numbers_out_of_range_are_errors_that_name_the_field(settings, values, message):
    with pytest.raises(ConfigError, match=message):
        settings(**values)
