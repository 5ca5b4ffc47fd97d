"""NumPy arrays and archives of them from files that are not trusted: nothing is allocated or run on their word."""

import io
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from jaxmm.errors import DataError, reason

MAX_ARRAY_BYTES = 64 * 2**20
"""Of one array once inflated: a small archive can announce terabytes. Half an hour of forty joints as float32 fits."""

MAX_MEMBERS = 250_000
_MAX_HEADER = 10_000
_MOST_AXES = 8
_CHUNK = 2**20

Archive: TypeAlias = zipfile.ZipFile
"""An opened `.npz`."""


def open_archive(path: Path) -> Archive:
    """Opens a `.npz`.

    Raises:
        DataError: If the file is no archive, or lists more members than a data set has.

    Example:
        >>> open_archive(Path("no.npz"))
        Traceback (most recent call last):
        jaxmm.errors.DataError: no.npz: no such file
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        if (members := _stated_members(path)) > MAX_MEMBERS:
            raise DataError(f"{path}: lists {members} members, more than {MAX_MEMBERS}; split the data set")
        return zipfile.ZipFile(path)
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:  # RuntimeError: an unknown compression
        raise DataError(f"{path}: not a readable npz archive ({reason(error)})") from error


def holds(archive: Archive, name: str) -> bool:
    """Tells whether an archive has an array of that name."""
    return f"{name}.npy" in archive.NameToInfo


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """Reads all arrays of a `.npz`, of any number of axes.

    Raises:
        DataError: If the file is no archive, or an array is damaged, of Python objects, or too large.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "two.npz"
        >>> np.savez(path, one=np.ones(1), two=np.ones((2, 1, 1, 1)))
        >>> {name: array.shape for name, array in read_archive(path).items()}
        {'one': (1,), 'two': (2, 1, 1, 1)}
    """
    with open_archive(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        return {name: read_member(archive, name, max_axes=_MOST_AXES) for name in names}


def read_member(archive: Archive, name: str, *, max_axes: int = 3) -> np.ndarray:
    """Reads an array of an archive.

    Args:
        archive: The archive.
        name: Name of the array.
        max_axes: Most axes that it may have.

    Raises:
        DataError: If it is absent, damaged, of Python objects, or larger than `MAX_ARRAY_BYTES`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "one.npz"
        >>> np.savez(path, one=np.ones(3))
        >>> with open_archive(path) as archive:
        ...     read_member(archive, "one").tolist()
        [1.0, 1.0, 1.0]
    """
    origin = f"{archive.filename}[{name}.npy]"
    try:
        info = archive.getinfo(f"{name}.npy")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{origin}: is compressed in a way NumPy does not use; save it with np.savez_compressed")
        with archive.open(info) as file:
            return _read_array(file, origin, info.file_size, MAX_ARRAY_BYTES, max_axes=max_axes)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        raise DataError(f"{origin}: damaged or unsupported ({reason(error)})") from error


def read_array(path: Path, *, max_bytes: int = MAX_ARRAY_BYTES) -> np.ndarray:
    """Reads a `.npy` file.

    Args:
        path: The file.
        max_bytes: Largest array to read.

    Raises:
        DataError: If it is absent, damaged, of Python objects, or larger than `max_bytes`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "one.npy"
        >>> np.save(path, np.ones(3))
        >>> read_array(path).tolist()
        [1.0, 1.0, 1.0]
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with path.open("rb") as file:
            return _read_array(file, str(path), path.stat().st_size, max_bytes)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _read_array(file: Any, origin: str, num_bytes: int, max_bytes: int, *, max_axes: int = 3) -> np.ndarray:
    shape, fortran, dtype = _read_header(file, origin)
    if dtype.hasobject:
        raise DataError(f"{origin}: holds Python objects, which are not read; save numbers")
    lengths_fit = all(not isinstance(length, bool) and 0 <= length < 2**40 for length in shape)
    if dtype.itemsize == 0 or len(shape) > max_axes or not lengths_fit:
        raise DataError(f"{origin}: not a NumPy array (shape {str(shape)[:60]} of {dtype}); save numbers")
    size = dtype.itemsize * int(np.prod([int(length) for length in shape], dtype=object))
    if size > min(num_bytes, max_bytes):
        raise DataError(
            f"{origin}: announces {size} bytes but holds {num_bytes}, of at most {max_bytes}; "
            "the file is damaged, or the recording needs to be split"
        )
    data = np.empty(size, np.uint8)
    filled = 0
    while filled < size and (piece := file.read(min(_CHUNK, size - filled))):
        data[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    if filled != size:
        raise DataError(f"{origin}: ends after {filled} of {size} bytes; the file is damaged")
    return data.view(dtype).reshape(shape, order="F" if fortran else "C")


def _read_header(file: Any, origin: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Reads shape, order and type, after the length of the header itself has been checked."""
    try:
        version = np.lib.format.read_magic(file)
        width = 2 if version == (1, 0) else 4
        length = file.read(width)
        if int.from_bytes(length, "little") > _MAX_HEADER:
            raise ValueError(f"its header is longer than {_MAX_HEADER} bytes")
        header = io.BytesIO(length + file.read(int.from_bytes(length, "little")))
        reader = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return reader(header)
    except (zipfile.BadZipFile, zlib.error):
        raise
    except Exception as error:  # the header is evaluated, and may raise anything
        raise DataError(f"{origin}: not a NumPy array ({str(error)[:200]})") from error


def _stated_members(path: Path) -> int:
    """Returns how many members the end of an archive can list at most, by the size of its directory."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - 2**16 - 22))
        tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    directory = int.from_bytes(tail[place + 12 : place + 16], "little") if place >= 0 else 0
    # An archive beyond 4 GiB states its size elsewhere; what is then left is all that a directory can take.
    return min(directory, size) // 47
