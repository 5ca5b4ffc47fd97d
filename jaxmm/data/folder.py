"""Reader of motion folders: `captions.jsonl` beside one `motions.npz` or one `.npy`/`.npz` file a motion."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxmm.arrays import Archive, holds, open_archive, read_array, read_member
from jaxmm.data.captions import CAPTIONS, CaptionRow, list_captions
from jaxmm.data.inventory import Inventory, Problem, Recording
from jaxmm.data.motion import FASTEST_FPS, SLOWEST_FPS, Motion, Skeleton
from jaxmm.errors import DataError, brief
from jaxmm.files import read_json

_ARRAYS = ("joints", "root")
_FIELDS = {"key", "text", "texts", "fps"}  # of a row; others become tags
_LONGEST_QUOTE = 200  # characters


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
        >>> _ = (root / CAPTIONS).write_text('{"key": "walk", "text": "a person walks", "fps": 20}')
        >>> [motion.key for motion in read_motion_folder(root)]
        ['walk']
    """
    return list_motion_folder(root).items()


def list_motion_folder(root: Path) -> Inventory:
    """Lists what `read_motion_folder` would read, and what is wrong with the list."""
    rows, problems = list_captions(root / CAPTIONS, name_field="key")
    archive, skeleton = None, None
    try:
        archive = open_archive(root / "motions.npz") if (root / "motions.npz").exists() else None
        skeleton = _read_skeleton(root, archive)
    except DataError as error:
        problems.append(Problem(kind="files", message=str(error)))
    if skeleton is None:
        return Inventory(problems=tuple(problems))

    def recording(row: CaptionRow) -> Recording:
        return Recording(key=row.name, read=lambda: (_motion(row, *_arrays_of(root, archive, row), skeleton),))

    undescribed = _present(root, archive) - {row.name for row in rows}
    return Inventory(
        recordings=tuple(map(recording, rows)), problems=tuple(problems), undescribed=tuple(sorted(undescribed))
    )


def _present(root: Path, archive: Archive | None) -> set[str]:
    """Returns the keys that files or arrays have."""
    if archive is not None:
        ending = "/joints.npy"
        return {name.removesuffix(ending) for name in archive.namelist() if name.endswith(ending)}
    paths = [path for ending in ("npy", "npz") for path in root.rglob(f"*.{ending}")]
    return {path.relative_to(root).with_suffix("").as_posix() for path in paths}


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
    return positions_of(_single(path), str(path))


def _motion(row: CaptionRow, arrays: Mapping[str, np.ndarray], origin: str, skeleton: Skeleton) -> Motion:
    return Motion(
        key=row.name,
        positions=positions_of(arrays, origin),
        fps=row.number("fps", None, least=SLOWEST_FPS, most=FASTEST_FPS, meaning="frames a second"),
        skeleton=skeleton,
        captions=row.texts,
        tags=row.tags,
    )


def positions_of(arrays: Mapping[str, np.ndarray], origin: str) -> Float32[np.ndarray, "time joints 3"]:
    """Returns the array `joints`, with `root` added if there is one, as positions.

    Args:
        arrays: Arrays of a file by name.
        origin: The file, for messages.

    Raises:
        DataError: If the arrays are not of numbers, or of other shapes.

    Example:
        >>> positions_of({"joints": np.zeros((4, 1, 3)), "root": np.ones((4, 3))}, "walk.npz")[0].tolist()
        [[1.0, 1.0, 1.0]]
    """
    positions = arrays["joints"]
    if positions.ndim != 3 or positions.shape[2] != 3 or positions.dtype.kind != "f":
        raise DataError(
            f"{origin}: joints are {positions.dtype} of shape {positions.shape}; expected floats (time, joints, 3)"
        )
    with np.errstate(over="ignore"):
        positions = positions.astype(np.float32, copy=False)
    if "root" in arrays:
        root = arrays["root"]
        if root.shape != (len(positions), 3) or root.dtype.kind != "f":
            raise DataError(f"{origin}: root has shape {root.shape}; expected ({len(positions)}, 3) floats")
        positions += root[:, None, :].astype(np.float32)
    return positions


def _arrays_of(root: Path, archive: Archive | None, row: CaptionRow) -> tuple[dict[str, np.ndarray], str]:
    key = row.name
    if archive is not None:
        names = [name for name in _ARRAYS if holds(archive, f"{key}/{name}")]
        if "joints" not in names:
            raise DataError(
                f"{archive.filename}: no array {_short(key)}/joints, which {row.where} names; add it or drop the row"
            )
        return {name: read_member(archive, f"{key}/{name}") for name in names}, f"{archive.filename}[{key}]"
    if Path(key).is_absolute() or ".." in Path(key).parts:
        raise DataError(f"{row.where}: the key {brief(key)} leaves the folder; keys are paths below it")
    for path in (root / f"{key}.npy", root / f"{key}.npz"):
        if os.path.isfile(path):  # unlike Path.is_file, it takes a name of any length
            return _single(path), str(path)
    raise DataError(
        f"{row.where}: {root} has neither {_short(key)}.npy nor {_short(key)}.npz; add the motion or drop its caption"
    )


def _short(key: str) -> str:
    """Returns a key as messages quote it; a damaged file may have one as long as itself."""
    return key if len(key) <= _LONGEST_QUOTE else f"{key[:_LONGEST_QUOTE]}..."


def _single(path: Path) -> dict[str, np.ndarray]:
    if path.suffix.lower() == ".npy":
        return {"joints": read_array(path)}
    with open_archive(path) as archive:
        names = [name for name in _ARRAYS if holds(archive, name)]
        if "joints" not in names:
            raise DataError(f"{path}: no array named joints; save it as np.savez(path, joints=...)")
        return {name: read_member(archive, name) for name in names}


def _read_skeleton(root: Path, archive: Archive | None) -> Skeleton:
    if archive is not None and holds(archive, "joint_names") and holds(archive, "parents"):
        names, parents = read_member(archive, "joint_names"), read_member(archive, "parents")
        if names.dtype.kind != "U" or parents.dtype.kind not in "iu" or names.ndim != 1 or parents.ndim != 1:
            raise DataError(f"{archive.filename}: joint_names must be a list of text and parents of integers")
        return Skeleton(joint_names=tuple(names.tolist()), parents=tuple(parents.tolist()))
    path = root / "skeleton.json"
    try:
        fields = read_json(path)
        names, parents = fields["joint_names"], fields["parents"]
        if not (_is_list_of(str, names) and _is_list_of(int, parents)):
            raise TypeError("joint_names must be a list of text and parents of integers")
        return Skeleton(joint_names=tuple(names), parents=tuple(parents))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f'{path}: cannot be read ({brief(error, 200)}); write {{"joint_names": [...], "parents": [...]}} '
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
        DataError: If the folder holds motions already, there is no motion, or two skeletons differ, or a tag is
            named like a field of the captions.
    """
    if (root / CAPTIONS).exists():
        raise DataError(f"{root}: holds motions already; choose another folder")
    root.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {}
    lines, skeleton = [], None
    for motion in motions:
        skeleton = skeleton or motion.skeleton
        if motion.skeleton != skeleton:
            raise DataError(f"{motion.key}: has another skeleton than the motions before it; keep one a folder")
        if taken := sorted(_FIELDS & set(motion.tags)):
            raise DataError(f"{motion.key}: has the tag {taken[0]!r}, which is a field of {CAPTIONS}; rename the tag")
        arrays[f"{motion.key}/joints"] = motion.positions
        lines.append(json.dumps({**motion.tags, "key": motion.key, "texts": motion.captions, "fps": motion.fps}))
    if skeleton is None:
        raise DataError("there is no motion to write; choose a split that holds some")
    arrays["joint_names"], arrays["parents"] = np.array(skeleton.joint_names), np.array(skeleton.parents)
    np.savez(root / "motions.npz", allow_pickle=False, **arrays)
    (root / CAPTIONS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)
