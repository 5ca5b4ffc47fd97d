"""Features of frames by ONNX Runtime are those of JAX, for every backbone that sees them."""

import dataclasses
import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.clip import ClipVision
from jaxmm.encoders.efficientnet import EfficientNetLite, Stage
from jaxmm.encoders.resnet import ResNet
from jaxmm.errors import ArtefactError, MissingExtraError
from jaxmm.export.rows import onnx_rows
from jaxmm.horizon import Horizon
from jaxmm.rows import embedder
from jaxmm.state import TrainState
from jaxmm.tasks.clip_har import ClipHarTask
from jaxmm.tasks.visual import FrameEncoder
from jaxmm.train.step import embed_rows, make_mesh

TOLERANCE = 1e-4
SIZE = 16
BACKBONES = {
    "resnet": ResNet(stem_dim=4, dims=(8, 16), depths=(1, 2), parent=None),
    "efficientnet": EfficientNetLite(stages=(Stage(1, 3, 2, 2, 8), Stage(1, 5, 1, 2, 8)), dim=12),
    "clip": ClipVision(
        dim=8, num_layers=1, num_heads=2, feedforward_dim=8, embedding_dim=6, image_size=SIZE, patch_size=8, parent=None
    ),
}
BATCHES = [
    {"frames": np.random.default_rng(number).integers(256, size=(1, 5, SIZE, SIZE, 3), dtype=np.uint8)}
    for number in range(2)
]


def see(encoder, params, collections, batch):
    return encoder(params, collections, batch["frames"])


@pytest.mark.parametrize("name", BACKBONES)
def test_features_of_frames_are_those_of_jax(name):
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    encoder = FrameEncoder(backbone=BACKBONES[name])
    params, collections = jax.jit(encoder.init)(jax.random.key(0), BATCHES[0]["frames"])
    settled = {"params": params, "collections": collections, "precision": "highest"}
    function = functools.partial(see, encoder)
    ours = list(embed_rows(function, BATCHES, **settled, mesh=make_mesh()))
    theirs = list(onnx_rows(function, BATCHES, **settled))
    assert np.abs(ours[0] - ours[1]).max() > 1e-2
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape == (1, 5, encoder.dim)
        np.testing.assert_allclose(other, one, atol=TOLERANCE)


def test_a_batch_of_other_shapes_is_refused():
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    rows = onnx_rows(lambda params, collections, batch: batch["x"] * 2, _of_lengths(2, 3), params={}, collections={})
    assert next(rows).tolist() == [2.0, 2.0]
    with pytest.raises(ArtefactError, match="ONNX Runtime cannot run it"):
        next(rows)


def _of_lengths(*lengths):
    return ({"x": np.ones(length, np.float32)} for length in lengths)


def test_without_the_extra_it_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    rows = onnx_rows(lambda params, collections, batch: batch["x"] * 2, _of_lengths(2), params={}, collections={})
    with pytest.raises(MissingExtraError, match=r"pip install 'jaxmm\[onnx\]'"):
        next(rows)


def test_the_task_says_what_sees_its_frames():
    task = ClipHarTask(frames=FrameEncoder(backbone=BACKBONES["resnet"]))
    key = jax.random.key_data(jax.random.key(0))
    state = TrainState(
        step=jnp.int32(0), params={}, collections={}, opt_state=(), key=key, guards={}, horizon=Horizon()
    )
    of_onnx = dataclasses.replace(task, frames=dataclasses.replace(task.frames, runtime="onnx"))
    assert embedder(task, state, make_mesh()).func is embed_rows
    assert embedder(of_onnx, state, make_mesh()).func is onnx_rows
