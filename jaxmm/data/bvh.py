"""Biovision Hierarchy (BVH) files, singly or as a captioned folder, to motions."""

import dataclasses
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from jaxmm.data.bvh_grammar import Joint, read_lines, read_recording
from jaxmm.data.motion import Motion, Skeleton
from jaxmm.errors import DataError

# Rotations take 72 bytes a joint and frame while a block is placed; long recordings stay in the cache.
_BLOCK_FRAMES = 4096


def read_bvh(
    path: str | os.PathLike[str], *, metres_per_unit: float, captions: tuple[str, ...], key: str | None = None
) -> Motion:
    """Reads one BVH file into world positions by forward kinematics.

    Rotations compose in the order in which a joint lists its channels; a position channel replaces that coordinate of
    the joint's offset, at the root and below it. End sites are not joints and are left out. A rate within 0.01 % of a
    whole number becomes that number, because files print frame times rounded.

    Args:
        path: The file, UTF-8 text.
        metres_per_unit: Length of the file's unit in metres, > 0; 0.01 for centimetres.
        captions: One or more descriptions of the whole motion.
        key: Name of the motion; the file's name without its ending if not given.

    Returns:
        The motion with every joint of the file, in the order of the file.

    Raises:
        DataError: If the file cannot be read or breaks the format; the message names file, line and remedy.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "slide.bvh"
        >>> _ = path.write_text('''HIERARCHY
        ... ROOT Hips
        ... {
        ...   OFFSET 0 0 0
        ...   CHANNELS 3 Xposition Yposition Zposition
        ... }
        ... MOTION
        ... Frames: 2
        ... Frame Time: 0.0333333
        ... 0 90 0
        ... 5 90 0
        ... ''')
        >>> motion = read_bvh(path, metres_per_unit=0.01, captions=("a person slides left",))
        >>> motion.key, motion.fps, motion.positions[1].round(2).tolist()
        ('slide', 30.0, [[0.05000000074505806, 0.8999999761581421, 0.0]])
    """
    path = Path(path)
    if not (math.isfinite(metres_per_unit) and metres_per_unit > 0):
        raise DataError(f"{path}: metres_per_unit is {metres_per_unit}; give the length of the file's unit in metres")
    recording = read_recording(path)
    joints, values = recording.joints, recording.values
    with np.errstate(over="ignore", invalid="ignore"):
        blocks = [values[start : start + _BLOCK_FRAMES] for start in range(0, len(values), _BLOCK_FRAMES)]
        positions = np.concatenate(
            [_world_positions(joints, block) * metres_per_unit for block in blocks],
            dtype=np.float32,
            casting="same_kind",
        )
    if not np.isfinite(positions).all():
        raise DataError(f"{path}: a position is too large to represent; repair the recording or metres_per_unit")
    return Motion(
        key=path.stem if key is None else key,
        positions=positions,
        fps=recording.fps,
        skeleton=Skeleton(
            joint_names=tuple(joint.name for joint in joints), parents=tuple(joint.parent for joint in joints)
        ),
        captions=captions,
    )


def read_bvh_folder(root: str | os.PathLike[str], *, metres_per_unit: float | None = None) -> Iterator[Motion]:
    """Reads a folder of BVH files described by its `captions.jsonl`, in the order of the descriptions.

    Each row is `{"file": "walk.bvh", "text": "a person walks"}`, or has several `"texts"`. A row may state its own
    `"metres_per_unit"`; its other text fields, such as `"style"`, become tags.

    Args:
        root: Folder of `.bvh` files, at any depth, and `captions.jsonl`.
        metres_per_unit: Length of the unit of files whose row does not state one, > 0.

    Returns:
        One motion for each row; the rows are checked at once, files are read as the iterator advances. The key is the
        file's path below `root` without its ending.

    Raises:
        DataError: If rows and files do not correspond one to one, a row is malformed, or a file is.

    Example:
        >>> import tempfile
        >>> list(read_bvh_folder(tempfile.mkdtemp()))
        Traceback (most recent call last):
        jaxmm.errors.DataError: .../captions.jsonl: cannot be read (No such file or directory); ...
    """
    root = Path(root)
    captions_path = root / "captions.jsonl"
    rows = _read_rows(captions_path, metres_per_unit)
    files = {path.relative_to(root).as_posix() for path in root.rglob("*.bvh")}
    for row in rows:
        if row.file not in files:
            raise DataError(
                f"{captions_path}:{row.line}: no file {row.file!r} in {root}; add the file or remove the row"
            )
    undescribed = sorted(files - {row.file for row in rows})
    if undescribed:
        raise DataError(
            f"{root / undescribed[0]}: no caption ({len(undescribed)} such files); "
            f'add a row {{"file": "{undescribed[0]}", "text": "..."}} to {captions_path}'
        )
    return (
        dataclasses.replace(
            read_bvh(
                root / row.file,
                metres_per_unit=row.metres_per_unit,
                captions=row.texts,
                key=row.file.removesuffix(".bvh"),
            ),
            tags=row.tags,
        )
        for row in rows
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Row:
    line: int
    file: str
    texts: tuple[str, ...]
    metres_per_unit: float
    tags: dict[str, str]


def _world_positions(
    joints: tuple[Joint, ...], values: Float64[np.ndarray, "time channels"]
) -> Float64[np.ndarray, "time joints 3"]:
    """Places every joint in the world, all frames at once, in the file's unit."""
    positions = np.empty((len(values), len(joints), 3))
    rotations: list[np.ndarray] = []
    columns = iter(values.T)
    for index, joint in enumerate(joints):
        position = np.tile(np.array(joint.offset), (len(values), 1))
        rotation = np.tile(np.eye(3), (len(values), 1, 1))
        for channel in joint.channels:
            axis = "XYZ".index(channel[0])
            if channel.endswith("position"):
                position[:, axis] = next(columns)
            else:
                rotation = rotation @ _rotation_about(axis, next(columns))
        if joint.parent >= 0:
            position = positions[:, joint.parent] + np.einsum("tij,tj->ti", rotations[joint.parent], position)
            rotation = rotations[joint.parent] @ rotation
        positions[:, index] = position
        rotations.append(rotation)
    return positions


def _rotation_about(axis: int, degrees: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time 3 3"]:
    """Returns right-handed rotations about a coordinate axis."""
    angle = np.radians(degrees)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((len(degrees), 3, 3))
    matrix[:, axis, axis] = 1
    matrix[:, first, first] = matrix[:, second, second] = np.cos(angle)
    matrix[:, second, first] = np.sin(angle)
    matrix[:, first, second] = -np.sin(angle)
    return matrix


def _read_rows(path: Path, metres_per_unit: float | None) -> list[_Row]:
    rows = [
        _row(path, number, line, metres_per_unit) for number, line in enumerate(read_lines(path), 1) if line.strip()
    ]
    first_line: dict[str, int] = {}
    for row in rows:
        if first_line.setdefault(row.file, row.line) != row.line:
            raise DataError(
                f"{path}:{row.line}: {row.file!r} was described on line {first_line[row.file]}; "
                'merge the two rows into one with "texts"'
            )
    if not rows:
        raise DataError(f'{path}: no rows; add {{"file": "walk.bvh", "text": "a person walks"}} for each file')
    return rows


def _row(path: Path, line: int, text: str, metres_per_unit: float | None) -> _Row:
    try:
        row: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}:{line}: not JSON ({error}); write one object a line") from error
    if not isinstance(row, dict) or not isinstance(row.get("file"), str):
        raise DataError(f'{path}:{line}: no "file"; write {{"file": "walk.bvh", "text": "a person walks"}}')
    texts = row.get("texts", [row.get("text")])
    if ("text" in row) == ("texts" in row) or not isinstance(texts, list) or not texts:
        raise DataError(f'{path}:{line}: give either "text" or a list "texts" for {row["file"]!r}')
    if not all(isinstance(caption, str) and caption.strip() for caption in texts):
        raise DataError(f"{path}:{line}: a caption of {row['file']!r} is empty or not text; describe the motion")
    unit = row.get("metres_per_unit", metres_per_unit)
    if isinstance(unit, bool) or not isinstance(unit, int | float) or not 0 < unit <= 1e6:
        raise DataError(
            f"{path}:{line}: the unit of {row['file']!r} is not known; give metres_per_unit (0.01 for centimetres), "
            "for the folder or in the row, as a number above zero"
        )
    tags = {name: value for name, value in row.items() if isinstance(value, str) and name not in ("file", "text")}
    return _Row(line=line, file=row["file"], texts=tuple(texts), metres_per_unit=float(unit), tags=tags)
