"""Memory of training follows the batch: its length, and not that of the longest video of the data."""

import jax
import jax.numpy as jnp
import pytest

from jaxmm.encoders.tcn import FrameProjector, MultiStageTcn, TemporalConvNet
from jaxmm.objectives.reduce import weighted_mean
from jaxmm.tasks.segmentation import SegmentationTask
from jaxmm.tasks.semantic_alignment import SemanticAlignmentTask

TASKS = {
    "alignment": SemanticAlignmentTask(
        encoder=TemporalConvNet(dims=(8,)), projector=FrameProjector(hidden_dim=8, embedding_dim=8), num_labels=3
    ),
    "segmentation": SegmentationTask(head=MultiStageTcn(num_labels=3, num_stages=1, num_layers=2, dim=8)),
}


def gradient_bytes(task, num_frames):
    """Bytes that loss and gradient take beside the parameters and the batch."""
    frames = (4, num_frames)
    batch = {
        "features": jax.ShapeDtypeStruct((*frames, 8), jnp.float32),
        "labels": jax.ShapeDtypeStruct(frames, jnp.int32),
        **{name: jax.ShapeDtypeStruct(frames, jnp.bool_) for name in ("frame_mask", "label_mask")},
        "example_mask": jax.ShapeDtypeStruct(frames[:1], jnp.bool_),
    }

    def loss(params, collections, batch):
        losses, _ = task.loss(params, collections, batch, jax.random.key(0), train=True)
        return weighted_mean(losses, task.counts(batch))

    params, collections = jax.eval_shape(task.init_variables, jax.random.key(0), batch)
    return jax.jit(jax.grad(loss)).lower(params, collections, batch).compile().memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("name", TASKS)
def test_memory_of_training_grows_with_the_length_of_the_batch(name):
    short, long = (gradient_bytes(TASKS[name], num_frames) for num_frames in (1000, 4000))
    # Four times; versions of XLA differ in what they fuse at which length, but a square would be sixteen times.
    assert 3.6 * short < long < 5 * short
