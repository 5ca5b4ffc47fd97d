"""Single motion files, and a summary of a folder of them."""

from pathlib import Path

from jaxmm.data.bvh import read_bvh
from jaxmm.data.folder import read_motion_array
from jaxmm.data.motion import Motion, Skeleton
from jaxmm.data.sources import BvhFolder, MotionFolder
from jaxmm.errors import DataError


def read_motion_file(path: Path, *, skeleton: Skeleton, fps: float, metres_per_unit: float) -> Motion:
    """Reads one motion without captions.

    Args:
        path: A `.bvh` file, a `.npy` array (time, joints, 3) in metres, or a `.npz` of `joints` and optionally `root`.
        skeleton: Skeleton of `.npy` and `.npz` motions; a `.bvh` file has its own.
        fps: Frame rate of `.npy` and `.npz` motions.
        metres_per_unit: Length of one unit of a `.bvh` file, in metres.

    Raises:
        DataError: If the file cannot be read, or is of another kind.

    Example:
        >>> read_motion_file(Path("walk.txt"), skeleton=Skeleton(joint_names=("Hips",), parents=(-1,)),
        ...                  fps=20.0, metres_per_unit=0.01)
        Traceback (most recent call last):
        jaxmm.errors.DataError: walk.txt: is no motion file; give a .npy, .npz or .bvh file
    """
    if path.suffix.lower() == ".bvh":
        return read_bvh(path, metres_per_unit=metres_per_unit, captions=(path.stem,), key=path.stem)
    if path.suffix.lower() not in (".npy", ".npz"):
        raise DataError(f"{path}: is no motion file; give a .npy, .npz or .bvh file")
    positions = read_motion_array(path)
    return Motion(key=path.stem, positions=positions, fps=fps, skeleton=skeleton, captions=(path.stem,))


def describe_folder(root: Path, *, metres_per_unit: float) -> dict[str, float]:
    """Reads every motion of a folder and counts what it holds.

    Args:
        root: A folder with `captions.jsonl`, of `.bvh` files if it holds any, of arrays otherwise.
        metres_per_unit: Length of one unit of `.bvh` files, in metres.

    Returns:
        Numbers of motions, captions, distinct captions, frames and joints, and seconds.

    Raises:
        DataError: If anything cannot be read; the message names the file and the field.
    """
    source = BvhFolder(metres_per_unit=metres_per_unit) if any(root.rglob("*.bvh")) else MotionFolder()
    counts = {"motions": 0.0, "captions": 0.0, "frames": 0.0, "seconds": 0.0}
    distinct: set[str] = set()
    skeletons: set[Skeleton] = set()
    for motion in source.read(root):
        counts["motions"] += 1
        counts["captions"] += len(motion.captions)
        counts["frames"] += motion.num_frames
        counts["seconds"] += motion.seconds
        distinct.update(motion.captions)
        skeletons.add(motion.skeleton)
        if len(skeletons) > 1:
            raise DataError(f"{root}: {motion.key} has another skeleton than the motions before it; keep one a folder")
    return {**counts, "distinct_captions": float(len(distinct)), "joints": float(skeletons.pop().num_joints)}
