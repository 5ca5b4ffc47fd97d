"""Packed motions: all frames of a source in one memory-mapped array, written once and shared by every reader."""

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from jaxmm.data.motion import FASTEST_FPS, Motion, Skeleton, resample
from jaxmm.errors import DataError, brief
from jaxmm.files import read_json

_MAX_META_BYTES = 64 * 2**20  # half a kilobyte a motion, of our own writing


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PackedMotions:
    """Motions of one skeleton at one frame rate.

    Attributes:
        positions: All frames of all motions, in metres; usually memory-mapped.
        offsets: Motion i holds frames `offsets[i]` to `offsets[i + 1]`.
        keys: Name of each motion.
        captions: Captions of each motion.
        tags: Tags of each motion.
        digests: First half of the SHA-256 of each motion's frames, as they were packed.
        fps: Frames per second.
        skeleton: Names and parents of the joints.

    Example:
        >>> skeleton = Skeleton(joint_names=("Hips",), parents=(-1,))
        >>> still = Motion(key="still", positions=np.zeros((6, 1, 3), np.float32), fps=30.0,
        ...                skeleton=skeleton, captions=("a person stands",))
        >>> packed = pack([still], Path(tempfile.mkdtemp()) / "packed", fps=10.0)
        >>> len(packed), packed.motion(0).shape
        (1, (2, 1, 3))
    """

    positions: Float32[np.ndarray, "frames joints 3"]
    offsets: Int64[np.ndarray, "motions_plus_one"]
    keys: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    tags: tuple[Mapping[str, str], ...]
    digests: tuple[str, ...]
    fps: float
    skeleton: Skeleton

    def __len__(self) -> int:
        return len(self.keys)

    def motion(self, index: int) -> Float32[np.ndarray, "time joints 3"]:
        """Returns the frames of motion `index`, without copying them."""
        return self.positions[self.offsets[index] : self.offsets[index + 1]]


def pack(motions: Iterable[Motion], folder: Path, *, fps: float) -> PackedMotions:
    """Writes motions at one frame rate into a new folder; the folder appears only when it is complete.

    Args:
        motions: One or more motions with one skeleton and distinct keys.
        folder: Where to write; its parent is created.
        fps: Frame rate to resample to, > 0.

    Raises:
        DataError: If there is no motion, two skeletons differ, or a key repeats.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write(motions, building, fps)
        try:
            os.rename(building, folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process finished the same work first
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return open_packed(folder)


def _write(motions: Iterable[Motion], folder: Path, fps: float) -> None:
    rows: dict[str, dict[str, object]] = {}
    skeleton: Skeleton | None = None
    with (folder / "frames.f32").open("wb") as frames:
        for motion in motions:
            skeleton = skeleton or motion.skeleton
            if motion.skeleton != skeleton:
                raise DataError(f"{motion.key}: has another skeleton than the motions before it; keep one a data set")
            if motion.key in rows:
                raise DataError(f"{motion.key}: the key repeats; give every motion its own")
            positions = resample(motion.positions, source_fps=motion.fps, target_fps=fps)
            content = np.ascontiguousarray(positions, np.float32).tobytes()
            frames.write(content)
            rows[motion.key] = {
                "num_frames": len(positions),
                "digest": hashlib.sha256(content).hexdigest()[:32],
                "captions": list(motion.captions),
                "tags": dict(motion.tags),
            }
    if skeleton is None:
        raise DataError("the source holds no motion; check its path")
    meta = {"fps": fps, "joint_names": skeleton.joint_names, "parents": skeleton.parents, "motions": rows}
    (folder / "meta.json").write_text(json.dumps(meta))


def open_packed(folder: Path) -> PackedMotions:
    """Opens what `pack` wrote, without reading the frames.

    Raises:
        DataError: If the folder is not one that `pack` wrote, or its frames were cut.
    """
    try:
        meta = read_json(folder / "meta.json", max_bytes=_MAX_META_BYTES)
        frames = np.memmap(folder / "frames.f32", np.float32, mode="r")
        rows, num_joints = meta["motions"], len(meta["joint_names"])
        lengths = [row["num_frames"] for row in rows.values()]
        _check_meta(meta, lengths)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder}: not a packed data set ({brief(error, 200)}); delete the folder to have it packed anew"
        ) from error
    if frames.size != sum(lengths) * num_joints * 3:
        raise DataError(f"{folder}: frames.f32 was cut or changed; delete the folder to have it packed anew")
    return PackedMotions(
        positions=frames.reshape(-1, num_joints, 3),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        keys=tuple(rows),
        captions=tuple(tuple(row["captions"]) for row in rows.values()),
        tags=tuple(row["tags"] for row in rows.values()),
        digests=tuple(row["digest"] for row in rows.values()),
        fps=meta["fps"],
        skeleton=Skeleton(joint_names=tuple(meta["joint_names"]), parents=tuple(meta["parents"])),
    )


def _check_meta(meta: Mapping[str, Any], lengths: list[Any]) -> None:
    """Raises a ValueError where a description is not one that `pack` writes."""
    texts = [*meta["joint_names"]]
    for row in meta["motions"].values():
        if not (isinstance(row["captions"], list) and isinstance(row["tags"], dict)):
            raise ValueError("captions and tags are a list and an object")
        texts += [*row["captions"], *row["tags"].values(), row["digest"]]
    counts = [*lengths, *meta["parents"][1:]]
    if not all(isinstance(text, str) for text in texts) or not all(type(n) is int and 0 <= n < 2**40 for n in counts):
        raise ValueError("a value is of another type")
    if type(meta["fps"]) not in (int, float) or not 0 < meta["fps"] <= FASTEST_FPS:
        raise ValueError("fps is no frame rate")
