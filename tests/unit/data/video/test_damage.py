"""What a file that is no sound video does to the reader: a message that names it, and nothing else."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import jaxmm.data.video.process
from jaxmm.data.video.reader import VideoReader
from jaxmm.errors import DataError, JaxmmError, MissingExtraError

from .films import KINDS_OF_DAMAGE, damaged, grey_frames, noisy_frames, numbers_of, write_video

FORMATS = (("a.mp4", {}), ("b.mp4", {"movflags": "faststart"}), ("c.mkv", {}), ("d.avi", {}))


def pids(reader):
    return [process.pid for process in reader._idle]


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone_within(pid, seconds):
    deadline = time.monotonic() + seconds
    while is_there(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_there(pid)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Sound films of noise, by their names."""
    folder = tmp_path_factory.mktemp("sound")
    paths = (write_video(folder / name, noisy_frames(), options=options) for name, options in FORMATS)
    return {path.name: path.read_bytes() for path in paths}


def assert_named(reader, path):
    """Reads a damaged file in every way."""
    for read in (reader.scan, reader.read_clip):
        with pytest.raises(DataError) as caught:
            read(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and message.endswith("; copy or encode it anew, or drop it"), message
        assert len(message) < len(str(path)) + 150 and "Error" not in message, message


@pytest.mark.parametrize("kind", KINDS_OF_DAMAGE)
def test_a_damaged_file_is_named_with_its_cause(kind, reader, sound, tmp_path):
    rng = np.random.default_rng(KINDS_OF_DAMAGE.index(kind))
    for name in ("b.mp4", "c.mkv"):
        path = tmp_path / name
        path.write_bytes(damaged(sound[name], kind, rng))
        assert_named(reader, path)
    path.write_bytes(sound["c.mkv"])
    assert reader.scan(path).num_frames == 30


@pytest.mark.faults
def test_two_hundred_damaged_files_are_each_named_and_the_reader_goes_on(reader, sound, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(200):
        name, _ = FORMATS[number % len(FORMATS)]
        path = tmp_path / f"{number}{name[1:]}"
        path.write_bytes(damaged(sound[name], KINDS_OF_DAMAGE[number // len(FORMATS) % len(KINDS_OF_DAMAGE)], rng))
        assert_named(reader, path)
    path.write_bytes(sound["d.avi"])
    assert reader.scan(path).num_frames == 30


@pytest.mark.faults
def test_whatever_the_bytes_of_a_file_it_is_read_or_named(reader, sound, tmp_path):
    rng = np.random.default_rng(1)
    refused = 0
    for number in range(400):
        name, _ = FORMATS[number % len(FORMATS)]
        content = bytearray(sound[name])
        for place in rng.integers(0, len(content) if number % 2 else 600, int(rng.integers(1, 30))):
            content[place] = rng.integers(256)
        path = tmp_path / name
        path.write_bytes(content)
        try:
            assert reader.scan(path).num_frames > 0
            assert reader.read_clip(path, fps=5.0, max_frames=40).pixels.ndim == 4
        except DataError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 100


def test_what_is_no_file_is_named(reader, tmp_path):
    with pytest.raises(DataError, match=r"none.mp4: no such file; check the path"):
        reader.info(tmp_path / "none.mp4")
    with pytest.raises(DataError, match=r"no such file; check the path"):
        reader.info(tmp_path / ("long" * 100))
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path, tmp_path / "pipe.mp4"):
        with pytest.raises(DataError, match="is not a regular file; name a file"):
            reader.scan(path)


def test_a_list_of_other_files_is_not_followed(reader, film, tmp_path):
    for name, text in (("list.mp4", f"ffconcat version 1.0\nfile {film}\n"), ("list.ts", f"#EXTM3U\n{film}\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match=f"{name}: is .*no video"):
            reader.scan(tmp_path / name)


def test_sound_without_pictures_and_damaged_pictures_are_named(reader, tmp_path):
    import av

    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        quiet.sample_rate, quiet.pts = 16000, 0
        container.mux(stream.encode(quiet))
        container.mux(stream.encode())
    with pytest.raises(DataError, match=r"sound.mp4: holds no video; copy"):
        reader.info(tmp_path / "sound.mp4")
    from PIL import Image

    Image.fromarray(noisy_frames(1)[0]).save(tmp_path / "a.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:-900])
    (tmp_path / "text.jpg").write_text("no picture")
    for name in ("cut.png", "text.jpg"):
        with pytest.raises(DataError, match=rf"{name}: cannot be decoded \(.*\); copy"):
            reader.info(tmp_path / name)


def test_frames_that_are_enormous_or_a_line_are_refused(reader, tmp_path):
    path = write_video(tmp_path / "line.mkv", np.zeros((2, 2, 64, 3), np.uint8), codec="mjpeg")
    with pytest.raises(DataError, match=r"line.mkv: its frames measure 64 x 2 pixels"):
        reader.info(path)


def test_a_file_that_hangs_is_given_up_after_its_time(film):
    with VideoReader(time_limit_s=20.0) as reader:
        reader.info(film)
        (pid,) = pids(reader)
        os.kill(pid, signal.SIGSTOP)
        reader.time_limit_s = 0.4
        since = time.monotonic()
        with pytest.raises(DataError, match=r"grey.mp4: takes longer than 0.4 s to decode; allow more time, or copy"):
            reader.read_clip(film)
        assert time.monotonic() - since < 5
        assert not is_there(pid)
        reader.time_limit_s = 20.0
        assert len(reader.read_clip(film).pixels) == 30


def test_a_process_that_was_killed_is_replaced(reader, film):
    reader.info(film)
    for pid in pids(reader):
        os.kill(pid, signal.SIGKILL)
    assert numbers_of(reader.read_frames(film, [3])) == [3]
    assert all(map(is_there, pids(reader)))


def test_a_stream_whose_process_is_killed_says_so(film, tmp_path):
    path = write_video(tmp_path / "large.mkv", grey_frames(40, 480, 640))
    with VideoReader() as reader:
        reader.info(film)
        (pid,) = pids(reader)
        frames = reader.stream(path)
        next(frames)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(DataError, match=r"large.mkv: .*died \(SIGKILL\)"):
            list(frames)
        assert len(reader.read_clip(film).pixels) == 30


def test_a_reader_does_without_wide_pipes_where_the_user_has_enough_of_them(film, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        pytest.skip("pipes of this system have one size")
    control = fcntl.fcntl

    def refusing(pipe, what, *values):
        if what == fcntl.F_SETPIPE_SZ:
            raise PermissionError(1, "Operation not permitted")
        return control(pipe, what, *values)

    monkeypatch.setattr(fcntl, "fcntl", refusing)
    with VideoReader() as reader:
        assert numbers_of(reader.read_frames(film, [3])) == [3]


def test_a_file_at_which_every_process_dies_is_given_up(film, monkeypatch):
    dying = """
        import os, sys
        from jaxmm.data.video.worker import message
        sys.stdout.buffer.write(message({{"ready": True}}))
        sys.stdout.flush()
        sys.stdin.buffer.read(8)
        os._exit(7)
        # {}
    """
    monkeypatch.setattr(jaxmm.data.video.process, "_SERVE", textwrap.dedent(dying))
    with VideoReader() as reader, pytest.raises(DataError, match=r"grey.mp4: .*died \(status 7\), twice"):
        reader.info(film)
    monkeypatch.setattr(jaxmm.data.video.process, "_SERVE", "raise SystemExit(3)  # {}")
    with VideoReader() as reader, pytest.raises(JaxmmError, match=r"does not start \(status 3\)"):
        reader.info(film)


def test_a_file_that_takes_too_much_memory_is_named(film, tmp_path):
    path = write_video(tmp_path / "vast.mov", np.zeros((2, 4000, 4000, 3), np.uint8))
    with VideoReader(memory_mib=160) as reader:
        with pytest.raises(DataError, match=r"vast.mov: takes more than 160 MiB to decode"):
            reader.read_clip(path)
        assert len(reader.read_clip(film).pixels) == 30
        for _ in range(3):  # a stream is not begun anew by another process
            with pytest.raises(DataError, match=r"vast.mov: takes more than 160 MiB to decode"):
                list(reader.stream(path))
            assert len(list(reader.stream(film))) >= 30
    with VideoReader(memory_mib=1000, size=64) as reader:
        assert reader.read_clip(path).pixels.shape == (2, 64, 64, 3)


def test_no_process_is_left_when_a_reader_is_closed_or_forgotten(film):
    reader = VideoReader()
    reader.info(film)
    (closed,) = pids(reader)
    reader.close()
    assert not is_there(closed)  # nor waits to be noticed, as a process that has ended does
    reader.info(film)
    (forgotten,) = pids(reader)
    del reader
    assert not is_there(forgotten)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_process_ends_with_the_one_that_it_decodes_for(number, film):
    code = f"""
        import signal, time
        from pathlib import Path
        from jaxmm.data.video.reader import VideoReader
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have switched it off
        reader = VideoReader()
        reader.info(Path({str(film)!r}))
        print(reader._idle[0].pid, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as owner:
        pid = int(owner.stdout.readline())
        assert is_there(pid)
        owner.send_signal(number)
        owner.wait()
    assert gone_within(pid, 10)


def test_an_interrupted_reader_goes_on_with_another_process(film, tmp_path):
    path = write_video(tmp_path / "large.mkv", grey_frames(30, 480, 640))
    with VideoReader() as reader:
        reader.info(film)
        (pid,) = pids(reader)
        os.kill(pid, signal.SIGSTOP)

        def interrupt(number, frame):
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                reader.read_clip(path)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert not is_there(pid)
        assert len(reader.read_clip(path).pixels) == 30


def test_a_missing_extra_is_named(film, monkeypatch):
    find = jaxmm.data.video.process.importlib.util.find_spec
    monkeypatch.setattr(
        jaxmm.data.video.process.importlib.util, "find_spec", lambda name: None if name == "av" else find(name)
    )
    with pytest.raises(MissingExtraError, match=r"av is not installed; run: pip install 'jaxmm\[video\]'"):
        VideoReader().info(film)
