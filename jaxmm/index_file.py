"""Files of galleries to search: arrays that are mapped as they are used, and JSON that says what they are."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxmm.errors import CheckpointError, DataError, reason
from jaxmm.files import check_safetensors, whole_file

_DTYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8", "BOOL": "?"}


def write_index(path: Path, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any], *, form: str) -> None:
    """Writes a safetensors file, whole or not at all.

    Args:
        path: The file; its folder is created if absent.
        arrays: Of float32, float16, int64 or bool.
        values: What else is known, as JSON values.
        form: Name of what the file holds, with a version.

    Raises:
        DataError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "gallery.safetensors"
        >>> write_index(path, {"x": np.ones(2, np.float32)}, {"digest": "abc"}, form="example-1")
        >>> arrays, values = read_index(path, ("x",), form="example-1")
        >>> arrays["x"].tolist(), values
        ([1.0, 1.0], '{"digest": "abc"}')
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    own = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as building:
            save_file(own, building, metadata={"format": form, "values": json.dumps(values)})
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be written ({reason(error)})") from error


def read_index(path: Path, names: Sequence[str], *, form: str) -> tuple[dict[str, np.ndarray], str | None]:
    """Opens what `write_index` wrote; what its parts hold is for the caller to check.

    Args:
        path: The file.
        names: Its arrays.
        form: Name of what it is to hold.

    Returns:
        The arrays, mapped from the file, and the values as JSON, if it has any.

    Raises:
        DataError: If the file is missing or no such index.
    """
    from safetensors import SafetensorError, safe_open

    try:
        check_safetensors(path)
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != form:
                raise DataError(f"{path}: is not an index; make one with jaxmm index")
        return _mapped(path, names), metadata.get("values")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read ({reason(error)}); make an index with jaxmm index") from error


def check_shapes(arrays: Mapping[str, np.ndarray], expected: Mapping[str, tuple[type, tuple[int, ...]]]) -> None:
    """Raises a ValueError where an array is not of its type and shape.

    Example:
        >>> check_shapes({"x": np.ones(2, np.float32)}, {"x": (np.float32, (3,))})
        Traceback (most recent call last):
        ValueError: x is float32 of shape (2,), not (3,)
    """
    for name, (dtype, shape) in expected.items():
        if arrays[name].dtype != dtype or arrays[name].shape != shape:
            raise ValueError(f"{name} is {arrays[name].dtype} of shape {arrays[name].shape}, not {shape}")


def check_made_by(made_by: str, digest: str) -> None:
    """Refuses an index that another checkpoint made than the one that searches it.

    Args:
        made_by: Digest of the model that made it.
        digest: Digest of the model that searches.

    Raises:
        CheckpointError: If the digests differ.

    Example:
        >>> check_made_by("abc", "abc")
    """
    if digest != made_by:
        raise CheckpointError("the index was made by another checkpoint; make it anew with jaxmm index")


def _mapped(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Maps the arrays of a safetensors file, which the library itself only reads whole."""
    with path.open("rb") as file:
        header_size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(header_size))
    mapped = {}
    for name in names:
        start, end = header[name]["data_offsets"]
        kind, shape = np.dtype(_DTYPES[header[name]["dtype"]]), tuple(header[name]["shape"])
        # An array without elements cannot be mapped.
        mapped[name] = (
            np.memmap(path, kind, "r", 8 + header_size + start, shape) if end > start else np.zeros(shape, kind)
        )
    return mapped
