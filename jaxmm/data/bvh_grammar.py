"""The grammar of BVH text: a tree of joints with channels, then one line of values a frame."""

import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Float64

from jaxmm.data.kinematics import check_size
from jaxmm.data.lines import is_number, read_lines
from jaxmm.errors import DataError, brief

MAX_JOINTS = 1024

_CHANNELS = tuple(f"{axis}{kind}" for kind in ("position", "rotation") for axis in "XYZ")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Joint:
    """One joint of the hierarchy.

    Attributes:
        name: Distinct within the file.
        parent: Position of the parent in the file; -1 for the root, which comes first.
        offset: Place relative to the parent, in the file's unit.
        channels: What its columns of values hold, in their order, such as `Xposition` or `Zrotation`.

    Example:
        >>> Joint(name="Hips", parent=-1, offset=(0.0, 90.0, 0.0), channels=("Yrotation",)).channels
        ('Yrotation',)
    """

    name: str
    parent: int
    offset: tuple[float, ...]
    channels: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """What a file holds, as it holds it.

    Attributes:
        joints: Parents before children.
        values: One column a channel, in the order of the joints; the file's unit and degrees.
        fps: Frames per second, > 0.

    Example:
        >>> still = Joint(name="Hips", parent=-1, offset=(0.0, 0.0, 0.0), channels=("Yrotation",))
        >>> Recording(joints=(still,), values=np.zeros((4, 1)), fps=30.0).values.shape
        (4, 1)
    """

    joints: tuple[Joint, ...]
    values: Float64[np.ndarray, "time channels"]
    fps: float


def read_recording(path: Path) -> Recording:
    """Reads and checks one file.

    Raises:
        DataError: If the file cannot be read or breaks the format; the message names file, line and remedy.

    Example:
        >>> read_recording(Path("absent.bvh"))
        Traceback (most recent call last):
        jaxmm.errors.DataError: absent.bvh: cannot be read (No such file or directory); check the path...
    """
    lines = read_lines(path)
    motion_line = next((number for number, line in enumerate(lines, 1) if line.strip() == "MOTION"), None)
    if motion_line is None:
        raise DataError(f"{path}: no MOTION section; the file is not BVH, or was cut off")
    joints = _Hierarchy(path, lines[: motion_line - 1]).read()
    values, fps = _read_motion(path, lines, motion_line, joints)
    return Recording(joints=tuple(joints), values=values, fps=fps)


class _Hierarchy:
    """Reads the tree of joints word by word, so that every complaint can name its line."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self._path = path
        self._line = 1
        self._words = _numbered_words(lines)

    def read(self) -> list[Joint]:
        """Returns the joints in the order of the file."""
        joints: list[Joint] = []
        ancestors: list[int] = []
        self._expect("HIERARCHY")
        self._expect("ROOT")
        word = "ROOT"
        while True:
            if word in ("ROOT", "JOINT") and (word == "JOINT") == bool(joints):
                joint = self._joint(parent=ancestors[-1] if ancestors else -1)
                if any(joint.name == other.name for other in joints):
                    self._fail(f"joint {brief(joint.name)} appears twice; rename one")
                ancestors.append(len(joints))
                joints.append(joint)
            elif word == "End":
                self._end_site()
            elif word == "}":
                ancestors.pop()
            else:
                self._fail(f"found {brief(word)} where JOINT, End Site or '}}' belongs; a file holds one ROOT")
            if len(joints) > MAX_JOINTS:
                self._fail(f"more than {MAX_JOINTS} joints; keep those of one figure")
            if not ancestors:
                break
            word = self._take(f"'}}' that closes {joints[ancestors[-1]].name!r}")
        for line, extra in self._words:
            self._line = line
            self._fail(f"found {brief(extra)} after the root was closed; remove it, or a '}}' too many above")
        if not any(joint.channels for joint in joints):
            self._fail("no joint has a channel; the file holds no motion")
        return joints

    def _joint(self, *, parent: int) -> Joint:
        name = self._take("a joint's name")
        if name == "{":
            self._fail("a joint has no name; name it after ROOT or JOINT")
        self._expect("{")
        offset = self._offset()
        self._expect("CHANNELS")
        count = self._take("the number of channels")
        if count not in {str(number) for number in range(len(_CHANNELS) + 1)}:
            self._fail(f"{brief(name)} has {brief(count)} channels; a joint has 0 to {len(_CHANNELS)}")
        channels = tuple(self._take("a channel").capitalize() for _ in range(int(count)))
        unknown = [channel for channel in channels if channel not in _CHANNELS]
        if unknown:
            self._fail(f"{brief(name)} has a channel {brief(unknown[0])}; known are {', '.join(_CHANNELS)}")
        if len(set(channels)) < len(channels):
            self._fail(f"{brief(name)} lists a channel twice; list each once")
        return Joint(name=name, parent=parent, offset=offset, channels=channels)

    def _end_site(self) -> None:
        self._expect("Site")
        self._expect("{")
        self._offset()
        self._expect("}")

    def _offset(self) -> tuple[float, ...]:
        self._expect("OFFSET")
        words = [self._take("a coordinate") for _ in range(3)]
        for word in words:
            if not is_number(word):
                self._fail(f"OFFSET holds {brief(word)}; give three finite numbers")
        return tuple(float(word) for word in words)

    def _expect(self, wanted: str) -> None:
        word = self._take(repr(wanted))
        if word != wanted:
            self._fail(f"found {brief(word)} where {wanted!r} belongs; see that braces and keywords are complete")

    def _take(self, wanted: str) -> str:
        numbered = next(self._words, None)
        if numbered is None:
            self._fail(f"the hierarchy ends before {wanted}; add what is missing")
        self._line, word = numbered
        return word

    def _fail(self, problem: str) -> NoReturn:
        raise DataError(f"{self._path}:{self._line}: {problem}")


def _numbered_words(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yields words with their line numbers; a joint's name is the rest of its line, spaces included."""
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) > 2 and words[0] in ("ROOT", "JOINT"):
            brace = words[2:][-1:] if words[-1] == "{" else []
            words = [words[0], " ".join(words[1 : len(words) - len(brace)]), *brace]
        for word in words:
            yield number, word


def _read_motion(
    path: Path, lines: list[str], motion_line: int, joints: list[Joint]
) -> tuple[Float64[np.ndarray, "time channels"], float]:
    """Reads the frames below line `motion_line`, and their rate."""
    numbers = [number for number in range(motion_line + 1, len(lines) + 1) if lines[number - 1].strip()]
    stated = _header(path, lines, numbers[:1], r"\s*Frames\s*:\s*(\S+)\s*", "Frames: <number of frames>")
    frame_time = _header(path, lines, numbers[1:2], r"\s*Frame\s+Time\s*:\s*(\S+)\s*", "Frame Time: <seconds>")
    if not (is_number(frame_time) and 1e-6 <= float(frame_time) <= 1e6):
        raise DataError(
            f"{path}:{numbers[1]}: Frame Time is {frame_time[:20]}; give the seconds of a frame, above zero"
        )
    header_line, numbers = numbers[0], numbers[2:]
    if not numbers or stated.lstrip("0") != str(len(numbers)):
        raise DataError(
            f"{path}:{header_line}: Frames states {stated[:20]} but {len(numbers)} lines of values follow; "
            "give one line a frame, at least one, and state their number"
        )
    check_size(len(numbers), len(joints), str(path))
    frames = [lines[number - 1] for number in numbers]
    num_channels = sum(len(joint.channels) for joint in joints)
    try:
        values = np.loadtxt(frames, dtype=np.float64, comments=None, ndmin=2)
    except ValueError:
        values = np.empty((0, 0))
    if values.shape != (len(frames), num_channels) or not np.isfinite(values).all():
        raise DataError(_first_fault(path, numbers, frames, num_channels))
    fps = 1 / float(frame_time)
    return values, float(round(fps)) if math.isclose(fps, round(fps), rel_tol=1e-4) else fps


def _header(path: Path, lines: list[str], numbers: list[int], pattern: str, form: str) -> str:
    line = lines[numbers[0] - 1] if numbers else ""
    match = re.fullmatch(pattern, line)
    if match is None:
        raise DataError(f"{path}:{numbers[0] if numbers else len(lines)}: {form!r} is missing; add the line")
    return match.group(1)


def _first_fault(path: Path, numbers: list[int], frames: list[str], num_channels: int) -> str:
    """Says which line of values is wrong, and how; only run once something is known to be."""
    for number, words in zip(numbers, map(str.split, frames), strict=True):
        if len(words) != num_channels:
            return f"{path}:{number}: {len(words)} values; the joints have {num_channels} channels together"
        wrong = next((word for word in words if not is_number(word)), None)
        if wrong is not None:
            return f"{path}:{number}: {wrong[:40]!r} is not a finite number; repair the frame or remove it"
    return f"{path}: the frames hold characters that are not plain numbers; write decimal numbers and spaces"
