"""The files of a checkpoint folder: config.json and model.safetensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxmm.errors import WeightsError, reason
from jaxmm.files import check_safetensors, read_json
from jaxmm.hub import CONFIG, TENSORS


def read_config(folder: str | Path) -> dict[str, Any]:
    """Returns the object in a checkpoint's config.json.

    Raises:
        WeightsError: If the file is absent, not readable, or not a JSON object.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_checkpoint(folder, {"lin.weight": np.ones((2, 3), np.float32)}, {"model_type": "bert"})
        ...     read_config(folder)
        {'model_type': 'bert'}
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; give the folder of a checkpoint, with {CONFIG} and {TENSORS}")
    try:
        config = read_json(path)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: not readable as JSON ({reason(error)}); fetch the checkpoint again") from error
    if not isinstance(config, dict):
        raise WeightsError(f"{path}: holds a {type(config).__name__}, not an object; fetch the checkpoint again")
    return config


def read_tensors(folder: str | Path) -> dict[str, np.ndarray]:
    """Returns the tensors in a checkpoint's model.safetensors by name; no other format is read.

    Raises:
        WeightsError: If the file is absent (saying how to convert what is there instead) or damaged.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_checkpoint(folder, {"lin.weight": np.ones((2, 3), np.float32)}, {"model_type": "bert"})
        ...     read_tensors(folder)["lin.weight"].shape
        (2, 3)
    """
    path = Path(folder) / TENSORS
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; {_how_to_convert(path.parent)}")
    return read_safetensors(path)


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors in a safetensors file by name.

    Raises:
        WeightsError: If the file is absent or damaged.

    Example:
        >>> import tempfile
        >>> from safetensors.numpy import save_file
        >>> path = Path(tempfile.mkdtemp()) / "labels.safetensors"
        >>> save_file({"walk": np.ones(3)}, path)
        >>> read_safetensors(path)["walk"].tolist()
        [1.0, 1.0, 1.0]
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        check_safetensors(path)
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path}: not readable as safetensors ({reason(error)}); the file is damaged or incomplete, fetch it again"
        ) from error


def write_checkpoint(folder: str | Path, tensors: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> None:
    """Writes config.json and model.safetensors, replacing those that are there.

    Args:
        folder: Created if absent.
        tensors: Contiguous arrays by name.
        config: What config.json is to hold.

    Raises:
        WeightsError: If the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_checkpoint(folder, {"lin.weight": np.ones((2, 3), np.float32)}, {"model_type": "bert"})
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['config.json', 'model.safetensors']
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        # transformers refuses a file that does not name the framework its tensors came from.
        save_file(dict(tensors), target / TENSORS, metadata={"format": "pt"})
        (target / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{target}: cannot write a checkpoint ({reason(error)}); choose a folder you may write to"
        ) from error


def _how_to_convert(folder: Path) -> str:
    if (folder / f"{TENSORS}.index.json").is_file():
        return "the checkpoint is split into several files; save it as one with transformers, max_shard_size='50GB'"
    if (folder / "pytorch_model.bin").is_file():
        return (
            "pytorch_model.bin can run code when it is read and is not supported; where torch is installed, convert "
            f"it once: AutoModel.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})"
        )
    return f"give the folder of a checkpoint, with {CONFIG} and {TENSORS}"
