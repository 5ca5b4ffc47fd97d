"""The report of a comparison: tables, figures and findings, as a page and as JSON."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxmm.evaluate.sweep import Sweep
from jaxmm.evaluate.verification_plots import plot_complexity, plot_curves
from jaxmm.files import write_text
from jaxmm.page.report import Answers, Cell, Picture, Section, Table, write_report_page
from jaxmm.similarity.findings import Compared, Finding

SCORES = {
    "roc_auc": "ROC-AUC",
    "average_precision": "AP",
    "eer": "EER",
    "f1": "F1 at 0.5",
    "best_f1": "best F1",
    "retrieval/map": "mAP",
    "retrieval/recall@1": "R@1",
}
"""Scores that a report shows, with their titles."""

_METHOD = (
    "Areas and errors are over all pairs of the test split. Small numbers are 95% intervals of a bootstrap over what "
    "videos were cut from, of mAP and R@1, where there are any, over queries. Differences are drawn in pairs: all "
    "architectures are scored on the same draw. Each architecture was trained once, so the intervals do not tell of "
    "other seeds; and of many differences that are none, one in twenty has an interval beside zero."
)


def write_report(
    folder: Path,
    rows: Sequence[Compared],
    findings: Sequence[Finding],
    *,
    facts: Mapping[str, str],
    about: Mapping[str, str],
    ensemble: Compared | None = None,
) -> None:
    """Writes `report.html`, which holds its figures, `report.json`, and the figures as files.

    Args:
        folder: Folder to write to.
        rows: The architectures, on the same pairs.
        findings: What was found.
        facts: What was compared, by name.
        about: What an architecture, or the ensemble, is, by name.
        ensemble: Several of them together.

    Raises:
        DataError: If the pairs are all the same or all different, or a file cannot be written.
        MissingExtraError: If matplotlib is not installed.
    """
    everyone = [*rows, *([] if ensemble is None else [ensemble])]
    curves, complexity = folder / "curves.png", folder / "complexity.png"
    plot_curves(curves, {row.name: Sweep.of(row.pairs.scores, row.pairs.same) for row in everyone})
    plot_complexity(
        complexity,
        [row.name for row in rows],
        np.array([float(row.costs.parameters) for row in rows]),
        np.array([row.costs.embed_ms for row in rows]),
        np.array([row.roc_auc for row in rows]),
        cost="parameters of encoder and head",
    )
    document = {
        "facts": dict(facts),
        "architectures": {row.name: _values(row) for row in everyone},
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }
    write_text(folder / "report.json", json.dumps(document, indent=2) + "\n")
    kinds = _kinds_table(everyone)
    write_report_page(
        folder / "report.html",
        title="Architectures of video similarity",
        facts=facts,
        sections=[
            Section(
                heading="What was found",
                parts=[Answers(answers=[(finding.question, finding.answer) for finding in findings])],
            ),
            Section(heading="Scores", parts=[_scores_table(everyone), _METHOD]),
            Section(
                heading="Costs",
                parts=[
                    _costs_table(everyone),
                    "Parameters are those of encoder and head; operations those of one embedding by features of its "
                    "frames, as XLA counts them; times are medians on this machine, one video and one pair at a time.",
                    Picture(
                        path=complexity,
                        caption="ROC-AUC over parameters; the area of a bubble is the time of one embedding.",
                    ),
                ],
            ),
            Section(heading="Curves", parts=[Picture(path=curves, caption="ROC and precision over recall.")]),
            *([Section(heading="ROC-AUC by kind of pairs", parts=[kinds])] if kinds is not None else []),
            *([Section(heading="Architectures", parts=[Answers(answers=list(about.items()))])] if about else []),
        ],
    )


def _values(row: Compared) -> dict[str, Any]:
    """Returns what was measured of an architecture, as JSON values."""
    costs = dataclasses.asdict(row.costs) | {
        name: getattr(row.costs, name) for name in ("video_ms", "frames_per_second", "pairs_per_second")
    }
    return {"costs": costs, "scores": dict(row.scores), "val_roc_auc": row.val_roc_auc}


def _scores_table(rows: Sequence[Compared]) -> Table:
    shown = {name: title for name, title in SCORES.items() if name in rows[0].scores}
    return Table(
        columns=["architecture", *shown.values()],
        rows=[[row.name, *(_score(row.scores, name) for name in shown)] for row in rows],
    )


def _costs_table(rows: Sequence[Compared]) -> Table:
    columns = ["architecture", "parameters", "MFLOPs", "embed a video, ms", "compare a pair, ms", "frames/s", "pairs/s"]
    return Table(
        columns=columns,
        rows=[
            [
                row.name,
                f"{row.costs.parameters:,}",
                f"{row.costs.flops / 1e6:,.3g}",
                f"{row.costs.embed_ms:.3g}",
                f"{row.costs.pair_ms:.3g}",
                f"{row.costs.frames_per_second:,.0f}",
                f"{row.costs.pairs_per_second:,.0f}",
            ]
            for row in rows
        ],
    )


def _kinds_table(rows: Sequence[Compared]) -> Table | None:
    """Returns the area of each kind of pairs among all of the other relation; None where there is one kind of each."""
    pairs = rows[0].pairs
    parts = {"same": pairs.same, "different": ~pairs.same}
    kinds = [f"{word}/{kind}" for word, own in parts.items() for kind in np.unique(pairs.kinds[own])]
    if len(kinds) <= len(parts):
        return None
    return Table(
        columns=["architecture", *(kind.replace("/", ": ") for kind in kinds)],
        rows=[[row.name, *(_score(row.scores, f"{kind}/roc_auc") for kind in kinds)] for row in rows],
    )


def _score(scores: Mapping[str, float], name: str) -> Cell:
    if f"{name}/low" not in scores:
        return f"{scores[name]:.3f}"
    return f"{scores[name]:.3f}", f"{scores[f'{name}/low']:.3f} to {scores[f'{name}/high']:.3f}"
