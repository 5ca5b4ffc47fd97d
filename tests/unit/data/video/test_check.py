"""What is wrong with labelled videos, file by file."""

import json
import os
import shutil
import signal

import numpy as np
import pytest

from jaxmm.cli import main
from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.splits import HashSplit, TagSplit
from jaxmm.data.video.check import check_videos
from jaxmm.data.video.folders import ClassFolders, VideoTable
from jaxmm.data.video.process import DecoderProcess
from jaxmm.data.video.sources import KineticsTables, ProceduralVideos

from .films import grey_frames, write_video


def found(report):
    return {(problem.kind, problem.message) for problem in report.problems}


@pytest.fixture
def table(class_folder, tmp_path):
    """The films with a table that says which split and group each is of."""
    root = shutil.copytree(class_folder, tmp_path / "table")
    rows = [
        f"{label}/{number}{ending},{label},{'test' if number == 5 else 'train'},g{number}"
        for label, ending in (("jump", ".avi"), ("air walk", ".mp4"))
        for number in range(6)
    ]
    (root / "videos.csv").write_text("\n".join(["path,label,split,group", *rows, ""]))
    return root


def test_sound_videos_have_no_problem(table):
    report = check_videos(VideoTable(), table, split=TagSplit())
    assert report.problems == ()
    assert report.counts == {"videos": 12, "frames": 2 * 105, "seconds": pytest.approx(21.0), "classes": 2}


def test_settings_check_their_source_by_their_split(table):
    settings = ActionVideos(source=VideoTable(), split=HashSplit(tag="none"))
    assert found(settings.check(table)) == {
        ("split", "jump/0.avi: has no tag 'none'; set data.split.tag to None, or add the tag")
    }
    assert ActionVideos(source=VideoTable()).check(table).problems == ()


def test_every_bad_file_is_listed(table):
    content = (table / "jump" / "3.avi").read_bytes()
    (table / "jump" / "1.avi").write_bytes(b"")
    (table / "jump" / "2.avi").write_text("no video")
    (table / "jump" / "3.avi").write_bytes(content[: len(content) // 2])
    (table / "air walk" / "1.mp4").unlink()
    messages = [
        message for kind, message in found(check_videos(VideoTable(), table, split=TagSplit())) if kind == "files"
    ]
    assert len(messages) == 4
    for name, cause in (
        ("jump/1.avi", "is damaged, or no video"),
        ("jump/2.avi", "is damaged, or no video"),
        ("jump/3.avi", "damaged"),
        ("air walk/1.mp4", "no such file"),
    ):
        assert any(f"{table}/{name}: " in message and cause in message for message in messages), messages


def test_a_file_that_hangs_is_listed_and_the_others_are_read(table, monkeypatch):
    ask = DecoderProcess.ask

    def hanging(self, request, *, seconds):
        if request["path"].endswith("2.avi"):
            os.kill(self.pid, signal.SIGSTOP)
        return ask(self, request, seconds=seconds)

    monkeypatch.setattr(DecoderProcess, "ask", hanging)
    report = check_videos(VideoTable(), table, split=TagSplit(), time_limit_s=1.0)
    (problem,) = report.problems
    assert problem.message.startswith(f"{table}/jump/2.avi: takes longer than 1 s to decode")
    assert report.counts["videos"] == 11


def test_copies_are_found_across_splits_and_within_one(table):
    shutil.copy(table / "jump" / "0.avi", table / "jump" / "5.avi")
    shutil.copy(table / "air walk" / "0.mp4", table / "air walk" / "1.mp4")
    assert found(check_videos(VideoTable(), table, split=TagSplit())) == {
        ("leakage", "jump/0.avi, jump/5.avi: the same recording is in test and train; keep it in one"),
        ("duplicate", "air walk/0.mp4, air walk/1.mp4: the same recording under 2 keys; keep one"),
    }


def test_groups_that_are_parted_and_classes_that_are_not_trained_are_found(table):
    rows = (
        (table / "videos.csv")
        .read_text()
        .replace("jump,test,g5", "jump,test,g0")
        .replace("air walk,train", "air walk,val")
    )
    (table / "videos.csv").write_text(rows)
    assert found(check_videos(VideoTable(), table, split=TagSplit())) == {
        ("leakage", "jump/0.avi, jump/5.avi: one group is in test and train; keep it in one"),
        ("labels", "air_walk: no video of 1 classes is one of training; add some"),
    }
    together = HashSplit(num_buckets=4, test=(0,), tag="group")
    assert not any(kind == "leakage" for kind, _ in found(check_videos(VideoTable(), table, split=together)))


def test_what_is_wrong_with_the_list_is_listed_too(table):
    (table / "videos.csv").write_text((table / "videos.csv").read_text() + "jump/0.avi,jump,train,g1\nx.avi\n")
    kinds = [problem.kind for problem in check_videos(VideoTable(), table, split=TagSplit()).problems]
    assert kinds == ["lists", "lists"]


def test_a_video_that_is_over_in_no_time_is_found(tmp_path):
    write_video(tmp_path / "jump" / "short.mp4", grey_frames(2))
    (problem,) = check_videos(ClassFolders(), tmp_path).problems
    assert problem.kind == "short" and "jump/short.mp4: lasts 0.200 s, 2 frames" in problem.message


def test_stretches_of_one_file_are_no_copies_and_may_not_go_beyond_it(tmp_path):
    write_video(tmp_path / "videos" / "film.mp4", grey_frames(50))
    rows = [
        "label,youtube_id,time_start,time_end,split",
        "jump,film,0,2,train",
        "jump,film,2,4,test",
        "jump,film,4,14,test",
    ]
    (tmp_path / "train.csv").write_text("\n".join(rows))
    report = check_videos(KineticsTables(), tmp_path, split=TagSplit())
    assert [problem.kind for problem in report.problems] == ["files"]
    assert "film.mp4: lasts 5.0 s, but film_000004_000014 is said to be from 4 s to 14 s" in report.problems[0].message
    assert report.counts["frames"] == 40


def test_synthetic_videos_have_no_problem():
    source = ProceduralVideos(num_train=1, num_val=1, num_test=1, looks=("red_bar",))
    report = check_videos(source, None, split=TagSplit())
    assert report.problems == () and report.counts["videos"] == 18


def test_the_command_lists_what_is_wrong_with_a_folder(table, capsys):
    (table / "jump" / "1.avi").write_bytes(np.zeros(5000, np.uint8).tobytes())
    with pytest.raises(SystemExit) as status:
        main(["data", "check", str(table), "--json"])
    assert status.value.code == 1
    said = json.loads(capsys.readouterr().out)
    assert said["videos"] == 11 and said["problems"] == 1
    assert said["problem/1"].startswith(f"{table}/jump/1.avi: is damaged, or no video")
