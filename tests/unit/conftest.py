"""Tiny motions, data, tasks and batches that the unit tests share."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.data.folder import write_motion_folder
from jaxmm.data.motion import Motion, Skeleton
from jaxmm.data.motion_text import MotionText
from jaxmm.data.sign.sources import ProceduralSigns
from jaxmm.data.sign_text import SignText
from jaxmm.data.sources import MotionFolder
from jaxmm.encoders.heads import ProjectionHead
from jaxmm.encoders.pose import PoseConvGru
from jaxmm.encoders.text import TransformerText
from jaxmm.generators.critics import SignCritic
from jaxmm.generators.lengths import LengthBins
from jaxmm.generators.sign import SignGenerator
from jaxmm.optim import AdamW
from jaxmm.tasks.base import Task
from jaxmm.tasks.dance_text import DanceTextTask
from jaxmm.tasks.text2sign import Text2SignTask
from jaxmm.weights import Freeze

FPS, NUM_FRAMES, BATCH_SIZE = 10.0, 8, 4
SKELETON = Skeleton(
    joint_names=("Hips", "LeftUpLeg", "RightUpLeg", "Spine", "Head"),
    parents=(-1, 0, 0, 0, 3),
)
# Lengths below, at and above the frames that the model sees; captions shared, repeated and several for one motion.
LENGTHS = {"train": (3, 8, 12, 20, 5, 9, 8, 16, 30, 7), "val": (6, 11, 8), "test": (4, 9, 8, 15, 10)}
CAPTIONS = (
    ("a person walks left",),
    ("a person runs", "someone runs quickly"),
    ("a person jumps",),
    ("a person runs",),
    ("someone waves the right hand", "a person waves", "waving"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LineTask(Task):
    """Fits y = slope * x, counts the batches it has seen, and draws noise from the step's key."""

    optimizer: AdamW = dataclasses.field(default_factory=lambda: AdamW(lr=0.1, end_lr=0.1, weight_decay=0.0))

    def init_variables(self, key, batch):
        del key, batch
        return {"line": {"slope": jnp.zeros(()), "noise": jnp.zeros(())}}, {"line": {"seen": jnp.zeros((), jnp.int32)}}

    def loss(self, params, collections, batch, key, *, train):
        noise = jax.random.normal(key) if train else 0.0
        losses = jnp.square(params["line"]["slope"] * batch["x"] - batch["y"]) + 1e-3 * params["line"]["noise"] * noise
        return losses, ({"line": {"seen": collections["line"]["seen"] + train}}, {})


def line_batch(step: int, num_rows: int = 4) -> dict[str, np.ndarray]:
    x = np.random.default_rng(step).normal(size=num_rows).astype(np.float32)
    return {"x": x, "y": 3 * x, "example_mask": np.ones(num_rows, bool)}


@pytest.fixture(scope="session")
def line_task() -> LineTask:
    """A task of one parameter that trains in no time."""
    return LineTask()


@pytest.fixture(scope="session")
def make_line_batch():
    """Builds the batch of a step for `line_task`."""
    return line_batch


@pytest.fixture(scope="session")
def skeleton() -> Skeleton:
    return SKELETON


@pytest.fixture(scope="session")
def make_motion():
    """Builds a motion whose frame f lies at (f, 1, 0) plus small fixed offsets."""

    def build(key: str, num_frames: int = 6, *, fps: float = FPS, captions=("a person walks",), tags=None) -> Motion:
        rng = np.random.default_rng(list(key.encode()))
        positions = rng.normal(scale=0.1, size=(num_frames, SKELETON.num_joints, 3))
        positions += np.array([1.0, 0, 0]) * np.arange(num_frames)[:, None, None] + np.array([0, 1.0, 0])
        return Motion(
            key=key,
            positions=positions.astype(np.float32),
            fps=fps,
            skeleton=SKELETON,
            captions=captions,
            tags=tags or {},
        )

    return build


@pytest.fixture(scope="session")
def motions(make_motion) -> list[Motion]:
    """Eighteen motions in three splits, named by split and number."""
    return [
        make_motion(f"{split}_{place}", length, captions=CAPTIONS[place % len(CAPTIONS)], tags={"split": split})
        for split, lengths in LENGTHS.items()
        for place, length in enumerate(lengths)
    ]


@pytest.fixture(scope="session")
def motion_folder(motions, tmp_path_factory) -> Path:
    """The motions as a folder on disk."""
    folder = tmp_path_factory.mktemp("motions") / "folder"
    write_motion_folder(motions, folder)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A cache of the tests' own, so that they neither find nor leave anything in the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXMM_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def settings(motion_folder, cache) -> MotionText:
    """Data settings over `motion_folder`."""
    del cache
    return MotionText(
        source=MotionFolder(),
        root=str(motion_folder),
        fps=FPS,
        num_frames=NUM_FRAMES,
        max_tokens=12,
        batch_size=BATCH_SIZE,
        num_threads=1,
    )


@pytest.fixture(scope="session")
def data(settings, tmp_path_factory):
    """The opened data."""
    return settings.open(tmp_path_factory.mktemp("assets"))


@pytest.fixture(scope="session")
def task() -> DanceTextTask:
    """Both towers, as small as they go."""
    return DanceTextTask(
        motion=PoseConvGru(conv_dims=(8,), hidden_dim=4, num_layers=1, projection_dim=8, embedding_dim=8),
        text=TransformerText(
            vocab_size=64, dim=8, num_layers=1, num_heads=2, feedforward_dim=8, max_positions=16, dropout_rate=0.0
        ),
        text_head=ProjectionHead(hidden_dim=8, embedding_dim=8),
        pooling="mean",
        freeze=Freeze("nothing"),
    )


@pytest.fixture(scope="session")
def batch() -> dict[str, jax.Array]:
    """Four pairs of random motions and token ids for `task`, of unequal lengths."""
    rng = np.random.default_rng(0)
    arrays = {
        "motion": rng.normal(size=(BATCH_SIZE, NUM_FRAMES, SKELETON.num_joints, 3)).astype(np.float32),
        "motion_mask": np.arange(NUM_FRAMES) < np.array([[8], [5], [1], [7]]),
        "token_ids": rng.integers(1, 64, size=(BATCH_SIZE, 6)).astype(np.int32),
        "token_mask": np.arange(6) < np.array([[6], [3], [4], [2]]),
        "example_mask": np.ones(BATCH_SIZE, bool),
    }
    return {name: jnp.asarray(array) for name, array in arrays.items()}


@pytest.fixture(scope="session")
def sign_settings(cache) -> SignText:
    """Data settings over a few short procedural clips of two signers, three of them each to validate and test."""
    del cache
    source = ProceduralSigns(num_glosses=8, takes=1, num_sentences=12, num_held_out=3, num_signers=2)
    return SignText(source=source, fps=5.0, max_frames=16, max_tokens=16, batch_size=BATCH_SIZE, num_threads=1)


@pytest.fixture(scope="session")
def sign_task(sign_settings) -> Text2SignTask:
    """Generator and critic, as small as they go, of which every part of the person is always in sight."""
    return Text2SignTask(
        text=TransformerText(vocab_size=64, dim=8, num_layers=1, num_heads=2, feedforward_dim=8, max_positions=16),
        freeze=Freeze("nothing"),
        generator=SignGenerator(
            hidden_dim=8,
            num_layers=1,
            num_heads=2,
            num_landmarks=0,
            num_signers=2,
            max_frames=sign_settings.max_frames,
            lengths=LengthBins(shortest=4, longest=20, step=1),
        ),
        critic=SignCritic(base_dim=4),
    )


@pytest.fixture(scope="session")
def sign_data(sign_settings, tmp_path_factory):
    """The opened data; its `assets` lie where those of a run do."""
    return sign_settings.open(tmp_path_factory.mktemp("signing") / "assets")
