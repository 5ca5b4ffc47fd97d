"""The two formats of torch.save: a zip file, and before torch 1.6 pickles and then numbers, one after another."""

import io
import struct
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import numpy as np
from jaxtyping import UInt8

from jaxmm.errors import brief
from jaxmm.weights.torch_archive import DAMAGED, checked_size, read_directory, read_entry
from jaxmm.weights.torch_pickle import VALUES_ALONE, Symbol, unpickle

MAX_PICKLE_BYTES = 8 * 2**20
"""Of what is no tensor."""

MAGIC = 0x1950A86A20F9469CFC6C
"""What the first pickle of the older format holds."""

_PICKLE = "data.pkl"
_COUNT = struct.Struct("<q")
_NOT_LITTLE = "not little; load and save it with torch on a machine that is"


class _Zip:
    """A zip file of a pickle and one member a storage."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self._entries = read_directory(file)
        self._folder = self._find_folder()

    def pickle(self) -> bytes:
        entry = self._entries[f"{self._folder}/{_PICKLE}"]
        if entry.size > MAX_PICKLE_BYTES:
            raise ValueError(f"it holds more than {MAX_PICKLE_BYTES // 2**20} MiB besides tensors; {VALUES_ALONE}")
        if (order := f"{self._folder}/byteorder") in self._entries:
            name = read_entry(self._file, self._entries[order]).tobytes()
            if name != b"little":
                raise ValueError(f"its byte order is {brief(name)}, {_NOT_LITTLE}")
        return read_entry(self._file, entry).tobytes()

    def storage(self, key: str) -> UInt8[np.ndarray, "bytes"]:
        if (path := f"{self._folder}/data/{key}") not in self._entries:
            raise ValueError(f"its member {brief(path)} is missing; {DAMAGED}")
        return read_entry(self._file, self._entries[path])

    def _find_folder(self) -> str:
        """Returns the folder that an archive has everything in: the name that the file was saved by, or "archive"."""
        parts = [name.split("/") for name in self._entries]
        folders = [folder for folder, *inner in parts if inner == [_PICKLE]]
        if len(folders) != 1:
            raise ValueError(f"it is a zip file without one {_PICKLE}; give a file that torch.save wrote")
        if f"{folders[0]}/constants.pkl" in self._entries:
            raise ValueError(
                "it is a TorchScript archive, which holds code; where torch is installed, save its values: "
                "torch.save(torch.jit.load(path).state_dict(), path)"
            )
        return folders[0]


class _Row:
    """Five pickles (magic, version, system, what was saved, keys of storages), and the storages in the keys' order.

    Every storage begins with its number of elements; their size is known only from the fourth pickle, which is read
    once for that and nothing made of it.
    """

    def __init__(
        self, file: io.BufferedIOBase, symbols: frozenset[str], num_bytes: Callable[[Symbol, int], int | None]
    ) -> None:
        self._file, self._num_bytes = file, num_bytes
        self._size = checked_size(file)
        file.seek(0)
        self._head = file.read(MAX_PICKLE_BYTES)
        self._sizes: dict[str, tuple[int, int]] = {}  # bytes and elements
        magic, place = self._plain(0)
        if magic != MAGIC:
            raise ValueError("it is a bare pickle, which torch.save did not write; give a file that torch.save wrote")
        _, place = self._plain(place)
        system, self._start = self._plain(place)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise ValueError(f"its byte order is big, {_NOT_LITTLE}")
        _, place = unpickle(self._head, start=self._start, symbols=symbols, persistent=self._note, call=_nothing)
        keys, place = self._plain(place)
        self._places = self._lay_out(keys, place)

    def pickle(self) -> bytes:
        return self._head[self._start :]

    def storage(self, key: str) -> UInt8[np.ndarray, "bytes"]:
        if key not in self._places:
            raise ValueError(f"storage {brief(key)} is missing; {DAMAGED}")
        place, size = self._places[key]
        self._file.seek(place)
        content = bytearray(size)
        if self._file.readinto(content) != size:
            raise ValueError(f"storage {brief(key)} is cut; {DAMAGED}")
        return np.frombuffer(content, np.uint8)

    def _plain(self, start: int) -> tuple[Any, int]:
        return unpickle(self._head, start=start, symbols=(), persistent=_no_storage, call=_nothing)

    def _note(self, persistent_id: Any) -> None:
        match persistent_id:
            case ("storage", Symbol() as kind, str() as key, str(), int() as length, None) if length >= 0:
                if (size := self._num_bytes(kind, length)) is not None:
                    self._sizes[key] = size, length

    def _lay_out(self, keys: Any, place: int) -> dict[str, tuple[int, int]]:
        """Returns where each storage begins, and its size in bytes."""
        if not isinstance(keys, list) or any(not isinstance(key, str) for key in keys) or set(keys) != set(self._sizes):
            raise ValueError(f"the list of its storages is not that of its tensors; {DAMAGED}")
        places = {}
        for key in keys:
            size, length = self._sizes[key]
            self._file.seek(place)
            announced = self._file.read(_COUNT.size)
            place += _COUNT.size
            if place + size > self._size:
                raise ValueError(f"storage {brief(key)} is cut; {DAMAGED}")
            if _COUNT.unpack(announced)[0] != length:
                raise ValueError(f"storage {brief(key)} has not the {length} elements that its tensors say; {DAMAGED}")
            places[key] = place, size
            place += size
        return places


Saved: TypeAlias = _Zip | _Row
"""A file in either format: `pickle` returns what was saved, `storage` the bytes of a storage that it names."""


def open_saved(
    file: io.BufferedIOBase, *, symbols: frozenset[str], num_bytes: Callable[[Symbol, int], int | None]
) -> Saved:
    """Opens a file in either format.

    Args:
        file: The file.
        symbols: Names that may occur in its pickle.
        num_bytes: Bytes of a storage of a type and a number of elements; None where the symbol is no type.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is in neither format, damaged, or larger than `torch_archive.MAX_FILE_BYTES`.

    Example:
        >>> import zipfile
        >>> file = io.BytesIO()
        >>> with zipfile.ZipFile(file, "w") as archive:
        ...     archive.writestr("note/data.pkl", b"N.")
        >>> open_saved(file, symbols=frozenset(), num_bytes=lambda kind, length: None).pickle()
        b'N.'
    """
    file.seek(0)
    start = file.read(4)
    if start.startswith(b"\x80"):
        return _Row(file, symbols, num_bytes)
    if start != b"PK\x03\x04":
        raise ValueError("it is no zip file, so not of torch.save; give a file that torch.save wrote")
    return _Zip(file)


def _nothing(symbol: Symbol, arguments: Any) -> dict[str, Any]:
    """Makes of any call what items can be set of."""
    del symbol, arguments
    return {}


def _no_storage(persistent_id: Any) -> NoReturn:
    raise ValueError(f"it refers to a storage before its tensors; {DAMAGED}")
