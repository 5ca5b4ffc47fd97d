"""The lists that come with collections of videos: tables, and the files of UCF101."""

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath

from jaxmm.data.inventory import Problem
from jaxmm.data.lines import is_number, read_cells, read_lines
from jaxmm.data.segmentation.vocabulary import Vocabulary, checked_label
from jaxmm.errors import DataError, brief

_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a list.

    Attributes:
        where: File and line, for messages.
        values: What it says, by column; empty cells are left out.

    Example:
        >>> Row(where="videos.csv:2", values={"path": "a.mp4", "label": "jump"}).values["label"]
        'jump'
    """

    where: str
    values: Mapping[str, str]


def list_table(path: Path, *, columns: Collection[str]) -> tuple[list[Row], list[Problem]]:
    r"""Returns the rows of a CSV table that are in order, and what is wrong with the others.

    Args:
        path: The table, with a header.
        columns: Columns that every row must fill; there may be others.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "videos.csv"
        >>> _ = path.write_text("path,label\na.mp4,jump\nb.mp4,\n")
        >>> rows, problems = list_table(path, columns=("path", "label"))
        >>> rows[0].values["path"], problems[0].message.rpartition("/")[2]
        ('a.mp4', "videos.csv:3: 'label' is empty; fill it in, or remove the row")
    """
    rows, problems = list[Row](), list[Problem]()
    try:
        numbered = read_cells(path)
        header = _header(path, next(numbered, (1, []))[1], columns)
        for number, cells in numbered:
            try:
                rows.append(_row(f"{path}:{number}", header, cells, columns))
            except DataError as error:
                problems.append(Problem(kind="lists", message=str(error)))
    except DataError as error:
        problems.append(Problem(kind="lists", message=str(error)))
    if not rows and not problems:
        problems.append(Problem(kind="lists", message=f"{path}: has a header and no rows; add one for each video"))
    return rows, problems


def _header(path: Path, names: Sequence[str], columns: Collection[str]) -> list[str]:
    if repeated := sorted(name for name, count in Counter(names).items() if name and count > 1):
        raise DataError(f"{path}:1: column {brief(repeated[0])} repeats; name each column once")
    if lacking := [name for name in columns if name not in names]:
        raise DataError(f"{path}:1: columns are {brief(', '.join(names), 120)}; give {', '.join(lacking)} too")
    return list(names)


def _row(where: str, header: Sequence[str], cells: Sequence[str], columns: Collection[str]) -> Row:
    if len(cells) != len(header):
        raise DataError(
            f"{where}: has {len(cells)} cells under {len(header)} columns; quote cells that hold commas, "
            "or add what is missing"
        )
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if name and cell.strip()}
    if empty := next((name for name in columns if name not in values), None):
        raise DataError(f"{where}: {empty!r} is empty; fill it in, or remove the row")
    return Row(where=where, values=values)


def seconds_of(row: Row, column: str) -> float:
    """Returns a time that a row states.

    Raises:
        DataError: If it is no number of seconds from 0 on.

    Example:
        >>> seconds_of(Row(where="train.csv:2", values={"time_start": "20"}), "time_start")
        20.0
    """
    word = row.values[column]
    if not is_number(word) or float(word) < 0:
        raise DataError(f"{row.where}: {column!r} is {brief(word)}; give seconds, from 0 on")
    return float(word)


def path_of(where: str, word: str) -> PurePosixPath:
    """Returns a path that a list states.

    Raises:
        DataError: If it leaves the folder that it is below.

    Example:
        >>> path_of("videos.csv:2", "../a.mp4")
        Traceback (most recent call last):
        jaxmm.errors.DataError: videos.csv:2: path '../a.mp4' leaves the folder of the videos; give a path below it
    """
    path = PurePosixPath(word)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise DataError(f"{where}: path {brief(word)} leaves the folder of the videos; give a path below it")
    return path


def read_numbered_names(path: Path) -> dict[str, int]:
    r"""Reads `<number> <name>` lines, such as those of `classInd.txt`: every number from 1 on once.

    Raises:
        DataError: If a line is no such line, a name repeats, or numbers do not count up from 1.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "classInd.txt"
        >>> _ = path.write_text("1 Archery\n2 YoYo\n")
        >>> read_numbered_names(path)
        {'Archery': 1, 'YoYo': 2}
    """
    names: dict[str, int] = {}
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or not _NUMBER.fullmatch(words[0]):
            raise DataError(f"{path}:{number}: {brief(line)} is no number and name; write such as: 1 Archery")
        if words[1] in names or int(words[0]) != len(names) + 1:
            raise DataError(f"{path}:{number}: {brief(line)} repeats or skips; count up from 1, each name once")
        names[checked_label(words[1], f"{path}:{number}")] = int(words[0])
    if not names:
        raise DataError(f"{path}: names no class; write such as: 1 Archery")
    return names


def list_videos(path: Path, *, names: Mapping[str, int]) -> tuple[list[Row], list[Problem]]:
    r"""Returns the lines of a file such as `trainlist01.txt` that are in order, and what is wrong with the others.

    A line is a path, `<class>/<file>`, and of training the number of the class.

    Args:
        path: The file.
        names: The numbers of the classes.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "trainlist01.txt"
        >>> _ = path.write_text("YoYo/v_YoYo_g08_c01.avi 1\n")
        >>> list_videos(path, names={"Archery": 1, "YoYo": 2})[1][0].message.rpartition("/")[2]
        "v_YoYo_g08_c01.avi 1' has the number '1', but 'YoYo' is 2; correct one of them"
    """
    rows, problems = list[Row](), list[Problem]()
    try:
        lines = read_lines(path)
    except DataError as error:
        return [], [Problem(kind="lists", message=str(error))]
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            word, _, said = line.strip().partition(" ")
            name = path_of(where, word).parts[0]
            if name not in names:
                raise DataError(f"{where}: {brief(word)} lies in the folder of no class; correct it, or add the class")
            if said and said.strip() != str(names[name]):
                raise DataError(
                    f"{where}: {brief(line.strip())} has the number {brief(said.strip())}, but {name!r} is "
                    f"{names[name]}; correct one of them"
                )
            rows.append(Row(where=where, values={"path": word, "label": name}))
        except DataError as error:
            problems.append(Problem(kind="lists", message=str(error)))
    if not rows and not problems:
        problems.append(Problem(kind="lists", message=f"{path}: names no video; write one a line"))
    return rows, problems


def vocabulary_of_names(names: Sequence[str], where: str) -> Vocabulary:
    """Builds the vocabulary of classes by their names; a name such as `YoYo` or `yo yo` is described as yo yo.

    Args:
        names: Names of classes, in the order of their numbers.
        where: The place that a message names.

    Raises:
        DataError: If there is none, two are the same but for spaces, or one cannot be a label.

    Example:
        >>> vocabulary_of_names(["ApplyEyeMakeup", "air drumming"], "train.csv")
        Vocabulary(labels=('ApplyEyeMakeup', 'air_drumming'), descriptions=('apply eye makeup', 'air drumming'))
    """
    described: dict[str, str] = {}
    for name in names:
        label = checked_label(label_of(name), where)
        if label in described:
            raise DataError(f"{where}: two classes are named {brief(label)}, but for spaces; rename one")
        words = name.replace("_", " ").split()
        told = " ".join(words) if len(words) != 1 else _HUMP.sub(" ", words[0]).lower()
        described[label] = told or label
    if not described:
        raise DataError(f"{where}: names no class; add videos of one or more")
    return Vocabulary.of(list(described), described)


def label_of(name: str) -> str:
    """Returns the label of a class by its name: without spaces.

    Example:
        >>> label_of("air drumming")
        'air_drumming'
    """
    return "_".join(name.split())
