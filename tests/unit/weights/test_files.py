import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from jaxmm.errors import WeightsError
from jaxmm.weights.files import config_number, read_config, read_tensors, tensor_files, write_checkpoint

from .torch_files import EMPTY_LIST, STOP, archive, mapping, number, tensor


@pytest.fixture
def folder(tmp_path):
    write_checkpoint(tmp_path, {"lin.weight": np.ones((2, 3), np.float32)}, {"model_type": "bert"})
    return tmp_path


def test_written_file_names_the_format_that_transformers_asks_for(folder):
    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}


def test_config_that_is_absent_broken_or_no_object_is_refused(folder):
    for text, message in (("{", "not readable as JSON"), ("[1]", "holds a list, not an object")):
        (folder / "config.json").write_text(text)
        with pytest.raises(WeightsError, match=rf"config.json: {message}"):
            read_config(folder)
    (folder / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"config.json: no such file; give the folder of a checkpoint"):
        read_config(folder)


@pytest.mark.parametrize("keep", [0, 4, 40, -1])
def test_a_damaged_tensor_file_is_refused(keep, folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=r"model.safetensors: not readable as safetensors .* fetch it again"):
        read_tensors(folder)


@pytest.mark.parametrize(
    ("present", "message"),
    [
        ("pytorch_model.bin.index.json", r"are not read; .* AutoModel.from_pretrained\(.*\).save_pretrained\("),
        ("readme.md", "give the folder of a checkpoint, with config.json and model.safetensors"),
    ],
)
def test_absent_tensors_are_refused_with_what_to_do(present, message, tmp_path):
    (tmp_path / present).write_bytes(b"")
    with pytest.raises(WeightsError, match=f"model.safetensors: no such file; .*{message}"):
        read_tensors(tmp_path)


PARTS = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}


@pytest.fixture
def parts(tmp_path):
    """A checkpoint of two tensors in two files."""
    for name, file in PARTS.items():
        save_file({name: np.full(2, ord(name), np.float32)}, tmp_path / file)
    write_index(tmp_path, PARTS)
    return tmp_path


def write_index(folder, listed):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": listed}))


def test_the_parts_that_an_index_lists_are_read_as_one(parts):
    assert {name: tensor.tolist() for name, tensor in read_tensors(parts).items()} == {"a": [97, 97], "b": [98, 98]}
    assert [path.name for path in tensor_files(parts)] == sorted(PARTS.values())
    write_checkpoint(parts, {"c": np.ones(1, np.float32)}, {})
    assert list(read_tensors(parts)) == ["c"]


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({"a": PARTS["a"]} | {"b": PARTS["a"]}, "00001-of-00002.safetensors: does not hold the tensors that"),
        ({"a": PARTS["a"], "b": PARTS["b"], "c": PARTS["b"]}, "00002-of-00002.safetensors: does not hold the tensors"),
        ({"a": PARTS["a"], "b": "model-3.safetensors"}, "model-3.safetensors: not readable as safetensors"),
        ({"a": "../model.safetensors"}, r"lists '../model.safetensors', which is no safetensors file beside it"),
        ({"a": "/etc/model.safetensors"}, "lists '/etc/model.safetensors', which is no"),
        ({"a": "pytorch_model.bin"}, "lists 'pytorch_model.bin', which is no"),
        ({"a": 3}, "lists 3, which is no"),
        ({}, "has no 'weight_map'"),
        ([], "has no 'weight_map'"),
    ],
)
def test_an_index_that_does_not_fit_its_parts_is_refused(listed, message, parts):
    write_index(parts, listed)
    with pytest.raises(WeightsError, match=message):
        read_tensors(parts)


@pytest.mark.parametrize("text", ["{", "[1]", "null"])
def test_a_damaged_index_is_refused(text, parts):
    (parts / "model.safetensors.index.json").write_text(text)
    with pytest.raises(WeightsError, match=r"index.json: (not readable as JSON|has no 'weight_map')"):
        read_tensors(parts)


def test_a_file_of_torch_is_read_where_it_holds_tensors_by_name_alone(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(archive(mapping(weight=tensor()) + STOP))
    assert read_tensors(tmp_path)["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensor_files(tmp_path) == (path,)
    for content in (EMPTY_LIST, mapping(weight=tensor(), step=number(3)), tensor()):
        path.write_bytes(archive(content + STOP))
        with pytest.raises(WeightsError, match=r"pytorch_model.bin: holds no table of tensors by name; save it as"):
            read_tensors(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"pytorch_model.bin: it is no zip file"):
        read_tensors(tmp_path)


@pytest.mark.parametrize(
    ("value", "like", "message"),
    [
        ("6", 1, "'size' is '6'; it must be a whole number"),
        (True, 1, "'size' is True; it must be a whole number"),
        (0, 1, "'size' is 0; it must be at least 1"),
        (1.5, 0.5, r"'size' is 1.5; it must be in \[0, 1\)"),
        ([1] * 1000, 0.5, r"'size' is \[1, 1, .*\.\.\.; it must be a number"),
    ],
)
def test_a_setting_that_is_no_such_number_is_refused(value, like, message):
    with pytest.raises(WeightsError, match=f"config.json: {message}"):
        config_number({"size": value}, "size", field="dim", like=like, where="config.json")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="cannot write a checkpoint"):
        write_checkpoint(tmp_path / "file", {}, {})


@pytest.mark.parametrize(("key", "value", "most"), [("num_hidden_layers", 1001, 1000), ("size", 10**50, 2**24)])
def test_no_config_asks_for_more_than_any_model_has(key, value, most):
    with pytest.raises(WeightsError, match=rf"'{key}' is .*; it must be at least 1 and at most {most}"):
        config_number({key: value}, key, field="dim", like=1, where="config.json")
