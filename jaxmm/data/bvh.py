"""Biovision Hierarchy (BVH) files, singly or as a captioned folder, to motions."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from jaxmm.data.bvh_grammar import Joint, read_recording
from jaxmm.data.captions import CaptionRow
from jaxmm.data.described import list_described
from jaxmm.data.inventory import Inventory
from jaxmm.data.kinematics import place_joints, rotation_about
from jaxmm.data.motion import Motion, Skeleton


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
    recording = read_recording(path)
    joints = recording.joints
    positions = place_joints(
        recording.values,
        lambda values: _world_positions(joints, values),
        num_joints=len(joints),
        metres_per_unit=metres_per_unit,
        origin=str(path),
    )
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
    return list_bvh_folder(Path(root), metres_per_unit=metres_per_unit).items()


def list_bvh_folder(root: Path, *, metres_per_unit: float | None = None) -> Inventory:
    """Lists what `read_bvh_folder` would read, and what is wrong with the list."""

    def read(path: Path, row: CaptionRow) -> Motion:
        unit = row.number("metres_per_unit", metres_per_unit, least=1e-9, most=1e6, meaning="the length of a unit")
        return read_bvh(path, metres_per_unit=unit, captions=row.texts, key=row.stem)

    return list_described(root, ending=".bvh", read=read)


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
                rotation = rotation @ rotation_about(axis, next(columns))
        if joint.parent >= 0:
            position = positions[:, joint.parent] + np.einsum("tij,tj->ti", rotations[joint.parent], position)
            rotation = rotations[joint.parent] @ rotation
        positions[:, index] = position
        rotations.append(rotation)
    return positions
