"""A small task and its batches, the same for every number of devices."""

import jax
import numpy as np

from jaxmm.encoders.heads import ProjectionHead
from jaxmm.encoders.pose import PoseConvGru
from jaxmm.encoders.text import TransformerText
from jaxmm.optim import Horizon
from jaxmm.tasks.dance_text import DanceTextTask
from jaxmm.weights.freeze import Freeze

TOLERANCE = 1e-6
NUM_DEVICES, BATCH, FRAMES, JOINTS, TOKENS = 8, 16, 4, 4, 5
HORIZON = Horizon(epochs=2, steps_per_epoch=3)
TASK = DanceTextTask(
    motion=PoseConvGru(conv_dims=(8,), hidden_dim=8, num_layers=1, projection_dim=8, embedding_dim=8),
    text=TransformerText(vocab_size=40, dim=8, num_layers=1, num_heads=2, feedforward_dim=16, max_positions=8),
    text_head=ProjectionHead(hidden_dim=8, embedding_dim=8),
    freeze=Freeze("nothing"),
)


def example_batch(num_examples=BATCH, seed=0):
    """Motions of several lengths and sizes, so that parts have unlike statistics; the last rows may only fill up."""
    generator = np.random.default_rng(seed)
    motion = generator.normal(size=(BATCH, FRAMES, JOINTS, 3)) * np.linspace(0.2, 3, BATCH)[:, None, None, None]
    motion_lengths, text_lengths = generator.integers(1, FRAMES + 1, BATCH), generator.integers(1, TOKENS + 1, BATCH)
    token_mask = np.arange(TOKENS) < text_lengths[:, None]
    return {
        "motion": motion.astype(np.float32),
        "motion_mask": np.arange(FRAMES) < motion_lengths[:, None],
        "token_ids": np.where(token_mask, generator.integers(1, 40, token_mask.shape), 0).astype(np.int32),
        "token_mask": token_mask,
        "example_mask": np.arange(BATCH) < num_examples,
    }


def assert_close(ours, reference):
    assert jax.tree.structure(ours) == jax.tree.structure(reference)
    for (path, leaf), expected in zip(
        jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(reference), strict=True
    ):
        # Float32 rounds in proportion, so a tensor of large numbers is compared in units of its largest.
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(leaf, expected, rtol=0, atol=TOLERANCE * scale, err_msg=jax.tree_util.keystr(path))
