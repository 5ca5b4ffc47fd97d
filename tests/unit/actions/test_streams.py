"""Watching files, webcams, and frames from anywhere; a device of FFmpeg's own stands for a webcam."""

import itertools

import numpy as np
import pytest

from jaxmm.actions.files import classify_files
from jaxmm.actions.streams import Watcher, film_webcam, shots_of, watch_files
from jaxmm.data.video.reader import VideoReader
from jaxmm.data.video.webcam import Webcam
from jaxmm.errors import ConfigError, DataError

BARS = Webcam(device="testsrc=size=96x64:rate=24:duration=1.5,realtime", kind="lavfi")


def test_frames_from_anywhere_are_answered_with_their_time_and_latency(model, frames):
    watcher = Watcher(model, every=4, window=6, top=2)
    glances = list(watcher((10 + count / 8, frame) for count, frame in enumerate(frames)))
    assert [glance.frame for glance in glances] == [4, 8]
    assert [glance.seconds for glance in glances] == [10.375, 10.875]
    assert [glance.window_s for glance in glances] == [0.375, 0.625]
    assert all(0 < glance.latency_ms < 60_000 for glance in glances)
    assert all(len(glance.classes) == 2 and glance.probabilities[0] >= glance.probabilities[1] for glance in glances)


def test_a_file_is_watched_as_it_is_classified(model, films):
    (whole,) = classify_files(model, [films / "long.mp4"])
    *_, last = Watcher(model, window=16).file(films / "long.mp4")
    assert (last.frame, last.seconds, last.window_s) == (16, 15 / 8, 15 / 8)
    assert last.classes == whole.classes
    assert last.probabilities == pytest.approx(whole.probabilities, abs=1e-5)
    *_, last = Watcher(model).file(films / "long.mp4", seconds=0.5)
    assert last.frame == 4


def test_files_are_watched_in_order_and_bad_ones_named(model, films, tmp_path):
    av = pytest.importorskip("av")
    (tmp_path / "a.mp4").write_bytes(b"no film")
    told = list(watch_files(Watcher(model, every=8), [tmp_path, films], annotate=tmp_path / "out"))
    assert [path.name for path, _ in told] == ["a.mp4", "long.mp4", "long.mp4", "short.mp4"]
    assert isinstance(told[0][1], DataError)
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == ["long.mp4", "short.mp4"]
    with av.open(str(tmp_path / "out" / "more" / "short.mp4")) as container:
        assert (container.streams.video[0].frames, container.streams.video[0].average_rate) == (12, 12)


def test_a_webcam_is_watched_at_the_rate_of_the_run_until_it_is_enough(model):
    pytest.importorskip("av")
    glances = list(Watcher(model).webcam(BARS, seconds=0.8))
    times = [glance.seconds for glance in glances]
    assert times == sorted(set(times)) and max(times) < 0.8
    assert {round(8 * time, 6) % 1 for time in times} == {0}


def test_a_webcam_is_filmed_with_what_is_told_of_it(model, tmp_path):
    av = pytest.importorskip("av")
    told = []
    count = film_webcam(tmp_path / "film.mp4", Watcher(model), BARS, seconds=1.0, report=told.append)
    with av.open(str(tmp_path / "film.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert count == len(pictures) <= 8
    assert pictures[0].shape == (64, 96, 3)
    assert count > 8 * told[-1].seconds


def test_an_interrupted_webcam_ends_and_what_was_told_stands():
    class Interrupted(Webcam):
        def shots(self, *, fps=None):
            yield 0.0, np.zeros((4, 4, 3), np.uint8)
            raise KeyboardInterrupt

    shots = shots_of(Interrupted(device="", kind=""), fps=8.0, seconds=None)
    assert [seconds for seconds, _ in shots] == [0.0]


def test_a_film_that_is_interrupted_while_a_picture_is_looked_at_is_kept(model, tmp_path):
    pytest.importorskip("av")
    told = []

    def report(glance):
        told.append(glance)
        if len(told) == 2:
            raise KeyboardInterrupt

    camera = Webcam(device="testsrc=size=96x64:rate=24,realtime", kind="lavfi")  # without an end
    count = film_webcam(tmp_path / "film.mp4", Watcher(model), camera, report=report)
    with VideoReader() as reader:
        assert len(reader.read_clip(tmp_path / "film.mp4").pixels) == count >= 2


def test_a_webcam_that_is_not_there_is_named(model, monkeypatch):
    pytest.importorskip("av")
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(DataError, match=r"webcam /dev/video97: cannot be read \(.*No such file"):
        next(Watcher(model).webcam(Webcam.of(97)))


def test_numbers_that_mean_nothing_are_refused(model, frames):
    with pytest.raises(ConfigError, match="top is 0; give 1 or more"):
        Watcher(model, top=0)
    with pytest.raises(ConfigError, match="give 1 or more"):
        next(Watcher(model, every=0)(zip(itertools.count(), frames, strict=False)))
