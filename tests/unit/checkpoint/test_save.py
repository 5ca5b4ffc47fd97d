"""Saving through trouble leaves the older steps and nothing else."""

import errno
import fcntl
import shutil
import subprocess
import sys

import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.errors import CheckpointError, DamagedError, DiskFullError

from .conftest import at_step, saved, state_at


def test_a_step_that_is_saved_already_is_not_written_again(tmp_path):
    run = saved(tmp_path, 4)
    before = (run / "checkpoints/4/manifest.json").stat().st_ino
    saved(run, 4)
    assert (run / "checkpoints/4/manifest.json").stat().st_ino == before


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("RESOURCE_EXHAUSTED: Error writing: No space left on device [OS error 28: ENOSPC]"),
    ],
)
def test_a_full_disk_leaves_the_older_steps_and_nothing_else(error, tmp_path, monkeypatch):
    run = saved(tmp_path, 4)

    def fail(*_):
        raise error

    with Checkpoints(run) as checkpoints:
        with monkeypatch.context() as patch:
            patch.setattr("jaxmm.snapshot.seal", fail)
            with pytest.raises(DiskFullError, match="checkpoints/5: the disk is full, so the step is not saved"):
                checkpoints.save(state_at(5), at_step(5), {})
        assert [entry.name for entry in (run / "checkpoints").iterdir()] == ["4"]
        checkpoints.save(state_at(5), at_step(5), {})
        assert checkpoints.steps() == [5]


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        ValueError("DATA_LOSS: Error writing: permission denied [OS error 5: EIO Input/output error]"),
    ],
)
def test_another_error_is_not_taken_for_a_full_disk(error, tmp_path, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr("jaxmm.snapshot.seal", fail)
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(CheckpointError, match=r"cannot be saved .*denied") as caught,
    ):
        checkpoints.save(state_at(5), at_step(5), {})
    assert not isinstance(caught.value, DiskFullError)
    assert caught.value.__cause__ is error


def test_no_older_step_is_removed_for_one_that_the_disk_did_not_keep(tmp_path, monkeypatch):
    run = saved(tmp_path, 4)
    monkeypatch.setattr("jaxmm.checkpoint.damage", lambda _: ["model/d: its content changed"])
    with Checkpoints(run) as checkpoints:
        with pytest.raises(DamagedError, match="as soon as it was written; no older step is removed"):
            checkpoints.save(state_at(5), at_step(5), {})
        assert checkpoints.steps() == [4, 5]


def test_what_a_killed_save_left_goes_when_training_starts_and_not_when_a_reader_does(tmp_path):
    run = saved(tmp_path, 4)
    shutil.copytree(run / "checkpoints/4", run / "checkpoints/.partial/5.orbax-checkpoint-tmp")
    Checkpoints(run, writable=False)
    assert (run / "checkpoints/.partial").is_dir()
    Checkpoints(run)
    assert [entry.name for entry in (run / "checkpoints").iterdir()] == ["4"]


def test_a_second_training_in_the_folder_is_refused_until_the_first_ends(tmp_path):
    run = saved(tmp_path, 4)
    with Checkpoints(run) as checkpoints:
        (run / "checkpoints/.partial/5").mkdir(parents=True)  # a save under way
        with pytest.raises(CheckpointError, match="another process trains here; wait for its end, stop it, or choose"):
            Checkpoints(run)
        assert (run / "checkpoints/.partial/5").is_dir()
        assert Checkpoints(run, writable=False).steps() == checkpoints.steps() == [4]
        # What training starts may outlive it.
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        saved(run, 5)
    finally:
        child.communicate(b"\n")
    assert "lock" not in (run / "checkpoints/5/manifest.json").read_text()


def test_where_files_cannot_be_locked_training_goes_on(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    assert Checkpoints(saved(tmp_path, 4), writable=False).steps() == [4]
