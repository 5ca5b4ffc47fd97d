"""Bundles: the videos of one part of a split, one a line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxmm.data.captions import MAX_ROWS
from jaxmm.data.inventory import Problem
from jaxmm.data.lines import read_lines
from jaxmm.errors import DataError, brief
from jaxmm.files import write_text

_ENDINGS = (".txt", ".npy")
# File systems take 255, of which an ending and the name of a file that is being written need some.
_MOST_BYTES = 200
_NO_NAME = "{} is not the name of a video; write one without a folder"


def read_bundle(path: Path) -> tuple[str, ...]:
    r"""Reads the videos of one part of a split, one a line, with or without the ending `.txt` or `.npy`.

    Blank lines are skipped; a bundle may hold no video.

    Raises:
        DataError: If a line is no name of a file, or a video repeats.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "test.split1.bundle"
        >>> _ = path.write_text("rgb-01-1.txt\nrgb-01-2\n")
        >>> read_bundle(path)
        ('rgb-01-1', 'rgb-01-2')
    """
    keys, problems = list_bundle(path)
    if problems:
        raise DataError(problems[0].message)
    return tuple(keys)


def list_bundle(path: Path) -> tuple[dict[str, int], list[Problem]]:
    """Returns the line of every video of a bundle, and what is wrong with its other lines.

    Example:
        >>> keys, problems = list_bundle(Path("no.bundle"))
        >>> keys, problems[0].message
        ({}, 'no.bundle: cannot be read (No such file or directory); check the path and its permissions')
    """
    keys: dict[str, int] = {}
    problems: list[Problem] = []
    try:
        for number, line in filled_lines(path):
            ending = next((ending for ending in _ENDINGS if line.endswith(ending)), "")
            key = line.removesuffix(ending)
            if not _names_file(key):
                problems.append(Problem(kind="splits", message=f"{path}:{number}: {_NO_NAME.format(brief(key))}"))
            elif key in keys:
                message = f"{path}:{number}: {brief(key)} is on line {keys[key]} already; keep one"
                problems.append(Problem(kind="splits", message=message))
            else:
                keys[key] = number
    except DataError as error:
        problems.append(Problem(kind="splits", message=str(error)))
    return keys, problems


def write_bundle(path: Path, keys: Sequence[str]) -> None:
    """Writes videos as `read_bundle` reads them, with the ending `.txt` that other readers expect.

    Raises:
        DataError: If a key is no name of a file, or repeats.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "test.split1.bundle"
        >>> write_bundle(path, ["rgb-01-1"])
        >>> read_bundle(path)
        ('rgb-01-1',)
    """
    if len(set(keys)) != len(keys):
        raise DataError(f"{path}: a video repeats; name each once")
    write_text(path, "".join(f"{checked_key(key)}.txt\n" for key in keys))


def checked_key(key: str) -> str:
    """Returns a video's key, which names its files.

    Raises:
        DataError: If it cannot be the name of a file.

    Example:
        >>> checked_key("../rgb-01-1")
        Traceback (most recent call last):
        jaxmm.errors.DataError: '../rgb-01-1' is not the name of a video; write one without a folder
    """
    if not _names_file(key):
        raise DataError(_NO_NAME.format(brief(key)))
    return key


def _names_file(key: str) -> bool:
    # What cannot be printed, such as NUL, cannot stand in a name or would not be read as it was written.
    printable = key.isprintable() and key == key.strip()
    return printable and "/" not in key and key not in ("", ".", "..") and len(key.encode()) <= _MOST_BYTES


def filled_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yields the lines that are not blank, without spaces around them, and their numbers.

    Raises:
        DataError: If the file cannot be read, or has more such lines than a list of videos or labels would.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "test.split1.bundle"
        >>> _ = path.write_text("\n rgb-01-1.txt")
        >>> list(filled_lines(path))
        [(2, 'rgb-01-1.txt')]
    """
    lines = ((number, line.strip()) for number, line in enumerate(read_lines(path), 1))
    for count, (number, line) in enumerate(numbered for numbered in lines if numbered[1]):
        if count == MAX_ROWS:
            raise DataError(f"{path}:{number}: more than {MAX_ROWS} lines; split the folder")
        yield number, line
