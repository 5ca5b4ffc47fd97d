"""Small tasks and their batches, the same for every number of devices."""

import dataclasses

import jax
import numpy as np

from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.statistics import Statistics
from jaxmm.data.sign_text import SignText
from jaxmm.encoders.heads import ProjectionHead
from jaxmm.encoders.pose import PoseConvGru
from jaxmm.encoders.text import TransformerText
from jaxmm.generators.critics import SignCritic
from jaxmm.generators.lengths import LengthBins
from jaxmm.generators.sign import SignGenerator
from jaxmm.horizon import Horizon
from jaxmm.objectives.sign import SignObjective
from jaxmm.optim import AdamW
from jaxmm.tasks.dance_text import DanceTextTask
from jaxmm.tasks.text2sign import Text2SignTask
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
# An epsilon far above rounding errors: Adam makes whole steps of them where a gradient is nothing else.
ADAM = AdamW(lr=1e-3, end_lr=1e-3, epsilon=1e-3, clip_norm=1.0)
# Without dropout: under pmap each device draws masks of its own for its rows.
WITHOUT_DROPOUT = dataclasses.replace(
    TASK,
    motion=TASK.motion.clone(dropout_rate=0.0),
    text=TASK.text.clone(dropout_rate=0.0, attention_dropout_rate=0.0),
)
SIGN_TASK = Text2SignTask(
    text=WITHOUT_DROPOUT.text,
    freeze=Freeze("nothing"),
    generator=SignGenerator(
        hidden_dim=8,
        num_layers=1,
        num_heads=2,
        noise_dim=4,
        num_signers=2,
        max_frames=6,
        lengths=LengthBins(shortest=1, longest=6, step=1),
    ),
    critic=SignCritic(base_dim=4, conditional=True),
    # The critic waits for the first update, and plays in the others.
    objective=SignObjective(adversarial_from=0.2, gradient_penalty=0.5),
    optimizer=ADAM,
    critic_optimizer=ADAM,
)


def example_batch(num_examples=BATCH, seed=0):
    """Motions of several lengths and sizes, so that parts have unlike statistics; the last rows may only fill up."""
    generator = np.random.default_rng(seed)
    motion = generator.normal(size=(BATCH, FRAMES, JOINTS, 3)) * np.linspace(0.2, 3, BATCH)[:, None, None, None]
    motion_lengths, text_lengths = generator.integers(1, FRAMES + 1, BATCH), generator.integers(1, TOKENS + 1, BATCH)
    return {
        "motion": motion.astype(np.float32),
        "motion_mask": np.arange(FRAMES) < motion_lengths[:, None],
        **tokens(generator, text_lengths),
        "example_mask": np.arange(BATCH) < num_examples,
    }


def sign_batch(num_examples=BATCH, seed=0):
    """Clips of several lengths, of which hands are not always in sight; the last rows may only fill up."""
    generator = np.random.default_rng(seed)
    statistics = Statistics(
        mean=generator.normal(size=HOLISTIC.dim).astype(np.float32),
        std=generator.uniform(0.5, 2, size=HOLISTIC.dim).astype(np.float32),
    )
    lengths = generator.integers(1, SIGN_TASK.generator.max_frames + 1, num_examples)
    clips = [generator.normal(size=(length, HOLISTIC.dim)).astype(np.float32) for length in lengths]
    for clip in clips[::3]:
        clip[::2, HOLISTIC.part_features("left_hand")] = 0
    settings = SignText(max_frames=SIGN_TASK.generator.max_frames)
    return {
        **settings.stack(clips, statistics, num_rows=BATCH),
        **tokens(generator, generator.integers(1, TOKENS + 1, BATCH)),
        "signer": generator.integers(0, 2, BATCH).astype(np.int32),
    }


def tokens(generator, lengths):
    token_mask = np.arange(TOKENS) < lengths[:, None]
    token_ids = np.where(token_mask, generator.integers(1, 40, token_mask.shape), 0).astype(np.int32)
    return {"token_ids": token_ids, "token_mask": token_mask}


SYSTEMS = {
    "dance_text": (dataclasses.replace(WITHOUT_DROPOUT, optimizer=ADAM), example_batch),
    "text2sign": (SIGN_TASK, sign_batch),
}


def assert_close(ours, reference):
    assert jax.tree.structure(ours) == jax.tree.structure(reference)
    for (path, leaf), expected in zip(
        jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(reference), strict=True
    ):
        # Float32 rounds in proportion, so a tensor of large numbers is compared in units of its largest.
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(leaf, expected, rtol=0, atol=TOLERANCE * scale, err_msg=jax.tree_util.keystr(path))
