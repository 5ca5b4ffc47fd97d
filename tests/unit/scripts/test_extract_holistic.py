import importlib.util
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "extract_holistic.py"


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["extract_holistic.py", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return caught.value.code


def test_without_mediapipe_it_says_which_environment_to_make(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(monkeypatch, "a.mp4", "--out", tmp_path / "poses") == 2
    assert "mediapipe is not installed; make the environment that --help describes" in capsys.readouterr().err
    assert not (tmp_path / "poses").exists()


def test_two_videos_do_not_write_one_file(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert run(monkeypatch, "x/a.mp4", "y/a.avi", "--out", tmp_path / "poses") == 2
    assert "two videos are named a" in capsys.readouterr().err


def test_videos_that_are_done_are_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    (tmp_path / "a.pose").write_bytes(b"done")
    assert run(monkeypatch, "a.mp4", "--out", tmp_path) == 0
    assert (tmp_path / "a.pose").read_bytes() == b"done"


def test_it_imports_nothing_of_the_package():
    assert "import jaxmm" not in SCRIPT.read_text() and "from jaxmm" not in SCRIPT.read_text()
