"""A report: words, tables and pictures in one offline HTML file that runs nothing."""

import base64
import dataclasses
import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from jaxmm.errors import DataError
from jaxmm.page.document import write_still_document

_PIXELS_PER_DOT = 96 / 150  # of an inch, on a page and in a picture

Cell: TypeAlias = str | tuple[str, str]
"""What a cell of a table says; of two, the second stands small below the first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        columns: Their headings.
        rows: A cell for each column.

    Raises:
        DataError: If a row has another number of cells.

    Example:
        >>> Table(columns=["name", "area"], rows=[["siamese", ("0.91", "0.88 to 0.94")]]).columns
        ['name', 'area']
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise DataError(f"table: a row has {len(row)} cells and there are {len(self.columns)} columns")

    def html(self) -> str:
        """Returns the table as HTML."""
        head = "".join(f"<th scope=col>{html.escape(column)}</th>" for column in self.columns)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in self.rows)
        return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture that the page holds itself.

    Attributes:
        path: PNG file.
        caption: What it shows.

    Raises:
        DataError: If the file cannot be read.

    Example:
        >>> Picture(path=Path("no.png"), caption="none").html()
        Traceback (most recent call last):
        jaxmm.errors.DataError: no.png: the picture cannot be read (No such file or directory)
    """

    path: Path
    caption: str

    def html(self) -> str:
        """Returns the picture as HTML."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise DataError(f"{self.path}: the picture cannot be read ({error.strerror})") from error
        caption, width = html.escape(self.caption), int.from_bytes(data[16:20], "big")
        return (
            f'<figure><img src="data:image/png;base64,{base64.b64encode(data).decode("ascii")}" '
            f'width="{round(width * _PIXELS_PER_DOT)}" alt="{caption}">'
            f"<figcaption>{caption}</figcaption></figure>\n"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answers:
    r"""Questions and what is answered.

    Attributes:
        answers: Question and answer.

    Example:
        >>> Answers(answers=[("Which?", "This one.")]).html()
        '<dl class=answers><dt>Which?</dt><dd>This one.</dd></dl>\n'
    """

    answers: Sequence[tuple[str, str]]

    def html(self) -> str:
        """Returns questions and answers as HTML."""
        told = (f"<dt>{html.escape(question)}</dt><dd>{html.escape(answer)}</dd>" for question, answer in self.answers)
        return f"<dl class=answers>{''.join(told)}</dl>\n"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    r"""A part of a report.

    Attributes:
        heading: Its heading.
        parts: What it holds; text is a paragraph.

    Example:
        >>> Section(heading="Data", parts=["Twelve videos."]).html()
        '<section><h2>Data</h2>\n<p>Twelve videos.</p>\n</section>\n'
    """

    heading: str
    parts: Sequence[str | Table | Picture | Answers]

    def html(self) -> str:
        """Returns the section as HTML."""
        parts = (f"<p>{html.escape(part)}</p>\n" if isinstance(part, str) else part.html() for part in self.parts)
        return f"<section><h2>{html.escape(self.heading)}</h2>\n{''.join(parts)}</section>\n"


def write_report_page(
    path: str | os.PathLike[str], *, title: str, facts: Mapping[str, str], sections: Sequence[Section]
) -> None:
    """Writes a report as one HTML file that needs no network.

    Args:
        path: File to write.
        title: Heading of the page.
        facts: What stands beside it, by name.
        sections: Parts of the report, in order.

    Raises:
        DataError: If a picture cannot be read, or the file not be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "report.html"
        >>> write_report_page(path, title="Twins <3", facts={"pairs": "12"},
        ...                   sections=[Section(heading="Data", parts=["Twelve."])])
        >>> "<h1>Twins &lt;3</h1>" in path.read_text()
        True
    """
    told = (f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts.items())
    content = "".join(section.html() for section in sections)
    write_still_document(path, title=title, facts="".join(told), content=content, styles=("base.css", "report.css"))


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return f"<td>{html.escape(cell)}</td>"
    return f"<td>{html.escape(cell[0])}<small>{html.escape(cell[1])}</small></td>"
