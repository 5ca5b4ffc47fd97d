"""The files of a checkpoint folder: config.json, and the tensors in one of three forms."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxmm.errors import WeightsError, brief, reason
from jaxmm.files import check_safetensors, read_json, whole_file, write_text
from jaxmm.hub import CONFIG, INDEX, TENSORS, TORCH_TENSORS
from jaxmm.weights.torch_file import read_torch

MOST_LAYERS = 1000
"""Of a checkpoint: modules are built for all of them before any tensor is looked at."""

LARGEST_WIDTH = 2**24


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


def config_number(config: Mapping[str, Any], key: str, *, field: str, like: float, where: str) -> int | float:
    """Returns a number in a checkpoint's config.json.

    Args:
        config: What config.json holds.
        key: The number's name there.
        field: What it sets.
        like: A float where a rate in [0, 1) is looked for, and otherwise a whole number, at least 1, and at most
            `MOST_LAYERS` of layers and `LARGEST_WIDTH` of all else.
        where: The file, for messages.

    Raises:
        WeightsError: If there is none, or another one.

    Example:
        >>> config_number({"hidden_size": 768}, "hidden_size", field="dim", like=512, where="config.json")
        768
    """
    if key not in config:
        raise WeightsError(f"{where}: '{key}' is missing, which sets {field}; add it, or fetch the checkpoint again")
    value, is_rate = config[key], isinstance(like, float)
    if isinstance(value, bool) or not isinstance(value, (int, float) if is_rate else int):
        raise WeightsError(
            f"{where}: '{key}' is {brief(value)}; it must be {'a number' if is_rate else 'a whole number'}"
        )
    most = MOST_LAYERS if "layers" in key else LARGEST_WIDTH
    if not (0 <= value < 1 if is_rate else 1 <= value <= most):
        asked = "in [0, 1)" if is_rate else f"at least 1 and at most {most}"
        raise WeightsError(f"{where}: '{key}' is {brief(value)}; it must be {asked}")
    return float(value) if is_rate else value


def read_tensors(folder: str | Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a checkpoint by name, from the files that `tensor_files` lists.

    Raises:
        WeightsError: If the files are absent, damaged, or not those that an index describes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_checkpoint(folder, {"lin.weight": np.ones((2, 3), np.float32)}, {"model_type": "bert"})
        ...     read_tensors(folder)["lin.weight"].shape
        (2, 3)
    """
    folder = Path(folder)
    files = tensor_files(folder)
    if files[0].name == TORCH_TENSORS:
        return read_state(files[0])
    if files[0].name == TENSORS:
        return read_safetensors(files[0])
    tensors: dict[str, np.ndarray] = {}
    listed = _read_index(folder)
    for path in files:
        part = read_safetensors(path)
        if set(part) != {name for name, file in listed.items() if file == path.name}:
            raise WeightsError(f"{path}: does not hold the tensors that {INDEX} lists; fetch the checkpoint again")
        tensors |= part
    return tensors


def tensor_files(folder: str | Path) -> tuple[Path, ...]:
    """Returns the files that hold a checkpoint's tensors.

    They are `model.safetensors`, or else the parts that `model.safetensors.index.json` lists, or else
    `pytorch_model.bin`, which is read without running anything in it.

    Raises:
        WeightsError: If there are none, or the index is damaged.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_checkpoint(folder, {"lin.weight": np.ones((2, 3), np.float32)}, {"model_type": "bert"})
        ...     [path.name for path in tensor_files(folder)]
        ['model.safetensors']
    """
    folder = Path(folder)
    if (folder / TENSORS).is_file():
        return (folder / TENSORS,)
    if (folder / INDEX).is_file():
        return tuple(folder / name for name in sorted(set(_read_index(folder).values())))
    if (folder / TORCH_TENSORS).is_file():
        return (folder / TORCH_TENSORS,)
    hint = f"give the folder of a checkpoint, with {CONFIG} and {TENSORS}"
    if (folder / f"{TORCH_TENSORS}.index.json").is_file():
        hint = (
            "parts of a pytorch_model.bin are not read; where torch is installed, convert them once: "
            f"AutoModel.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})"
        )
    raise WeightsError(f"{folder / TENSORS}: no such file; {hint}")


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


def read_state(path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a file that torch.save wrote of a state_dict, by name.

    Raises:
        WeightsError: If the file is absent, damaged, or holds anything else.

    Example:
        >>> read_state(Path("no/such.pth"))
        Traceback (most recent call last):
        jaxmm.errors.WeightsError: no/such.pth: no such file; give a file that torch.save wrote
    """
    state = read_torch(path)
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, np.ndarray) for name, tensor in state.items()
    ):
        raise WeightsError(
            f"{path}: holds no table of tensors by name; save it as torch.save(model.state_dict(), path)"
        )
    return state


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
        with whole_file(target / TENSORS) as building:
            save_file(dict(tensors), building, metadata={"format": "pt"})
        write_text(target / CONFIG, json.dumps(config, indent=2) + "\n")
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{target}: cannot write a checkpoint ({reason(error)}); choose a folder you may write to"
        ) from error


def _read_index(folder: Path) -> dict[str, str]:
    """Returns the name of the file that holds each tensor."""
    path = folder / INDEX
    try:
        index = read_json(path)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: not readable as JSON ({reason(error)}); fetch the checkpoint again") from error
    listed = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(listed, dict) or not listed:
        raise WeightsError(f"{path}: has no 'weight_map' of tensors and files; fetch the checkpoint again")
    for file in listed.values():
        # An index is not trusted: it names files of its own folder.
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(".safetensors"):
            raise WeightsError(f"{path}: lists {brief(file)}, which is no safetensors file beside it; fetch it again")
    return listed
