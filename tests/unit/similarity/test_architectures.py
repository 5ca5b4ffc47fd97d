"""The named architectures: their sizes, what they have in common, and that each of them learns."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import FrameEncoder, SimilarVideos, VideoSimilarityTask
from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon
from jaxmm.similarity.architectures import ARCHITECTURES, with_architecture
from jaxmm.tasks.frame_features import FEATURES

from .conftest import DATA, TASK

ROWS, TIME = 4, 3


def size(tree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("name", "encoder"),
    [("siamese", 1_213_312), ("siamese_batch_norm", 1_214_848), ("triplet", 1_214_848), ("attention", 17_917_568)],
)
def test_at_the_embeddings_of_the_seed_sizes_are_its_own(name, encoder):
    """Those of attention with what the position of a frame adds: 8 numbers of 2048 each."""
    task = with_architecture(VideoSimilarityTask(frames=FrameEncoder.resnet50(None)), name)
    batch = SimilarVideos(frame_size=64, frames_per_clip=1).blank_batch()
    params, _ = jax.eval_shape(task.init_variables, jax.random.key(0), batch)
    assert size(params["encoder"]) == encoder
    assert size(params["head"]) == (2 if name == "triplet" else 41_217)


def test_widths_and_dropout_follow_the_trunk_of_the_task():
    tiny = {name: with_architecture(TASK, name) for name in ARCHITECTURES}
    assert {task.embedding_dim for task in tiny.values()} == {4}
    assert tiny["siamese"].encoder.trunk.hidden_dims == (16, 8)
    assert tiny["tcn"].encoder.tcn.dims == (8, 8, 8)
    assert (tiny["bottleneck"].encoder.dim, tiny["bottleneck"].encoder.narrow_dim) == (8, 4)
    assert tiny["attention"].encoder.num_heads == 8  # divides the 8 numbers of a feature
    trunk = dataclasses.replace(TASK.encoder.trunk, dropout_rate=0.05, parent=None)
    dropped = dataclasses.replace(TASK, encoder=dataclasses.replace(TASK.encoder, trunk=trunk, parent=None))
    assert with_architecture(dropped, "skip").encoder.dropout_rate == 0.05


def test_all_but_the_triplet_network_differ_by_their_encoders_alone():
    siamese = with_architecture(TASK, "siamese")
    for name in ARCHITECTURES:
        own = with_architecture(TASK, name)
        alike = dataclasses.replace(own, encoder=siamese.encoder) == siamese
        assert alike == (name != "triplet")
        assert own.frames == TASK.frames and own.optimizer == TASK.optimizer


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_takes_a_step_and_stays_finite(name):
    task = with_architecture(TASK, name)
    rng = np.random.default_rng(0)
    label = np.array([0, 0, 1, 1], np.int32)
    batch = {
        FEATURES: rng.normal(size=(ROWS, TIME, task.frames.dim)).astype(np.float32),
        "frame_mask": np.arange(TIME) < np.array([[3], [1], [2], [3]]),
        "example_mask": np.ones(ROWS, bool),
        "label": label,
        "group": label,
        "relation": np.where(label[:, None] == label, 1, -1).astype(np.int8) - 2 * np.eye(ROWS, dtype=np.int8) // 2,
    }
    state = jax.jit(functools.partial(task.init, horizon=Horizon(epochs=1, steps_per_epoch=1)))(
        jax.random.key(0), jax.tree.map(jnp.asarray, DATA.blank_batch())
    )
    after, metrics = jax.jit(task.train_step)(state, jax.tree.map(jnp.asarray, batch))
    assert float(metrics.get("skipped", 0)) == 0
    assert np.isfinite(float(metrics["loss"])) and float(metrics["loss"]) > 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after.params, after.collections)))
    moved = jax.tree.map(lambda old, new: np.abs(old - new).max(), state.params, after.params)
    assert max(jax.tree.leaves(moved["encoder"])) > 0 and max(jax.tree.leaves(moved["head"])) > 0
    assert max(jax.tree.leaves(moved["visual"])) == 0


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match=r"there is no architecture 'lstm'; choose among siamese, siamese_batch_norm"):
        with_architecture(TASK, "lstm")
