"""Files that torch.save wrote, read without torch and without running anything that they name."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np

from jaxmm.errors import WeightsError, brief, reason
from jaxmm.weights.torch_archive import DAMAGED
from jaxmm.weights.torch_formats import Saved, open_saved
from jaxmm.weights.torch_pickle import VALUES_ALONE, Symbol, unpickle

MAX_VALUES = 400_000
MAX_DEPTH = 50
MAX_COPIES = 8
"""How often the numbers of a file may stand in its tensors, which can share them."""

_MAX_AXES = 32
_MAX_DEVICE = 40  # characters of a name such as "cuda"; a place is put to it, and so each use of it is a new text
_MAX_LENGTH = 2**40
# What torch calls a type of elements, and how they lie in a file.
_STORED = {
    **{"float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "<u2", "bool": "u1"},
    **{"int64": "<i8", "int32": "<i4", "int16": "<i2", "int8": "i1"},
    **{"uint64": "<u8", "uint32": "<u4", "uint16": "<u2", "uint8": "u1"},
}
_STORAGES = {
    **{"torch.DoubleStorage": "float64", "torch.FloatStorage": "float32", "torch.HalfStorage": "float16"},
    **{"torch.BFloat16Storage": "bfloat16", "torch.BoolStorage": "bool", "torch.LongStorage": "int64"},
    **{"torch.IntStorage": "int32", "torch.ShortStorage": "int16", "torch.CharStorage": "int8"},
    **{"torch.ByteStorage": "uint8", "torch.storage.UntypedStorage": "uint8"},
}
_DTYPES = {f"torch.{dtype}": dtype for dtype in _STORED}
_TENSOR, _TYPED_TENSOR = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"
_PARAMETER = "torch._utils._rebuild_parameter"
_SYMBOLS = frozenset(
    {*_STORAGES, *_DTYPES, _TENSOR, _TYPED_TENSOR, _PARAMETER, "torch.Size", "torch.device", "collections.OrderedDict"}
)


def read_torch(path: str | Path) -> Any:
    """Reads a `.pt` or `.pth` file that torch.save wrote, in its format since torch 1.6 or in the one before.

    Nothing in the file is run: names are compared with a short list, and whatever else it asks for is an error. At most
    1 GiB is read, and what is returned takes no more memory than the file, or twice that where it holds bfloat16.

    Args:
        path: The file.

    Returns:
        What was saved: dicts, lists and tuples of plain values and NumPy arrays. Tensors of bfloat16 become float32,
        parameters plain arrays, an OrderedDict a dict, a torch.Size a tuple, and dtypes and devices text
        ("torch.float32", "cpu"). Tensors that shared memory share it still, and those that were not contiguous are not.

    Raises:
        WeightsError: If the file is absent, damaged or too large, was written on a big-endian machine or by
            TorchScript, or holds anything but tensors and plain values.

    Example:
        >>> import pickle, tempfile, zipfile
        >>> path = Path(tempfile.mkdtemp()) / "note.pt"
        >>> with zipfile.ZipFile(path, "w") as archive:
        ...     archive.writestr("note/data.pkl", pickle.dumps({"fps": 15, "labels": ["walk"]}, protocol=2))
        >>> read_torch(path)
        {'fps': 15, 'labels': ['walk']}
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; give a file that torch.save wrote")
    try:
        with path.open("rb") as file:
            saved = open_saved(file, symbols=_SYMBOLS, num_bytes=_num_bytes)
            reader = _Reader(saved)
            content, _ = unpickle(saved.pickle(), symbols=_SYMBOLS, persistent=reader.storage, call=reader.call)
            _check_values(content, max_bytes=MAX_COPIES * path.stat().st_size)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({reason(error)}); choose a file you may read") from error
    except ValueError as error:
        raise WeightsError(f"{path}: {reason(error, 600)}") from error
    return content


@dataclasses.dataclass(frozen=True, eq=False)
class _Storage:
    """Numbers that tensors are made of; their type may be known only from the tensor."""

    key: str
    content: np.ndarray
    dtype: str


class _Reader:
    """Makes arrays of the storages in an archive."""

    def __init__(self, saved: Saved) -> None:
        self._saved = saved
        self._contents: dict[str, np.ndarray] = {}
        self._elements: dict[tuple[str, str], np.ndarray] = {}

    def storage(self, persistent_id: Any) -> _Storage:
        """Reads the storage that a pickle asks for; in the older format an id may end with None."""
        match persistent_id:
            case ("storage", Symbol() as kind, str() as key, str(), int() as length, *view) if (
                kind in _STORAGES and view in ([], [None])
            ):
                pass
            case _:
                raise ValueError(f"it refers to something that is no storage of numbers; {VALUES_ALONE}")
        if key not in self._contents:
            self._contents[key] = self._saved.storage(key)
        content = self._contents[key]
        if len(content) != _num_bytes(kind, length):
            raise ValueError(
                f"storage {brief(key)} has {len(content)} bytes, not {brief(length)} of {_STORAGES[kind]}; {DAMAGED}"
            )
        return _Storage(key, content, _STORAGES[kind])

    def call(self, symbol: Symbol, arguments: tuple[Any, ...]) -> Any:
        """Makes what a name of torch makes of its arguments; hooks and gradients are left out."""
        match (str(symbol), *arguments):
            case ("collections.OrderedDict",):
                return {}
            case ("torch.Size", tuple() as shape):
                return shape
            case ("torch.device", str() as device):
                return device
            case ("torch.device", str() as device, int() as place) if len(device) <= _MAX_DEVICE:
                return f"{device}:{place}"
            case (name, np.ndarray() as tensor, _, _) if name == _PARAMETER:
                return tensor
            case (name, _Storage() as storage, offset, tuple() as shape, tuple() as strides, _, _, *more) if (
                name == _TENSOR and _is_plain(more)
            ):
                return self._tensor(storage, storage.dtype, offset, shape, strides)
            case (name, _Storage() as storage, offset, tuple() as shape, tuple() as strides, _, _, dtype, *more) if (
                name == _TYPED_TENSOR and isinstance(dtype, Symbol) and dtype in _DTYPES and _is_plain(more)
            ):
                return self._tensor(storage, _DTYPES[dtype], offset, shape, strides)
        raise ValueError(f"it calls {symbol} with arguments that are not read, and nothing was run; {VALUES_ALONE}")

    def _tensor(
        self, storage: _Storage, dtype: str, offset: Any, shape: tuple[Any, ...], strides: tuple[Any, ...]
    ) -> np.ndarray:
        elements = self._elements_of(storage, dtype)
        num_reached = _num_reached(offset, shape, strides)
        if 0 in shape:
            return np.empty(shape, elements.dtype)
        if num_reached > len(elements):
            raise ValueError(
                f"a tensor of shape {brief(shape)} reaches beyond the {len(elements)} elements of storage "
                f"{brief(storage.key)}; {DAMAGED}"
            )
        if math.prod(shape) > len(elements):
            raise ValueError(
                f"a tensor of shape {brief(shape)} repeats the {len(elements)} elements of its storage; save it with "
                "tensor.contiguous()"
            )
        width = elements.itemsize
        return np.ndarray(shape, elements.dtype, elements, offset * width, [stride * width for stride in strides])

    def _elements_of(self, storage: _Storage, dtype: str) -> np.ndarray:
        """Returns the numbers of a storage; the arrays of all tensors that share it are views of them."""
        if (key := (storage.key, dtype)) not in self._elements:
            stored = np.dtype(_STORED[dtype])
            if len(storage.content) % stored.itemsize:
                raise ValueError(f"storage {brief(storage.key)} does not divide into {dtype}; {DAMAGED}")
            self._elements[key] = _decode(storage.content.view(stored), dtype)
        return self._elements[key]


def _num_bytes(kind: Symbol, length: int) -> int | None:
    """Returns the size of a storage, None for what is no type of storages."""
    return length * np.dtype(_STORED[_STORAGES[kind]]).itemsize if kind in _STORAGES else None


def _num_reached(offset: Any, shape: tuple[Any, ...], strides: tuple[Any, ...]) -> int:
    """Returns how many elements the storage of a tensor must have, if it has any itself."""
    if len(shape) != len(strides) or len(shape) > _MAX_AXES:
        raise ValueError(f"a tensor has {len(shape)} axes and {len(strides)} strides; {DAMAGED}")
    if any(type(number) is not int or not 0 <= number < _MAX_LENGTH for number in (offset, *shape, *strides)):
        raise ValueError(f"a tensor has a length, stride or offset that none has; {DAMAGED}")
    if math.prod(max(1, length) for length in shape) >= _MAX_LENGTH:
        raise ValueError(f"a tensor of shape {brief(shape)} is announced; {DAMAGED}")
    return 1 + offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))


def _decode(stored: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "bfloat16":
        wide = np.zeros((len(stored), 2), "<u2")
        wide[:, 1] = stored  # the upper half of a float32
        return wide.reshape(-1).view("<f4")
    return stored != 0 if dtype == "bool" else stored


def _is_plain(metadata: list[Any]) -> bool:
    """Tells whether a tensor is what its numbers say, and not conjugated or negated as it is used."""
    return len(metadata) <= 1 and all(item is None or (isinstance(item, dict) and not item) for item in metadata)


def _check_values(content: Any, *, max_bytes: int) -> None:
    """Refuses what would take whoever goes through it without end: values that hold themselves or each other."""
    pending, num_values, num_bytes = [(content, 0)], 1, 0
    while pending:
        value, depth = pending.pop()
        if isinstance(value, dict | list | tuple):
            parts = list(value.values()) if isinstance(value, dict) else value
            num_values += len(parts)
            if depth == MAX_DEPTH or num_values > MAX_VALUES:
                raise ValueError(
                    f"its values are nested more than {MAX_DEPTH} deep, or hold each other more than {MAX_VALUES} "
                    f"times over; {VALUES_ALONE}"
                )
            pending.extend((part, depth + 1) for part in parts)
        elif isinstance(value, np.ndarray):
            num_bytes += value.nbytes
            if num_bytes > max_bytes:
                raise ValueError(
                    f"its tensors share the same numbers more than {MAX_COPIES} times over; save them as "
                    "{name: tensor.clone()}"
                )
        elif not isinstance(value, str | int | float | None):
            raise ValueError(f"it holds a storage that belongs to no tensor; {VALUES_ALONE}")
