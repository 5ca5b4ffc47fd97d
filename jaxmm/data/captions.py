"""The captions of a folder: `captions.jsonl`, one JSON object a line that names a motion and describes it."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias

from jaxmm.data.inventory import Problem
from jaxmm.data.lines import read_lines
from jaxmm.errors import DataError, brief, reason

CAPTIONS = "captions.jsonl"
"""Name of the file in a folder."""

NameField: TypeAlias = Literal["key", "file"]
"""What a row names its motion by: a key, or the path of a file below the folder."""

# Rows are kept while the folder is read; more than this is no description of motions.
MAX_ROWS = 200_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionRow:
    """One line of the file.

    Attributes:
        where: File and line, for messages.
        name: Key or file of the motion.
        texts: One or more captions.
        fields: Further fields that are single values, such as a frame rate.

    Example:
        >>> CaptionRow(where="captions.jsonl:1", name="walk", texts=("a walk",), fields={"style": "old", "age": 7}).tags
        {'style': 'old'}
    """

    where: str
    name: str
    texts: tuple[str, ...]
    fields: Mapping[str, str | float | None] = dataclasses.field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The name without the ending of its file."""
        return str(PurePosixPath(self.name).with_suffix(""))

    @property
    def tags(self) -> dict[str, str]:
        """The further fields that are text."""
        return {name: value for name, value in self.fields.items() if isinstance(value, str)}

    def number(self, name: str, default: float | None, *, least: float, most: float, meaning: str) -> float:
        """Returns a field that must be a number.

        Args:
            name: The field.
            default: Its value where the row has none; None where the row must have one.
            least: Smallest value, inclusive.
            most: Largest value, inclusive.
            meaning: What the field says, for the message.

        Raises:
            DataError: If it is absent, not a number, or out of its range.
        """
        value = self.fields.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise DataError(
                f"{self.where}: {brief(self.name)} has {name} {brief(value)}; give {meaning} "
                f"as a number from {least:g} to {most:g}"
            )
        return float(value)


def read_captions(path: Path, *, name_field: NameField) -> list[CaptionRow]:
    """Reads `captions.jsonl`: objects with `key` or `file`, and either `text` or a list `texts`.

    Args:
        path: The file.
        name_field: What rows name their motion by.

    Raises:
        DataError: If the file cannot be read, a line is not such an object, or a name repeats.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "captions.jsonl"
        >>> _ = path.write_text('{"key": "walk", "text": "a person walks", "fps": 20}')
        >>> read_captions(path, name_field="key")[0].texts
        ('a person walks',)
    """
    rows, problems = list_captions(path, name_field=name_field)
    if problems:
        raise DataError(problems[0].message)
    return rows


def list_captions(path: Path, *, name_field: NameField) -> tuple[list[CaptionRow], list[Problem]]:
    """Returns the rows that are in order, and what is wrong with the others.

    Args:
        path: The file.
        name_field: What rows name their motion by.

    Example:
        >>> rows, problems = list_captions(Path("no/captions.jsonl"), name_field="key")
        >>> rows, problems[0].message
        ([], 'no/captions.jsonl: cannot be read (No such file or directory); check the path and its permissions')
    """
    rows: dict[str, CaptionRow] = {}
    problems: list[Problem] = []
    try:
        for number, line in enumerate(read_lines(path), 1):
            if not line.strip():
                continue
            if len(rows) == MAX_ROWS:
                raise DataError(f"{path}:{number}: more than {MAX_ROWS} rows; split the folder")
            try:
                row = _row(f"{path}:{number}", line, name_field)
                if row.name in rows:
                    line_before = rows[row.name].where.rpartition(":")[2]
                    raise DataError(
                        f"{row.where}: {brief(row.name)} was described on line {line_before}; "
                        'merge the two rows into one with "texts"'
                    )
                rows[row.name] = row
            except DataError as error:
                problems.append(Problem(kind="captions", message=str(error)))
    except DataError as error:
        problems.append(Problem(kind="captions", message=str(error)))
    if not rows and not problems:
        example = f'{{"{name_field}": "walk", "text": "a person walks"}}'
        problems.append(Problem(kind="captions", message=f"{path}: no rows; write {example} for each motion"))
    return list(rows.values()), problems


def _row(where: str, line: str, name_field: NameField) -> CaptionRow:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({reason(error)}); write one object a line") from error
    if not isinstance(row, dict) or not isinstance(row.get(name_field), str):
        raise DataError(f'{where}: no "{name_field}"; write {{"{name_field}": "walk", "text": "a person walks"}}')
    name, texts = row[name_field], row.get("texts", [row.get("text")])
    if ("text" in row) == ("texts" in row) or not isinstance(texts, list) or not texts:
        raise DataError(f'{where}: give either "text" or a list "texts" for {brief(name)}')
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise DataError(f"{where}: a caption of {brief(name)} is empty or not text; describe the motion")
    kept = {
        field: value
        for field, value in row.items()
        if field not in (name_field, "text", "texts") and (value is None or isinstance(value, str | int | float))
    }
    return CaptionRow(where=where, name=name, texts=tuple(texts), fields=kept)
