"""Reports as pages: words stay words, pictures are inside."""

import base64
import re

import pytest

from jaxmm.errors import DataError
from jaxmm.page.report import Answers, Picture, Section, Table, write_report_page

HOSTILE = "</dd><script>alert(1)</script> {{style}} \"'&"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_nothing_that_is_told_becomes_markup(tmp_path):
    (tmp_path / "pixel.png").write_bytes(PIXEL)
    parts = [
        HOSTILE,
        Table(columns=[HOSTILE], rows=[[HOSTILE], [(HOSTILE, HOSTILE)]]),
        Answers(answers=[(HOSTILE, HOSTILE)]),
        Picture(path=tmp_path / "pixel.png", caption=HOSTILE),
    ]
    path = tmp_path / "new" / "report.html"
    write_report_page(path, title=HOSTILE, facts={HOSTILE: HOSTILE}, sections=[Section(heading=HOSTILE, parts=parts)])
    page = path.read_text(encoding="utf-8")
    assert "<script" not in page and page.count("{{style}}") == page.count("alert(1)") == 14
    assert page.count("</dd>") == 2
    (picture,) = re.findall(r'src="data:image/png;base64,([^"]+)" width="1"', page)
    assert base64.b64decode(picture) == PIXEL
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None and "default-src 'none'; style-src 'sha256-" in policy[1]


def test_what_cannot_be_told_is_an_error(tmp_path):
    with pytest.raises(DataError, match="table: a row has 1 cells and there are 2 columns"):
        Table(columns=["a", "b"], rows=[["1"]])
    with pytest.raises(DataError, match=r"no.png: the picture cannot be read \(No such file"):
        Section(heading="", parts=[Picture(path=tmp_path / "no.png", caption="")]).html()
