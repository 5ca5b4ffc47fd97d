"""Untrained runs that classify a few synthetic videos, with and without prompts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import (
    ActionVideos,
    ClassifierHead,
    ClipHarTask,
    ClipVision,
    Experiment,
    FrameEncoder,
    ProceduralVideos,
    Prompts,
    Semantics,
    TemporalFusion,
)
from jaxmm.model import Model
from jaxmm.rendering.film import write_mp4

VISION = ClipVision(
    dim=8, num_layers=1, num_heads=2, feedforward_dim=8, embedding_dim=8, image_size=16, patch_size=8, parent=None
)
TASK = ClipHarTask(
    frames=FrameEncoder(backbone=VISION),
    temporal=TemporalFusion(hidden_dim=8, num_heads=2),
    head=ClassifierHead(num_classes=3, dropout_rate=0.0),
)
PROMPTED = dataclasses.replace(
    TASK,
    semantics=Semantics(source="words", words_dim=8),
    prompts=Prompts(templates=("a video of {}.", "{}")),
    contrastive_weight=1.0,
)
DATA = ActionVideos(
    source=ProceduralVideos(looks=("red_bar",), moves=("left", "right", "grow"), num_train=2, num_val=1, num_test=2),
    frame_size=16,
    frames_per_clip=4,
    batch_size=3,
)


@pytest.fixture(scope="session")
def untrained(cache, tmp_path_factory):
    """Returns a run of a task as it was before its first step."""

    def make(task) -> Model:
        run = tmp_path_factory.mktemp("run")
        data = DATA.open(run / "assets")
        batch = jax.tree.map(jnp.asarray, data.sample_batch())
        params, collections = task.load_pretrained(*task.init_variables(jax.random.key(0), batch), data)
        return Model(run, Experiment(task=task, data=DATA), *jax.tree.map(np.asarray, (params, collections)), 7)

    return make


@pytest.fixture(scope="session")
def model(untrained) -> Model:
    return untrained(TASK)


@pytest.fixture(scope="session")
def prompted(untrained) -> Model:
    return untrained(PROMPTED)


@pytest.fixture(scope="session")
def frames() -> np.ndarray:
    """Eleven frames of noise, of the size that the runs see."""
    return np.random.default_rng(0).integers(256, size=(11, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """A folder of two films of 12 frames a second: one of 2 s, one of 1 s in a folder of its own."""
    pytest.importorskip("av", reason="needs av, the extra 'video'")
    folder = tmp_path_factory.mktemp("films")
    pictures = np.random.default_rng(1).integers(256, size=(24, 8, 12, 3), dtype=np.uint8)
    pictures = pictures.repeat(8, axis=1).repeat(8, axis=2)
    write_mp4(folder / "long.mp4", pictures, fps=12.0)
    write_mp4(folder / "more" / "short.mp4", pictures[12:], fps=12.0)
    return folder
