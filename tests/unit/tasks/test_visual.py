"""Frames are seen by a backbone with the weights and the colours of its checkpoint."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.config import decode, encode
from jaxmm.encoders.resnet import ResNet
from jaxmm.errors import ConfigError, WeightsError
from jaxmm.tasks.visual import FrameEncoder
from jaxmm.weights.files import write_checkpoint
from jaxmm.weights.resnet import resnet_shapes, resnet_table
from jaxmm.weights.rules import export_tree

NET = ResNet(stem_dim=4, dims=(8, 12), depths=(1, 1), parent=None)
COLOURS = {"mean": (10.0, 20.0, 30.0), "std": (50.0, 60.0, 70.0)}
FRAMES = jnp.asarray(np.random.default_rng(0).integers(256, size=(2, 3, 16, 16, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def variables():
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.uniform(0.1, 1, leaf.shape), jnp.float32), resnet_shapes(NET))


@pytest.fixture
def folder(variables, tmp_path):
    config = {"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [8, 12], "depths": [1, 1]}
    write_checkpoint(tmp_path, export_tree(variables, resnet_table(NET)), config)
    return tmp_path


def state_colours(folder, mean, std):
    settings = {"feature_extractor_type": "ConvNextFeatureExtractor", "rescale_factor": 0.01}
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "image_mean": mean, "image_std": std}))


def test_features_are_those_of_the_backbone_for_normalised_frames(variables, folder):
    encoder = FrameEncoder(backbone=NET, weights=str(folder), **COLOURS)
    state_colours(folder, [0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
    params, collections = encoder.load(*encoder.init(jax.random.key(0), FRAMES))
    images = (np.asarray(FRAMES).reshape(6, 16, 16, 3) - np.float32(COLOURS["mean"])) / np.float32(COLOURS["std"])
    wanted = NET.apply(variables, jnp.asarray(images, jnp.float32))
    assert float(jnp.abs(wanted).max()) > 0.1
    np.testing.assert_allclose(encoder(params, collections, FRAMES), wanted.reshape(2, 3, 12), rtol=1e-5)


def test_colours_that_the_checkpoint_states_otherwise_are_refused(folder):
    encoder = FrameEncoder(backbone=NET, weights=str(folder), **COLOURS)
    state_colours(folder, [0.1, 0.2, 0.4], [0.5, 0.6, 0.7])
    message = r"normalised in another way; set task.frames.mean to \(10.0, 20.0, 40.0\) and task.frames.std to \(50.0,"
    with pytest.raises(WeightsError, match=message):
        encoder.load({}, {})


@pytest.mark.parametrize("old", [False, True])
def test_colours_that_a_checkpoint_of_timm_states_are_checked_too(old, tmp_path):
    backbone, colours = ResNet(depths=(2, 2, 2, 2), parent=None), {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}
    stated = colours if old else {"pretrained_cfg": colours}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet26", **stated}))
    own = {"mean": (127.5, 102.0, 76.5), "std": (51.0, 51.0, 51.0)}
    with pytest.raises(WeightsError, match=r"set task.frames.mean to \(127.5, 102.0, 76.5\) and task.frames.std to"):
        FrameEncoder(backbone=backbone, weights=str(tmp_path)).load({}, {})
    with pytest.raises(WeightsError, match=r"model.safetensors: no such file"):  # the colours are right
        FrameEncoder(backbone=backbone, weights=str(tmp_path), **own).load({}, {})
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet26", **colours, "std": "bright"}))
    with pytest.raises(WeightsError, match=r"config.json: 'std' is 'bright'; it must hold 3 numbers"):
        FrameEncoder(backbone=backbone, weights=str(tmp_path), **own).load({}, {})


def test_resnet50_comes_back_from_json():
    encoder = FrameEncoder.resnet50("microsoft/resnet-50", revision="main")
    assert (encoder.dim, encoder.weights, encoder.revision) == (2048, "microsoft/resnet-50", "main")
    assert decode(encode(encoder)) == encoder


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(ConfigError, match=r"task.frames.std is \(1.0, 0.0, 1.0\); give values above zero"):
        FrameEncoder(backbone=NET, std=(1.0, 0.0, 1.0))
