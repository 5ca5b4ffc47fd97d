"""A training step of the tasks on frames: one device, eight and pmap make the same update."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxmm.data.segmented import SegmentedVideos
from jaxmm.encoders.tcn import FrameProjector, MultiStageTcn, TemporalConvNet
from jaxmm.tasks.segmentation import SegmentationTask
from jaxmm.tasks.semantic_alignment import SemanticAlignmentTask
from jaxmm.train.step import Devices, compile_train_step, make_mesh, state_shardings

from .example import ADAM, BATCH, HORIZON, NUM_DEVICES, assert_close

NUM_LABELS, DIM, MOST_FRAMES = 5, 6, 9
TASKS = {
    "alignment": SemanticAlignmentTask(
        encoder=TemporalConvNet(dims=(4,), dropout_rate=0.0),
        projector=FrameProjector(hidden_dim=4, embedding_dim=3, dropout_rate=0.0),
        num_labels=NUM_LABELS,
        optimizer=ADAM,
    ),
    "segmentation": SegmentationTask(
        head=MultiStageTcn(num_labels=NUM_LABELS, num_stages=2, num_layers=1, dim=4, dropout_rate=0.0), optimizer=ADAM
    ),
}
WAYS = {"one device": (1, "jit"), "eight devices": (NUM_DEVICES, "jit"), "pmap": (NUM_DEVICES, "pmap")}


def frame_batch():
    """Videos of several lengths and sizes, so that parts have unlike statistics; the last rows only fill up."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, MOST_FRAMES + 1, BATCH - 3)
    features = [(scale * rng.normal(size=(length, DIM))) for scale, length in enumerate(lengths, 1)]
    labels = [rng.integers(0, NUM_LABELS, length).astype(np.int32) for length in lengths]
    counts = np.arange(NUM_LABELS) != 2
    floats = [own.astype(np.float32) for own in features]
    return SegmentedVideos().stack(floats, labels, num_rows=BATCH, num_frames=MOST_FRAMES, counts=counts)


@pytest.mark.parametrize("name", TASKS)
def test_an_update_is_the_same_on_any_devices(name):
    if jax.device_count() < NUM_DEVICES:
        pytest.skip(f"needs {NUM_DEVICES} devices, real or virtual; JAX has {jax.device_count()}")
    task, batch = TASKS[name], frame_batch()
    start = jax.device_get(jax.jit(task.init, static_argnums=2)(jax.random.key(0), batch, HORIZON))
    if name == "alignment":
        embeddings = np.random.default_rng(1).normal(size=(NUM_LABELS, 3)).astype(np.float32)
        start = dataclasses.replace(start, collections={**start.collections, "semantics": {"embeddings": embeddings}})
    found = {}
    for way, (num_devices, mode) in WAYS.items():
        mesh = make_mesh(Devices(num_devices=num_devices, mode=mode))
        state = jax.device_put(start, state_shardings(start, mesh))
        state, scalars, _ = compile_train_step(task, start, mesh, mode=mode)(state, batch, 0)
        found[way] = jax.device_get((state.params, state.collections, state.opt_state, scalars))
    for way in ("eight devices", "pmap"):
        assert_close(found[way], found["one device"])
    params, *_, scalars = found["one device"]
    moved = jax.tree.map(lambda new, old: np.abs(new - old).max(), params, start.params)
    assert max(jax.tree.leaves(moved)) > 1e-4
    assert scalars["loss"] > 0.1
