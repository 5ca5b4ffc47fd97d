"""Stored clips: the frames of all recordings of a source in one memory-mapped array, written once, read by all."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy.typing import DTypeLike

from jaxmm.data.motion import FASTEST_FPS
from jaxmm.errors import DataError, brief
from jaxmm.files import read_json, whole_folder

_MAX_META_BYTES = 64 * 2**20  # half a kilobyte a clip, of our own writing
_FILES = {np.dtype(np.float32): "frames.f32", np.dtype(np.uint8): "frames.u8"}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """Clips at one frame rate.

    Attributes:
        frames: All frames of all clips; usually memory-mapped.
        offsets: Clip i holds frames `offsets[i]` to `offsets[i + 1]`.
        keys: Name of each clip.
        digests: First half of the SHA-256 of each clip's frames, as they were stored.
        notes: What else was said of each clip.
        about: What was said of all of them.
        fps: Frames per second.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "stored"
        >>> clips = [("still", np.zeros((2, 3), np.float32), {"captions": ["a person stands"]})]
        >>> store(clips, folder, fps=10.0, about=lambda: {"shape": [3]})
        >>> stored = open_stored(folder, shape=lambda about: about["shape"])
        >>> len(stored), stored.clip(0).shape, stored.notes[0]
        (1, (2, 3), {'captions': ['a person stands']})
    """

    frames: Float32[np.ndarray, "frames *shape"] | UInt8[np.ndarray, "frames *shape"]
    offsets: Int64[np.ndarray, "clips_plus_one"]
    keys: tuple[str, ...]
    digests: tuple[str, ...]
    notes: tuple[Mapping[str, Any], ...]
    about: Mapping[str, Any]
    fps: float

    def __len__(self) -> int:
        return len(self.keys)

    def clip(self, index: int) -> Float32[np.ndarray, "time *shape"] | UInt8[np.ndarray, "time *shape"]:
        """Returns the frames of clip `index`, without copying them."""
        return self.frames[self.offsets[index] : self.offsets[index + 1]]


def store(
    clips: Iterable[tuple[str, Float32[np.ndarray, "..."] | UInt8[np.ndarray, "..."], Mapping[str, Any]]],
    folder: Path,
    *,
    fps: float,
    about: Callable[[], Mapping[str, Any]],
    dtype: DTypeLike = np.float32,
) -> None:
    """Writes clips into a new folder, which appears only when it is complete.

    Args:
        clips: One or more, each its key, its frames at `fps`, and what else is to be kept, as JSON values.
        folder: Where to write; its parent is created.
        fps: Frames per second.
        about: Returns what is to be kept of all of them, as JSON values; asked after the last clip.
        dtype: Type of a value of a frame: float32, or uint8 for pictures.

    Raises:
        DataError: If there is no clip, a key repeats, or there are more than can be opened again.
    """
    written = False
    try:
        with whole_folder(folder) as building:
            rows = _write_frames(clips, building / _FILES[np.dtype(dtype)], np.dtype(dtype))
            meta = json.dumps({"fps": fps, "about": about(), "clips": rows})
            if len(meta) > _MAX_META_BYTES:  # of ASCII; it would be refused when it is read
                raise DataError(
                    f"{len(rows)} clips and their texts take more than {_MAX_META_BYTES} bytes; split the source"
                )
            (building / "meta.json").write_text(meta)
            written = True
    except OSError:
        if not (written and folder.is_dir()):  # otherwise another process finished the same work first
            raise


def _write_frames(
    clips: Iterable[tuple[str, np.ndarray, Mapping[str, Any]]], path: Path, dtype: np.dtype
) -> dict[str, Mapping[str, Any]]:
    rows: dict[str, Mapping[str, Any]] = {}
    with path.open("wb") as frames:
        for key, values, note in clips:
            if key in rows:
                raise DataError(f"{key}: the key repeats; give every recording its own")
            content = np.ascontiguousarray(values, dtype).reshape(-1).view(np.uint8).data
            frames.write(content)
            digest = hashlib.sha256(content).hexdigest()[:32]
            rows[key] = {"num_frames": len(values), "digest": digest, "note": note}
    if not rows:
        raise DataError("the source holds no recording; check its path")
    return rows


def open_stored(
    folder: Path, *, shape: Callable[[Mapping[str, Any]], Iterable[int]], dtype: DTypeLike = np.float32
) -> Stored:
    """Opens what `store` wrote, without reading the frames.

    Args:
        folder: The folder.
        shape: Returns the shape of a frame from what is kept of all clips; may raise what a wrong value raises.
        dtype: Type of a value of a frame, as it was stored.

    Raises:
        DataError: If the folder is not one that `store` wrote, or its frames were cut.
    """
    try:
        meta = read_json(folder / "meta.json", max_bytes=_MAX_META_BYTES)
        frames = np.memmap(path := folder / _FILES[np.dtype(dtype)], dtype, mode="r")
        rows, about, fps = meta["clips"], meta["about"], meta["fps"]
        lengths = [row["num_frames"] for row in rows.values()]
        frame_shape = tuple(shape(about))
        _check(fps, about, rows, [*lengths, *frame_shape])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(folder, error) from error
    if frames.size != sum(lengths) * math.prod(frame_shape):
        raise DataError(f"{folder}: {path.name} was cut or changed; delete the folder to have it packed anew")
    return Stored(
        frames=frames.reshape(-1, *frame_shape),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        keys=tuple(rows),
        digests=tuple(row["digest"] for row in rows.values()),
        notes=tuple(row["note"] for row in rows.values()),
        about=about,
        fps=fps,
    )


def unreadable(folder: Path, error: Exception) -> DataError:
    """Returns what to raise about a folder that `store` has not written so."""
    return DataError(f"{folder}: not a packed data set ({brief(error, 200)}); delete the folder to have it packed anew")


def _check(fps: Any, about: Any, rows: Mapping[str, Any], counts: list[Any]) -> None:
    """Raises a ValueError where a description is not one that `store` writes."""
    if not isinstance(about, dict):
        raise ValueError("what is said of all clips is of another type")
    if not all(isinstance(row["digest"], str) and isinstance(row["note"], dict) for row in rows.values()):
        raise ValueError("a clip is described by another type")
    if not all(type(count) is int and 0 <= count < 2**40 for count in counts):
        raise ValueError("a count is no count")
    if type(fps) not in (int, float) or not 0 < fps <= FASTEST_FPS:
        raise ValueError("fps is no frame rate")
