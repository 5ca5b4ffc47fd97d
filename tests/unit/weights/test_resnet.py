"""Checkpoints of ResNet are read strictly, whoever named their tensors."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.resnet import ResNet
from jaxmm.errors import WeightsError
from jaxmm.weights.files import write_checkpoint
from jaxmm.weights.resnet import load_resnet, read_resnet, resnet_shapes, resnet_table, timm_table
from jaxmm.weights.rules import export_tree

NET = ResNet(stem_dim=8, dims=(8, 12), depths=(1, 2))
CONFIG = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 2]}


@pytest.fixture(scope="module")
def variables():
    """Every number of them is another."""
    leaves, structure = jax.tree.flatten(resnet_shapes(NET))
    return structure.unflatten(
        [number + jnp.linspace(0, 0.5, leaf.size).reshape(leaf.shape) for number, leaf in enumerate(leaves)]
    )


@pytest.fixture(scope="module")
def tensors(variables):
    return export_tree(variables, resnet_table(NET))


def test_parameters_and_statistics_are_read_to_the_bit(tensors, variables, tmp_path):
    norms = [name.removesuffix("running_mean") for name in tensors if name.endswith("running_mean")]
    counted = {f"{norm}num_batches_tracked": np.array(3, np.int64) for norm in norms}
    of_images = {f"resnet.{name}": value for name, value in (tensors | counted).items()}
    whole = {**of_images, "classifier.1.weight": np.ones((2, 12), np.float32)}
    for content in (tensors, of_images, whole):
        write_checkpoint(tmp_path, content, CONFIG)
        assert read_resnet(tmp_path) == NET
        found = load_resnet(tmp_path, NET)
        assert jax.tree.all(jax.tree.map(np.array_equal, found, variables))


def test_a_first_stage_that_keeps_the_width_has_no_convolution_in_its_shortcut(tensors):
    assert [name for name in tensors if "shortcut.conv" in name] == [
        "encoder.stages.1.layers.0.shortcut.convolution.weight"
    ]
    assert [rule.foreign for rule in timm_table(NET).rules if rule.foreign.endswith("downsample.0.weight")] == [
        "layer2.0.downsample.0.weight"
    ]


def test_a_module_of_other_fields_is_told_which_to_set(tensors, tmp_path):
    write_checkpoint(tmp_path, tensors, CONFIG)
    with pytest.raises(
        WeightsError, match=r"config\.json: the module has depths=\(1, 1\); to load .*, set depths=\(1, 2\)"
    ):
        load_resnet(tmp_path, NET.clone(depths=(1, 1)))


def test_a_checkpoint_that_does_not_fit_is_refused(tensors, tmp_path):
    first, *_ = tensors
    others = {
        f"the checkpoint lacks tensors: '{first}'": {k: v for k, v in tensors.items() if k != first},
        "unmapped tensors in the checkpoint: 'extra.weight'": {**tensors, "extra.weight": tensors[first]},
        rf"tensor '{first}' has shape \(2,\)": {**tensors, first: np.zeros(2, np.float32)},
    }
    for message, content in others.items():
        write_checkpoint(tmp_path, content, CONFIG)
        with pytest.raises(WeightsError, match=message) as error:
            load_resnet(tmp_path, NET)
        assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**CONFIG, "model_type": "vit"}, "model_type 'vit' is not supported; supported is resnet"),
        ({"depths": [1]}, "model_type None is not supported"),
        ({**CONFIG, "layer_type": "basic"}, "layer_type 'basic' is not supported; supported is bottleneck"),
        ({**CONFIG, "downsample_in_bottleneck": True}, "downsample_in_bottleneck True is not supported"),
        ({**CONFIG, "hidden_act": "gelu"}, "hidden_act 'gelu' is not supported"),
        ({**CONFIG, "depths": [1, 2.5]}, r"'depths' is \[1, 2.5\], which sets depths; it must be a list"),
        ({**CONFIG, "hidden_sizes": None}, "'hidden_sizes' is None, which sets dims; it must be a list"),
        ({**CONFIG, "embedding_size": 0}, "'embedding_size' is 0; it must be at least 1"),
        ({"architecture": "resnet50d"}, "architecture 'resnet50d' is not supported; supported are resnet26, resnet50"),
        ({"architecture": ["resnet50"]}, r"architecture \['resnet50'\] is not supported"),
        ({"architecture": "resnet50", "model_args": {"width": 2}}, "supported are .*, without model_args"),
    ],
)
def test_settings_that_are_not_supported_are_refused_by_name(config, message, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=message) as error:
        read_resnet(tmp_path)
    assert "config.json" in str(error.value)
