"""A run on a folder in which films are damaged and one hangs names each of them, and learns from the others."""

import logging
import os
import shutil
import signal
from collections import Counter

import numpy as np
import pytest

from jaxmm import ActionVideos, ClassFolders, ClassifierHead, ClipHarTask, ClipVision, Experiment, FrameEncoder, Loop
from jaxmm.data.splits import HashSplit
from jaxmm.data.video.process import DecoderProcess
from jaxmm.errors import DataError
from jaxmm.model import load
from jaxmm.run import train
from jaxmm.train.step import Devices

from .films import KINDS_OF_DAMAGE, damaged, noisy_frames, write_video

HANGS = "jump/hangs.avi"
TIME_LIMIT = 120.0
PATIENCE = 1.0  # seconds for the film that hangs; sound ones have the whole limit, however busy the machine is


@pytest.fixture
def root(class_folder, tmp_path, monkeypatch):
    """Twelve sound films, and one at which its decoder stops."""
    root = shutil.copytree(class_folder, tmp_path / "films")
    shutil.copy(root / "jump" / "0.avi", root / HANGS)
    ask, stopped = DecoderProcess.ask, []

    def hanging(self, request, *, seconds):
        assert seconds == TIME_LIMIT
        if request["path"].endswith(HANGS):
            os.kill(self.pid, signal.SIGSTOP)
            stopped.append(self.pid)
            seconds = PATIENCE
        return ask(self, request, seconds=seconds)

    monkeypatch.setattr(DecoderProcess, "ask", hanging)
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))
    yield root
    assert stopped
    for pid in stopped:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def experiment_on(root, **settings):
    vision = ClipVision(
        dim=8, num_layers=1, num_heads=2, feedforward_dim=8, embedding_dim=8, image_size=16, patch_size=8, parent=None
    )
    return Experiment(
        task=ClipHarTask(frames=FrameEncoder(backbone=vision), head=ClassifierHead(num_classes=2)),
        data=ActionVideos(
            source=ClassFolders(),
            root=str(root),
            split=HashSplit(test=()),
            **{"fps": 5.0, "frame_size": 16, "frames_per_clip": 4, "batch_size": 4, "time_limit_s": TIME_LIMIT},
            **settings,
        ),
        loop=Loop(epochs=2),
        devices=Devices(num_devices=1),
    )


@pytest.mark.parametrize("count", [len(KINDS_OF_DAMAGE), pytest.param(200, marks=pytest.mark.faults)])
def test_each_file_that_cannot_be_read_is_named_and_a_run_learns_from_the_others(count, root, tmp_path, caplog):
    rng = np.random.default_rng(0)
    sound = write_video(tmp_path / "noise.mkv", noisy_frames()).read_bytes()
    bad = {HANGS}
    for number in range(count):
        kind = KINDS_OF_DAMAGE[number % len(KINDS_OF_DAMAGE)]
        bad.add(f"jump/{kind}-{number}.mkv")
        (root / f"jump/{kind}-{number}.mkv").write_bytes(damaged(sound, kind, rng))
    experiment = experiment_on(root, on_bad="skip")
    with caplog.at_level(logging.WARNING):
        done = train(experiment, tmp_path / "run")
    assert done["step"] == 2 * 3
    lines = [record.getMessage() for record in caplog.records]
    assert Counter(name for line in lines for name in bad if f"{root}/{name}: " in line) == Counter(bad)
    found = load(tmp_path / "run").open_actions().bad
    assert found.keys() == bad
    assert "takes longer than 120 s to decode" in found[HANGS]

    report = experiment.data.check(root)
    assert report.counts["videos"] == 12
    messages = [problem.message for problem in report.problems]
    assert len(messages) == len(bad)
    for name in bad:
        assert sum(message.startswith(f"{root}/{name}: ") for message in messages) == 1
    with pytest.raises(DataError, match=rf"or set data.on_bad to 'skip'.*\({len(bad)} videos cannot be read\)"):
        train(experiment_on(root), tmp_path / "other")
