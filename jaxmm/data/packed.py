"""Packed motions: a source's motions of one skeleton, stored at one frame rate."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from jaxmm.data.motion import Motion, Skeleton, resample
from jaxmm.data.store import Stored, open_stored, store, unreadable
from jaxmm.errors import DataError


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PackedMotions:
    """Motions of one skeleton at one frame rate.

    Attributes:
        stored: Positions in metres, and names, by motion.
        captions: Captions of each motion.
        tags: Tags of each motion.
        skeleton: Names and parents of the joints.

    Example:
        >>> import tempfile
        >>> skeleton = Skeleton(joint_names=("Hips",), parents=(-1,))
        >>> still = Motion(key="still", positions=np.zeros((6, 1, 3), np.float32), fps=30.0,
        ...                skeleton=skeleton, captions=("a person stands",))
        >>> packed = pack([still], Path(tempfile.mkdtemp()) / "packed", fps=10.0)
        >>> len(packed), packed.motion(0).shape
        (1, (2, 1, 3))
    """

    stored: Stored
    captions: tuple[tuple[str, ...], ...]
    tags: tuple[Mapping[str, str], ...]
    skeleton: Skeleton

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def keys(self) -> tuple[str, ...]:
        """Name of each motion."""
        return self.stored.keys

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.stored.fps

    def motion(self, index: int) -> Float32[np.ndarray, "time joints 3"]:
        """Returns the frames of motion `index`, without copying them."""
        return self.stored.clip(index)


def pack(motions: Iterable[Motion], folder: Path, *, fps: float) -> PackedMotions:
    """Writes motions at one frame rate into a new folder; the folder appears only when it is complete.

    Args:
        motions: One or more motions with one skeleton and distinct keys.
        folder: Where to write; its parent is created.
        fps: Frame rate to resample to, > 0.

    Raises:
        DataError: If there is no motion, two skeletons differ, or a key repeats.
    """
    skeletons: list[Skeleton] = []
    clips = (_clip(motion, skeletons, fps) for motion in motions)
    store(clips, folder, fps=fps, about=lambda: dataclasses.asdict(skeletons[0]))
    return open_packed(folder)


def _clip(motion: Motion, skeletons: list[Skeleton], fps: float) -> tuple[str, np.ndarray, dict[str, Any]]:
    if not skeletons:
        skeletons.append(motion.skeleton)
    if motion.skeleton != skeletons[0]:
        raise DataError(f"{motion.key}: has another skeleton than the motions before it; keep one a data set")
    try:
        positions = resample(motion.positions, source_fps=motion.fps, target_fps=fps)
    except DataError as error:
        raise DataError(f"{motion.key}: {error}") from error
    return motion.key, positions, {"captions": list(motion.captions), "tags": dict(motion.tags)}


def open_packed(folder: Path) -> PackedMotions:
    """Opens what `pack` wrote, without reading the frames.

    Raises:
        DataError: If the folder is not one that `pack` wrote, or its frames were cut.
    """
    stored = open_stored(folder, shape=lambda about: (len(about["joint_names"]), 3))
    try:
        return PackedMotions(
            stored=stored,
            captions=tuple(_texts(note["captions"]) for note in stored.notes),
            tags=tuple(
                dict(zip(note["tags"], _texts(list(note["tags"].values())), strict=True)) for note in stored.notes
            ),
            skeleton=Skeleton(
                joint_names=_texts(stored.about["joint_names"]), parents=_places(stored.about["parents"])
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(folder, error) from error


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("a text is of another type")
    return tuple(values)


def _places(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int and -1 <= value < 2**40 for value in values):
        raise ValueError("a parent is no joint")
    return tuple(values)
