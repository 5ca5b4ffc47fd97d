"""The picture and the tables of what is taken for what."""

import csv

import numpy as np
import pytest

from jaxmm.actions.evaluation import evaluate_actions
from jaxmm.actions.tables import write_confusion
from jaxmm.errors import DataError

NAMES = ("walk", 'turn, "left"', "bow", "run", "kick", "jump")
ANSWERS = np.eye(6, dtype=np.float32)[[0, 1, 1, 2, 0]] + np.float32(0.1) * np.arange(6, dtype=np.float32)
LABELS = np.array([0, 0, 1, 2, 2], np.int32)


def read(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_tables_are_what_a_hand_would_count(tmp_path):
    write_confusion(tmp_path / "new", ANSWERS, LABELS, NAMES)
    header, *rows = read(tmp_path / "new" / "confusion.csv")
    assert header == ["class", *NAMES]
    assert [row[0] for row in rows] == list(NAMES)
    assert np.array([row[1:] for row in rows], int)[:3, :3].tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    header, *rows = read(tmp_path / "new" / "classes.csv")
    assert header == ["class", "clips", "precision", "recall", "f1", "top1", "top5"]
    assert rows[0] == ["walk", "2", "0.500000", "0.500000", "0.500000", "0.500000", "0.500000"]
    assert rows[2] == ["bow", "2", "1.000000", "0.500000", "0.666667", "0.500000", "1.000000"]
    assert rows[5] == ["jump", "0", *["0.000000"] * 5]
    assert (tmp_path / "new" / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_an_evaluation_writes_the_tables_of_what_it_scores(model, tmp_path):
    scores = evaluate_actions([model], split="test", pictures=tmp_path)
    counts = np.array([row[1:] for row in read(tmp_path / "confusion.csv")[1:]], int)
    assert counts.sum() == scores["test/clips"] == 6
    assert np.trace(counts) / 6 == pytest.approx(scores["test/top1"])
    rows = read(tmp_path / "classes.csv")[1:]
    assert [row[0] for row in rows] == list(model.actions.vocabulary.labels)
    assert np.mean([float(row[5]) for row in rows]) == pytest.approx(scores["test/top1"], abs=1e-5)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file: cannot be written"):
        write_confusion(tmp_path / "file", ANSWERS, LABELS, NAMES)
