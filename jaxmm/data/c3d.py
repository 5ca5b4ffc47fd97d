"""C3D files of labelled points, singly or as a captioned folder, to motions."""

import importlib
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float32

from jaxmm.data.captions import CaptionRow
from jaxmm.data.described import list_described
from jaxmm.data.inventory import Inventory
from jaxmm.data.kinematics import check_size
from jaxmm.data.motion import Motion, Skeleton
from jaxmm.errors import DataError, MissingExtraError

Missing: TypeAlias = Literal["error", "interpolate"]
"""What to do where a point was not seen: refuse the file, or draw a line between the frames around the gap."""

UpAxis: TypeAlias = Literal["y", "z"]
"""Which axis of a file points up."""

MAX_FRAMES = 500_000
_UNITS = {"m": 1.0, "meters": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "in": 0.0254, "inches": 0.0254, "ft": 0.3048}


def read_c3d(
    path: Path,
    *,
    labels: tuple[str, ...] = (),
    missing: Missing = "error",
    up: UpAxis = "z",
    metres_per_unit: float | None = None,
    captions: tuple[str, ...],
    key: str | None = None,
) -> Motion:
    """Reads the labelled points of one C3D file as joints; all hang from the first, since the format has no bones.

    The part of a label before a colon, which names the subject, is left out, and so are points that are not labelled
    or whose label begins with `*`.

    Args:
        path: The file.
        labels: Points to read, the first as the root; all by default, in the order of the file.
        missing: What to do where a point was not seen.
        up: Axis of the file that points up; with "z" a figure that faces -y in the file faces +z.
        metres_per_unit: Length of the file's unit in metres; what the file states by default.
        captions: One or more descriptions of the whole motion.
        key: Name of the motion; the file's name without its ending if not given.

    Raises:
        DataError: If the file cannot be read, or a point or the unit is missing; the message says what to do.
        MissingExtraError: If the extra `c3d` is not installed.

    Example:
        >>> read_c3d(Path("absent.c3d"), captions=("a person walks",))
        Traceback (most recent call last):
        jaxmm.errors.DataError: absent.c3d: no such file
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        c3d: Any = importlib.import_module("c3d")
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("c3d", extra="c3d") from error
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = c3d.Reader(file)
            names = _labels(reader)
            points = _points(reader, path, path.stat().st_size)
            unit = _metres_per_unit(reader, path) if metres_per_unit is None else metres_per_unit
            fps = float(reader.point_rate)
    except DataError:
        raise
    except Exception as error:  # the library checks with assertions and by unpacking; any of it may fail
        raise DataError(f"{path}: not a readable C3D file ({type(error).__name__}: {str(error)[:200]})") from error
    columns = _columns(path, names[: points.shape[1]], labels)
    names, points = [names[column] for column in columns], points[:, columns]
    with np.errstate(over="ignore", invalid="ignore"):
        positions = points[..., :3] * np.float32(unit)
    if not math.isfinite(unit) or unit <= 0 or not np.isfinite(positions).all():
        raise DataError(f"{path}: a position is too large to represent; repair the recording or metres_per_unit")
    if up == "z":
        positions = positions[..., [0, 2, 1]] * np.array([1, 1, -1], np.float32)
    return Motion(
        key=path.stem if key is None else key,
        positions=_filled(path, positions, points[..., 3] >= 0, names, missing),
        fps=fps,
        skeleton=Skeleton(joint_names=tuple(names), parents=(-1, *(0,) * (len(names) - 1))),
        captions=captions,
    )


def read_c3d_folder(
    root: Path, *, labels: tuple[str, ...], missing: Missing, up: UpAxis, metres_per_unit: float | None
) -> Iterator[Motion]:
    """Reads a folder of C3D files described by its `captions.jsonl`, in the order of the descriptions.

    Each row is `{"file": "walk.c3d", "text": "a person walks"}`, or has several `"texts"`. Arguments are those of
    `read_c3d`.

    Raises:
        DataError: If rows and files do not correspond one to one, a row is malformed, or a file is.

    Example:
        >>> import tempfile
        >>> list(read_c3d_folder(Path(tempfile.mkdtemp()), labels=(), missing="error", up="z", metres_per_unit=None))
        Traceback (most recent call last):
        jaxmm.errors.DataError: .../captions.jsonl: cannot be read (No such file or directory); ...
    """
    return list_c3d_folder(root, labels=labels, missing=missing, up=up, metres_per_unit=metres_per_unit).items()


def list_c3d_folder(
    root: Path, *, labels: tuple[str, ...], missing: Missing, up: UpAxis, metres_per_unit: float | None
) -> Inventory:
    """Lists what `read_c3d_folder` would read, and what is wrong with the list."""

    def read(path: Path, row: CaptionRow) -> Motion:
        return read_c3d(
            path,
            labels=labels,
            missing=missing,
            up=up,
            metres_per_unit=metres_per_unit,
            captions=row.texts,
            key=row.stem,
        )

    return list_described(root, ending=".c3d", read=read)


def _points(reader: Any, path: Path, num_bytes: int) -> Float32[np.ndarray, "time points 4"]:
    """Returns places and residuals; -1 is the residual of a point that was not seen."""
    num_frames, num_points = int(reader.last_frame) - int(reader.first_frame) + 1, int(reader.point_used)
    width = 16 if reader.point_scale < 0 else 8
    if num_points < 1 or num_frames < 1:
        raise DataError(f"{path}: holds {num_frames} frames of {num_points} points; export the points' trajectories")
    if num_frames * num_points * width > num_bytes:
        raise DataError(
            f"{path}: announces {num_frames} frames of {num_points} points but holds {num_bytes} bytes; "
            "the file is damaged"
        )
    check_size(num_frames, num_points, str(path))
    if num_frames > MAX_FRAMES:
        raise DataError(f"{path}: more than {MAX_FRAMES} frames; split the recording")
    points = np.empty((num_frames, num_points, 4), np.float32)
    filled = 0
    with np.errstate(all="ignore"):
        for place, (_, frame, _) in enumerate(reader.read_frames(copy=False)):
            points[place], filled = frame[:, :4], place + 1
    if filled != num_frames:
        raise DataError(f"{path}: ends after {filled} of {num_frames} frames; the file is damaged")
    return points


def _labels(reader: Any) -> list[str]:
    """Returns the points' labels; files with more than 255 continue in LABELS2 and so on."""
    labels: list[str] = []
    for number in range(1, 9):
        parameter = _parameter(reader, "LABELS" if number == 1 else f"LABELS{number}")
        if parameter is None or len(parameter.dimensions) != 2:
            break
        width, count = (int(length) for length in parameter.dimensions)
        pieces = [parameter.bytes[place * width : (place + 1) * width] for place in range(count)]
        labels += [bytes(piece).decode("utf-8", "replace").strip(" \0") for piece in pieces]
    return [label.rpartition(":")[2] for label in labels]


def _metres_per_unit(reader: Any, path: Path) -> float:
    parameter = _parameter(reader, "UNITS")
    stated = "" if parameter is None else bytes(parameter.bytes).decode("utf-8", "replace").strip(" \0").lower()
    if stated not in _UNITS:
        raise DataError(f"{path}: its unit is {stated[:20]!r}; give metres_per_unit (0.001 for millimetres)")
    return _UNITS[stated]


def _parameter(reader: Any, name: str) -> Any:
    group = reader.get("POINT")
    return None if group is None else group.get(name)


def _columns(path: Path, names: list[str], labels: tuple[str, ...]) -> list[int]:
    absent = [label for label in labels if label not in names]
    if absent:
        raise DataError(f"{path}: no point {absent[0]!r}; its points are {', '.join(names)[:200]}")
    columns = [names.index(label) for label in labels] or [
        column for column, name in enumerate(names) if name and not name.startswith("*")
    ]
    if not columns:
        raise DataError(f"{path}: no point is labelled; label them, or export the labelled ones")
    return columns


def _filled(
    path: Path,
    positions: Float32[np.ndarray, "time joints 3"],
    seen_mask: Bool[np.ndarray, "time joints"],
    names: list[str],
    missing: Missing,
) -> Float32[np.ndarray, "time joints 3"]:
    """Returns positions without gaps."""
    if seen_mask.all():
        return positions
    frame, joint = np.argwhere(~seen_mask)[0]
    if missing == "error":
        raise DataError(
            f"{path}: {names[joint]!r} was not seen in {int((~seen_mask[:, joint]).sum())} frames, first in frame "
            f"{frame}; fill the gaps, leave the point out of labels, or set missing to interpolate"
        )
    times = np.arange(len(positions))
    filled = positions.copy()
    for joint in np.flatnonzero(~seen_mask.all(axis=0)):
        seen = seen_mask[:, joint]
        if not seen.any():
            raise DataError(f"{path}: {names[joint]!r} was never seen; leave it out of labels")
        for axis in range(3):
            filled[~seen, joint, axis] = np.interp(times[~seen], times[seen], positions[seen, joint, axis])
    return filled
