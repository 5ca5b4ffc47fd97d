"""Embeddings of labels' descriptions that were computed before: one vector a label, in three formats of file."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from jaxmm.arrays import open_archive, read_member
from jaxmm.errors import DataError, WeightsError, brief, reason
from jaxmm.files import whole_file
from jaxmm.weights.files import read_safetensors
from jaxmm.weights.torch_file import read_torch

MAX_BYTES = 64 * 2**20
"""Of a file, and of what is in it: forty thousand labels of 384 numbers fit."""

FORMATS = (".pt", ".pth", ".npz", ".safetensors")
"""Endings of the files that are read."""

_MAX_LABEL = 1000
_RESERVED = "__metadata__"  # of safetensors


def read_label_embeddings(path: str | Path) -> dict[str, Float32[np.ndarray, "dim"]]:
    """Reads one vector for each label.

    Args:
        path: `.pt` or `.pth`, which holds {label: tensor} or {"embeddings": {label: tensor}} and needs no torch; `.npz`
            with an array a label, or `.safetensors` with a tensor a label. Vectors are (dim,) or (1, dim).

    Returns:
        The vectors by label, as they are in the file: at least one, all of one width and finite.

    Raises:
        WeightsError: If the file is absent, damaged, of another format, or holds anything else.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "labels.npz"
        >>> np.savez(path, cut_tomato=np.zeros(384), mix_dressing=np.ones(384))
        >>> {label: vector.shape for label, vector in read_label_embeddings(path).items()}
        {'cut_tomato': (384,), 'mix_dressing': (384,)}
    """
    path = Path(path)
    read = _of_format(path, dict(zip(FORMATS, (_read_torch, _read_torch, _read_npz, read_safetensors), strict=True)))
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; give the embeddings of labels, {', '.join(FORMATS)}")
    if (num_bytes := path.stat().st_size) > MAX_BYTES:
        raise WeightsError(f"{path}: {_too_large(num_bytes)}")
    return _checked(path, read(path))


def write_label_embeddings(path: str | Path, embeddings: Mapping[str, Float[np.ndarray, "dim"]]) -> None:
    """Writes one vector for each label as float32, whole or not at all.

    Args:
        path: `.npz` or `.safetensors`; its folder is created if absent.
        embeddings: The vectors by label: at least one, all of one width and finite.

    Raises:
        WeightsError: If the file cannot be written, or `read_label_embeddings` would refuse it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "labels.safetensors"
        >>> write_label_embeddings(path, {"cut_tomato": np.arange(3.0)})
        >>> read_label_embeddings(path)
        {'cut_tomato': array([0., 1., 2.], dtype=float32)}
    """
    from safetensors import SafetensorError

    path = Path(path)
    write = _of_format(path, _WRITERS)
    checked = _checked(path, embeddings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as building:
            write(building, checked)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be written ({reason(error)}); choose a folder you may write to") from error


def _checked(path: Path, found: Mapping[Any, Any]) -> dict[str, Float32[np.ndarray, "dim"]]:
    if not found:
        raise WeightsError(f"{path}: holds no embeddings; it needs one vector a label")
    vectors: dict[str, np.ndarray] = {}
    for label, array in found.items():
        if not isinstance(label, str) or not _is_label(label):
            raise WeightsError(f"{path}: {brief(label)} is no label; name vectors by the labels of the mapping")
        where = f"{path}: the embedding of {brief(label)}"
        # bfloat16 is no type of NumPy's own.
        if not isinstance(array, np.ndarray) or not (array.dtype.kind == "f" or array.dtype.name == "bfloat16"):
            kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise WeightsError(f"{where} is {kind}, not a tensor of floats; save {{label: tensor}}")
        if array.ndim not in (1, 2) or array.size != array.shape[-1] or not array.size:
            raise WeightsError(f"{where} has shape {brief(array.shape)}, not (dim,); save one vector a label")
        with np.errstate(over="ignore"):
            vectors[label] = np.array(array.reshape(-1), np.float32)
        if not np.isfinite(vectors[label]).all():
            raise WeightsError(f"{where} is not finite as float32; compute it again")
    first = next(iter(vectors))
    for label, vector in vectors.items():
        if len(vector) != len(vectors[first]):
            raise WeightsError(
                f"{path}: the embeddings of {brief(first)} and {brief(label)} have {len(vectors[first])} and "
                f"{len(vector)} numbers; compute all with one model"
            )
    return vectors


def _is_label(name: str) -> bool:
    """Tells whether every format can hold a name: zip files cut it at a zero, and no label is unprintable."""
    return len(name.strip()) > 0 and len(name) <= _MAX_LABEL and name.isprintable() and name != _RESERVED


def _read_torch(path: Path) -> Mapping[Any, Any]:
    found = read_torch(path)
    if isinstance(found, dict) and isinstance(found.get("embeddings"), dict):
        found = found["embeddings"]
    if not isinstance(found, dict):
        raise WeightsError(
            f"{path}: holds a {type(found).__name__}, not a dict; save {{'embeddings': {{label: tensor}}}}"
        )
    return found


def _read_npz(path: Path) -> Mapping[Any, Any]:
    try:
        with open_archive(path) as archive:
            # Small members can inflate to any size; each gives no more than it states here.
            if (num_bytes := sum(member.file_size for member in archive.infolist())) > MAX_BYTES:
                raise WeightsError(f"{path}: {_too_large(num_bytes)}")
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            return {name: read_member(archive, name) for name in names}
    except DataError as error:
        raise WeightsError(str(error)) from error


def _write_npz(path: Path, vectors: Mapping[str, np.ndarray]) -> None:
    # np.savez takes labels as the names of its own arguments, of which one is "file".
    with zipfile.ZipFile(path, "w") as archive:
        for label, vector in vectors.items():
            with archive.open(f"{label}.npy", "w") as member:
                np.lib.format.write_array(member, vector, allow_pickle=False)


def _write_safetensors(path: Path, vectors: Mapping[str, np.ndarray]) -> None:
    from safetensors.numpy import save_file

    save_file(dict(vectors), path)


_WRITERS: dict[str, Callable[[Path, Mapping[str, np.ndarray]], None]] = {
    ".npz": _write_npz,
    ".safetensors": _write_safetensors,
}


def _too_large(num_bytes: int) -> str:
    return f"holds {num_bytes} bytes, more than {MAX_BYTES}; save one vector a label and nothing else"


def _of_format(path: Path, known: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    if (ending := path.suffix.lower()) not in known:
        raise WeightsError(f"{path}: ends in {brief(path.suffix)}; embeddings of labels are {', '.join(known)}")
    return known[ending]
