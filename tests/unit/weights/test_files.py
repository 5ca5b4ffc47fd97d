import numpy as np
import pytest
from safetensors import safe_open

from jaxmm.errors import WeightsError
from jaxmm.weights.files import read_config, read_tensors, write_checkpoint


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
        ("pytorch_model.bin", r"pytorch_model.bin can run code .* AutoModel.from_pretrained\(.*\).save_pretrained\("),
        ("model.safetensors.index.json", "split into several files; save it as one"),
        ("readme.md", "give the folder of a checkpoint, with config.json and model.safetensors"),
    ],
)
def test_absent_tensors_are_refused_with_what_to_do(present, message, tmp_path):
    (tmp_path / present).write_bytes(b"")
    with pytest.raises(WeightsError, match=f"model.safetensors: no such file; .*{message}"):
        read_tensors(tmp_path)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="cannot write a checkpoint"):
        write_checkpoint(tmp_path / "file", {}, {})
