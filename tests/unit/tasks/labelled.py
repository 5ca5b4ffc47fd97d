"""Short labelled videos whose frames show their labels, as batches and as data."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxmm.data.segmentation.sources import ProceduralSegments
from jaxmm.data.segmented import SegmentedVideos
from jaxmm.horizon import Horizon
from jaxmm.optim import AdamW

NUM_LABELS, DIM, NUM_FRAMES = 4, 6, 24
LENGTHS = (24, 15, 5)
ROWS = range(len(LENGTHS))
HORIZON = Horizon(epochs=2, steps_per_epoch=30)
QUICK = AdamW(lr=2e-2, end_lr=2e-2, weight_decay=0.0)
SETTINGS = SegmentedVideos(
    source=ProceduralSegments(num_train=3, num_val=1, num_test=1, dim=8), batch_size=2, num_threads=1
)


def make_batch(*, counts=None, rows=ROWS, num_frames=NUM_FRAMES):
    """Videos of unlike lengths, padded; `counts` tells which labels count."""
    looks = np.random.default_rng(0).normal(size=(NUM_LABELS, DIM))
    features, labels = [], []
    for row in rows:
        rng = np.random.default_rng(row + 1)
        own = np.repeat(rng.permutation(NUM_LABELS), 6)[: LENGTHS[row]].astype(np.int32)
        features.append((looks[own] + 0.3 * rng.normal(size=(len(own), DIM))).astype(np.float32))
        labels.append(own)
    counted = None if counts is None else np.array(counts)
    stacked = SegmentedVideos().stack(features, labels, num_rows=len(rows), num_frames=num_frames, counts=counted)
    return jax.tree.map(jnp.asarray, stacked)


def spoilt(batch):
    """The batch with what must not matter behind its masks: features that are no numbers, and other labels."""
    shown = batch["frame_mask"][..., None]
    return {
        **batch,
        "features": jnp.where(shown, batch["features"], jnp.nan),
        "labels": jnp.where(batch["label_mask"], batch["labels"], (batch["labels"] + 1) % NUM_LABELS),
    }


def streamed(task, state, batch, chunks):
    """What a task answers to videos that come in chunks of these lengths."""
    run, stream, answers, start = jax.jit(task.answer_next), {}, [], 0
    for length in chunks:
        chunk = {name: rows[:, start : start + length] for name, rows in batch.items()}
        answer, stream = run(state.params, state.collections, chunk, stream)
        answers.append(answer)
        start += length
    return np.concatenate(answers, axis=1)


def assert_trees_close(ours, expected, tolerance=1e-5):
    assert jax.tree.structure(ours) == jax.tree.structure(expected)
    for (path, leaf), wanted in zip(jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, wanted, rtol=0, atol=tolerance, err_msg=jax.tree_util.keystr(path))
