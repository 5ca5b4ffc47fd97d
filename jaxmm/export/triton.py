"""A model repository of the Triton inference server around an exported ONNX file."""

import shutil
from pathlib import Path

from jaxmm.artefact import Tensor, read_metadata
from jaxmm.errors import ArtefactError, ConfigError

MAX_BATCH_SIZE = 64
"""Most rows that the server puts into one batch; a field to change in `config.pbtxt`."""

_TYPES = {"float32": "TYPE_FP32", "int32": "TYPE_INT32", "uint8": "TYPE_UINT8", "bool": "TYPE_BOOL"}


def write_repository(path: Path, folder: Path) -> Path:
    """Writes `<name>/config.pbtxt` and `<name>/1/model.onnx`, which the server's `--model-repository` takes.

    Args:
        path: An exported ONNX file; its name without the ending is the model's.
        folder: The repository, which may hold other models.

    Returns:
        The model's folder.

    Raises:
        ArtefactError: If the file is no exported ONNX file.
        ConfigError: If the repository has a model of that name.

    Example:
        >>> write_repository(Path("no/such.onnx"), Path("models"))
        Traceback (most recent call last):
        jaxmm.errors.ArtefactError: no/such.onnx: no such file
    """
    about, model = read_metadata(path), folder / path.stem
    if path.suffix != ".onnx":
        raise ArtefactError(f"{path}: is no ONNX file, which the server would run; export with --format onnx")
    if any(tensor.shape[:1] != ("batch",) for tensor in (*about.inputs, *about.outputs)):
        raise ArtefactError(f"{path}: an input or output has no batch, which the server would put together")
    if model.exists():
        raise ConfigError(f"{model}: is there already; name another folder, or delete it")
    (model / "1").mkdir(parents=True)
    shutil.copyfile(path, model / "1" / "model.onnx")
    (model / "config.pbtxt").write_text(_config(path.stem, about.inputs, about.outputs), encoding="utf-8")
    return model


def _config(name: str, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> str:
    tensors = "\n".join(
        f"{kind} [\n" + ",\n".join(map(_tensor, own)) + "\n]" for kind, own in (("input", inputs), ("output", outputs))
    )
    return (
        f'name: "{name}"\nbackend: "onnxruntime"\nmax_batch_size: {MAX_BATCH_SIZE}\n{tensors}\n'
        "dynamic_batching { max_queue_delay_microseconds: 2000 }\n"
    )


def _tensor(tensor: Tensor) -> str:
    """Describes a tensor without its first axis, the batch, which the server adds; -1 is any length."""
    rest = [str(axis) if isinstance(axis, int) else "-1" for axis in tensor.shape[1:]]
    # A tensor of one number a row has an axis for the server alone.
    dims, reshape = (rest, "") if rest else (["1"], ", reshape: { shape: [ ] }")
    return f'  {{ name: "{tensor.name}", data_type: {_TYPES[tensor.dtype]}, dims: [ {", ".join(dims)} ]{reshape} }}'
