"""Where what is derived from a source is kept, and under which name."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

_VERSION = 3  # raise it when the same source would be packed into other files


def cache_dir() -> Path:
    """Returns where derived files are kept: `$JAXMM_CACHE`, or `jaxmm` below the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxmm"
    return Path(os.environ.get("JAXMM_CACHE") or default)


def packed_folder(kind: str, source: Any, root: Path | None, *, fps: float) -> Path:
    """Returns where a source is packed: another folder whenever its files or settings are others.

    Args:
        kind: What is packed, such as `motions`.
        source: The source's settings, a dataclass.
        root: Folder of its files; None when it has none.
        fps: Frame rate that it is packed at.

    Example:
        >>> from jaxmm.optim import Horizon
        >>> packed_folder("motions", Horizon(), None, fps=20.0).parent.name
        'motions'
    """
    files = []
    if root is not None and root.is_dir():
        for path in filter(Path.is_file, sorted(root.rglob("*"))):
            stat = path.stat()
            files.append((str(path.relative_to(root)), stat.st_size, stat.st_mtime_ns))
    where = str(root.resolve()) if root is not None else None
    identity = [_VERSION, type(source).__name__, dataclasses.asdict(source), where, fps, files]
    return cache_dir() / kind / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]
