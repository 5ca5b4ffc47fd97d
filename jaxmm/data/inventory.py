"""What a folder of recordings holds: each one ready to be read, and everything that is wrong with the list."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from jaxmm.errors import DataError

Item = TypeVar("Item")
"""What a recording holds, such as motions or clips of signing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: What it concerns, such as `captions` or `files`; problems are counted by it.
        message: What is wrong, where, and what to do.

    Example:
        >>> Problem(kind="captions", message="captions.jsonl:3: not JSON").kind
        'captions'
    """

    kind: str
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recording(Generic[Item]):
    """One file, or one entry of an archive, that has not been read yet.

    Attributes:
        key: Name within its source.
        read: Reads its items, or raises a DataError.

    Example:
        >>> Recording(key="walk", read=tuple).read()
        ()
    """

    key: str
    read: Callable[[], Iterable[Item]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inventory(Generic[Item]):
    """The recordings of a source, listed without reading them.

    Attributes:
        recordings: In the order in which they are read.
        problems: What is wrong with the list itself; a source with any is not read.
        undescribed: Files that no caption names; they are left out.

    Example:
        >>> list(Inventory(problems=(Problem(kind="captions", message="captions.jsonl: no rows"),)).items())
        Traceback (most recent call last):
        jaxmm.errors.DataError: captions.jsonl: no rows
    """

    recordings: tuple[Recording[Item], ...] = ()
    problems: tuple[Problem, ...] = ()
    undescribed: tuple[str, ...] = ()

    def map(self, change: Callable[[Item], Item]) -> "Inventory[Item]":
        """Returns the same list, each of whose items is changed once it is read."""

        def changed(recording: Recording[Item]) -> Recording[Item]:
            return Recording(key=recording.key, read=lambda: map(change, recording.read()))

        return dataclasses.replace(self, recordings=tuple(map(changed, self.recordings)))

    def items(self) -> Iterator[Item]:
        """Returns every item in order; files are read as the iterator advances.

        Raises:
            DataError: With the first problem, if there is one.
        """
        if self.problems:
            raise DataError(self.problems[0].message)
        return (item for recording in self.recordings for item in recording.read())


def list_synthetic(
    root: Path | None, splits: Mapping[str, Callable[[], Iterable[Item]]], *, instead: str
) -> Inventory[Item]:
    """Lists what a source makes by rules, each split as one recording.

    Args:
        root: None, since no file is read.
        splits: What makes the items of each split.
        instead: Sources that do read a folder, for the message.

    Raises:
        DataError: If a root is given.

    Example:
        >>> list(list_synthetic(None, {"train": lambda: "ab", "test": lambda: "c"}, instead="MotionFolder").items())
        ['a', 'b', 'c']
    """
    if root is not None:
        raise DataError(
            f"data.root is {root}, but the procedural source reads no files; remove it, or use a config "
            f"whose data.source is {instead}"
        )
    return Inventory(recordings=tuple(Recording(key=split, read=read) for split, read in splits.items()))


def existing_folder(root: Path | None, contents: str) -> Path:
    """Returns the root of a source that reads files.

    Args:
        root: The folder, or None where nobody named one.
        contents: What the folder must hold, for the message.

    Raises:
        DataError: If there is no such folder.

    Example:
        >>> existing_folder(None, "captions.jsonl")
        Traceback (most recent call last):
        jaxmm.errors.DataError: data.root is not set; give the folder that holds captions.jsonl with --data.root PATH
    """
    if root is None:
        raise DataError(f"data.root is not set; give the folder that holds {contents} with --data.root PATH")
    if not root.is_dir():
        raise DataError(f"data.root: {root} is not a folder; give the folder that holds {contents}")
    return root
