"""The cases in jaxmm, each a function that is to be timed."""

import dataclasses
import functools
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from bench.sizes import (
    BATCH,
    CLIP_FRAMES,
    CLIPS,
    FRAMES,
    NUM_ACTIONS,
    NUM_LABELS,
    PAIR_FRAMES,
    PAIRS,
    SIGN_BATCH,
    SIGN_FRAMES,
    STATES_DIM,
    TOKENS,
    VIDEO_DIM,
    VIDEOS,
    arrays,
    clips,
    compared,
    frames,
    gallery,
    images,
    sign_arrays,
    videos,
)
from bench.tasks import Compared, MotionTower
from jaxmm import (
    ActionVideos,
    ClassifierHead,
    ClipHarTask,
    ClipVision,
    DanceTextTask,
    FrameEncoder,
    Freeze,
    ProceduralSegments,
    SegmentedVideos,
    SemanticAlignmentTask,
    SignGenerator,
    SignText,
    Stage,
    TemporalConvNet,
    TemporalFusion,
    Text2SignTask,
    TransformerText,
)
from jaxmm.data.sign.statistics import Statistics
from jaxmm.encoders.similarity import AttentionEncoder, EmbeddingTrunk, PairHead, PooledTrunk, SiameseNetwork
from jaxmm.export.rows import onnx_rows
from jaxmm.frames.answers import FrameAnswers
from jaxmm.horizon import Horizon
from jaxmm.search import make_search
from jaxmm.tasks.frame_features import FEATURES
from jaxmm.tasks.text_features import FROZEN_STATES
from jaxmm.train.step import compile_eval, compile_train_step, embed_rows, make_mesh, place_whole

Call = Callable[[], object]
COMPARED = {
    "siamese_head": SiameseNetwork(head=PairHead(kind="concatenation")),
    "triplet_head": PooledTrunk(trunk=EmbeddingTrunk(batch_norm=True, unit_norm=True)),
    "attention_siamese": SiameseNetwork(
        encoder=AttentionEncoder(positions=False),
        head=PairHead(kind="concatenation", hidden_dims=(128,), dropout_rate=0.0),
    ),
}


def make(case: str) -> Call:
    """Returns what a case times."""
    if case == "query":
        return query()
    if case == "tcn_stream":
        return stream()
    if case.startswith("tcn"):
        return alignment(case)
    if case.startswith("gan"):
        return signing(case)
    if case.startswith("resnet"):
        return seeing(case)
    if case == "clip_image":
        return vision()
    if case.startswith("clip"):
        return actions(case)
    if case in COMPARED:
        return similarity(case)
    return retrieval(case)


def query() -> Call:
    rows = gallery()
    search = make_search("exact", rows)
    return lambda: search(rows[:1], 10)


def retrieval(case: str) -> Call:
    mesh, batch = make_mesh(), arrays()
    batch |= {
        "motion_mask": np.ones((BATCH, FRAMES), bool),
        "token_mask": np.ones((BATCH, TOKENS), bool),
        "example_mask": np.ones(BATCH, bool),
    }
    whole = DanceTextTask(freeze=Freeze.last_tensors(4))
    task = MotionTower(whole=whole) if case.startswith("encoder") else whole
    state = start(task, batch, mesh)
    if case == "encoder_infer":
        embed = compile_eval(task.embed_motion, mesh)
        return lambda: jax.block_until_ready(embed(state.params, state.collections, place_whole(batch, mesh)))
    if case == "text_train_cached":
        batch[FROZEN_STATES] = np.asarray(jax.jit(whole.frozen_text_states)(state.params, {}, batch))
    return training(task, state, batch, mesh)


def alignment(case: str) -> Call:
    mesh, given = make_mesh(), videos()
    # To the length that it has: training would pad it to a length of which there are few.
    batch = SegmentedVideos().stack(
        list(given["features"]), list(given["labels"]), num_rows=VIDEOS, num_frames=given["labels"].shape[1]
    )
    task = SemanticAlignmentTask(num_labels=NUM_LABELS)
    state = start(task, batch, mesh)
    if case == "tcn_embed":
        answer = compile_eval(task.answer, mesh)
        return lambda: jax.block_until_ready(answer(state.params, state.collections, place_whole(batch, mesh)))
    embedded = {**state.collections, "semantics": {"embeddings": jnp.asarray(given["embeddings"])}}
    return training(task, dataclasses.replace(state, collections=embedded), batch, mesh)


def stream() -> Call:
    """Each call answers the next frame of one video."""
    mesh, frame = make_mesh(), videos()["features"][0, :1]
    task = SemanticAlignmentTask(encoder=TemporalConvNet(causal=True), num_labels=NUM_LABELS)
    data = SegmentedVideos(source=ProceduralSegments(num_train=1, num_val=1, num_test=1, dim=VIDEO_DIM))
    with tempfile.TemporaryDirectory() as assets:
        answers = FrameAnswers(task, data, data.open(Path(assets)).assets, mesh=mesh)
    state = start(task, data.blank_batch(), mesh)
    answered = answers.stream(state.params, state.collections, itertools.repeat(frame))
    return lambda: next(answered)


def signing(case: str) -> Call:
    mesh, rows = make_mesh(), 1 if case.endswith("_1") else SIGN_BATCH
    given = {name: values[:rows] for name, values in sign_arrays().items()}
    settings = SignText(batch_size=rows, max_frames=SIGN_FRAMES)
    batch = settings.stack(list(given["frames"]), Statistics.neutral(), num_rows=rows) | {
        FROZEN_STATES: given["states"],
        "token_ids": np.zeros((rows, TOKENS), np.int32),
        "token_mask": np.ones((rows, TOKENS), bool),
        "signer": np.zeros(rows, np.int32),
    }
    # The backbone is there in name: its states are given.
    backbone = TransformerText(vocab_size=8, dim=STATES_DIM, num_layers=1, num_heads=1, feedforward_dim=8)
    task = Text2SignTask(text=backbone, generator=SignGenerator.seed_compatible(), ema_decay=0.0)
    state = start(task, batch, mesh)
    if case == "gan_step":
        return training(task, state, batch, mesh)
    generate = compile_eval(task.generate, mesh)
    asked = batch | {"noise": given["noise"], "length": np.full(rows, SIGN_FRAMES, np.int32)}
    return lambda: jax.block_until_ready(generate(state.params, {}, place_whole(asked, mesh)))


def seeing(case: str) -> Call:
    """Features of frames as training keeps them, by either runtime."""
    encoder, batch, mesh = FrameEncoder.resnet50(None), {"frames": frames()}, make_mesh()
    params, collections = jax.jit(encoder.init)(jax.random.key(0), batch["frames"])
    settled = {"params": params, "collections": collections}

    def see(params, collections, batch):
        return encoder(params, collections, batch["frames"])

    by_onnx = case.endswith("_onnx")
    rows = (onnx_rows if by_onnx else functools.partial(embed_rows, mesh=mesh))(see, itertools.repeat(batch), **settled)
    return lambda: next(rows)


def vision() -> Call:
    tower, mesh, batch = ClipVision(), make_mesh(), {"images": images()}
    variables = jax.jit(lambda key, images: tower.init(key, images, deterministic=True))(
        jax.random.key(0), batch["images"][:1]
    )
    embed = compile_eval(
        lambda params, _, batch: tower.apply({"params": params}, batch["images"], deterministic=True), mesh
    )
    return lambda: jax.block_until_ready(embed(variables["params"], {}, place_whole(batch, mesh)))


def actions(case: str) -> Call:
    """The first stage of fine-tuning: the backbone rests, and the features of frames are there."""
    given, mesh = clips(), make_mesh()
    fusion = TemporalFusion() if case == "clip_temporal" else None
    task = ClipHarTask(temporal=fusion, head=ClassifierHead(num_classes=NUM_ACTIONS))
    stages = Stage(epochs=25, pattern="^(temporal|head)/"), Stage(epochs=25, pattern="")
    state = start(task, ActionVideos(frames_per_clip=CLIP_FRAMES).blank_batch(), mesh, stages=stages)
    batch = {
        FEATURES: given["features"],
        "frame_mask": np.ones((CLIPS, CLIP_FRAMES), bool),
        "label": given["labels"],
        "example_mask": np.ones(CLIPS, bool),
    }
    return training(task, dataclasses.replace(state, horizon=state.horizon.at(0)), batch, mesh)


def similarity(case: str) -> Call:
    """A network of videos by cached features, of pairs or of triplets."""
    given, mesh = compared(), make_mesh()
    names = ("anchor", "positive", "negative")[: 3 if case == "triplet_head" else 2]
    batch = dict(zip(names, given["features"], strict=False)) | {
        "label": given["labels"],
        "frame_mask": np.ones((PAIRS, PAIR_FRAMES), bool),
        "example_mask": np.ones(PAIRS, bool),
    }
    task = Compared(network=COMPARED[case])
    return training(task, start(task, batch, mesh), batch, mesh)


def start(task, batch, mesh, *, stages=()):
    """Returns the state before the first step."""
    horizon = Horizon(epochs=50, stages=stages)
    return jax.jit(task.init, static_argnums=2)(jax.random.key(0), place_whole(batch, mesh), horizon)


def training(task, state, batch, mesh) -> Call:
    """Returns a function that trains a step."""
    step, held = compile_train_step(task, state, mesh), [state]
    del state

    def train() -> None:
        held[0], metrics, _ = step(held[0], batch, 0)
        jax.block_until_ready(metrics)  # as the loop does; they are of the same program as the state

    return train
