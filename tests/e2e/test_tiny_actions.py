"""The shipped tiny config on videos of actions, from training to the classes of files, by command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxmm.data.video.sources import ProceduralVideos
from jaxmm.model import load

CONFIG = "configs/clip_har/tiny.py"
SEEN_IN_ONE_FRAME = 1 / 4  # how a shape looks is told by one frame, which of four ways it moves by none


@pytest.fixture(scope="module")
def trained(jaxmm, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "actions"
    jaxmm("train", CONFIG, "--workdir", folder)
    return folder


def test_actions_that_only_the_order_of_frames_tells_are_told(jaxmm_json, trained):
    scores = jaxmm_json("evaluate", trained, "--bootstrap", 50)
    assert scores["test/chance1"] == pytest.approx(1 / 8)
    assert scores["test/top1"] >= 2 * SEEN_IN_ONE_FRAME
    assert scores["test/top1/low"] < scores["test/top1"] < scores["test/top1/high"]
    again = jaxmm_json("evaluate", trained, "--ensemble", trained)
    assert again["test/top1"] == scores["test/top1"]


def test_files_are_classified_and_bad_ones_named(jaxmm, jaxmm_json, trained, tmp_path):
    av = pytest.importorskip("av", reason="needs av, the extra 'video'")
    source = ProceduralVideos(looks=("green_square",), moves=("left", "right"), num_train=0, num_val=0, num_test=2)
    videos = [video for video in source.inventory(None).items() if video.tags["split"] == "test"]
    for video in videos:
        frames = video.make(64)
        with av.open(str(tmp_path / f"{video.label}.mp4"), "w") as file:
            stream = file.add_stream("mpeg4", rate=8)
            stream.width = stream.height = 64
            for frame in np.asarray(frames):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            file.mux(stream.encode())
    told = jaxmm_json("classify", trained, tmp_path, "--top", 8)
    for video in videos:
        own = {name: value for name, value in told.items() if f"/{video.label}.mp4/" in name}
        assert sum(own.values()) == pytest.approx(1, abs=1e-6)
        assert sum(value for name, value in own.items() if name.rsplit("/", 1)[1].startswith("green")) > 0.9
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    done = jaxmm("classify", trained, tmp_path, "--json", status=1)
    assert "broken.mp4" in done.stderr
    assert len(json.loads(done.stdout)) == 5 * len({video.label for video in videos})
    jaxmm("classify", trained, tmp_path, "--on_bad", "skip")


def test_a_stream_is_answered_as_the_window_that_it_ends_with(trained):
    model = load(trained)
    video = next(iter(ProceduralVideos(looks=("red_bar",), moves=("grow",)).inventory(None).items()))
    frames = np.asarray(video.make(32))
    answers = model.actions
    streamed = list(answers.stream(model.params, model.collections, frames))
    assert len(streamed) == len(frames)
    for end in (1, 5, 8, len(frames)):
        (whole,) = answers(model.params, model.collections, [frames[max(0, end - 8) : end]])
        np.testing.assert_allclose(streamed[end - 1], whole, atol=1e-5)
