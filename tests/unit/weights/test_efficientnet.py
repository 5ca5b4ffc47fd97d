"""Checkpoints of EfficientNet-Lite are read strictly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.efficientnet import EfficientNetLite, Stage
from jaxmm.errors import WeightsError
from jaxmm.weights.efficientnet import efficientnet_table, load_efficientnet, variable_shapes
from jaxmm.weights.rules import export_tree

from .torch_files import NO_HOOKS, mapping, number, row, saved, storage, tensor

NET = EfficientNetLite(stages=(Stage(1, 3, 1, 1, 8),), dim=4, num_classes=2)


@pytest.fixture(scope="module")
def variables():
    """Every number of them is another."""
    shapes = variable_shapes(NET)
    leaves, structure = jax.tree.flatten(shapes)
    return structure.unflatten(
        [number + jnp.linspace(0, 0.5, leaf.size).reshape(leaf.shape) for number, leaf in enumerate(leaves)]
    )


@pytest.fixture(scope="module")
def tensors(variables):
    return export_tree(variables, efficientnet_table(NET))


@pytest.fixture
def write(tmp_path):
    """Writes tensors as torch does, in both formats."""

    def write_file(tensors, *, old=False):
        tensors = {**tensors, "_bn0.num_batches_tracked": np.ones((), np.float32)}
        counted = {str(place): array for place, array in enumerate(tensors.values())}

        def held(key, array):
            strides = [stride // array.itemsize for stride in array.strides]
            return tensor(array.shape, strides, held=storage(key, array.size, view=b"N" if old else b""))

        items = zip(tensors, (held(*item) for item in counted.items()), strict=True)
        value = mapping(**dict(items))
        if old:
            content = row(value, {key: (array.size, array.tobytes()) for key, array in counted.items()})
        else:
            content = saved(value, {key: array.tobytes() for key, array in counted.items()})
        (tmp_path / "net.pth").write_bytes(content)
        return str(tmp_path / "net.pth")

    return write_file


@pytest.mark.parametrize("old", [False, True])
def test_parameters_and_statistics_are_read_to_the_bit(old, write, tensors, variables):
    found = load_efficientnet(write(tensors, old=old), NET)
    assert jax.tree.all(jax.tree.map(np.array_equal, found, variables))


def test_without_a_classifier_its_tensors_are_left_out(write, tensors):
    found = load_efficientnet(write(tensors), NET.clone(num_classes=0))
    assert set(found["params"]) == {"stem", "block_0", "head"}


def test_a_checkpoint_that_does_not_fit_is_refused(write, tensors):
    first, *_ = tensors
    others = {
        "the checkpoint lacks tensors: '_conv_stem.weight'": {k: v for k, v in tensors.items() if k != first},
        "unmapped tensors in the checkpoint: 'extra.weight'": {**tensors, "extra.weight": tensors[first]},
        r"tensor '_conv_stem.weight' has shape \(2,\)": {**tensors, first: np.zeros(2, np.float32)},
    }
    for message, content in others.items():
        with pytest.raises(WeightsError, match=rf"net\.pth: {message}") as error:
            load_efficientnet(write(content), NET)
        assert str(error.value).count("net.pth") == 1
    with pytest.raises(WeightsError, match=r"has shape .*, but params/.* needs"):
        load_efficientnet(write(tensors), NET.clone(dim=8))


def test_a_file_of_anything_but_tensors_by_name_is_refused(tmp_path):
    path = tmp_path / "net.pth"
    for value in (number(3), mapping(epoch=number(3)), mapping(model_state_dict=mapping())):
        path.write_bytes(saved(value, {}))
        with pytest.raises(WeightsError, match=r"net\.pth: holds no table of tensors by name; save it as") as error:
            load_efficientnet(str(path), NET)
        assert str(error.value).count("net.pth") == 1
    path.write_bytes(saved(NO_HOOKS))
    with pytest.raises(WeightsError, match=r"net\.pth: the checkpoint lacks tensors"):
        load_efficientnet(str(path), NET)
