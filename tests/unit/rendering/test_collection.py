"""Collections: where actions are seen, how videos are split, and what is written."""

import csv
import dataclasses
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxmm.data.folder import write_motion_folder
from jaxmm.data.sources import MotionFolder
from jaxmm.errors import ConfigError, DataError
from jaxmm.rendering import collection
from jaxmm.rendering.actions import BANDAI, spans
from jaxmm.rendering.collection import LIST, Rendering, Video
from jaxmm.rendering.scene import Scene

from .conftest import HOLD, NUM_FRAMES, REST, WAY

SCRIPT = Path(__file__).parents[3] / "scripts" / "render_motion.py"
STYLES = ("normal", "active", "youthful", "sad")
TAKES = 6


@pytest.fixture(scope="session")
def recordings(make_raise):
    """Six takes of raising the left hand in each of four styles, and one of both hands."""
    kinds = [(f"{style}_{take}", ("Left",), "raise-up-left-hand", style) for style in STYLES for take in range(TAKES)]
    kinds += [(f"both_{style}", ("Left", "Right"), "raise-up-both-hands", style) for style in STYLES]
    return [make_raise(key, sides, content=content, style=style) for key, sides, content, style in kinds]


@pytest.fixture(scope="session")
def folder(recordings, tmp_path_factory):
    root = tmp_path_factory.mktemp("recordings") / "raising"
    write_motion_folder(recordings[:8], root)
    return root


def few(**settings):
    return Rendering(actions="bandai", size=32, **settings)


def test_hands_rise_and_sink_each_in_its_part(make_raise):
    motion = make_raise()
    ((start, stop),) = spans(motion, "rise", seconds=4.0)
    assert REST - 4 <= start < REST and REST + WAY <= stop < REST + WAY + HOLD
    ((again, end),) = spans(motion, "fall", seconds=4.0)
    assert (again, end) == (NUM_FRAMES - stop, NUM_FRAMES - start)
    still = dataclasses.replace(motion, positions=np.repeat(motion.positions[:1], 9, axis=0))
    assert spans(still, "rise", seconds=4.0) == []


def test_long_recordings_are_cut_into_parts_and_where_most_moves(make_raise, walk):
    motion = make_raise()
    assert spans(motion, "parts", seconds=1.0) == [(0, 10), (10, 20), (21, 31)]
    assert spans(motion, "parts", seconds=9.0) == spans(motion, "busiest", seconds=9.0) == [(0, NUM_FRAMES)]
    ((start, stop),) = spans(motion, "busiest", seconds=0.6)
    assert stop - start == 6
    assert start in range(REST - 1, REST + 2) or start in range(REST + WAY + HOLD - 1, REST + WAY + HOLD + 2)


def test_a_turn_is_in_the_middle_of_its_part(walk):
    """Thirty frames ahead, then a quarter turn to the left within ten, then ten more."""
    angle = np.concatenate([np.zeros(30), np.linspace(0, np.pi / 2, 10), np.full(10, np.pi / 2)])
    turn = np.zeros((50, 3, 3))
    turn[:, 0, 0] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 0, 2], turn[:, 2, 0], turn[:, 1, 1] = np.sin(angle), -np.sin(angle), 1
    positions = (walk.positions[0] @ turn.transpose(0, 2, 1)).astype(np.float32)
    motion = dataclasses.replace(walk, positions=positions, fps=10.0)
    assert spans(motion, "turn", seconds=2.0) == [(25, 45)]


def test_takes_are_never_divided_and_what_is_held_out_is_what_training_has_not_seen(recordings):
    videos = few(train=30, val=8, test=20, variants=3).plan(recordings)
    splits = {}
    for video in videos:
        assert splits.setdefault(video.take, video.split) == video.split
    assert {video.label for video in videos} == {
        f"{way} {hand}" for way in ("raise", "lower") for hand in ("left hand", "both hands")
    }
    seen = {(video.label, video.style) for video in videos if video.split == "train"}
    for video in videos:
        expected = "" if video.split == "train" else "take" if (video.label, video.style) in seen else "style"
        assert video.held_out == expected
    assert {video.split for video in videos if video.style in BANDAI.test_styles} == {"test"}
    assert {video.split for video in videos if video.style in BANDAI.val_styles} == {"val"}
    assert splits["both_normal"] == splits["both_active"] == "train"  # alone with their action and style
    assert {"take", "style"} <= {video.held_out for video in videos if video.split == "test"}


def test_numbers_are_those_that_are_wanted_from_as_many_styles_and_takes_as_there_are(recordings):
    videos = [video for video in few(train=9, variants=2).plan(recordings) if video.label == "raise left hand"]
    train = [video for video in videos if video.split == "train"]
    takes = {video.take for video in train}
    assert len(train) == 9
    assert len(takes) >= 5
    assert abs(sum(video.style == "normal" for video in train) - 4.5) <= 1.5
    assert len({video.path for video in videos}) == len(videos)
    assert max(video.variant for video in videos) == 1


def test_a_plan_is_the_same_whatever_the_order_of_recordings(recordings):
    plan = few().plan
    assert set(plan(recordings)) == set(plan(recordings[::-1]))


def test_reversed_videos_run_backwards(make_raise, monkeypatch):
    shown = []

    def keep(self, motion, *, size):
        shown.append(motion.positions)
        return iter(())

    monkeypatch.setattr(Scene, "frames", keep)
    video = Video(
        path="a.mp4", label="lower", split="train", held_out="", group="a", style="", take="a",
        start=0.5, end=2.1, reversed=0, variant=0,
    )  # fmt: skip
    for own in (video, dataclasses.replace(video, reversed=1)):
        few().frames(make_raise(), own)
    np.testing.assert_array_equal(shown[0], shown[1][::-1])
    assert len(shown[0]) == 24
    names = make_raise().skeleton.joint_names
    height = shown[0][:, names.index("LeftHand"), 1]
    assert height[0] < height[-1] - 0.5


def test_videos_and_their_list_are_written_and_again_the_same(folder, tmp_path):
    pytest.importorskip("av")
    made = []
    for name in ("a", "b"):
        inventory = MotionFolder().inventory(folder)
        videos = list(few(train=3, val=1, test=2).render(inventory, tmp_path / name))
        made.append({video.path: (tmp_path / name / video.path).read_bytes() for video in videos})
    assert made[0] == made[1]
    with (tmp_path / "a" / LIST).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} == set(made[0])
    assert list(rows[0]) == [field.name for field in dataclasses.fields(Video)]
    assert all(row["origin"] == "rendered from real motion" and row["group"] == row["take"] for row in rows)
    assert "Videos rendered from real motion" in (tmp_path / "a" / "README.md").read_text()
    with pytest.raises(DataError, match=r"videos.csv: is there already; choose another folder"):
        next(few().render(MotionFolder().inventory(folder), tmp_path / "a"))


def test_a_list_that_cannot_be_written_is_said_and_is_not_begun(folder, tmp_path):
    pytest.importorskip("av")
    (tmp_path / "README.md").mkdir()
    with pytest.raises(DataError, match=r"cannot be written \(.*; choose another folder"):
        list(few(train=1, val=0, test=0).render(MotionFolder().inventory(folder), tmp_path))
    assert not (tmp_path / LIST).exists()


def test_captions_are_labels_of_other_recordings(make_raise):
    motions = [dataclasses.replace(make_raise(f"m{place}"), captions=("a person waves",)) for place in range(12)]
    videos = Rendering(val=2, test=2, train=4, size=32).plan(motions)
    assert {(video.label, video.style, video.reversed) for video in videos} == {("a person waves", "", 0)}
    assert {video.split for video in videos} == {"train", "val", "test"}
    assert all((video.start, video.end) == (0.0, 3.1) for video in videos)


def test_names_of_files_are_safe_and_no_two_recordings_write_one(make_raise):
    motion = dataclasses.replace(make_raise("../a"), captions=("../a person; waves / " + "long " * 80,))
    (video, *_) = Rendering().plan([motion])
    assert ".." not in video.path and max(map(len, video.path.split("/"))) < 100
    assert video.take == "../a" and video.label == motion.captions[0]
    (told, *_) = Rendering().plan([dataclasses.replace(motion, captions=("歩く" * 80,))])
    assert max(len(part.encode()) for part in told.path.split("/")) < 100
    with pytest.raises(DataError, match="would write one file; rename one"):
        Rendering().plan([motion, dataclasses.replace(motion, key="/a")])


def test_recordings_that_show_nothing_and_impossible_settings_are_refused(make_raise):
    with pytest.raises(DataError, match="no recording shows an action of 'bandai'"):
        few().plan([make_raise(content="dance")])
    for settings, message in (
        ({"size": 15}, "size is 15"),
        ({"fps": 0.0}, "fps is 0"),
        ({"variants": 0}, "at least 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            Rendering(**settings)


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["render_motion.py", *map(str, words)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_the_script_renders_a_folder_and_prints_what_it_made(folder, tmp_path, monkeypatch, capsys):
    pytest.importorskip("av")
    words = (folder, tmp_path / "out", "--actions", "bandai", "--size", 32, "--train", 2, "--val", 0, "--test", 1)
    run(monkeypatch, *words)
    assert "raise left hand, train" in capsys.readouterr().out
    assert (tmp_path / "out" / LIST).is_file()
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, *words)
    assert caught.value.code == 2
    assert "is there already" in capsys.readouterr().err


def test_real_recordings_show_all_actions(shared_data):
    found = shared_data / "motion" / "bandai"
    if not found.is_dir():
        pytest.skip("needs real recordings in ../shared/data/motion/bandai, which are not part of the repository")
    recordings = MotionFolder().inventory(found).recordings
    motions = [motion for recording in recordings[::40] for motion in recording.read()]
    videos = Rendering(actions="bandai", train=2, val=2, test=2).plan(motions)
    assert len({video.label for video in videos}) >= 15
    assert all(0 < video.end - video.start <= 4 for video in videos)
    assert collection.ORIGIN == "rendered from real motion"
