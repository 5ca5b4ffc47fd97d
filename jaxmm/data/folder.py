"""Reader of motion folders: `captions.jsonl` beside one `motions.npz` or one `.npy`/`.npz` file a motion."""

import json
import lzma
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from jaxmm.data.motion import FASTEST_FPS, Motion, Skeleton
from jaxmm.errors import DataError

_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)
_MAX_ARRAY_BYTES = 2**31  # of one array once inflated: a small archive can announce terabytes


def read_captions(path: Path) -> list[dict[str, Any]]:
    """Reads `captions.jsonl`: one object a line, with at least `key` and `text` or `texts`.

    Args:
        path: The file.

    Returns:
        The rows, each with `texts` as a tuple of captions.

    Raises:
        DataError: If the file is missing, a line is not such an object, or a key repeats.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "captions.jsonl"
        >>> _ = path.write_text('{"key": "walk", "text": "a person walks", "fps": 20}')
        >>> read_captions(path)[0]["texts"]
        ('a person walks',)
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); write one JSON object a line") from error
    rows: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}:{number}: not JSON ({error})") from error
        if not isinstance(row, dict) or not isinstance(row.get("key"), str):
            raise DataError(f"{path}:{number}: expected an object with a 'key' that is text")
        texts = row.get("texts", [row["text"]] if "text" in row else [])
        if (
            not isinstance(texts, list)
            or not texts
            or not all(isinstance(text, str) and text.strip() for text in texts)
        ):
            raise DataError(
                f"{path}:{number}: {row['key']!r} needs 'text', or 'texts' as a list, with at least one word"
            )
        if row["key"] in rows:
            raise DataError(
                f"{path}:{number}: the key {row['key']!r} repeats; give a motion's captions as one 'texts' list"
            )
        rows[row["key"]] = {**row, "texts": tuple(texts)}
    if not rows:
        raise DataError(f"{path}: holds no captions; write one JSON object a line")
    return list(rows.values())


def read_motion_folder(root: Path) -> Iterator[Motion]:
    """Reads every motion that `captions.jsonl` names, in its order.

    A row names its frame rate as `fps`. Positions come from `motions.npz` (arrays `<key>/joints`, and `<key>/root` to
    be added when joints are root-centred) or from `<key>.npy` / `<key>.npz` (array `joints`, and optionally `root`).
    Joint names and parents come from arrays `joint_names` and `parents` of `motions.npz`, or from `skeleton.json`.
    Further text fields of a row become tags.

    Args:
        root: The folder.

    Raises:
        DataError: If anything is missing or malformed; the message names the file and the field.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> np.save(root / "walk.npy", np.zeros((4, 1, 3), np.float32))
        >>> _ = (root / "skeleton.json").write_text('{"joint_names": ["Hips"], "parents": [-1]}')
        >>> _ = (root / "captions.jsonl").write_text('{"key": "walk", "text": "a person walks", "fps": 20}')
        >>> [motion.key for motion in read_motion_folder(root)]
        ['walk']
    """
    rows = read_captions(root / "captions.jsonl")
    packed = root / "motions.npz"
    archive = _open_archive(packed) if packed.is_file() else None
    skeleton = _read_skeleton(root, archive)
    for row in rows:
        arrays, origin = _arrays_of(root, archive, row["key"])
        yield _motion(row, arrays, origin, skeleton)


def read_motion_array(path: Path) -> Float32[np.ndarray, "time joints 3"]:
    """Reads the positions of one `.npy` or `.npz` motion: array `joints`, plus `root` if the archive has it.

    Raises:
        DataError: If the file is missing, damaged, or of another shape.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "walk.npy"
        >>> np.save(path, np.zeros((4, 1, 3), np.float32))
        >>> read_motion_array(path).shape
        (4, 1, 3)
    """
    return _positions(_single(path), str(path))


def _motion(row: Mapping[str, Any], arrays: Mapping[str, np.ndarray], origin: str, skeleton: Skeleton) -> Motion:
    fps = row.get("fps")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or abs(fps) > FASTEST_FPS:
        raise DataError(
            f"captions.jsonl: {row['key']!r} has fps {fps!r}; give frames a second as a number up to {FASTEST_FPS}"
        )
    tags = {name: value for name, value in row.items() if isinstance(value, str) and name not in ("key", "text")}
    return Motion(
        key=row["key"],
        positions=_positions(arrays, origin),
        fps=float(fps),
        skeleton=skeleton,
        captions=row["texts"],
        tags=tags,
    )


def _positions(arrays: Mapping[str, np.ndarray], origin: str) -> Float32[np.ndarray, "time joints 3"]:
    positions = arrays["joints"]
    if positions.ndim != 3 or positions.shape[2] != 3 or positions.dtype.kind != "f":
        raise DataError(
            f"{origin}: joints are {positions.dtype} of shape {positions.shape}; expected floats (time, joints, 3)"
        )
    with np.errstate(over="ignore"):
        positions = positions.astype(np.float32)
    if "root" in arrays:
        root = arrays["root"]
        if root.shape != (len(positions), 3) or root.dtype.kind != "f":
            raise DataError(f"{origin}: root has shape {root.shape}; expected ({len(positions)}, 3) floats")
        positions = positions + root[:, None, :].astype(np.float32)
    return positions


def _arrays_of(root: Path, archive: zipfile.ZipFile | None, key: str) -> tuple[dict[str, np.ndarray], str]:
    if archive is not None:
        members = {name: f"{key}/{name}.npy" for name in ("joints", "root")}
        if members["joints"] not in archive.namelist():
            raise DataError(
                f"{archive.filename}: no array {key}/joints, which captions.jsonl names; add it or drop the row"
            )
        found = {
            name: _read_member(archive, member) for name, member in members.items() if member in archive.namelist()
        }
        return found, f"{archive.filename}[{key}]"
    if Path(key).is_absolute() or ".." in Path(key).parts:
        raise DataError(f"captions.jsonl: the key {key!r} leaves the folder; keys are paths below it")
    for path in (root / f"{key}.npy", root / f"{key}.npz"):
        if os.path.isfile(path):  # unlike Path.is_file, it takes a name of any length
            return _single(path), str(path)
    raise DataError(f"{root}: neither motions.npz nor {key}.npy nor {key}.npz; add the motion or drop its caption")


def _single(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.suffix == ".npy":
        with path.open("rb") as file:
            return {"joints": _read_array(file, str(path), path.stat().st_size)}
    with _open_archive(path) as archive:
        names = [name for name in ("joints", "root") if f"{name}.npy" in archive.namelist()]
        if "joints" not in names:
            raise DataError(f"{path}: no array named joints; save it as np.savez(path, joints=...)")
        return {name: _read_member(archive, f"{name}.npy") for name in names}


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable npz archive ({error})") from error


def _read_member(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    try:
        with archive.open(member) as file:
            return _read_array(file, f"{archive.filename}[{member}]", archive.getinfo(member).file_size)
    except (*_DAMAGE, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise DataError(f"{archive.filename}[{member}]: damaged or unsupported ({error})") from error


def _read_array(file: Any, origin: str, num_bytes: int) -> np.ndarray:
    """Reads an array after its header, and the bytes there are, have been compared: nothing is allocated on trust."""
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = reader(file)
    except _DAMAGE:
        raise
    except Exception as error:  # the header is evaluated, and may raise anything
        raise DataError(f"{origin}: not a NumPy array ({error})") from error
    if dtype.hasobject:
        raise DataError(f"{origin}: holds Python objects, which are not read; save numbers")
    lengths_fit = all(not isinstance(length, bool) and 0 <= length < 2**40 for length in shape)
    if dtype.itemsize == 0 or len(shape) > 3 or not lengths_fit:
        raise DataError(f"{origin}: not a NumPy array (shape {shape} of {dtype}); save numbers")
    size = dtype.itemsize * int(np.prod([int(length) for length in shape], dtype=object))
    if size > min(num_bytes, _MAX_ARRAY_BYTES):
        raise DataError(
            f"{origin}: announces {size} bytes but holds {num_bytes}, of at most {_MAX_ARRAY_BYTES}; "
            "the file is damaged"
        )
    data = file.read(size)
    if len(data) != size:
        raise DataError(f"{origin}: ends after {len(data)} of {size} bytes; the file is damaged")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _read_skeleton(root: Path, archive: zipfile.ZipFile | None) -> Skeleton:
    if archive is not None and {"joint_names.npy", "parents.npy"} <= set(archive.namelist()):
        names, parents = _read_member(archive, "joint_names.npy"), _read_member(archive, "parents.npy")
        if names.dtype.kind != "U" or parents.dtype.kind not in "iu" or names.ndim != 1 or parents.ndim != 1:
            raise DataError(f"{archive.filename}: joint_names must be a list of text and parents of integers")
        return Skeleton(joint_names=tuple(names.tolist()), parents=tuple(parents.tolist()))
    path = root / "skeleton.json"
    try:
        fields = json.loads(path.read_text())
        names, parents = fields["joint_names"], fields["parents"]
        if not (_is_list_of(str, names) and _is_list_of(int, parents)):
            raise TypeError("joint_names must be a list of text and parents of integers")
        return Skeleton(joint_names=tuple(names), parents=tuple(parents))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f'{path}: cannot be read ({error!r}); write {{"joint_names": [...], "parents": [...]}} '
            "there, or those arrays into motions.npz"
        ) from error


def _is_list_of(kind: type, value: object) -> bool:
    return isinstance(value, list) and all(type(entry) is kind for entry in value)


def write_motion_folder(motions: Iterable[Motion], root: Path) -> int:
    """Writes motions in the layout that `read_motion_folder` reads; positions keep their place in the world.

    Args:
        motions: One or more motions with one skeleton and distinct keys.
        root: Folder to write, which must not hold motions yet.

    Returns:
        Number of motions.

    Raises:
        DataError: If the folder holds motions already, there is no motion, or two skeletons differ.
    """
    if (root / "captions.jsonl").exists():
        raise DataError(f"{root}: holds motions already; choose another folder")
    root.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {}
    lines, skeleton = [], None
    for motion in motions:
        skeleton = skeleton or motion.skeleton
        if motion.skeleton != skeleton:
            raise DataError(f"{motion.key}: has another skeleton than the motions before it; keep one a folder")
        arrays[f"{motion.key}/joints"] = motion.positions
        lines.append(json.dumps({**motion.tags, "key": motion.key, "texts": motion.captions, "fps": motion.fps}))
    if skeleton is None:
        raise DataError("there is no motion to write; choose a split that holds some")
    arrays["joint_names"], arrays["parents"] = np.array(skeleton.joint_names), np.array(skeleton.parents)
    np.savez(root / "motions.npz", allow_pickle=False, **arrays)
    (root / "captions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)
