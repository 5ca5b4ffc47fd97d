"""Text files of the labels of frames, of the labels' numbers, and of their descriptions.

Reference: Abu Farha and Gall, MS-TCN: Multi-Stage Temporal Convolutional Network for Action Segmentation, CVPR 2019,
whose folders have these files; seed 002, "Data Format", for descriptions.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from jaxmm.data.lines import read_lines
from jaxmm.data.segmentation.bundles import filled_lines
from jaxmm.data.segmentation.vocabulary import Vocabulary, checked_description, checked_label
from jaxmm.errors import DataError, brief
from jaxmm.files import write_text

_INDEX = re.compile(r"\d{1,9}", re.ASCII)


def read_vocabulary(mapping: Path, descriptions: Path | None = None) -> Vocabulary:
    r"""Reads the labels of a mapping and what a file says of them.

    Args:
        mapping: File of `<index> <label>` lines.
        descriptions: File of `<label> "<description>"` lines, of labels of the mapping; a label that it leaves out,
            or all of them where there is no file, is described by its words.

    Raises:
        DataError: If a file cannot be read, or a label is described that the mapping does not have.

    Example:
        >>> import tempfile
        >>> mapping = Path(tempfile.mkdtemp()) / "mapping.txt"
        >>> _ = mapping.write_text("1 null\n0 cut_tomato\n")
        >>> read_vocabulary(mapping).labels
        ('cut_tomato', 'null')
    """
    labels = read_mapping(mapping)
    return Vocabulary.of(labels, None if descriptions is None else read_descriptions(descriptions, labels=labels))


def read_mapping(path: Path) -> tuple[str, ...]:
    r"""Reads `<index> <label>` lines, in any order, with every index from 0 on once; blank lines are skipped.

    Returns:
        The labels in the order of their indices.

    Raises:
        DataError: If a line is no such line, an index or label repeats, or an index is missing.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mapping.txt"
        >>> _ = path.write_text("0 cut\n0 mix\n")
        >>> read_mapping(path)
        Traceback (most recent call last):
        jaxmm.errors.DataError: ...mapping.txt:2: index 0 is that of 'cut' on line 1; number the labels from 0 on
    """
    rows: dict[int, tuple[str, int]] = {}
    lines_by_label: dict[str, int] = {}
    for number, line in filled_lines(path):
        where = f"{path}:{number}"
        index, *rest = line.split(maxsplit=1)
        if not _INDEX.fullmatch(index) or not rest:
            raise DataError(f"{where}: {brief(line)} is not an index and a label; write a line such as 0 cut_tomato")
        label = checked_label(rest[0], where)
        if int(index) in rows:
            other, before = rows[int(index)]
            raise DataError(
                f"{where}: index {int(index)} is that of {brief(other)} on line {before}; number the labels from 0 on"
            )
        if label in lines_by_label:
            raise DataError(f"{where}: label {brief(label)} is on line {lines_by_label[label]} already; keep one")
        rows[int(index)], lines_by_label[label] = (label, number), number
    if not rows:
        raise DataError(f"{path}: has no labels; write a line such as 0 cut_tomato for each")
    if missing := [index for index in range(len(rows)) if index not in rows]:
        raise DataError(f"{path}: has no index {missing[0]}; number its {len(rows)} labels from 0 to {len(rows) - 1}")
    return tuple(rows[index][0] for index in range(len(rows)))


def write_mapping(path: Path, labels: Sequence[str]) -> None:
    """Writes labels as `read_mapping` reads them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mapping.txt"
        >>> write_mapping(path, ["cut_tomato", "null"])
        >>> read_mapping(path)
        ('cut_tomato', 'null')
    """
    vocabulary = Vocabulary.of(labels)
    write_text(path, "".join(f"{index} {label}\n" for index, label in enumerate(vocabulary.labels)))


def read_descriptions(path: Path, *, labels: Collection[str] | None = None) -> dict[str, str]:
    r"""Reads `<label> "<description>"` lines (D11: the quotes may be missing, and blank lines are skipped).

    Args:
        path: The file.
        labels: The only labels that may be described; None takes any.

    Returns:
        Descriptions by label, in the order of the file; spaces around and runs of spaces within are dropped.

    Raises:
        DataError: If a line is no such line, or its label repeats or is none of `labels`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "salad_description.txt"
        >>> _ = path.write_text('cut_tomato "cut the tomato"\n\nmix mix everything')
        >>> read_descriptions(path)
        {'cut_tomato': 'cut the tomato', 'mix': 'mix everything'}
    """
    descriptions: dict[str, str] = {}
    lines_by_label: dict[str, int] = {}
    known = None if labels is None else frozenset(labels)
    for number, line in filled_lines(path):
        where = f"{path}:{number}"
        label, *rest = line.split(maxsplit=1)
        text = rest[0] if rest else ""
        if text.startswith('"'):
            if len(text) < 2 or not text.endswith('"'):
                raise DataError(f"{where}: the description of {brief(label)} has no closing quote; add it")
            text = text[1:-1]
        checked_label(label, where)
        if label in lines_by_label:
            raise DataError(f"{where}: label {brief(label)} is on line {lines_by_label[label]} already; keep one")
        if known is not None and label not in known:
            raise DataError(f"{where}: {brief(label)} is no label of the mapping; correct it, or remove the line")
        text = " ".join(text.split())
        descriptions[label] = checked_description(text, f"{where}: {brief(label)}")
        lines_by_label[label] = number
    if not descriptions:
        raise DataError(f'{path}: describes no label; write a line such as cut_tomato "cut the tomato" for each')
    return descriptions


def write_descriptions(path: Path, descriptions: Mapping[str, str]) -> None:
    """Writes descriptions by label as `read_descriptions` reads them.

    Raises:
        DataError: If there is none, a label holds a space, or a description is empty or holds runs of spaces.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "salad_description.txt"
        >>> write_descriptions(path, {"cut_tomato": "cut the tomato"})
        >>> path.read_text().strip()
        'cut_tomato "cut the tomato"'
    """
    vocabulary = Vocabulary(tuple(descriptions), tuple(descriptions.values()))
    rows = zip(vocabulary.labels, vocabulary.descriptions, strict=True)
    write_text(path, "".join(f'{label} "{description}"\n' for label, description in rows))


def read_frame_labels(path: Path, vocabulary: Vocabulary) -> Int32[np.ndarray, "time"]:
    r"""Reads the label of every frame, one a line; blank lines at the end are skipped.

    Returns:
        Places in the vocabulary.

    Raises:
        DataError: If there is no line, one is blank, or its label is none of the vocabulary (D4).

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "video.txt"
        >>> _ = path.write_text("mix\ncut\ncut\n")
        >>> read_frame_labels(path, Vocabulary.of(["cut", "mix"])).tolist()
        [1, 0, 0]
    """
    labels = [line.strip() for line in read_lines(path)]
    while labels and not labels[-1]:
        labels.pop()
    if not labels:
        raise DataError(f"{path}: has no labels; write that of each frame on a line of its own")
    unknown = next((place for place, label in enumerate(labels) if label not in vocabulary.indices), None)
    if unknown is not None:
        raise DataError(f"{path}:{unknown + 1}: {_unknown_label(unknown, labels, vocabulary)}")
    return np.array([vocabulary.indices[label] for label in labels], np.int32)


def _unknown_label(place: int, labels: Sequence[str], vocabulary: Vocabulary) -> str:
    """Says what is wrong with the first label that the vocabulary does not have, and names the next one."""
    if not labels[place]:
        return "is blank; write the label of this frame"
    known = {*vocabulary.labels, labels[place]}
    another = next((other for other in range(place, len(labels)) if labels[other] not in known), None)
    others = "" if another is None else f"; {brief(labels[another])} on line {another + 1} is another"
    return (
        f"{brief(labels[place])} is no label of the mapping ({labels.count(labels[place])} such lines{others}); "
        "correct it, or add it to the mapping"
    )


def write_frame_labels(path: Path, labels: Int32[np.ndarray, "time"], vocabulary: Vocabulary) -> None:
    """Writes the label of every frame as `read_frame_labels` reads them.

    Raises:
        DataError: If there is no frame, or a number is none of the vocabulary.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "video.txt"
        >>> write_frame_labels(path, np.array([1, 0], np.int32), Vocabulary.of(["cut", "mix"]))
        >>> path.read_text().split()
        ['mix', 'cut']
    """
    if not len(labels) or labels.min() < 0 or labels.max() >= vocabulary.num_labels:
        raise DataError(
            f"{path}: labels must be one number or more from 0 to {vocabulary.num_labels - 1}; correct them"
        )
    write_text(path, "".join(f"{vocabulary.labels[label]}\n" for label in labels))
