"""Untrained runs that answer frames of a few short videos."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import (
    Experiment,
    FrameProjector,
    MultiStageTcn,
    ProceduralSegments,
    SegmentationTask,
    SegmentedVideos,
    SemanticAlignmentTask,
    Semantics,
    TemporalConvNet,
)
from jaxmm.model import Model

SOURCE = ProceduralSegments(num_train=3, num_val=1, num_test=2, dim=8, num_unseen=1)
ALIGNMENT = SemanticAlignmentTask(
    encoder=TemporalConvNet(dims=(8,)),
    projector=FrameProjector(hidden_dim=8, embedding_dim=6),
    semantics=Semantics(source="words", words_dim=6),
    num_labels=27,
)
SEGMENTATION = SegmentationTask(head=MultiStageTcn(num_labels=27, num_stages=1, num_layers=2, dim=4))


@pytest.fixture(scope="session")
def untrained(tmp_path_factory):
    """Returns a run of a task as it was before its first step."""

    def make(task) -> Model:
        run = tmp_path_factory.mktemp("run")
        settings = SegmentedVideos(
            source=SOURCE, null_labels=("null",), wrong_labels=("wrong",), unseen_labels=SOURCE.unseen, batch_size=2
        )
        data = settings.open(run / "assets")
        batch = jax.tree.map(jnp.asarray, data.sample_batch())
        params, collections = task.load_pretrained(*task.init_variables(jax.random.key(0), batch), data)
        return Model(run, Experiment(task=task, data=settings), *jax.tree.map(np.asarray, (params, collections)), 7)

    return make


@pytest.fixture(scope="session")
def alignment(untrained) -> Model:
    return untrained(ALIGNMENT)


@pytest.fixture(scope="session")
def segmentation(untrained) -> Model:
    return untrained(SEGMENTATION)
