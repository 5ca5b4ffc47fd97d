"""Where motions come from: the built-in procedural figure, motion folders, and BVH folders."""

import dataclasses
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from jaxmm.data.bvh import read_bvh_folder
from jaxmm.data.folder import read_motion_folder
from jaxmm.data.motion import Motion, rooted_at
from jaxmm.data.packed import PackedMotions, open_packed, pack
from jaxmm.errors import DataError

_LOG = logging.getLogger(__name__)
_PACKING_VERSION = 2  # raise it when the same source would be packed into other files


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProceduralMotions:
    """Synthetic motions of the built-in figure; every motion carries the tag `split`.

    Attributes:
        seed: Seed of the styles and body proportions.
        takes: Takes of each training combination, >= 1.
        held_out_takes: Takes of each validation and test combination, >= 1.

    Example:
        >>> next(ProceduralMotions(takes=1).read(None)).tags["origin"]
        'synthetic'
    """

    seed: int = 0
    takes: int = 6
    held_out_takes: int = 2

    def read(self, root: Path | None) -> Iterator[Motion]:
        """Synthesises the motions of all splits.

        Raises:
            DataError: If a root is given: this source reads no files.
        """
        from jaxmm.data.procedural import motions

        if root is not None:
            raise DataError(
                f"data.root is {root}, but the procedural source reads no files; remove it, or use a config "
                "whose data.source is MotionFolder or BvhFolder"
            )
        return chain(
            motions("train", seed=self.seed, takes=self.takes),
            motions("val", seed=self.seed, takes=self.held_out_takes),
            motions("test", seed=self.seed, takes=self.held_out_takes),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionFolder:
    """A folder of `.npy`/`.npz` motions with `captions.jsonl`; see `read_motion_folder`.

    Example:
        >>> MotionFolder().read(Path("no/such/folder"))
        Traceback (most recent call last):
        jaxmm.errors.DataError: data.root: no/such/folder is not a folder; give the folder that holds captions.jsonl
    """

    def read(self, root: Path | None) -> Iterator[Motion]:
        """Reads the motions below `root`.

        Raises:
            DataError: If `root` is missing or not a folder, or its contents are malformed.
        """
        return read_motion_folder(_existing(root))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BvhFolder:
    """A folder of `.bvh` files with `captions.jsonl`; see `read_bvh_folder`.

    Attributes:
        metres_per_unit: Length of one unit of the files, in metres; 0.01 for centimetres.
        root_joint: Joint that becomes the root, where files put a static one above the hips; None keeps the files' own.

    Example:
        >>> BvhFolder(metres_per_unit=0.0254).metres_per_unit
        0.0254
    """

    metres_per_unit: float = 0.01
    root_joint: str | None = None

    def read(self, root: Path | None) -> Iterator[Motion]:
        """Reads the motions below `root`.

        Raises:
            DataError: If `root` is missing or not a folder, or its contents are malformed.
        """
        motions = read_bvh_folder(_existing(root), metres_per_unit=self.metres_per_unit)
        return motions if self.root_joint is None else (rooted_at(motion, self.root_joint) for motion in motions)


MotionSource: TypeAlias = ProceduralMotions | MotionFolder | BvhFolder
"""Any of the sources."""


def cache_dir() -> Path:
    """Returns where derived files are kept: `$JAXMM_CACHE`, or `jaxmm` below the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxmm"
    return Path(os.environ.get("JAXMM_CACHE") or default)


def packed_source(source: MotionSource, root: Path | None, *, fps: float) -> PackedMotions:
    """Opens the packed form of a source, packing it first when its files or settings are new.

    Args:
        source: The source.
        root: Folder of the source's files; None for the procedural source.
        fps: Frame rate to pack at, > 0.

    Raises:
        DataError: If the source cannot be read.
    """
    folder = cache_dir() / "motions" / _digest(source, root, fps)
    if folder.is_dir():
        return open_packed(folder)
    _LOG.info("packing %s at %g frames a second, once, into %s", type(source).__name__, fps, folder)
    return pack(source.read(root), folder, fps=fps)


def _existing(root: Path | None) -> Path:
    if root is None:
        raise DataError("data.root is not set; give the folder that holds captions.jsonl with --data.root PATH")
    if not root.is_dir():
        raise DataError(f"data.root: {root} is not a folder; give the folder that holds captions.jsonl")
    return root


def _digest(source: MotionSource, root: Path | None, fps: float) -> str:
    files = []
    if root is not None and root.is_dir():
        for path in filter(Path.is_file, sorted(root.rglob("*"))):
            stat = path.stat()
            files.append((str(path.relative_to(root)), stat.st_size, stat.st_mtime_ns))
    where = str(root.resolve()) if root is not None else None
    identity = [_PACKING_VERSION, type(source).__name__, dataclasses.asdict(source), where, fps, files]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]
