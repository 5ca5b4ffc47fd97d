"""HumanML3D folders, and KIT-ML's in the same form: joints, and several captions a motion."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from jaxmm.arrays import read_array
from jaxmm.data.folder import positions_of
from jaxmm.data.inventory import Inventory, Problem, Recording
from jaxmm.data.lines import is_number, read_lines
from jaxmm.data.motion import Motion, Skeleton
from jaxmm.errors import DataError

Figure: TypeAlias = Literal["humanml3d", "kit"]
"""Whose joints a folder holds."""

SKELETON = Skeleton(
    joint_names=(
        *("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle"),
        *("right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head"),
        *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    ),
    parents=(-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19),
)
"""The first 22 joints of the SMPL body."""

KIT_SKELETON = Skeleton(
    joint_names=(
        *("pelvis", "spine1", "spine2", "neck", "head", "left_shoulder", "left_elbow", "left_wrist"),
        *("right_shoulder", "right_elbow", "right_wrist", "left_hip", "left_knee", "left_ankle", "left_heel"),
        *("left_foot", "right_hip", "right_knee", "right_ankle", "right_heel", "right_foot"),
    ),
    parents=(-1, 0, 1, 2, 3, 3, 5, 6, 3, 8, 9, 0, 11, 12, 13, 14, 0, 16, 17, 18, 19),
)
"""The 21 joints of the MMM body that KIT-ML has."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Form:
    """What the files of a data set do not say themselves."""

    skeleton: Skeleton
    fps: float
    metres_per_unit: float


_FORMS: Mapping[Figure, _Form] = {
    "humanml3d": _Form(skeleton=SKELETON, fps=20.0, metres_per_unit=1.0),
    "kit": _Form(skeleton=KIT_SKELETON, fps=12.5, metres_per_unit=0.001),
}
_SPLITS = ("train", "val", "test")
_EXAMPLE = "a person walks#a/DET person/NOUN walk/VERB#0.0#0.0"


def read_humanml3d_folder(
    root: Path, *, min_frames: int = 40, max_frames: int = 199, figure: Figure = "humanml3d"
) -> Iterator[Motion]:
    """Reads the motions that `train.txt`, `val.txt` and `test.txt` name; the tag `split` says which file it was.

    Positions come from `new_joints/<name>.npy`, captions from `texts/<name>.txt`, one a line:
    `caption#tokens#start#end`. Captions from 0.0 to 0.0 describe the whole motion. Those of a part, in seconds, make
    that part a motion of its own, with the key `<name>_<start>_<end>`; captions of the same part go together.

    Args:
        root: The folder.
        min_frames: Shortest motion or part; shorter ones are left out, as the data set's own loader does. Whole
            motions count one frame less than they have, since that loader counts features, which are differences.
        max_frames: Longest motion or part, counted in the same way.
        figure: Whose joints they are: "humanml3d", 22 at 20 frames a second in metres, or "kit", 21 at 12.5 in
            millimetres.

    Raises:
        DataError: If a file is missing or malformed; the message names file, line and remedy.

    Example:
        >>> import tempfile
        >>> read_humanml3d_folder(Path(tempfile.mkdtemp()))
        Traceback (most recent call last):
        jaxmm.errors.DataError: ...: has no train.txt, val.txt or test.txt; write the names of the motions...

    Reference:
        Guo et al., Generating Diverse and Natural 3D Human Motions from Text, CVPR 2022; Plappert et al., The KIT
        Motion-Language Dataset, Big Data 2016.
    """
    return list_humanml3d_folder(root, min_frames=min_frames, max_frames=max_frames, figure=figure).items()


def list_humanml3d_folder(root: Path, *, min_frames: int, max_frames: int, figure: Figure) -> Inventory:
    """Lists what `read_humanml3d_folder` would read, and what is wrong with the list."""
    splits, problems = _read_splits(root)
    recordings = []
    for name, split in splits.items():
        missing = [path for path in (_joints(root, name), _texts(root, name)) if not path.is_file()]
        if missing:
            message = f"{missing[0]}: no such file, but {split}.txt names {name!r}; add the file or remove the name"
            problems.append(Problem(kind="captions" if missing[0] == _texts(root, name) else "files", message=message))
        else:
            read = partial(_read, root, name, split, min_frames=min_frames, max_frames=max_frames, form=_FORMS[figure])
            recordings.append(Recording(key=name, read=read))
    present = {path.stem for path in (root / "new_joints").glob("*.npy")}
    return Inventory(
        recordings=tuple(recordings), problems=tuple(problems), undescribed=tuple(sorted(present - splits.keys()))
    )


def read_texts(path: Path) -> dict[tuple[float, float], list[str]]:
    """Reads one file of captions.

    Returns:
        Captions by the part they describe, start and end in seconds; (0, 0) is the whole motion.

    Raises:
        DataError: If a line is not `caption#tokens#start#end`, or there is none.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "000000.txt"
        >>> _ = path.write_text("a man kicks#a/DET man/NOUN kick/VERB#0.0#0.0")
        >>> read_texts(path)
        {(0.0, 0.0): ['a man kicks']}
    """
    parts: dict[tuple[float, float], list[str]] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        fields = line.strip().split("#")
        if len(fields) != 4 or not fields[0].strip():
            raise DataError(f"{path}:{number}: not caption#tokens#start#end with a caption; write {_EXAMPLE}")
        # The data set writes nan where an annotator left the time out, and means the whole motion.
        start, end = (0.0 if word == "nan" else float(word) if is_number(word) else math.inf for word in fields[2:])
        if not (start == end == 0 or 0 <= start < end <= 1e6):
            raise DataError(f"{path}:{number}: {fields[2][:20]} to {fields[3][:20]} is no part; give seconds")
        captions = parts.setdefault((start, end), [])
        if fields[0].strip() not in captions:
            captions.append(fields[0].strip())
    if not parts:
        raise DataError(f"{path}: no captions; write {_EXAMPLE}")
    return parts


def _read(root: Path, name: str, split: str, *, min_frames: int, max_frames: int, form: _Form) -> list[Motion]:
    parts = read_texts(_texts(root, name))
    path = _joints(root, name)
    positions = positions_of({"joints": read_array(path)}, str(path))
    if positions.shape[1] != form.skeleton.num_joints:
        others = [figure for figure, other in _FORMS.items() if other.skeleton.num_joints == positions.shape[1]]
        remedy = f"set data.source.figure to {others[0]!r}" if others else "name another folder"
        raise DataError(f"{path}: has {positions.shape[1]} joints, not {form.skeleton.num_joints}; {remedy}")
    positions = positions * form.metres_per_unit
    num_features = len(positions) - 1
    motions = []
    for (start, end), captions in parts.items():
        first, last = int(start * form.fps), min(int(end * form.fps), num_features)
        num_frames = last - first if end else num_features
        if min_frames <= num_frames <= max_frames:
            motions.append(
                Motion(
                    key=f"{name}_{start:g}_{end:g}" if end else name,
                    positions=positions[first:last] if end else positions,
                    fps=form.fps,
                    skeleton=form.skeleton,
                    captions=tuple(captions),
                    tags={"split": split},
                )
            )
    return motions


def _read_splits(root: Path) -> tuple[dict[str, str], list[Problem]]:
    """Returns the split of every name, and what is wrong with the files that say it."""
    splits: dict[str, str] = {}
    problems: list[Problem] = []
    files = [(split, root / f"{split}.txt") for split in _SPLITS if (root / f"{split}.txt").exists()]
    if not files:
        message = f"{root}: has no train.txt, val.txt or test.txt; write the names of the motions, one a line"
        return {}, [Problem(kind="captions", message=message)]
    for split, path in files:
        try:
            lines = read_lines(path)
        except DataError as error:
            problems.append(Problem(kind="files", message=str(error)))
            continue
        for number, name in enumerate(map(str.strip, lines), 1):
            if not name:
                continue
            if Path(name).name != name or name in (".", "..") or "\0" in name or len(name) > 200:
                message = f"{path}:{number}: {name[:80]!r} is not the name of a motion; write one without a folder"
                problems.append(Problem(kind="captions", message=message))
            elif name in splits:
                message = f"{path}:{number}: {name!r} is in {splits[name]}.txt already; keep one"
                problems.append(Problem(kind="leakage" if splits[name] != split else "captions", message=message))
            else:
                splits[name] = split
    if not splits and not problems:
        problems.append(Problem(kind="captions", message=f"{root}: the split files name no motion; write one a line"))
    return splits, problems


def _joints(root: Path, name: str) -> Path:
    return root / "new_joints" / f"{name}.npy"


def _texts(root: Path, name: str) -> Path:
    return root / "texts" / f"{name}.txt"
