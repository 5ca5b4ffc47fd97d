"""Acclaim skeleton files (ASF): bones with directions, lengths and degrees of freedom, and their hierarchy."""

import dataclasses
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Float64

from jaxmm.data.kinematics import rotation_about, turn
from jaxmm.data.lines import is_number, read_lines
from jaxmm.errors import DataError

MAX_BONES = 1024
_ROOT = "root"
_CHANNELS = ("tx", "ty", "tz", "rx", "ry", "rz")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Bone:
    """One bone; its joint is the far end.

    Attributes:
        name: Distinct within the file.
        parent: Position of the parent among the bones of the skeleton; -1 for the root, which comes first.
        offset: From the parent's end to this end when nothing is turned, in the file's unit.
        axes: Rotation of the bone's own axes, about which it turns.
        order: Order in which turns about the axes are applied, such as `XYZ`.
        channels: What the bone's values in a motion file are, in their order, such as `rx`.

    Example:
        >>> Bone(name="head", parent=0, offset=(0.0, 3.0, 0.0), axes=np.eye(3), order="XYZ", channels=("rx",)).order
        'XYZ'
    """

    name: str
    parent: int
    offset: tuple[float, float, float]
    axes: Float64[np.ndarray, "3 3"]
    order: str
    channels: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Acclaim:
    """A skeleton as the file has it.

    Attributes:
        bones: Parents before children; the root first, whose offset is its place at rest.
        length: What the file's lengths are multiplied by, as its `:units` state; 1 where they do not.
        degrees: Whether angles of motion files that do not say so are degrees.

    Example:
        >>> Acclaim(bones=(), length=0.45, degrees=True).length
        0.45
    """

    bones: tuple[Bone, ...]
    length: float
    degrees: bool


def read_asf(path: Path) -> Acclaim:
    """Reads and checks a skeleton.

    Raises:
        DataError: If the file cannot be read or breaks the format; the message names file, line and remedy.

    Example:
        >>> read_asf(Path("absent.asf"))
        Traceback (most recent call last):
        jaxmm.errors.DataError: absent.asf: cannot be read (No such file or directory); check the path...
    """
    return _Skeleton(path).read()


class _Skeleton:
    """Reads a file section by section, so that every complaint can name its line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0
        self._units = {"length": 1.0, "degrees": 1.0}
        self._fields: dict[str, dict[str, tuple[int, list[str]]]] = {}
        self._children: dict[str, list[str]] = {}

    def read(self) -> Acclaim:
        section, bone = "", ""
        for number, line in enumerate(read_lines(self._path), 1):
            self._line = number
            words = line.partition("#")[0].split()
            if not words:
                continue
            if words[0].startswith(":"):
                section, bone = words[0].lower(), ""
                if section == ":root":
                    bone = self._open_bone(_ROOT)
            elif section == ":units":
                self._unit(words)
            elif section == ":root":
                self._fields[bone].setdefault(words[0].lower(), (self._line, words[1:]))
            elif section == ":bonedata":
                bone = self._bone_line(bone, words)
            elif section == ":hierarchy" and words[0] not in ("begin", "end"):
                self._children.setdefault(words[0], []).extend(words[1:])
        if _ROOT not in self._fields:
            self._fail("no :root section; the file is not ASF, or was cut off")
        return Acclaim(bones=tuple(self._ordered()), length=self._units["length"], degrees=bool(self._units["degrees"]))

    def _unit(self, words: list[str]) -> None:
        if words[0] == "length":
            self._units["length"] = self._numbers(words[1:], 1)[0]
            if not 1e-6 <= self._units["length"] <= 1e6:
                self._fail("the unit of length is out of range; give a number above zero")
        elif words[0] == "angle":
            if words[1:] not in (["deg"], ["rad"]):
                self._fail("the unit of angles is neither deg nor rad; write one of them")
            self._units["degrees"] = float(words[1] == "deg")

    def _bone_line(self, bone: str, words: list[str]) -> str:
        """Takes a line of the bones' section and returns the bone that is open after it."""
        if words[0] == "begin":
            return " "
        if words[0] == "end":
            if not bone.strip():
                self._fail("a bone ends that has no name; add the line 'name'")
            return ""
        if not bone:
            self._fail(f"found {words[0][:40]!r} where 'begin' belongs; see that begin and end are complete")
        if words[0] == "name" and len(words) == 2 and bone == " ":
            return self._open_bone(words[1])
        if bone != " ":
            self._fields[bone].setdefault(words[0].lower(), (self._line, words[1:]))
        elif words[0] != "id":
            self._fail("a bone's name comes before its other fields; add the line 'name'")
        return bone

    def _open_bone(self, name: str) -> str:
        if name in self._fields:
            self._fail(f"bone {name[:40]!r} appears twice; rename one")
        self._fields[name] = {}
        if len(self._fields) > MAX_BONES:
            self._fail(f"more than {MAX_BONES} bones; keep those of one figure")
        return name

    def _ordered(self) -> list[Bone]:
        """Returns the bones, parents before children, in the order of the hierarchy."""
        bones: list[Bone] = []
        placed: set[str] = set()
        waiting = [(_ROOT, -1)]
        while waiting:
            name, parent = waiting.pop()
            if name not in self._fields:
                self._fail(f"the hierarchy names {name[:40]!r}, which :bonedata does not have; add the bone")
            if name in placed:
                self._fail(f"the hierarchy names {name[:40]!r} twice; every bone has one parent")
            placed.add(name)
            waiting += [(child, len(bones)) for child in reversed(self._children.get(name, []))]
            bones.append(self._bone(name, parent))
        if missing := sorted(self._fields.keys() - placed):
            self._fail(f"bone {missing[0][:40]!r} has no place in the hierarchy; add it under its parent")
        return bones

    def _bone(self, name: str, parent: int) -> Bone:
        if parent < 0:
            channels = tuple(word.lower() for word in self._field(name, "order", list(_CHANNELS)))
            offset = self._numbers(self._field(name, "position", ["0"] * 3), 3)
            angles, order = self._field(name, "orientation", ["0"] * 3), self._field(name, "axis", ["XYZ"])
        else:
            channels = tuple(word.lower() for word in self._field(name, "dof", []))
            direction, length = self._numbers(self._field(name, "direction"), 3), self._field(name, "length")
            scale = self._numbers(length, 1)[0]
            offset = [scale * value for value in direction]
            *angles, order = (self._field(name, "axis", ["0", "0", "0", "XYZ"]) + [""] * 4)[:4]
            order = [order]
        if len(set(channels)) < len(channels) or not set(channels) <= set(_CHANNELS):
            self._fail(f"{name!r} lists {' '.join(channels)[:40]!r}; known are {', '.join(_CHANNELS)}, each once")
        if parent >= 0 and any(channel.startswith("t") for channel in channels):
            self._fail(f"{name!r} moves along an axis; bones that only turn are supported")
        if len(order) != 1 or sorted(order[0].upper()) != ["X", "Y", "Z"]:
            self._fail(f"the axis order of {name!r} is not three letters such as XYZ; correct it")
        x, y, z = offset
        return Bone(
            name=name,
            parent=parent,
            offset=(x, y, z),
            axes=self._axes(self._numbers(angles, 3), order[0].upper()),
            order=order[0].upper(),
            channels=channels,
        )

    def _axes(self, angles: list[float], order: str) -> Float64[np.ndarray, "3 3"]:
        degrees = np.array(angles) if self._units["degrees"] else np.degrees(angles)
        about = {axis: rotation_about("XYZ".index(axis), degrees["XYZ".index(axis)][None]) for axis in order}
        return turn([about[axis] for axis in order], 1)[0]

    def _field(self, bone: str, name: str, default: list[str] | None = None) -> list[str]:
        self._line, words = self._fields[bone].get(name, (self._line, default))
        if words is None:
            self._fail(f"{bone!r} has no {name}; add the line")
        return words

    def _numbers(self, words: list[str], count: int) -> list[float]:
        if len(words) != count or not all(is_number(word) and abs(float(word)) < 1e9 for word in words):
            self._fail(f"found {' '.join(words)[:40]!r} where {count} finite numbers belong; correct the line")
        return [float(word) for word in words]

    def _fail(self, problem: str) -> NoReturn:
        raise DataError(f"{self._path}:{self._line}: {problem}")
