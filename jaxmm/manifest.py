"""Manifests: the size and SHA-256 of every file of a folder, written beside them, so that damage has a name."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxmm.errors import DamagedError, reason

MANIFEST_FILE = "manifest.json"

_OWN = "manifest_sha256"
_FILES = "files"


def seal(folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes a folder's manifest, once everything else in it is complete and on the disk.

    Args:
        folder: A folder whose files will not change any more.
        facts: What else to vouch for, as JSON values.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "arrays").write_bytes(b"12345678")
        >>> seal(folder, {"step": 3})
        >>> read_facts(folder)["step"], damage(folder)
        (3, [])
        >>> _ = (folder / "arrays").write_bytes(b"1234")
        >>> damage(folder)
        ['.../arrays: holds 4 bytes instead of 8']
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": _sha256(path)}
        # A rename may reach the disk before what it names: after a power cut the folder would be there, and empty.
        sync_to_disk(path)
    path = folder / MANIFEST_FILE
    path.write_bytes(_text({**facts, _FILES: files}))
    sync_to_disk(path)
    sync_to_disk(folder)


def read_facts(folder: Path) -> dict[str, Any]:
    """Returns the facts of a folder's manifest, which vouches for itself.

    Raises:
        DamagedError: If there is no manifest, or it is not as it was written.
    """
    return {name: value for name, value in _read(folder).items() if name != _FILES}


def damage(folder: Path) -> list[str]:
    """Lists every file that is not as it was when the folder was sealed, with what is wrong; an empty list is sound."""
    try:
        files = _read(folder)[_FILES]
    except DamagedError as error:
        return [str(error)]
    problems = ((folder / name, _problem(folder / name, **entry)) for name, entry in files.items())
    return [f"{path}: {problem}" for path, problem in problems if problem is not None]


def _problem(path: Path, *, size: int, sha256: str) -> str | None:
    try:
        found = path.stat().st_size
        if found != size:
            return f"holds {found} bytes instead of {size}"
        return None if _sha256(path) == sha256 else "its content changed"
    except FileNotFoundError:
        return "is absent"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _read(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_FILE
    try:
        content = path.read_bytes()
        document = json.loads(content)
        if document.pop(_OWN) is None or _text(document) != content:
            raise ValueError("its content changed")
    except FileNotFoundError as error:
        raise DamagedError(f"{path}: is absent") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path}: is not as it was written ({reason(error)})") from error
    return document


def _text(document: Mapping[str, Any]) -> bytes:
    """Encodes a manifest; the first field is the hash of the others, so that the file vouches for itself."""
    own = hashlib.sha256(json.dumps(document, indent=1).encode()).hexdigest()
    return json.dumps({_OWN: own, **document}, indent=1).encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_to_disk(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
