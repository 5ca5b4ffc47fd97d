"""Acclaim motion files (AMC) with their skeletons (ASF), singly or as a captioned folder, to motions."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from jaxmm.data.asf import Acclaim, Bone, read_asf
from jaxmm.data.captions import CaptionRow
from jaxmm.data.described import list_described
from jaxmm.data.inventory import Inventory
from jaxmm.data.kinematics import check_size, place_joints, rotation_about, turn
from jaxmm.data.lines import is_number, read_lines
from jaxmm.data.motion import FASTEST_FPS, SLOWEST_FPS, Motion, Skeleton
from jaxmm.errors import DataError
from jaxmm.files import files_below


def read_amc(
    path: Path,
    *,
    skeleton: Path,
    fps: float,
    metres_per_unit: float,
    captions: tuple[str, ...],
    key: str | None = None,
) -> Motion:
    r"""Reads one AMC file into world positions by forward kinematics.

    A joint is the far end of its bone, and the root. A bone turns about its own axes, in the order that its skeleton
    file states; lengths there are divided by the file's unit of length. Bones of one side, such as `lfemur` and
    `rfemur`, become `l_femur` and `r_femur`, so that mirroring knows them.

    Args:
        path: The motion file.
        skeleton: The ASF file it was recorded with.
        fps: Frame rate, which the format does not state; CMU's recordings have 120.
        metres_per_unit: Metres of one unit of length; 0.0254 where they are inches, as CMU's are.
        captions: One or more descriptions of the whole motion.
        key: Name of the motion; the file's name without its ending if not given.

    Raises:
        DataError: If a file cannot be read or breaks the format; the message names file, line and remedy.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> _ = (root / "arm.asf").write_text('''
        ... :units
        ...   length 1
        ...   angle deg
        ... :root
        ...   order TX TY TZ RX RY RZ
        ... :bonedata
        ...   begin
        ...     name arm
        ...     direction 1 0 0
        ...     length 2
        ...     dof rz
        ...   end
        ... :hierarchy
        ...   root arm
        ... ''')
        >>> _ = (root / "lift.amc").write_text(":DEGREES\n1\nroot 0 1 0 0 0 0\narm 90\n")
        >>> motion = read_amc(root / "lift.amc", skeleton=root / "arm.asf", fps=120.0, metres_per_unit=1.0,
        ...                   captions=("a person lifts an arm",))
        >>> motion.skeleton.joint_names, motion.positions[0].round(3).tolist()
        (('root', 'arm'), [[0.0, 1.0, 0.0], [0.0, 3.0, 0.0]])
    """
    acclaim = read_asf(skeleton)
    bones = acclaim.bones
    positions = place_joints(
        _read_frames(path, acclaim),
        lambda rows: _world_positions(bones, rows),
        num_joints=len(bones),
        metres_per_unit=metres_per_unit / acclaim.length,
        origin=str(path),
    )
    return Motion(
        key=path.stem if key is None else key,
        positions=positions,
        fps=fps,
        skeleton=Skeleton(joint_names=_sided([bone.name for bone in bones]), parents=tuple(b.parent for b in bones)),
        captions=captions,
    )


def read_amc_folder(root: Path, *, fps: float, metres_per_unit: float) -> Iterator[Motion]:
    """Reads a folder of AMC files described by its `captions.jsonl`, in the order of the descriptions.

    Each row is `{"file": "05/05_03.amc", "text": "a person dances"}`, or has several `"texts"`, and may state its own
    `"fps"` and `"metres_per_unit"`. The skeleton is the `.asf` file that the row names as `"asf"`, or the one beside
    the motion.

    Args:
        root: Folder of `.amc` files, at any depth, and `captions.jsonl`.
        fps: Frame rate of files whose row does not state one.
        metres_per_unit: Metres of one unit of length where a row does not state it.

    Raises:
        DataError: If rows and files do not correspond one to one, a row is malformed, or a file is.

    Example:
        >>> import tempfile
        >>> list(read_amc_folder(Path(tempfile.mkdtemp()), fps=120.0, metres_per_unit=0.0254))
        Traceback (most recent call last):
        jaxmm.errors.DataError: .../captions.jsonl: cannot be read (No such file or directory); ...
    """
    return list_amc_folder(root, fps=fps, metres_per_unit=metres_per_unit).items()


def list_amc_folder(root: Path, *, fps: float, metres_per_unit: float) -> Inventory:
    """Lists what `read_amc_folder` would read, and what is wrong with the list."""

    def read(path: Path, row: CaptionRow) -> Motion:
        return read_amc(
            path,
            skeleton=_skeleton_of(root, path, row),
            fps=row.number("fps", fps, least=SLOWEST_FPS, most=FASTEST_FPS, meaning="frames a second"),
            metres_per_unit=row.number(
                "metres_per_unit", metres_per_unit, least=1e-9, most=1e6, meaning="the length of a unit"
            ),
            captions=row.texts,
            key=row.stem,
        )

    return list_described(root, ending=".amc", read=read)


def find_asf(path: Path) -> Path:
    """Returns the one skeleton beside a motion file.

    Raises:
        DataError: If there is none, or more than one.

    Example:
        >>> find_asf(Path("nowhere/05_03.amc"))
        Traceback (most recent call last):
        jaxmm.errors.DataError: nowhere/05_03.amc: 0 .asf files beside it; keep the one it was recorded with there...
    """
    found = sorted(file for file in path.parent.glob("*") if file.suffix.lower() == ".asf")
    if len(found) != 1:
        raise DataError(
            f"{path}: {len(found)} .asf files beside it; keep the one it was recorded with there, "
            'or name it in captions.jsonl as "asf"'
        )
    return found[0]


def _skeleton_of(root: Path, path: Path, row: CaptionRow) -> Path:
    if "asf" not in row.fields:
        return find_asf(path)
    present = {file.relative_to(root).as_posix(): file for file in files_below(root, ".asf")}
    named = str(row.fields["asf"])
    if named not in present:
        raise DataError(f"{row.where}: no skeleton {named[:80]!r} in {root}; give the path of an .asf file below it")
    return present[named]


def _read_frames(path: Path, acclaim: Acclaim) -> Float64[np.ndarray, "time channels"]:
    """Returns one row of channels a frame, in the order of the bones; angles in degrees."""
    lines = read_lines(path)
    frames, degrees = _numbered_frames(path, lines, acclaim.degrees)
    check_size(len(frames), len(acclaim.bones), str(path))
    moving = {bone.name: len(bone.channels) for bone in acclaim.bones if bone.channels}
    channels = [channel for bone in acclaim.bones for channel in bone.channels]
    values = np.empty((len(frames), len(channels)))
    for frame, (start, stop) in enumerate(frames):
        words: dict[str, list[str]] = {}
        for number in range(start, stop):
            name, *rest = lines[number].split() or ["#"]
            if name.startswith("#"):
                continue
            if name not in moving or name in words or len(rest) != moving[name]:
                raise DataError(f"{path}:{number + 1}: {_line_fault(name, rest, moving, name in words)}")
            words[name] = rest
        if len(words) < len(moving):
            missing = next(name for name in moving if name not in words)
            raise DataError(f"{path}:{start}: this frame has no values of {missing!r}; add the line")
        values[frame] = _numbers(path, start, [word for name in moving for word in words[name]])
    angles = np.array([channel.startswith("r") for channel in channels], bool)
    if not degrees:
        values[:, angles] = np.degrees(values[:, angles])
    return values


def _numbered_frames(path: Path, lines: list[str], degrees: bool) -> tuple[list[tuple[int, int]], bool]:
    """Returns the range of lines of each frame, and whether angles are degrees."""
    starts: list[int] = []
    for number, line in enumerate(lines):
        word = line.strip()
        if word.startswith(":") and not starts:
            degrees = {":degrees": True, ":radians": False}.get(word.lower(), degrees)
        elif word.isascii() and word.isdigit():
            if word.lstrip("0") != str(len(starts) + 1):
                raise DataError(f"{path}:{number + 1}: frame {word[:20]} is not the one expected; number them from 1")
            starts.append(number + 1)
        elif not starts and word and not word.startswith("#"):
            raise DataError(f"{path}:{number + 1}: found {word[:40]!r} before the first frame's number; remove it")
    if not starts:
        raise DataError(f"{path}: no frame; the file is not AMC, or was cut off")
    return list(zip(starts, [*(start - 1 for start in starts[1:]), len(lines)], strict=True)), degrees


def _line_fault(name: str, rest: list[str], moving: dict[str, int], repeats: bool) -> str:
    if name not in moving:
        return f"{name[:40]!r} is no bone of the skeleton that moves; give the skeleton the motion was recorded with"
    if repeats:
        return f"{name!r} has values already in this frame; keep one line"
    return f"{len(rest)} values; {name!r} has {moving[name]} degrees of freedom"


def _numbers(path: Path, line: int, words: list[str]) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)) or not all(map(str.isascii, words)) or any("_" in word for word in words):
        wrong = next((word for word in words if not is_number(word)), "")
        raise DataError(f"{path}:{line}: this frame holds {wrong[:40]!r}, not a finite number; repair or remove it")
    return numbers


def _world_positions(
    bones: tuple[Bone, ...], values: Float64[np.ndarray, "time channels"]
) -> Float64[np.ndarray, "time joints 3"]:
    """Places the root and the far end of every bone in the world, all frames at once, in the file's unit."""
    positions = np.empty((len(values), len(bones), 3))
    rotations: list[np.ndarray] = []
    columns = iter(values.T)
    for index, bone in enumerate(bones):
        channels = {channel: next(columns) for channel in bone.channels}
        turns = [
            rotation_about("XYZ".index(axis), channels[f"r{axis.lower()}"])
            for axis in bone.order
            if f"r{axis.lower()}" in channels
        ]
        rotation = bone.axes @ turn(turns, len(values)) @ bone.axes.T
        if bone.parent < 0:
            positions[:, index] = bone.offset
            for axis, name in enumerate(("tx", "ty", "tz")):
                positions[:, index, axis] += channels.get(name, 0.0)
        else:
            rotation = rotations[bone.parent] @ rotation
            positions[:, index] = positions[:, bone.parent] + rotation @ np.array(bone.offset)
        rotations.append(rotation)
    return positions


def _sided(names: list[str]) -> tuple[str, ...]:
    present = set(names)

    def sided(name: str) -> str:
        match = re.fullmatch("([lr])(.+)", name)
        if match is None or {"l" + match[2], "r" + match[2]} - present:
            return name
        return f"{match[1]}_{match[2]}"

    return tuple(sided(name) for name in names)
