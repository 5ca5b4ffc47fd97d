"""What is wrong with a source's files: every problem, file by file, where reading would stop at the first."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float32

from jaxmm.data.inventory import Inventory, Problem
from jaxmm.data.motion import Motion, Skeleton
from jaxmm.data.sources import MotionSource
from jaxmm.data.splits import FileSplit, HashSplit, Split, TagSplit
from jaxmm.errors import DataError

# A person is measured corner to corner of the box around the joints, which lies between a ball and a leap.
SMALLEST_PERSON, LARGEST_PERSON = 0.3, 4.0
# Sprinters run at 12 m/s, and a thrower's hand moves at 40 m/s.
FASTEST_ROOT, FASTEST_JOINT = 20.0, 60.0
# Neither a step nor a sign is over sooner.
SHORTEST_SECONDS = 0.25
_MOST_NAMED = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a source holds, and what is wrong with it.

    Attributes:
        counts: Numbers of recordings, their frames and seconds, and more of each kind.
        problems: What is wrong with the list, then with what was read, with what cannot be, and with copies.

    Example:
        >>> report = Report(counts={"motions": 2}, problems=(Problem(kind="jump", message="walk: frame 3 jumps"),))
        >>> report.values()
        {'motions': 2, 'problems': 1, 'problems/jump': 1, 'problem/1': 'walk: frame 3 jumps'}
    """

    counts: Mapping[str, float]
    problems: tuple[Problem, ...]

    def totals(self) -> dict[str, float]:
        """Returns the counts, with the number of problems in all and of each kind."""
        kinds = Counter(problem.kind for problem in self.problems)
        by_kind = {f"problems/{kind}": count for kind, count in sorted(kinds.items())}
        return {**self.counts, "problems": len(self.problems), **by_kind}

    def values(self) -> dict[str, float | str]:
        """Returns the totals and every problem under a name of its own."""
        messages = {f"problem/{number}": problem.message for number, problem in enumerate(self.problems, 1)}
        return {**self.totals(), **messages}


@runtime_checkable
class Recorded(Protocol):
    """What recordings of every kind have."""

    @property
    def key(self) -> str:
        """Name within the source."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """Further labels."""
        ...

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        ...

    @property
    def fps(self) -> float:
        """Frames per second."""
        ...


Clip = TypeVar("Clip", bound=Recorded)


class Findings(Generic[Clip]):
    """What has been read so far: enough to compare with, and to count; a kind of recording says what is of its own."""

    noun: ClassVar[str] = "recordings"
    """What is counted."""
    description: ClassVar[str] = "description"
    """What a file must have in order to be read."""
    remedy: ClassVar[str] = "keep one"
    """What to do with a recording that is there twice."""

    def __init__(self) -> None:
        self._tags: dict[str, Mapping[str, str]] = {}
        self._keys_by_content: dict[bytes, list[str]] = {}
        self._counts = {self.noun: 0.0, "frames": 0.0, "seconds": 0.0}
        self._unread: list[str] = []

    def counts(self) -> dict[str, float]:
        """Returns the numbers of what was read."""
        return dict(self._counts)

    def add(self, clip: Clip) -> Iterator[Problem]:
        """Counts a recording and yields what is wrong with it."""
        if clip.key in self._tags:
            yield Problem(kind="keys", message=f"{clip.key}: the key repeats; give every recording its own")
        self._tags[clip.key] = clip.tags
        # Thousandths: a copy in another number format is mostly the same there. Without -0, which has other bytes.
        content = np.round(self._content(clip).astype(np.float64), 3) + 0.0
        self._keys_by_content.setdefault(hashlib.sha256(content.tobytes()).digest(), []).append(clip.key)
        seconds = clip.num_frames / clip.fps
        for name, value in ((self.noun, 1), ("frames", clip.num_frames), ("seconds", seconds)):
            self._counts[name] += value
        if seconds < SHORTEST_SECONDS:
            message = f"{clip.key}: lasts {seconds:.3f} s, {clip.num_frames} frames; drop it, or correct its fps"
            yield Problem(kind="short", message=message)
        yield from self._suspicions(clip)

    def leave_out(self, key: str) -> None:
        """Notes a recording that could not be read; a list of splits may name it all the same."""
        self._unread.append(key)

    def repeated(self, split: HashSplit | FileSplit | TagSplit | None) -> Iterator[Problem]:
        """Yields recordings that are there under several keys, which matters most across splits."""
        splits: dict[str, Split] = {}
        if split is not None and self._tags:
            try:
                listed = {key: {} for key in self._unread} if isinstance(split, FileSplit) else {}
                splits = split.assign({**listed, **self._tags})
            except DataError as error:
                yield Problem(kind="split", message=str(error))
        within: list[list[str]] = []
        for keys in self._keys_by_content.values():
            distinct = list(dict.fromkeys(keys))
            parts = sorted({splits[key] for key in distinct if key in splits})
            if len(parts) > 1:
                message = f"{first_of(distinct)}: the same recording is in {' and '.join(parts)}; keep it in one"
                yield Problem(kind="leakage", message=message)
            elif len(distinct) > 1:
                within.append(distinct)
        yield from self._duplicates(within)

    def _content(self, clip: Clip) -> Float32[np.ndarray, "..."]:
        """Returns what makes two recordings the same."""
        raise TypeError(f"{type(self).__name__} must define _content")

    def _suspicions(self, clip: Clip) -> Iterator[Problem]:
        """Yields what is wrong with one recording."""
        raise TypeError(f"{type(self).__name__} must define _suspicions")

    def _duplicates(self, groups: Sequence[Sequence[str]]) -> Iterator[Problem]:
        """Yields what to say of keys that have the same recording, each group in one split."""
        for keys in groups:
            message = f"{first_of(keys)}: the same recording under {len(keys)} keys; {self.remedy}"
            yield Problem(kind="duplicate", message=message)


def read_on(
    inventory: Inventory[Clip], findings: Findings[Clip], *, split: HashSplit | FileSplit | TagSplit | None = None
) -> Report:
    """Reads everything that an inventory lists, and goes on where something is wrong.

    Args:
        inventory: The recordings, and what is wrong with their list.
        findings: What is looked for.
        split: How recordings are assigned, to find the same one in two splits; None compares without.

    Example:
        >>> nothing: Inventory[Motion] = Inventory(undescribed=("walk.bvh",))
        >>> [problem.message for problem in read_on(nothing, MotionFindings()).problems]
        ['walk.bvh: no caption; it is left out until it has one']
    """
    problems = list(inventory.problems)
    problems += [
        Problem(kind="undescribed", message=f"{name}: no {findings.description}; it is left out until it has one")
        for name in inventory.undescribed
    ]
    failures: dict[str, list[str]] = {}
    for recording in inventory.recordings:
        try:
            for clip in recording.read():
                problems += findings.add(clip)
        except DataError as error:
            failures.setdefault(str(error), []).append(recording.key)
            findings.leave_out(recording.key)
    problems += [Problem(kind="files", message=_failure(message, keys)) for message, keys in failures.items()]
    problems += findings.repeated(split)
    return Report(counts=findings.counts(), problems=tuple(problems))


def first_of(names: Sequence[str]) -> str:
    """Returns the first few names of many, for a message.

    Example:
        >>> first_of("abcd")
        'a, b, c, ...'
    """
    return ", ".join(names[:_MOST_NAMED]) + ("" if len(names) <= _MOST_NAMED else ", ...")


def _failure(message: str, keys: Sequence[str]) -> str:
    """Says once what is wrong with a file that several recordings need."""
    if len(keys) > 1:
        return f"{message} ({len(keys)} recordings cannot be read without it: {first_of(keys)})"
    return message if keys[0] in message else f"{keys[0]}: {message}"


def check_source(
    source: MotionSource, root: Path | None, *, split: HashSplit | FileSplit | TagSplit | None = None
) -> Report:
    """Reads all motions of a source, and goes on where something is wrong.

    Args:
        source: The source.
        root: Folder of the source's files; None for the procedural source.
        split: How motions are assigned, to find the same recording in two splits; None compares without.

    Raises:
        DataError: If `root` is no folder.

    Example:
        >>> import tempfile
        >>> from jaxmm.data.sources import MotionFolder
        >>> root = Path(tempfile.mkdtemp())
        >>> np.save(root / "walk.npy", np.zeros((4, 1, 3), np.float32))
        >>> _ = (root / "skeleton.json").write_text('{"joint_names": ["Hips"], "parents": [-1]}')
        >>> _ = (root / "captions.jsonl").write_text('{"key": "walk", "text": "a person walks", "fps": 20}')
        >>> [problem.kind for problem in check_source(MotionFolder(), root).problems]
        ['short']
    """
    return read_on(source.inventory(root), MotionFindings(), split=split)


class MotionFindings(Findings[Motion]):
    """What has been read of motions."""

    noun = "motions"
    description = "caption"
    remedy = "give its captions as one list"

    def __init__(self) -> None:
        super().__init__()
        self._captions: list[str] = []
        self._skeleton: Skeleton | None = None
        self._first = ""

    def counts(self) -> dict[str, float]:
        """Returns the numbers of what was read."""
        captions = {"captions": len(self._captions), "distinct_captions": len(set(self._captions))}
        return {**super().counts(), **captions, "joints": 0 if self._skeleton is None else self._skeleton.num_joints}

    def _content(self, clip: Motion) -> Float32[np.ndarray, "time joints 3"]:
        return clip.positions

    def _suspicions(self, clip: Motion) -> Iterator[Problem]:
        self._captions.extend(clip.captions)
        if self._skeleton is None:
            self._skeleton, self._first = clip.skeleton, clip.key
        elif clip.skeleton != self._skeleton:
            yield Problem(kind="skeleton", message=_difference(clip, self._skeleton, self._first))
        yield from _impossible(clip)


def _difference(motion: Motion, skeleton: Skeleton, first: str) -> str:
    own, others = set(motion.skeleton.joint_names), set(skeleton.joint_names)
    if extra := sorted(own - others):
        difference = f"it has {', '.join(extra[:_MOST_NAMED])}"
    elif lacking := sorted(others - own):
        difference = f"it lacks {', '.join(lacking[:_MOST_NAMED])}"
    else:
        difference = "its joints have another order or other parents"
    return f"{motion.key}: has another skeleton than {first} ({difference}); keep one a data set"


def _impossible(motion: Motion) -> Iterator[Problem]:
    """Yields what a person could not have done."""
    size = _size(motion.positions)
    if motion.skeleton.num_joints > 1 and not SMALLEST_PERSON <= size <= LARGEST_PERSON:
        message = f"{motion.key}: the figure measures {size:.3g} m; correct the unit of its file"
        yield Problem(kind="unit", message=message)
        return
    steps = np.linalg.norm(np.diff(motion.positions, axis=0), axis=-1) * motion.fps
    fast = (steps[:, 0] > FASTEST_ROOT) | (steps > FASTEST_JOINT).any(axis=1)
    if fast.any():
        frames = np.flatnonzero(fast) + 1
        message = (
            f"{motion.key}: frame {frames[0]} jumps, at {steps[frames[0] - 1].max():.0f} m/s "
            f"({len(frames)} such frames); cut the recording there, or correct its fps"
        )
        yield Problem(kind="jump", message=message)


def _size(positions: Float32[np.ndarray, "time joints 3"]) -> float:
    """Returns the diagonal of the box around the joints, its median over the frames."""
    return float(np.median(np.linalg.norm(positions.max(axis=1) - positions.min(axis=1), axis=-1)))
