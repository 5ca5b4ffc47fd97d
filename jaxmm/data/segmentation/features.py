"""Features of a video in a `.npy` file, (dim, time) or (time, dim)."""

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float32

from jaxmm.arrays import read_array
from jaxmm.errors import DataError
from jaxmm.files import whole_file

Orientation: TypeAlias = Literal["dim_time", "time_dim"]
"""Which axis of an array comes first."""

MAX_FEATURE_BYTES = 2**29
"""Of one video: an hour of 2,048 features at 15 frames a second, as float32, fits."""


def read_features(
    path: Path,
    *,
    dim: int | None = None,
    num_frames: int | None = None,
    tolerance: int = 0,
    orientation: Orientation | None = None,
) -> Float32[np.ndarray, "time dim"]:
    """Reads the features of a video, whichever axis its file has first.

    The orientation is that of `orientation`; else the one that gives `dim`; else the one that gives `num_frames`. An
    array of as many features as frames is told by a given `dim` to be (dim, time), which is how these folders are
    written, and without one it is refused (D10).

    Args:
        path: The file, of floating-point numbers.
        dim: Number of features of a frame; None where it is not known.
        num_frames: Number of frames that the video should have, which tells the axes apart where `dim` is not known.
        tolerance: How many frames more or fewer the file may have than `num_frames`.
        orientation: Which axis comes first, where neither can tell.

    Raises:
        DataError: If the file is damaged or of another kind, its orientation cannot be told, or a value is not finite.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "salad.npy"
        >>> np.save(path, np.zeros((56, 300), np.float32))
        >>> read_features(path, dim=56).shape, read_features(path, num_frames=300).shape
        ((300, 56), (300, 56))

    Reference: seed 002, "Input Requirements".
    """
    array = read_array(path, max_bytes=MAX_FEATURE_BYTES)
    if array.ndim != 2 or array.dtype.kind != "f" or 0 in array.shape:
        raise DataError(f"{path}: holds {array.dtype} of shape {array.shape}; give floats (dim, time) or (time, dim)")
    found = _told_orientation(path, array.shape, dim, num_frames, tolerance) if orientation is None else orientation
    frames = array.T if found == "dim_time" else array
    if dim is not None and frames.shape[1] != dim:
        raise DataError(
            f"{path}: has {frames.shape[1]} features a frame where {dim} are configured; correct dim or orientation"
        )
    with np.errstate(over="ignore"):
        frames = np.ascontiguousarray(frames, np.float32)
    if (wrong := ~np.isfinite(frames).all(axis=1)).any():
        raise DataError(
            f"{path}: frame {wrong.argmax()} holds a value that is not finite ({wrong.sum()} such frames); "
            "repair it, or drop the video"
        )
    return frames


def _told_orientation(
    path: Path, shape: tuple[int, int], dim: int | None, num_frames: int | None, tolerance: int
) -> Orientation:
    first, second = shape
    if dim is not None:
        if dim not in shape:
            raise DataError(f"{path}: has shape {shape}, neither axis of which is dim {dim}; correct dim or the file")
        return "dim_time" if first == dim else "time_dim"
    if num_frames is None:
        raise DataError(f"{path}: has shape {shape}, of which either may be time; give dim, or orientation")
    fits = [abs(length - num_frames) <= tolerance for length in (second, first)]
    if all(fits):
        raise DataError(f"{path}: has shape {shape}, both axes of which fit {num_frames} labels; give dim")
    if not any(fits):
        raise DataError(
            f"{path}: has shape {shape}, neither axis of which fits {num_frames} labels; repair the labels or the "
            "features, or give dim"
        )
    return "dim_time" if fits[0] else "time_dim"


def write_features(path: Path, features: Float32[np.ndarray, "time dim"]) -> None:
    """Writes the features of a video as (dim, time), whole or not at all.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "salad.npy"
        >>> write_features(path, np.zeros((300, 56), np.float32))
        >>> np.load(path).shape
        (56, 300)
    """
    with whole_file(path) as building, building.open("wb") as file:
        np.save(file, np.ascontiguousarray(features.T), allow_pickle=False)
