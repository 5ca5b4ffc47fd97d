"""What is wrong with a source's files: every problem, file by file, where reading would stop at the first."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxmm.data.inventory import Problem
from jaxmm.data.motion import Motion, Skeleton
from jaxmm.data.sources import MotionSource
from jaxmm.data.splits import FileSplit, HashSplit, Split, TagSplit
from jaxmm.errors import DataError

# A person is measured corner to corner of the box around the joints, which lies between a ball and a leap.
SMALLEST_PERSON, LARGEST_PERSON = 0.3, 4.0
# Sprinters run at 12 m/s, and a thrower's hand moves at 40 m/s.
FASTEST_ROOT, FASTEST_JOINT = 20.0, 60.0
SHORTEST_SECONDS = 0.25
_MOST_NAMED = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a source holds, and what is wrong with it.

    Attributes:
        counts: Numbers of motions, captions, distinct captions, frames and joints, and seconds.
        problems: What is wrong, in the order of the files.

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


def check_source(
    source: MotionSource, root: Path | None, *, split: HashSplit | FileSplit | TagSplit | None = None
) -> Report:
    """Reads everything a source holds, and goes on where something is wrong.

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
    inventory = source.inventory(root)
    problems = list(inventory.problems)
    problems += [
        Problem(kind="undescribed", message=f"{name}: no caption; it is left out until it has one")
        for name in inventory.undescribed
    ]
    seen = _Seen()
    for recording in inventory.recordings:
        try:
            for motion in recording.read():
                problems += seen.add(motion)
        except DataError as error:
            message = str(error)
            named = message if recording.key in message else f"{recording.key}: {message}"
            problems.append(Problem(kind="files", message=named))
    problems += seen.repeated(split)
    return Report(counts=seen.counts(), problems=tuple(problems))


class _Seen:
    """What has been read so far: enough to compare with, and to count."""

    def __init__(self) -> None:
        self._tags: dict[str, Mapping[str, str]] = {}
        self._keys_by_content: dict[bytes, list[str]] = {}
        self._captions: set[str] = set()
        self._skeleton: Skeleton | None = None
        self._first = ""
        self._counts = {"motions": 0.0, "captions": 0.0, "frames": 0.0, "seconds": 0.0}

    def counts(self) -> dict[str, float]:
        """Returns the numbers of what was read."""
        joints = 0 if self._skeleton is None else self._skeleton.num_joints
        return {**self._counts, "distinct_captions": float(len(self._captions)), "joints": float(joints)}

    def add(self, motion: Motion) -> Iterator[Problem]:
        """Counts a motion and yields what is wrong with it."""
        if motion.key in self._tags:
            yield Problem(kind="keys", message=f"{motion.key}: the key repeats; give every motion its own")
        self._tags[motion.key] = motion.tags
        # Millimetres: a copy in another number format is the same recording.
        content = np.round(motion.positions * 1000).astype(np.int64).tobytes()
        self._keys_by_content.setdefault(hashlib.sha256(content).digest(), []).append(motion.key)
        for name, value in (
            ("motions", 1),
            ("captions", len(motion.captions)),
            ("frames", motion.num_frames),
            ("seconds", motion.seconds),
        ):
            self._counts[name] += value
        self._captions.update(motion.captions)
        if self._skeleton is None:
            self._skeleton, self._first = motion.skeleton, motion.key
        elif motion.skeleton != self._skeleton:
            yield Problem(kind="skeleton", message=_difference(motion, self._skeleton, self._first))
        yield from _suspicions(motion)

    def repeated(self, split: HashSplit | FileSplit | TagSplit | None) -> Iterator[Problem]:
        """Yields recordings that are there under several keys, which matters most across splits."""
        splits: dict[str, Split] = {}
        if split is not None and self._tags:
            try:
                splits = split.assign(self._tags)
            except DataError as error:
                yield Problem(kind="split", message=str(error))
        for keys in self._keys_by_content.values():
            distinct = list(dict.fromkeys(keys))
            if len(distinct) < 2:
                continue
            parts = sorted({splits[key] for key in distinct if key in splits})
            named = ", ".join(distinct[:_MOST_NAMED]) + ("" if len(distinct) <= _MOST_NAMED else ", ...")
            if len(parts) > 1:
                message = f"{named}: the same recording is in {' and '.join(parts)}; keep it in one"
                yield Problem(kind="leakage", message=message)
            else:
                message = f"{named}: the same recording under {len(distinct)} keys; give its captions as one list"
                yield Problem(kind="duplicate", message=message)


def _difference(motion: Motion, skeleton: Skeleton, first: str) -> str:
    own, others = set(motion.skeleton.joint_names), set(skeleton.joint_names)
    if extra := sorted(own - others):
        difference = f"it has {', '.join(extra[:_MOST_NAMED])}"
    elif lacking := sorted(others - own):
        difference = f"it lacks {', '.join(lacking[:_MOST_NAMED])}"
    else:
        difference = "its joints have another order or other parents"
    return f"{motion.key}: has another skeleton than {first} ({difference}); keep one a data set"


def _suspicions(motion: Motion) -> Iterator[Problem]:
    """Yields what a person could not have done."""
    if motion.seconds < SHORTEST_SECONDS:
        message = f"{motion.key}: lasts {motion.seconds:.3f} s, {motion.num_frames} frames; drop it, or correct its fps"
        yield Problem(kind="short", message=message)
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
