"""The shipped tiny config on videos of actions, from training to the classes of files, by command line."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxmm.cli import main
from jaxmm.data.video.sources import ProceduralVideos
from jaxmm.model import load
from jaxmm.rendering.film import write_mp4

TWO_CHECKPOINTS = ("configs/clip_har/tiny.py", "--loop.keep", "2")
SEEN_IN_ONE_FRAME = 1 / 4  # how a shape looks is told by one frame, which of four ways it moves by none


@pytest.fixture(scope="module")
def trained(jaxmm, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "actions"
    jaxmm("train", *TWO_CHECKPOINTS, "--workdir", folder)
    return folder


def test_actions_that_only_the_order_of_frames_tells_are_told(jaxmm_json, trained):
    scores = jaxmm_json("evaluate", trained, "--bootstrap", 50)
    assert scores["test/chance1"] == pytest.approx(1 / 8)
    assert scores["test/top1"] >= 2 * SEEN_IN_ONE_FRAME
    assert scores["test/top1/low"] < scores["test/top1"] < scores["test/top1/high"]
    again = jaxmm_json("evaluate", trained, "--ensemble", trained)
    assert again["test/top1"] == scores["test/top1"]


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """A folder of two films of 16 frames, of green squares that go left and right."""
    pytest.importorskip("av", reason="needs av, the extra 'video'")
    folder = tmp_path_factory.mktemp("films")
    source = ProceduralVideos(looks=("green_square",), moves=("left", "right"), num_train=0, num_val=0, num_test=1)
    for video in source.inventory(None).items():
        write_mp4(folder / f"{video.label}.mp4", np.asarray(video.make(64)), fps=8.0)
    return folder


def test_goes_on_from_a_checkpoint_and_is_exported(goes_on_and_leaves, trained):
    goes_on_and_leaves(trained, *TWO_CHECKPOINTS, part="head")


def test_what_is_taken_for_what_is_drawn_and_tabled(jaxmm_json, trained, tmp_path):
    scores = jaxmm_json("evaluate", trained, "--pictures", tmp_path / "pictures")
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == ["classes.csv", "confusion.csv", "confusion.png"]
    rows = (tmp_path / "pictures" / "confusion.csv").read_text().splitlines()
    counts = np.array([row.split(",")[1:] for row in rows[1:]], int)
    assert np.trace(counts) == pytest.approx(scores["test/top1"] * scores["test/clips"])


def test_files_are_classified_drawn_on_and_bad_ones_named(jaxmm, jaxmm_json, trained, films, tmp_path):
    told = jaxmm_json("classify", trained, films, "--top", 8, "--annotate", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in films.iterdir()}
    for film in films.iterdir():
        own = {name: value for name, value in told.items() if name.startswith(f"{film}/")}
        assert sum(own.values()) == pytest.approx(1, abs=1e-6)
        assert sum(value for name, value in own.items() if name.rsplit("/", 1)[1].startswith("green")) > 0.9
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    done = jaxmm("classify", trained, tmp_path / "broken.mp4", films, "--json", status=1)
    assert "broken.mp4" in done.stderr
    assert len(json.loads(done.stdout)) == 5 * 2
    jaxmm("classify", trained, tmp_path / "broken.mp4", "--on_bad", "skip")


def test_a_film_is_told_while_it_goes_on_as_fast_as_is_said(jaxmm, jaxmm_json, trained, films):
    film = sorted(films.iterdir())[0]
    whole = jaxmm_json("classify", trained, film, "--top", 2)
    streamed = jaxmm_json("classify", trained, film, "--top", 2, "--stream", "--every", 8, "--window", 16)
    for name, value in whole.items():
        assert streamed[name.replace(".mp4/", ".mp4/1.875/")] == pytest.approx(value, abs=1e-5)
    assert streamed[f"{film}/frames"] == 16
    assert streamed[f"{film}/window_s"] == 1.875
    assert 0 < streamed[f"{film}/ms_per_frame"] <= streamed[f"{film}/longest_ms_to_answer"]
    *lines, summary = jaxmm("classify", trained, film, "--stream", "--seconds", 1).stdout.splitlines()
    assert len(lines) == 8
    assert lines[-1].startswith("  0.875 s  green")
    assert "8 frames at " in summary and "looks back 0.88 s" in summary


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no video is given; name one or more files or folders, or --webcam 0"),
        (("{films}", "--webcam", 0), "--webcam takes the place of videos"),
        (("{films}", "--stream", "--seconds", 0), "--seconds is 0; give a time above zero, or leave it out"),
        (("{films}", "--every", 2), "--every are of streams; add --stream"),
        (("{films}", "--classes", "wave", "jump"), "the run has no prompts; train one with task.semantics"),
        (("{films}", "--by", "head", "--classes", "wave"), "the head tells the classes of training alone"),
        (("{films}", "--annotate", "{films}"), "is not an empty folder"),
        (("--webcam", 97), "webcam /dev/video97: cannot be read"),
    ],
)
def test_what_makes_no_sense_is_told_at_once(trained, films, words, message, capsys):
    if "--webcam" in words and sys.platform != "linux":
        pytest.skip("webcams have other names here")
    with pytest.raises(SystemExit) as ended:
        main(["classify", str(trained), *(str(word).format(films=films) for word in words)])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_stream_is_answered_as_the_window_that_it_ends_with(trained):
    model = load(trained)
    video = next(iter(ProceduralVideos(looks=("red_bar",), moves=("grow",)).inventory(None).items()))
    frames = np.asarray(video.make(32))
    answers = model.actions
    streamed = list(answers.stream(model.params, model.collections, frames))
    assert len(streamed) == len(frames)
    for end in (1, 5, 8, len(frames)):
        (whole,) = answers(model.params, model.collections, [frames[max(0, end - 8) : end]])
        # Logits reach 5, and frames are seen one by one here and eight at once there.
        np.testing.assert_allclose(streamed[end - 1], whole, rtol=0, atol=1e-5 * np.abs(whole).max())
