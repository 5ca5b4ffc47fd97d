"""A disk that fills up at any point of a save ends neither the run nor its checkpoints."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.errors import CheckpointError
from jaxmm.train.saver import ALERT, Saver
from jaxmm.train.writers import METRICS_FILE, MetricWriter

pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    # When Orbax gives up on one array it leaves the writes of the others unfinished, of which Python complains.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning"),
]
WIDTH = 300_000  # about 2 MB a checkpoint


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB of its own."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounts a small file system, which only root may do")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounts a small file system, which fails here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path, *, but: int) -> Path:
    """Takes all space but some bytes."""
    path = disk / "ballast"
    with path.open("wb", buffering=0) as file:
        for size in (4096, 1):
            while shutil.disk_usage(disk).free > but + size - 1:
                if not file.write(bytes(size)):
                    break
                if size == 1:
                    return path
    return path


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("room", [0.0, 0.05, 0.4, 0.75, 0.98])
def test_the_run_survives_and_the_next_save_works(room, rig, small_disk, caplog):
    run, batches = small_disk / "run", rig.at_step(1)
    with Checkpoints(run) as checkpoints, MetricWriter(run, from_step=0) as writer:
        saver = Saver(checkpoints, batches, alert=writer.write, waits=())
        saver(rig.state_at(1, width=WIDTH), {})
        ballast = fill(small_disk, but=int(room * size_of(run / "checkpoints/1")))
        for step in (2, 3):
            next(batches)
            saver(rig.state_at(step, width=WIDTH), {})
            writer.write(step, {"train/loss": 1.0})
        assert [entry.name for entry in (run / "checkpoints").iterdir()] == ["1"]
        assert "checkpoints/2: the disk is full" in caplog.text
        with pytest.raises(CheckpointError, match=r"trained to step 3, but not saved, .* step 1 is the newest"):
            saver(rig.state_at(3, width=WIDTH), {}, last=True)
        rig.assert_resumes(checkpoints, 1, width=WIDTH)
        ballast.unlink()
        next(batches)
        saver(rig.state_at(4, width=WIDTH), {}, last=True)
        writer.write(4, {"train/loss": 1.0})
        assert checkpoints.steps() == [4]
        rig.assert_resumes(checkpoints, 4, width=WIDTH)
    records = [json.loads(line) for line in (run / METRICS_FILE).read_text().splitlines()]
    assert records == [
        {"step": 2, ALERT: 1.0},
        {"step": 2, "train/loss": 1.0},
        {"step": 3, ALERT: 2.0},
        {"step": 3, "train/loss": 1.0},
        {"step": 3, ALERT: 3.0},
        {"step": 4, "train/loss": 1.0},
    ]


def test_room_that_is_made_at_the_end_saves_the_end(rig, small_disk):
    run, alerts = small_disk / "run", []

    def make_room(step, values):
        alerts.append((step, values))
        if len(alerts) == 2:
            ballast.unlink()

    with Checkpoints(run) as checkpoints:
        saver = Saver(checkpoints, rig.at_step(2), alert=make_room, waits=(0.0, 0.0, 0.0))
        ballast = fill(small_disk, but=50_000)
        saver(rig.state_at(2, width=WIDTH), {}, last=True)
        assert checkpoints.steps() == [2]
    assert alerts == [(2, {ALERT: 1.0}), (2, {ALERT: 2.0})]
