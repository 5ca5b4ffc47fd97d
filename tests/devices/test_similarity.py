"""Every objective of compared videos on one device, on eight and mapped: the same losses, gradients and memory."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from jaxmm import parallel
from jaxmm.data.similar_videos import SimilarVideos
from jaxmm.encoders.clip import ClipVision
from jaxmm.encoders.similarity import EmbeddingTrunk, PairHead, PooledTrunk
from jaxmm.objectives.metric_settings import (
    Angular,
    MultiSimilarity,
    NPair,
    PairContrastive,
    SupervisedContrastive,
    Triplet,
)
from jaxmm.objectives.reduce import masked_mean
from jaxmm.tasks.frame_features import FEATURES
from jaxmm.tasks.video_similarity import VideoSimilarityTask
from jaxmm.tasks.visual import FrameEncoder
from jaxmm.train.step import Devices, compile_eval, make_mesh, place_batch, replicated

from .example import BATCH, NUM_DEVICES, TOLERANCE, assert_close

DIM, TIME, NUM_REAL = 6, 3, BATCH - 3
VISION = ClipVision(dim=8, num_layers=1, num_heads=2, feedforward_dim=8, embedding_dim=DIM, image_size=8, patch_size=4)
BASE = VideoSimilarityTask(
    frames=FrameEncoder(backbone=VISION),
    encoder=PooledTrunk(
        trunk=EmbeddingTrunk(hidden_dims=(5,), embedding_dim=4, dropout_rate=0.0, batch_norm=True, parent=None),
        parent=None,
    ),
    head=PairHead(hidden_dims=(5,), dropout_rate=0.0, parent=None),
)
OBJECTIVES = (PairContrastive(), Triplet(), NPair(), Angular(), SupervisedContrastive(), MultiSimilarity())


def example_batch():
    """Videos of four classes, of which one is partly not compared; the last rows only fill up."""
    rng, real = np.random.default_rng(0), np.arange(BATCH) < NUM_REAL
    label = (np.arange(BATCH) % 4).astype(np.int32)
    relation = np.where(label[:, None] == label, 1, -1) * (1 - np.eye(BATCH, dtype=int))
    relation[:2, 4:6] = 0
    return {
        FEATURES: rng.normal(size=(BATCH, TIME, DIM)).astype(np.float32),
        "frame_mask": (np.arange(TIME) < rng.integers(1, TIME + 1, BATCH)[:, None]) & real[:, None],
        "example_mask": real,
        "relation": relation.astype(np.int8),
        "label": label,
        "group": label,
    }


def start(memory):
    """Random parameters, and a memory that is not full."""
    task, rng = dataclasses.replace(BASE, memory=memory), np.random.default_rng(1)
    blank = SimilarVideos(frame_size=8, frames_per_clip=2).blank_batch()
    shapes = jax.eval_shape(task.init_variables, jax.random.key(0), blank)
    params, collections = jax.tree.map(lambda leaf: (0.5 * rng.normal(size=leaf.shape)).astype(leaf.dtype), shapes)
    if memory:
        collections["memory"] |= {
            "labels": (np.arange(memory) % 4).astype(np.int32),
            "groups": (np.arange(memory) % 4).astype(np.int32),
            "valid": np.arange(memory) < memory - 4,
            "position": np.int32(memory - 4),
        }
    return params, collections


def learnt(memory, params, collections, batch):
    """Loss, new collections and gradients by each objective."""

    def objective(params, task):
        losses, (after, _) = task.loss(params, collections, batch, jax.random.key(3), train=True)
        return masked_mean(losses, batch["example_mask"]), after

    tasks = [dataclasses.replace(BASE, objective=own, memory=memory) for own in OBJECTIVES]
    found = [jax.value_and_grad(objective, has_aux=True)(params, task) for task in tasks]
    names = [type(own).__name__ for own in OBJECTIVES]
    return {name: (own[0], parallel.mean(own[1])) for name, own in zip(names, found, strict=True)}


@pytest.mark.parametrize("memory", [0, 12], ids=["without_memory", "with_memory"])
def test_every_objective_learns_the_same_on_one_device_on_eight_and_mapped(memory):
    if jax.device_count() < NUM_DEVICES:
        pytest.skip(f"needs {NUM_DEVICES} devices, real or virtual; JAX has {jax.device_count()}")
    run, variables, batch = functools.partial(learnt, memory), start(memory), example_batch()

    def on(num_devices):
        mesh = make_mesh(Devices(num_devices=num_devices))
        placed = jax.device_put(variables, replicated(mesh))
        return jax.device_get(compile_eval(run, mesh)(*placed, place_batch(batch, mesh)))

    one = on(1)
    for _, slopes in one.values():
        assert all(np.abs(leaf).max() > 100 * TOLERANCE for leaf in jax.tree.leaves(slopes["encoder"]["trunk"]["out"]))
    assert_close(on(NUM_DEVICES), one)
    parts = {name: rows.reshape(NUM_DEVICES, -1, *rows.shape[1:]) for name, rows in batch.items()}
    with jax.default_matmul_precision("highest"):
        mapped = jax.pmap(run, axis_name=parallel.AXIS, in_axes=(None, None, 0))(*variables, parts)
    for device in (0, NUM_DEVICES - 1):
        assert_close(jax.tree.map(lambda leaf, device=device: np.asarray(leaf[device]), mapped), one)
