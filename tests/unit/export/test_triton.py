"""The command that exports, and the model repository it writes."""

import numpy as np
import pytest

from jaxmm import cli
from jaxmm.artefact.metadata import Metadata
from jaxmm.errors import ArtefactError, ConfigError
from jaxmm.export.triton import write_repository
from jaxmm.export.write import write_parameters

CONFIG = """\
name: "frames"
backend: "onnxruntime"
max_batch_size: 64
input [
  { name: "features", data_type: TYPE_FP32, dims: [ -1, 8 ] },
  { name: "frame_mask", data_type: TYPE_BOOL, dims: [ -1 ] }
]
output [
  { name: "logits", data_type: TYPE_FP32, dims: [ -1, 27 ] }
]
dynamic_batching { max_queue_delay_microseconds: 2000 }
"""


def test_the_command_writes_the_file_and_a_repository_around_it(models, tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    monkeypatch.setattr("jaxmm.model.load", lambda run, checkpoint: models["segments"])
    monkeypatch.setattr("jaxmm.console.set_up", lambda: None)
    path, folder = tmp_path / "frames.onnx", tmp_path / "models"
    cli.main(["export", "run", "--format", "onnx", "--out", str(path), "--triton", str(folder), "--json"])
    assert f'"bytes": {path.stat().st_size}' in capsys.readouterr().out
    assert (folder / "frames" / "config.pbtxt").read_text() == CONFIG
    assert (folder / "frames" / "1" / "model.onnx").read_bytes() == path.read_bytes()
    with pytest.raises(ConfigError, match="is there already"):
        write_repository(path, folder)


def test_a_repository_is_of_onnx_files(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["export", "run", "--format", "stablehlo", "--triton", "models"])
    assert stopped.value.code == 2
    assert "--triton is of ONNX files" in capsys.readouterr().err


def test_parameters_alone_are_no_model(tmp_path):
    path = tmp_path / "all.safetensors"
    write_parameters(path, Metadata(task="SumTask", part="model", digest="", step=0, version=""), {"w": np.ones(2)})
    with pytest.raises(ArtefactError, match=r"all.safetensors: is no ONNX file"):
        write_repository(path, tmp_path / "models")
