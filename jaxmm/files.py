"""Writing files so that a reader never sees half of one."""

import errno
import os
from pathlib import Path

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
    building = path.with_name(f".{path.name}.{os.getpid()}")
    building.write_text(text, encoding="utf-8")
    building.replace(path)


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
