"""Untrained runs of every system that offers something to export, and what each part of them gives."""

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
    EfficientNetLite,
    EmbeddingTrunk,
    Experiment,
    FrameEncoder,
    FrameProjector,
    LabelPairs,
    MultiStageTcn,
    PairHead,
    ProceduralSegments,
    ProceduralVideos,
    SegmentationTask,
    SegmentedVideos,
    SemanticAlignmentTask,
    Semantics,
    SimilarVideos,
    TcnEncoder,
    TemporalConvNet,
    TemporalFusion,
    VideoSimilarityTask,
)
from jaxmm.artefact import Metadata
from jaxmm.encoders.efficientnet import Stage
from jaxmm.export import parts_of
from jaxmm.export.onnx_model import random_inputs
from jaxmm.model import Model

SIZES = ((1, 6), (3, 9), (4, 16))  # of the batch, and of time or tokens
PARTS = (
    ("towers", "motion"),
    ("towers", "text"),
    ("signs", "generator"),
    ("alignment", "frames"),
    ("segments", "frames"),
    ("actions", "head"),
    ("actions", "prompts"),
    ("parts", "head"),
    ("similarity", "embedding"),
    ("similarity", "score"),
)
_LABELS = 27
_ALIGNMENT = SemanticAlignmentTask(
    encoder=TemporalConvNet(dims=(8, 4)),
    projector=FrameProjector(hidden_dim=8, embedding_dim=6),
    semantics=Semantics(source="words", words_dim=6),
    num_labels=_LABELS,
)
_SEGMENTATION = SegmentationTask(head=MultiStageTcn(num_labels=_LABELS, num_stages=2, num_layers=2, dim=4, causal=True))
_ACTIONS = ClipHarTask(
    frames=FrameEncoder(
        backbone=ClipVision(
            dim=8,
            num_layers=1,
            num_heads=2,
            feedforward_dim=8,
            embedding_dim=6,
            image_size=16,
            patch_size=8,
            parent=None,
        )
    ),
    adapter_dim=4,
    temporal=TemporalFusion(hidden_dim=8, num_heads=2),
    head=ClassifierHead(num_classes=2),
    semantics=Semantics(source="words", words_dim=6),
    contrastive_weight=1.0,
)
_PARTS = ClipHarTask(
    frames=FrameEncoder(backbone=EfficientNetLite(stages=(Stage(2, 3, 2, 2, 8),), grid=2, parent=None)),
    head=ClassifierHead(num_classes=2),
)
_SIMILARITY = VideoSimilarityTask(
    frames=_ACTIONS.frames,
    encoder=TcnEncoder(
        tcn=TemporalConvNet(dims=(8, 4), parent=None),
        trunk=EmbeddingTrunk(hidden_dims=(8,), embedding_dim=4, batch_norm=True, parent=None),
        parent=None,
    ),
    head=PairHead(hidden_dims=(4,), parent=None),
)


@pytest.fixture(scope="session")
def models(task, settings, sign_task, sign_settings, cache, tmp_path_factory) -> dict[str, Model]:
    """An untrained run of each system, in a folder of its own."""
    del cache
    source = ProceduralSegments(num_train=3, num_val=1, num_test=1, dim=8)
    videos = SegmentedVideos(source=source, batch_size=2)
    shapes = ProceduralVideos(looks=("red_bar",), moves=("left", "right"), num_train=2, num_val=1, num_test=1)
    actions = ActionVideos(source=shapes, frame_size=16, frames_per_clip=4, batch_size=2)
    compared = LabelPairs(classes_per_batch=2, clips_per_class=2)
    similar = SimilarVideos(source=shapes, comparing=compared, frame_size=16, frames_per_clip=4, batch_size=4)
    # A generator that also tells which landmarks are in sight.
    told = dataclasses.replace(sign_task.generator, num_landmarks=169)
    systems = {
        "towers": (task, settings),
        "signs": (dataclasses.replace(sign_task, generator=told), sign_settings),
        "alignment": (_ALIGNMENT, videos),
        "segments": (_SEGMENTATION, videos),
        "actions": (_ACTIONS, actions),
        "parts": (_PARTS, actions),
        "similarity": (_SIMILARITY, similar),
    }
    made = {}
    for name, (system, data) in systems.items():
        run = tmp_path_factory.mktemp(name)
        opened = data.open(run / "assets")
        batch = jax.tree.map(jnp.asarray, opened.sample_batch())
        params, collections = system.load_pretrained(*jax.jit(system.init_variables)(jax.random.key(0), batch), opened)
        experiment = Experiment(task=system, data=data)
        made[name] = Model(run, experiment, *jax.tree.map(np.asarray, (params, collections)), step=7)
    return made


@pytest.fixture(scope="session", params=PARTS, ids=lambda own: "-".join(own))
def offered(request, models):
    """A run, the name of a part, and inputs of several sizes with what the task makes of them."""
    name, part_name = request.param
    model = models[name]
    part = parts_of(model)[part_name]
    about = Metadata(task="", part="", digest="", step=0, version="", inputs=part.inputs, sizes=part.sizes)
    function, cases = jax.jit(part.function), []
    for seed, (batch, length) in enumerate(SIZES):
        sizes = {axis: batch if axis == "batch" else length for axis in part.sizes}
        inputs = random_inputs(about, sizes, np.random.default_rng(seed))
        cases.append((inputs, jax.device_get(function(model.params, model.collections, inputs))))
    return model, part_name, cases
