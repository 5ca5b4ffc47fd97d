"""The report as files: every measured number stands in them, and figures are inside."""

import json

import numpy as np
import pytest

from jaxmm.similarity.findings import findings
from jaxmm.similarity.report import write_report

from .handmade import SAME, compared, scores_with


@pytest.fixture(scope="module")
def rows():
    return [compared("siamese", scores_with(4), parameters=1234), compared("<triplet>", scores_with(1))]


@pytest.fixture(scope="module")
def folder(rows, tmp_path_factory):
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    folder = tmp_path_factory.mktemp("report")
    both = compared("ensemble", scores_with(2))
    told = findings(rows, both, num_resamples=50)
    write_report(folder, rows, told, facts={"device": "cpu & co"}, about={"siamese": "the mean"}, ensemble=both)
    return folder


def test_the_page_holds_words_numbers_and_figures_itself(folder, rows):
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2 and 'src="curves' not in page
    assert "&lt;triplet&gt;" in page and "<triplet>" not in page and "cpu &amp; co" in page
    assert "default-src 'none'" in page and "<script" not in page and "{{" not in page
    assert "1,234" in page
    for row in rows:
        assert f"{row.roc_auc:.3f}<small>{row.scores['roc_auc/low']:.3f} to {row.scores['roc_auc/high']:.3f}" in page
    for word in ("same: logo", "same: cropped", "different: unrelated", "Which architecture is best?", "the mean"):
        assert word in page
    assert ">mAP<" not in page  # of a list of pairs there is no search


def test_the_json_holds_all_that_was_measured(folder, rows):
    document = json.loads((folder / "report.json").read_text())
    assert list(document["architectures"]) == ["siamese", "<triplet>", "ensemble"]
    own = document["architectures"]["siamese"]
    assert own["scores"] == rows[0].scores and own["val_roc_auc"] is None
    assert own["costs"]["parameters"] == 1234 and own["costs"]["frames_per_second"] == pytest.approx(1600)
    assert {"question", "answer", "numbers"} == set(document["findings"][0])


def test_kinds_have_no_table_where_there_is_one_of_each(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    alone = compared("siamese", scores_with(3), kinds=np.where(SAME, "same_class", "different_class"))
    write_report(tmp_path, [alone], findings([alone], None, num_resamples=20), facts={}, about={})
    page = (tmp_path / "report.html").read_text()
    assert "by kind" not in page and "Architectures</h2>" not in page
