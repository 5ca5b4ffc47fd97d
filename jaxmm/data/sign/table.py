"""Tables of signing: one row a recording, with its file, what it says and further labels."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from jaxmm.data.captions import MAX_ROWS
from jaxmm.data.inventory import Problem
from jaxmm.data.lines import is_number, read_cells
from jaxmm.data.motion import FASTEST_FPS, SLOWEST_FPS
from jaxmm.errors import DataError, brief

SENTENCE = ("sentence_text", "sentence")
GLOSS = ("sentence_gloss", "gloss")
MISSING = ("", "NaN", "nan")
"""Values of a cell that say nothing (D10); other spellings, such as NONE, are signs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignRow:
    """One row of a table.

    Attributes:
        where: File and line, for messages.
        file: Path of the recording's file below a folder.
        sentence: The sentence of spoken language; None where it is missing.
        gloss: Its signs; None where they are missing.
        signer: Who signs; empty when unknown.
        fps: Frames per second; None where the table does not say.
        tags: Further columns, such as `split`, where they say something.

    Example:
        >>> SignRow(where="metadata.csv:2", file="hello.npy", gloss="HELLO").key
        'hello'
    """

    where: str
    file: str
    sentence: str | None = None
    gloss: str | None = None
    signer: str = ""
    fps: float | None = None
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> str:
        """The file without its ending."""
        return str(PurePosixPath(self.file).with_suffix(""))


def list_rows(path: Path, *, file_column: str, ending: str) -> tuple[list[SignRow], list[Problem]]:
    r"""Returns the rows of a CSV table that are in order, and what is wrong with the others.

    Columns are the file's, `sentence_text` or `sentence`, and `sentence_gloss` or `gloss`; `signer` and `fps` may be
    there too, and others become tags. Cells that are empty or NaN are missing (D10).

    Args:
        path: The table, with a header.
        file_column: Name of the column with each recording's file.
        ending: Ending that the files have, such as `.npy`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "metadata.csv"
        >>> _ = path.write_text("feature_path,sentence,gloss\na.npy,I sign.,NaN\n")
        >>> rows, problems = list_rows(path, file_column="feature_path", ending=".npy")
        >>> rows[0].sentence, rows[0].gloss, problems
        ('I sign.', None, [])
    """
    rows: dict[str, SignRow] = {}
    problems: list[Problem] = []
    try:
        numbered = read_cells(path)
        header = _header(path, next(numbered, (1, []))[1], file_column)
        for number, cells in numbered:
            if len(rows) == MAX_ROWS:
                raise DataError(f"{path}:{number}: more than {MAX_ROWS} rows; split the folder")
            try:
                row = _row(f"{path}:{number}", header, cells, file_column, ending)
                if row.key in rows:
                    line = rows[row.key].where.rpartition(":")[2]
                    raise DataError(f"{row.where}: {row.file!r} was named on line {line}; name each file once")
                rows[row.key] = row
            except DataError as error:
                problems.append(Problem(kind="table", message=str(error)))
    except DataError as error:
        problems.append(Problem(kind="table", message=str(error)))
    if not rows and not problems:
        problems.append(Problem(kind="table", message=f"{path}: has a header and no rows; add one for each recording"))
    return list(rows.values()), problems


def _header(path: Path, names: Sequence[str], file_column: str) -> list[str]:
    repeated = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if repeated:
        raise DataError(f"{path}:1: column {brief(repeated[0])} repeats; name each column once")
    for synonyms in (SENTENCE, GLOSS):
        if all(name in names for name in synonyms):
            raise DataError(f"{path}:1: has columns {' and '.join(synonyms)}, which mean the same; keep one")
    if file_column not in names or not any(name in names for name in (*SENTENCE, *GLOSS)):
        raise DataError(
            f"{path}:1: columns are {brief(', '.join(names), 120)}; "
            f"give {file_column}, and {' or '.join((SENTENCE[0], GLOSS[0]))} or both"
        )
    return list(names)


def _row(where: str, header: Sequence[str], cells: Sequence[str], file_column: str, ending: str) -> SignRow:
    if len(cells) != len(header):
        raise DataError(
            f"{where}: has {len(cells)} cells under {len(header)} columns; quote cells that hold commas, "
            "or add what is missing"
        )
    values = {name: cell for name, cell in zip(header, cells, strict=True) if name and cell.strip() not in MISSING}
    file = values.pop(file_column, "")
    place = PurePosixPath(file)
    if not file or place.is_absolute() or ".." in place.parts:
        raise DataError(f"{where}: {file_column} is {brief(file)}; give a path below the folder")
    if place.suffix != ending:
        raise DataError(f"{where}: {file_column} is {brief(file)}; name a file that ends in {ending}")
    sentence, gloss = (
        next((values.pop(name) for name in synonyms if name in values), None) for synonyms in (SENTENCE, GLOSS)
    )
    if sentence is None and gloss is None:
        raise DataError(f"{where}: sentence and gloss of {brief(file)} are both missing; write what is signed")
    fps = values.pop("fps", None)
    if fps is not None and not (is_number(fps) and SLOWEST_FPS <= float(fps) <= FASTEST_FPS):
        raise DataError(f"{where}: fps is {brief(fps)}; give frames a second from {SLOWEST_FPS} to {FASTEST_FPS}")
    return SignRow(
        where=where,
        file=str(place),
        sentence=sentence,
        gloss=gloss,
        signer=values.pop("signer", ""),
        fps=None if fps is None else float(fps),
        tags=values,
    )
