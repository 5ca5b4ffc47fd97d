"""What the numbers of a frame of signing mean: parts of a person, their landmarks and coordinates."""

import dataclasses
import functools
import itertools

import numpy as np
from jaxtyping import Bool, Float, Int32

from jaxmm.errors import ConfigError

XYZ = ("x", "y", "z")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a person whose landmarks are detected together.

    Attributes:
        name: Such as `left_hand`.
        landmarks: Names in the order of the numbers.
        coords: What is known of each landmark; begins with x, y, z.
        bones: Pairs of landmarks that a drawing joins.

    Raises:
        ConfigError: If names repeat, a bone ends in no landmark, or a coordinate is missing.

    Example:
        >>> Part(name="arm", landmarks=("elbow", "wrist"), bones=(("elbow", "wrist"),)).dim
        6
    """

    name: str
    landmarks: tuple[str, ...]
    coords: tuple[str, ...] = XYZ
    bones: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.landmarks)) != len(self.landmarks):
            raise ConfigError(f"layout: landmarks of {self.name} repeat; give each its own name")
        if self.coords[:3] != XYZ:
            raise ConfigError(f"layout: coords of {self.name} are {self.coords}; begin with x, y, z")
        strangers = {end for bone in self.bones for end in bone} - set(self.landmarks)
        if strangers:
            raise ConfigError(f"layout: bones of {self.name} end in {', '.join(sorted(strangers))}, which it lacks")

    @property
    def dim(self) -> int:
        """Numbers in a frame."""
        return len(self.landmarks) * len(self.coords)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignLayout:
    """The numbers of a frame: the parts one after the other, and of each the landmarks with their coordinates.

    A landmark whose x, y and z are all zero was not detected. Lengths are in widths of the shoulders, from their
    middle; x grows to the left of the person who signs, y downwards, z away from the viewer.

    Attributes:
        parts: In the order of the numbers.

    Raises:
        ConfigError: If names of parts repeat.

    Example:
        >>> HOLISTIC.dim, len(HOLISTIC.landmarks)
        (540, 169)
        >>> HOLISTIC.part_features("left_hand")
        slice(132, 195, None)
        >>> HOLISTIC.feature("body/LEFT_WRIST", "y")
        61

    Reference: seed 004, pose configuration.
    """

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if len({part.name for part in self.parts}) != len(self.parts):
            raise ConfigError("layout: names of parts repeat; give each its own")

    @property
    def dim(self) -> int:
        """Numbers in a frame."""
        return sum(part.dim for part in self.parts)

    @functools.cached_property
    def landmarks(self) -> tuple[str, ...]:
        """All landmarks in order, named `part/landmark`."""
        return tuple(f"{part.name}/{name}" for part in self.parts for name in part.landmarks)

    @functools.cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """The bones of all parts as pairs of landmark indices."""
        place = {name: index for index, name in enumerate(self.landmarks)}
        return tuple(
            (place[f"{part.name}/{start}"], place[f"{part.name}/{end}"])
            for part in self.parts
            for start, end in part.bones
        )

    @functools.cached_property
    def position_features(self) -> Int32[np.ndarray, "landmarks 3"]:
        """Places of each landmark's x, y and z in a frame: `frames[..., position_features]` are positions."""
        starts = [start for part in self._starts for start in part]
        return np.add.outer(np.array(starts, np.int32), np.arange(3, dtype=np.int32))

    @functools.cached_property
    def landmark_of_feature(self) -> Int32[np.ndarray, "dim"]:
        """Index of the landmark that each number of a frame belongs to."""
        widths = [len(part.coords) for part in self.parts for _ in part.landmarks]
        return np.repeat(np.arange(len(widths), dtype=np.int32), widths)

    @functools.cached_property
    def part_of_landmark(self) -> Int32[np.ndarray, "landmarks"]:
        """Index of the part that each landmark belongs to."""
        return np.repeat(np.arange(len(self.parts), dtype=np.int32), [len(part.landmarks) for part in self.parts])

    @property
    def _starts(self) -> list[list[int]]:
        """Returns where the numbers of each landmark begin, part by part."""
        begins = np.cumsum([0, *(part.dim for part in self.parts)])
        return [
            [int(begin) + len(part.coords) * index for index in range(len(part.landmarks))]
            for part, begin in zip(self.parts, begins, strict=False)
        ]

    def part(self, name: str) -> Part:
        """Returns a part by its name.

        Raises:
            ConfigError: If there is none of that name.
        """
        return self.parts[self._part_index(name)]

    def part_features(self, name: str) -> slice:
        """Returns where the numbers of a part lie in a frame.

        Raises:
            ConfigError: If there is no such part.
        """
        begin = sum(part.dim for part in self.parts[: self._part_index(name)])
        return slice(begin, begin + self.part(name).dim)

    def part_landmarks(self, name: str) -> slice:
        """Returns where the landmarks of a part lie among all landmarks.

        Raises:
            ConfigError: If there is no such part.
        """
        begin = sum(len(part.landmarks) for part in self.parts[: self._part_index(name)])
        return slice(begin, begin + len(self.part(name).landmarks))

    def landmark(self, name: str) -> int:
        """Returns the index of a landmark named `part/landmark`.

        Raises:
            ConfigError: If there is no such landmark.

        Example:
            >>> HOLISTIC.landmark("left_hand/WRIST")
            33
            >>> HOLISTIC.landmark("body/TAIL")
            Traceback (most recent call last):
            jaxmm.errors.ConfigError: there is no landmark 'body/TAIL'; body has NOSE, LEFT_EYE_INNER, ...
        """
        if name not in self.landmarks:
            part = name.split("/")[0]
            if part not in {part.name for part in self.parts}:
                raise ConfigError(
                    f"there is no landmark {name!r}; write part/landmark with a part among "
                    f"{', '.join(part.name for part in self.parts)}"
                )
            raise ConfigError(f"there is no landmark {name!r}; {part} has {', '.join(self.part(part).landmarks)}")
        return self.landmarks.index(name)

    def feature(self, landmark: str, coord: str) -> int:
        """Returns the place of a coordinate of a landmark in a frame (D13).

        Raises:
            ConfigError: If there is no such landmark, or it has no such coordinate.
        """
        index = self.landmark(landmark)
        coords = self.parts[int(self.part_of_landmark[index])].coords
        if coord not in coords:
            raise ConfigError(f"{landmark} has no coordinate {coord!r}; choose among {', '.join(coords)}")
        return int(self.position_features[index, 0]) + coords.index(coord)

    def detected(self, frames: Float[np.ndarray, "*time dim"]) -> Bool[np.ndarray, "*time landmarks"]:
        """Tells which landmarks were detected: those that are not at zero.

        Example:
            >>> HOLISTIC.detected(np.zeros((5, 540), np.float32)).any()
            np.False_
        """
        return (frames[..., self.position_features] != 0).any(axis=-1)

    def _part_index(self, name: str) -> int:
        names = [part.name for part in self.parts]
        if name not in names:
            raise ConfigError(f"there is no part {name!r}; choose among {', '.join(names)}")
        return names.index(name)


def _chain(names: str) -> tuple[tuple[str, str], ...]:
    """Joins landmarks, given as words, one after the other."""
    words = names.split()
    return tuple(itertools.pairwise(words))


_BODY = (
    "NOSE LEFT_EYE_INNER LEFT_EYE LEFT_EYE_OUTER RIGHT_EYE_INNER RIGHT_EYE RIGHT_EYE_OUTER LEFT_EAR RIGHT_EAR "
    "MOUTH_LEFT MOUTH_RIGHT LEFT_SHOULDER RIGHT_SHOULDER LEFT_ELBOW RIGHT_ELBOW LEFT_WRIST RIGHT_WRIST LEFT_PINKY "
    "RIGHT_PINKY LEFT_INDEX RIGHT_INDEX LEFT_THUMB RIGHT_THUMB LEFT_HIP RIGHT_HIP LEFT_KNEE RIGHT_KNEE LEFT_ANKLE "
    "RIGHT_ANKLE LEFT_HEEL RIGHT_HEEL LEFT_FOOT_INDEX RIGHT_FOOT_INDEX"
)
_BODY_BONES = (
    "LEFT_EAR LEFT_EYE_OUTER LEFT_EYE LEFT_EYE_INNER NOSE RIGHT_EYE_INNER RIGHT_EYE RIGHT_EYE_OUTER RIGHT_EAR",
    "MOUTH_LEFT MOUTH_RIGHT",
    "RIGHT_WRIST RIGHT_ELBOW RIGHT_SHOULDER LEFT_SHOULDER LEFT_ELBOW LEFT_WRIST",
    "LEFT_SHOULDER LEFT_HIP RIGHT_HIP RIGHT_SHOULDER",
    "LEFT_WRIST LEFT_PINKY LEFT_INDEX LEFT_WRIST LEFT_THUMB",
    "RIGHT_WRIST RIGHT_PINKY RIGHT_INDEX RIGHT_WRIST RIGHT_THUMB",
    "LEFT_HIP LEFT_KNEE LEFT_ANKLE LEFT_HEEL LEFT_FOOT_INDEX LEFT_ANKLE",
    "RIGHT_HIP RIGHT_KNEE RIGHT_ANKLE RIGHT_HEEL RIGHT_FOOT_INDEX RIGHT_ANKLE",
)
_FINGERS = ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
_THUMB = "THUMB_CMC THUMB_MCP THUMB_IP THUMB_TIP"
_HAND = " ".join(
    ("WRIST", _THUMB, *(f"{finger}_{joint}" for finger in _FINGERS for joint in ("MCP", "PIP", "DIP", "TIP")))
)
_HAND_BONES = (
    f"WRIST {_THUMB}",
    *(" ".join(f"{finger}_{joint}" for joint in ("MCP", "PIP", "DIP", "TIP")) for finger in _FINGERS),
    f"WRIST {' '.join(f'{finger}_MCP' for finger in _FINGERS)} WRIST",
)
# Numbers of MediaPipe's face mesh: lips, eyes, eyebrows, the tip of the nose and the chin.
_FACE_BONES = (
    "61 146 91 181 84 17 314 405 321 375 291 409 270 269 267 0 37 39 40 185 61",
    "78 95 88 178 87 14 317 402 318 324 308 415 310 311 312 13 82 81 80 191 78",
    "263 249 390 373 374 380 381 382 362 398 384 385 386 387 388 466 263",
    "33 7 163 144 145 153 154 155 133 173 157 158 159 160 161 246 33",
    "276 283 282 295 285 336 296 334 293 300 276",
    "46 53 52 65 55 107 66 105 63 70 46",
)
_FACE = sorted({int(number) for chain in _FACE_BONES for number in chain.split()} | {1, 152})


def _hand(side: str) -> Part:
    bones = tuple(bone for chain in _HAND_BONES for bone in _chain(chain))
    return Part(name=f"{side}_hand", landmarks=tuple(_HAND.split()), bones=bones)


HOLISTIC = SignLayout(
    parts=(
        Part(
            name="body",
            landmarks=tuple(_BODY.split()),
            coords=(*XYZ, "visibility"),
            bones=tuple(bone for chain in _BODY_BONES for bone in _chain(chain)),
        ),
        _hand("left"),
        _hand("right"),
        Part(
            name="face",
            landmarks=tuple(map(str, _FACE)),
            bones=tuple(bone for chain in _FACE_BONES for bone in _chain(chain)),
        ),
    )
)
"""MediaPipe Holistic's 33 body landmarks, 21 of each hand, and 94 of the 468 of the face mesh: 540 numbers."""
