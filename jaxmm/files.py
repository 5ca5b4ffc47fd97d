"""Writing files so that a reader never sees half of one."""

import os
from pathlib import Path


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
