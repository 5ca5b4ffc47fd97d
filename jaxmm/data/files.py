"""Single motion files, and which source a folder is for."""

import dataclasses
from itertools import islice
from pathlib import Path

from jaxmm.data.amc import find_asf, read_amc
from jaxmm.data.bvh import read_bvh
from jaxmm.data.c3d import read_c3d
from jaxmm.data.folder import read_motion_array
from jaxmm.data.motion import Motion, Skeleton, rooted_at
from jaxmm.data.sources import AmcFolder, BvhFolder, C3dFolder, HumanMl3dFolder, MotionFolder, MotionSource
from jaxmm.errors import DataError
from jaxmm.files import files_below


def read_motion_file(
    path: Path,
    *,
    source: MotionSource,
    skeleton: Skeleton,
    default_fps: float,
    fps: float | None = None,
    metres_per_unit: float | None = None,
) -> Motion:
    """Reads one motion without captions.

    Args:
        path: A `.npy` array (time, joints, 3) in metres, a `.npz` of `joints` and optionally `root`, or a `.bvh`,
            `.c3d`, or `.amc` file, the last with its `.asf` beside it.
        source: Source whose settings hold for files of its format; other formats have their defaults.
        skeleton: Skeleton of `.npy` and `.npz` motions; the others have their own.
        default_fps: Frame rate of `.npy` and `.npz` motions where none is given.
        fps: Frame rate of a file that does not state its own: `.npy`, `.npz` or `.amc`; for the last, what the source
            says by default.
        metres_per_unit: Length of one unit of the file, in metres; what the source says by default.

    Raises:
        DataError: If the file cannot be read, or is of another kind, or states itself what is given.

    Example:
        >>> read_motion_file(Path("walk.txt"), source=MotionFolder(), default_fps=20.0,
        ...                  skeleton=Skeleton(joint_names=("Hips",), parents=(-1,)))
        Traceback (most recent call last):
        jaxmm.errors.DataError: walk.txt: is no motion file; give a .npy, .npz, .bvh, .amc or .c3d file
    """
    named, ending = (path.stem,), path.suffix.lower()
    if fps is not None and ending in (".bvh", ".c3d"):
        raise DataError(f"{path}: states its frame rate itself; leave out the frame rate {fps:g}")
    if metres_per_unit is not None and ending in (".npy", ".npz"):
        raise DataError(f"{path}: arrays are in metres; leave out the unit {metres_per_unit:g}")
    match ending:
        case ".bvh":
            bvh = source if isinstance(source, BvhFolder) else BvhFolder()
            unit = bvh.metres_per_unit if metres_per_unit is None else metres_per_unit
            motion = read_bvh(path, metres_per_unit=unit, captions=named)
            return (
                motion if bvh.root_joint is None or motion.skeleton == skeleton else rooted_at(motion, bvh.root_joint)
            )
        case ".amc":
            amc = source if isinstance(source, AmcFolder) else AmcFolder()
            unit = amc.metres_per_unit if metres_per_unit is None else metres_per_unit
            return read_amc(
                path, skeleton=find_asf(path), fps=amc.fps if fps is None else fps, metres_per_unit=unit, captions=named
            )
        case ".c3d":
            c3d = source if isinstance(source, C3dFolder) else C3dFolder()
            unit = c3d.metres_per_unit if metres_per_unit is None else metres_per_unit
            return read_c3d(
                path, labels=c3d.labels, missing=c3d.missing, up=c3d.up, metres_per_unit=unit, captions=named
            )
        case ".npy" | ".npz":
            positions = read_motion_array(path)
            return Motion(
                key=path.stem,
                positions=positions,
                fps=default_fps if fps is None else fps,
                skeleton=skeleton,
                captions=named,
            )
    raise DataError(f"{path}: is no motion file; give a .npy, .npz, .bvh, .amc or .c3d file")


def source_of(root: Path, *, metres_per_unit: float | None = None) -> MotionSource:
    """Returns the source that reads a folder, by the files it holds.

    Args:
        root: The folder.
        metres_per_unit: Length of one unit of its files, in metres; the source's default if not given.

    Raises:
        DataError: If the unit is given and arrays are found, which are in metres.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "walk.bvh").touch()
        >>> source_of(root, metres_per_unit=0.0254)
        BvhFolder(metres_per_unit=0.0254, root_joint=None)
    """
    by_ending = ((".bvh", BvhFolder()), (".amc", AmcFolder()), (".c3d", C3dFolder()))
    for ending, source in by_ending:
        if any(islice(files_below(root, ending), 1)):
            return source if metres_per_unit is None else dataclasses.replace(source, metres_per_unit=metres_per_unit)
    if metres_per_unit is not None:
        raise DataError(f"{root}: holds no .bvh, .amc or .c3d file, and arrays are in metres; leave the unit out")
    return HumanMl3dFolder() if (root / "new_joints").is_dir() else MotionFolder()
