"""An untrained run that compares a few synthetic videos, and films to compare."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import (
    ClipVision,
    EmbeddingTrunk,
    Experiment,
    FrameEncoder,
    LabelPairs,
    PairHead,
    PooledTrunk,
    ProceduralVideos,
    SimilarVideos,
    VideoSimilarityTask,
)
from jaxmm.model import Model
from jaxmm.rendering.film import write_mp4

VISION = ClipVision(
    dim=8, num_layers=1, num_heads=2, feedforward_dim=8, embedding_dim=8, image_size=16, patch_size=8, parent=None
)
TASK = VideoSimilarityTask(
    frames=FrameEncoder(backbone=VISION),
    encoder=PooledTrunk(trunk=EmbeddingTrunk(hidden_dims=(8,), embedding_dim=4, parent=None), parent=None),
    head=PairHead(hidden_dims=(4,), parent=None),
)
DATA = SimilarVideos(
    source=ProceduralVideos(looks=("red_bar",), moves=("left", "right", "grow"), num_train=2, num_val=1, num_test=2),
    comparing=LabelPairs(classes_per_batch=2, clips_per_class=2),
    frame_size=16,
    frames_per_clip=4,
    batch_size=4,
)


@pytest.fixture(scope="session")
def untrained(cache, tmp_path_factory):
    """Returns a run as it was before its first step, by the seed of its parameters."""

    def make(seed: int, data: SimilarVideos = DATA) -> Model:
        run = tmp_path_factory.mktemp("run")
        batch = jax.tree.map(jnp.asarray, data.open(run / "assets").sample_batch())
        params, collections = TASK.init_variables(jax.random.key(seed), batch)
        # By chance alone every two videos were almost as likely alike.
        params["head"] = jax.tree.map(lambda own: 30 * own, params["head"])
        return Model(run, Experiment(task=TASK, data=data), *jax.tree.map(np.asarray, (params, collections)), 7)

    return make


@pytest.fixture(scope="session")
def model(untrained) -> Model:
    return untrained(0)


@pytest.fixture(scope="session")
def clips() -> list[np.ndarray]:
    """Three videos of noise, of the size that the run sees."""
    rng = np.random.default_rng(0)
    return [rng.integers(256, size=(frames, 16, 16, 3), dtype=np.uint8) for frames in (3, 4, 11)]


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """A folder of films of 8 frames a second: of 3 s, of 1.5 s in a folder of its own, and one that is none."""
    pytest.importorskip("av", reason="needs av, the extra 'video'")
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(1)
    for name, frames in (("long.mp4", 24), ("more/short.mp4", 12)):
        pictures = rng.integers(256, size=(frames, 4, 4, 3), dtype=np.uint8).repeat(16, axis=1).repeat(16, axis=2)
        write_mp4(folder / name, pictures, fps=8.0)
    (folder / "broken.mp4").write_bytes(b"no film")
    return folder
