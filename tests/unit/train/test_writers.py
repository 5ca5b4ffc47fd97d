import json
import math

import pytest

from jaxmm.errors import CheckpointError
from jaxmm.train.writers import METRICS_FILE, MetricWriter


def records(folder):
    return [json.loads(line) for line in (folder / METRICS_FILE).read_text().splitlines()]


def write(folder, steps, *, from_step=0):
    with MetricWriter(folder, from_step=from_step) as writer:
        for step in steps:
            writer.write(step, {"train/loss": 1 / step})


def test_records_come_one_a_line_in_order(tmp_path):
    write(tmp_path, (1, 2))
    assert records(tmp_path) == [{"step": 1, "train/loss": 1.0}, {"step": 2, "train/loss": 0.5}]


def test_a_record_is_on_disk_before_the_writer_closes(tmp_path):
    with MetricWriter(tmp_path, from_step=0) as writer:
        writer.write(1, {"train/loss": 1.0})
        assert len(records(tmp_path)) == 1


def test_scalars_go_to_tensorboard_too(tmp_path):
    write(tmp_path, (1,))
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"train/loss" in events.read_bytes()


def test_continuing_drops_records_that_will_be_written_again(tmp_path):
    write(tmp_path, (1, 2, 3, 4))
    write(tmp_path, (3,), from_step=2)
    assert [record["step"] for record in records(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize("half", ['{"step": 2, "train/l', '{"step": 2}', "{", '{"step"'])
def test_half_a_line_of_a_killed_run_is_dropped(half, tmp_path):
    write(tmp_path, (1,))
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write(half)
    write(tmp_path, (2,), from_step=9)
    assert [record["step"] for record in records(tmp_path)] == [1, 2]


def test_nothing_but_records_is_left_in_the_folder(tmp_path):
    write(tmp_path, (1,))
    write(tmp_path, (2,), from_step=1)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [METRICS_FILE, "tensorboard"]


def test_numbers_that_are_not_finite_are_null(tmp_path):
    with MetricWriter(tmp_path, from_step=0) as writer:
        writer.write(1, {"train/loss": math.nan, "train/largest": math.inf, "train/rate": 0.5})
    assert records(tmp_path) == [{"step": 1, "train/loss": None, "train/largest": None, "train/rate": 0.5}]


@pytest.mark.parametrize("line", [b"{}", b"[1]", b"nonsense", b'{"step": "two"}', b'{"step": null}', b"\xff"])
def test_a_damaged_line_is_named(line, tmp_path):
    write(tmp_path, (1,))
    with (tmp_path / METRICS_FILE).open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl, line 2: is no record"):
        MetricWriter(tmp_path, from_step=9)
    assert (tmp_path / METRICS_FILE).read_bytes().endswith(line + b"\n")
