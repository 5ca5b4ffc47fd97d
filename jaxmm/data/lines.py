"""Text files of bounded size, line by line, the cells of tables, and the plain numbers in them."""

import csv
import math
import re
from collections.abc import Iterator
from pathlib import Path

from jaxmm.errors import DataError, reason

# Ceilings that no recording of one figure comes near: a damaged or hostile file fails before memory is spent on it.
MAX_BYTES = 96 * 2**20
MAX_LINES = 2_000_000
MAX_LINE_LENGTH = 2**20

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def read_lines(path: Path) -> list[str]:
    r"""Reads a text file of bounded size; line endings of every system are understood.

    Raises:
        DataError: If the file cannot be read, is not UTF-8 text, or is larger than any recording would be.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "two.txt"
        >>> _ = path.write_bytes(b"one\r\ntwo")
        >>> read_lines(path)
        ['one', 'two']
    """
    lines: list[str] = []
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is not a regular file; name a file")
        with path.open(encoding="utf-8-sig") as file:
            if path.stat().st_size > MAX_BYTES:
                raise DataError(f"{path}: larger than {MAX_BYTES // 2**20} MiB; split the recording")
            while line := file.readline(MAX_LINE_LENGTH + 2):
                lines.append(line.removesuffix("\n"))
                if len(lines[-1]) > MAX_LINE_LENGTH:
                    raise DataError(f"{path}:{len(lines)}: longer than {MAX_LINE_LENGTH} characters; use several lines")
                if len(lines) > MAX_LINES:
                    raise DataError(f"{path}: more than {MAX_LINES} lines; split the recording")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{_undecodable(path)}: not UTF-8 text; convert the file, or name another") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: cannot be read ({why}); check the path and its permissions") from error
    return lines


def read_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    r"""Yields the rows of a CSV table, each with its first line; quoted cells may span several, and blank lines none.

    Raises:
        DataError: If the file cannot be read, or is no such table.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "two.csv"
        >>> _ = path.write_text('path,label\na.mp4,"jump, high"\n')
        >>> list(read_cells(path))
        [(1, ['path', 'label']), (2, ['a.mp4', 'jump, high'])]
    """
    reader = csv.reader((f"{line}\n" for line in read_lines(path)), strict=True)
    number = 1
    try:
        for cells in reader:
            if cells:
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}:{number}: not a CSV table ({reason(error)}); check quotes and commas") from error


def is_number(word: str) -> bool:
    """Tells whether a word is a finite decimal number in ASCII digits.

    Example:
        >>> is_number("-1.5e3"), is_number("nan"), is_number("1_0")
        (True, False, False)
    """
    return bool(_NUMBER.fullmatch(word)) and math.isfinite(float(word))


def _undecodable(path: Path) -> int:
    """Returns the first line that is not UTF-8; the decoder works in blocks and does not know it."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
