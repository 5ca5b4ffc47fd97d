"""Where what is derived from a source is kept, and under which name."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

_VERSION = 4  # raise it when the same source would be packed into other files


def cache_dir() -> Path:
    """Returns where derived files are kept: `$JAXMM_CACHE`, or `jaxmm` below the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxmm"
    return Path(os.environ.get("JAXMM_CACHE") or default)


def packed_folder(
    kind: str,
    source: Any,
    root: Path | None,
    *,
    fps: float | None,
    others: Iterable[Path] = (),
    form: Sequence[Any] = (),
) -> Path:
    """Returns where a source is packed: another folder whenever its files or settings are others.

    Args:
        kind: What is packed, such as `motions`.
        source: The source's settings, a dataclass.
        root: Folder of its files; None when it has none.
        fps: Frame rate that it is packed at; None for the recordings' own.
        others: Folders and files beyond the root that it reads too.
        form: What else the packed form depends on, as JSON values.

    Example:
        >>> from jaxmm.horizon import Horizon
        >>> packed_folder("motions", Horizon(), None, fps=20.0).parent.name
        'motions'
    """
    where = str(root.resolve()) if root is not None else None
    files = [own for path in (root, *others) if path is not None for own in _files(path)]
    identity = [_VERSION, type(source).__name__, dataclasses.asdict(source), where, fps, files, *form]
    return cache_dir() / kind / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]


def _files(root: Path) -> Iterator[tuple[str, int, int]]:
    """Yields name, size and time of every file of a folder, or of one file."""
    for path in filter(Path.is_file, sorted(_below(root)) if root.is_dir() else [root]):
        stat = path.stat()
        yield str(path.relative_to(root)), stat.st_size, stat.st_mtime_ns


def _below(root: Path) -> Iterator[Path]:
    """Yields all files at any depth, also of linked folders, each of which is entered once."""
    entered = {root.resolve()}
    for folder, below, names in os.walk(root, followlinks=True):
        yield from (Path(folder, name) for name in names)
        found = {Path(folder, name).resolve(): name for name in sorted(below, reverse=True)}
        below[:] = sorted(name for real, name in found.items() if real not in entered)
        entered.update(found)
