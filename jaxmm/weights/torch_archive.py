"""The zip files that torch.save writes, from files that are not trusted: nothing is allocated on their word."""

import dataclasses
import io
import struct
import zlib

import numpy as np
from jaxtyping import UInt8

from jaxmm.errors import brief

# Python's zipfile takes any number of members, inflates them, and builds an object of each before it can be asked.
# torch.save compresses nothing, and below this size its directory is the plain one.
MAX_FILE_BYTES = 2**30
"""Largest file to read."""

MAX_DIRECTORY_BYTES = 4 * 2**20
_CHUNK = 2**20
_END = struct.Struct("<4s4H2LH")
_MEMBER = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 1
DAMAGED = "the file is damaged or incomplete, fetch or save it again"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A member of an archive, as its directory has it.

    Args:
        name: Path in the archive.
        start: Place of its local header, in bytes.
        size: In bytes, not compressed.
        checksum: CRC-32 of its content.
        plain: Whether it is neither compressed nor encrypted; torch.save does neither, and only such entries are read.

    Example:
        >>> Entry("archive/version", start=0, size=2, checksum=0, plain=True).size
        2
    """

    name: str
    start: int
    size: int
    checksum: int
    plain: bool


def checked_size(file: io.BufferedIOBase) -> int:
    """Returns the size of a file in bytes.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is larger than `MAX_FILE_BYTES`.

    Example:
        >>> checked_size(io.BytesIO(b"PK"))
        2
    """
    size = file.seek(0, io.SEEK_END)
    if size > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES // 2**20} MiB; save its parts one by one")
    return size


def read_directory(file: io.BufferedIOBase) -> dict[str, Entry]:
    """Returns the entries of an archive by name; those that can be read are together no larger than the file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no archive as torch.save writes them, larger than `MAX_FILE_BYTES`, or its directory larger
            than `MAX_DIRECTORY_BYTES`.

    Example:
        >>> import zipfile
        >>> file = io.BytesIO()
        >>> with zipfile.ZipFile(file, "w") as archive:
        ...     archive.writestr("archive/version", "3")
        >>> list(read_directory(file))
        ['archive/version']
    """
    size = checked_size(file)
    file.seek(max(0, size - _END.size))
    end = file.read(_END.size)
    if len(end) < _END.size or not end.startswith(b"PK\x05\x06"):
        raise ValueError(f"the directory at the end of the archive is missing; {DAMAGED}")
    *_, num_bytes, start, _ = _END.unpack(end)
    if num_bytes > MAX_DIRECTORY_BYTES:
        raise ValueError(f"its directory takes {num_bytes} bytes, more than {MAX_DIRECTORY_BYTES}; save fewer tensors")
    file.seek(start)
    entries = _entries(file.read(num_bytes))
    if sum(entry.size for entry in entries.values() if entry.plain) > size:
        raise ValueError(f"its members announce more bytes than the file has; {DAMAGED}")
    return entries


def read_entry(file: io.BufferedIOBase, entry: Entry) -> UInt8[np.ndarray, "bytes"]:
    """Returns the content of a member of an archive.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the content is cut, not what its checksum says, compressed or encrypted.

    Example:
        >>> import zipfile
        >>> file = io.BytesIO()
        >>> with zipfile.ZipFile(file, "w") as archive:
        ...     archive.writestr("archive/version", "3")
        >>> read_entry(file, read_directory(file)["archive/version"]).tobytes()
        b'3'
    """
    if not entry.plain:
        raise ValueError(
            f"member {brief(entry.name)} is compressed or encrypted, as torch.save does not do; save it with torch.save"
        )
    file.seek(entry.start)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        raise ValueError(f"member {brief(entry.name)} is not where the directory says; {DAMAGED}")
    file.seek(sum(_LOCAL.unpack(header)[-2:]), io.SEEK_CUR)  # the name once more, and padding
    content = np.empty(entry.size, np.uint8)
    filled = checksum = 0
    while filled < entry.size and (piece := file.read(min(_CHUNK, entry.size - filled))):
        content[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
        checksum = zlib.crc32(piece, checksum)
    if filled != entry.size or checksum != entry.checksum:
        raise ValueError(f"member {brief(entry.name)} is cut or altered: its checksum does not match; {DAMAGED}")
    return content


def _entries(directory: bytes) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    place = 0
    while place < len(directory):
        if len(directory) - place < _MEMBER.size or not directory.startswith(b"PK\x01\x02", place):
            raise ValueError(f"the archive's directory cannot be read; {DAMAGED}")
        fields = _MEMBER.unpack_from(directory, place)
        flags, method, checksum, packed_size, size, *lengths = (fields[3], fields[4], *fields[7:13])
        place += _MEMBER.size
        name = directory[place : place + lengths[0]].decode("utf-8", "backslashreplace")
        place += sum(lengths)
        if name in entries:
            raise ValueError(f"member {brief(name)} is there twice; {DAMAGED}")
        plain = not flags & _ENCRYPTED and method == 0 and packed_size == size
        entries[name] = Entry(name, fields[-1], size, checksum, plain)
    return entries
