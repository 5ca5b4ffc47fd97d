"""Writing files so that a reader never sees half of one, and reading JSON that is not trusted."""

import contextlib
import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxmm.errors import DataError

MAX_JSON_BYTES = 8 * 2**20
"""Of a JSON file: as objects it may take thirty times as much."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all, even when the process is killed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "note.txt"
        >>> write_text(path, "whole")
        >>> path.read_text()
        'whole'
    """
    with whole_file(path) as building:
        building.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Names a hidden file to write, which takes the place of another once the block ends without an error.

    Args:
        path: The file to replace or to make; its folder is there.

    Raises:
        OSError: If the file cannot take its place.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "numbers.bin"
        >>> with whole_file(path) as building:
        ...     _ = building.write_bytes(bytes([1, 2]))
        >>> [own.name for own in path.parent.iterdir()]
        ['numbers.bin']
    """
    building = _beside(path)
    try:
        yield building
        building.replace(path)
    finally:
        with contextlib.suppress(OSError):  # there is none where all went well
            building.unlink()


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Makes a hidden folder to fill, which takes the place of another once the block ends without an error.

    Args:
        path: The folder to make, which is absent or empty; its parents are created.

    Raises:
        OSError: If the folder cannot be made, or cannot take its place.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "two"
        >>> with whole_folder(path) as building:
        ...     (building / "a.txt").touch()
        >>> [own.name for own in path.iterdir()], len(list(path.parent.iterdir()))
        (['a.txt'], 1)
    """
    path = path.resolve()  # the folder that one stands in has no name otherwise
    building = _beside(path)
    building.mkdir(parents=True)
    try:
        yield building
        building.replace(path)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _beside(path: Path) -> Path:
    """Returns a name of its own: processes of several machines, which share a folder, may have the same number."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def check_free(out: Path) -> None:
    """Refuses a folder to write that holds something.

    Raises:
        DataError: If it does, or is no folder.

    Example:
        >>> check_free(Path("no/such/folder"))
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is not an empty folder; choose another to write into")


def files_below(root: Path, ending: str) -> Iterator[Path]:
    """Yields the files at any depth whose name has an ending, in capital letters or small ones.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "WALK.BVH").touch()
        >>> [path.name for path in files_below(root, ".bvh")]
        ['WALK.BVH']
    """
    return (path for path in root.rglob("*") if path.suffix.lower() == ending)


def is_disk_full(error: BaseException) -> bool:
    """Tells whether an error, or one that it came from, is that there is no space left.

    Example:
        >>> is_disk_full(OSError(errno.ENOSPC, "No space left on device")), is_disk_full(OSError("no such file"))
        (True, False)
    """
    seen: BaseException | None = error
    while seen is not None:
        # Libraries in C++ raise errors of other kinds, which hold no more than the system's words.
        if getattr(seen, "errno", None) in _FULL or any(os.strerror(code) in str(seen) for code in _FULL):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def check_safetensors(path: Path, *, max_header: int = MAX_JSON_BYTES) -> None:
    """Refuses what no safetensors file is, before a library believes the length that it states of its header.

    Args:
        path: The file.
        max_header: Longest header to read.

    Raises:
        OSError: If it cannot be opened, or is no regular file.
        ValueError: If its header is longer than the file or than `max_header`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
        >>> _ = path.write_bytes(bytes([255] * 8))
        >>> check_safetensors(path)
        Traceback (most recent call last):
        ValueError: it states a header of 18446744073709551615 bytes
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is not a regular file")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > min(path.stat().st_size, max_header):
        raise ValueError(f"it states a header of {length} bytes")


def read_json(path: Path, *, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """Reads a JSON file of bounded size.

    Args:
        path: The file, UTF-8 text.
        max_bytes: Largest file to read.

    Raises:
        OSError: If it cannot be opened, or is no regular file.
        ValueError: If it is not JSON, is nested too deeply to be read, or is larger than `max_bytes`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "note.json"
        >>> write_text(path, "[" * 100_000)
        >>> read_json(path)
        Traceback (most recent call last):
        ValueError: it is nested too deeply
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is not a regular file")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes // 2**20} MiB")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
