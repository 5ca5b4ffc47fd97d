"""Webcams; a device of FFmpeg's own stands for one, since a machine that tests has none."""

import threading

import pytest

from jaxmm.data.video.webcam import Webcam
from jaxmm.errors import DataError

pytest.importorskip("av")


def bars(**settings):
    words = ":".join(f"{name}={value}" for name, value in {"size": "64x48", "rate": 20, **settings}.items())
    return Webcam(device=f"testsrc={words}", kind="lavfi")


def wait_for_webcams():
    for thread in threading.enumerate():
        if thread.name == "webcam":
            thread.join(timeout=60)


def test_what_was_shown_while_nobody_looked_is_passed_over():
    shots = bars(duration=10).shots()
    first = next(shots)
    wait_for_webcams()  # all ten seconds are decoded
    shown = [first, *shots]
    assert shown[-1][0] == pytest.approx(9.95)
    assert len(shown) <= 2
    assert shown[-1][1].shape == (48, 64, 3)


def test_pictures_come_at_the_rate_that_is_asked_for():
    webcam = Webcam(device="testsrc=size=64x48:rate=20:duration=1,realtime", kind="lavfi")
    times = [seconds for seconds, _ in webcam.shots(fps=5.0)]
    assert times == sorted(set(times))
    assert set(times) <= {0.0, 0.2, 0.4, 0.6, 0.8}
    assert times[-1] == 0.8
    slow = Webcam(device="testsrc=size=64x48:rate=4:duration=1,realtime", kind="lavfi")
    assert [seconds for seconds, _ in slow.shots(fps=8.0)][-1] == 0.75


def test_who_stops_looking_ends_the_webcam():
    shots = Webcam(device="testsrc=size=64x48:rate=20,realtime", kind="lavfi").shots()  # without an end
    next(shots)
    shots.close()
    wait_for_webcams()
    assert not [thread for thread in threading.enumerate() if thread.name == "webcam"]


def test_a_webcam_that_cannot_be_read_is_named():
    with pytest.raises(DataError, match=r"webcam nothing=1: cannot be read \(.+\); connect one"):
        next(Webcam(device="nothing=1", kind="lavfi").shots())
    with pytest.raises(DataError, match=r"webcam 0: cannot be read \(.+\)"):
        next(Webcam(device="0", kind="nokind").shots())


@pytest.mark.parametrize(
    ("platform", "device", "kind"), [("linux", "/dev/video1", "v4l2"), ("darwin", "1", "avfoundation")]
)
def test_each_system_has_its_own_webcams(platform, device, kind, monkeypatch):
    monkeypatch.setattr("sys.platform", platform)
    webcam = Webcam.of(1)
    assert (webcam.device, webcam.kind) == (device, kind)


def test_windows_knows_webcams_by_name(monkeypatch):
    import av

    class Device:
        def __init__(self, name, media_types):
            self.name, self.media_types = name, media_types

    devices = [Device("Microphone", ["audio"]), Device("Front", ["video"]), Device("Back", ["video", "audio"])]
    monkeypatch.setattr(av, "enumerate_input_devices", lambda kind: devices if kind == "dshow" else [])
    monkeypatch.setattr("sys.platform", "win32")
    assert (Webcam.of(1).device, Webcam.of(1).kind) == ("video=Back", "dshow")
    with pytest.raises(DataError, match="webcam 2: there are 2; connect one"):
        Webcam.of(2)


def test_systems_without_webcams_say_so(monkeypatch):
    monkeypatch.setattr("sys.platform", "sunos5")
    with pytest.raises(DataError, match="webcam 0: those of sunos5 are not known; give a video file instead"):
        Webcam.of(0)
