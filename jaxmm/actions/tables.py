"""Which classes a run takes for which: a picture, and tables for other programs."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int32

from jaxmm.errors import DataError, reason
from jaxmm.evaluate.class_plots import plot_confusion
from jaxmm.evaluate.classification import class_scores, class_shares, confusion


def write_confusion(
    out: Path,
    answers: Float[np.ndarray, "videos classes"],
    labels: Int32[np.ndarray, "videos"],
    names: Sequence[str],
) -> None:
    """Writes what is told of the videos of each class.

    Args:
        out: Folder to write: `confusion.png`, and `confusion.csv` with its counts, a row for each class and a column
            for each that is told; `classes.csv` with `clips`, `precision`, `recall` and `f1` of each class, and
            `top1` and `top5`, its accuracy among the most likely.
        answers: Logits of each video.
        labels: The right classes.
        names: The classes.

    Raises:
        DataError: If a file cannot be written.
        MissingExtraError: If matplotlib is not installed.
    """
    counts = confusion(answers.argmax(axis=1), labels, num_classes=len(names))
    by_class = {**class_scores(counts), **class_shares(answers, labels)}
    columns = ("precision", "recall", "f1", "top1", "top5")
    try:
        out.mkdir(parents=True, exist_ok=True)
        plot_confusion(out / "confusion.png", counts, names)
        with _table(out / "confusion.csv", ("class", *names)) as table:
            table.writerows([name, *own] for name, own in zip(names, counts.tolist(), strict=True))
        with _table(out / "classes.csv", ("class", "clips", *columns)) as table:
            for place, name in enumerate(names):
                scores = (f"{by_class[column][place]:.6f}" for column in columns)
                table.writerow([name, int(by_class["clips"][place]), *scores])
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({reason(error)}); choose another folder") from error


@contextmanager
def _table(path: Path, header: Sequence[str]) -> Iterator[Any]:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        yield table
