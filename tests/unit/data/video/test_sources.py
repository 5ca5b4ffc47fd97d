"""Which videos the sources list, and what they say is wrong with their lists; none is decoded."""

import os
from pathlib import Path

import pytest

from jaxmm.data.video.benchmarks import KineticsTables, Ucf101Lists
from jaxmm.data.video.clip import FrameView
from jaxmm.data.video.copies import CopiedVideos
from jaxmm.data.video.folders import ClassFolders, VideoTable
from jaxmm.data.video.lists import vocabulary_of_names
from jaxmm.data.video.sources import ProceduralVideos, action_source_of
from jaxmm.errors import ConfigError, DataError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def listed(source, root):
    return list(source.inventory(root).items())


def problems(source, root):
    return [problem.message.replace(f"{root}/", "") for problem in source.inventory(root).problems]


def test_folders_of_classes_are_read_at_any_depth(tmp_path):
    touch(
        tmp_path, "YoYo/b.avi", "YoYo/deep/a.MP4", "air drumming/a.jpg", "YoYo/notes.txt", ".git/a.mp4", "YoYo/.a.mp4"
    )
    source = ClassFolders()
    assert [(video.key, video.label, video.tags) for video in listed(source, tmp_path)] == [
        ("YoYo/b.avi", "YoYo", {}),
        ("YoYo/deep/a.MP4", "YoYo", {}),
        ("air drumming/a.jpg", "air_drumming", {}),
    ]
    vocabulary = source.vocabulary(tmp_path)
    assert vocabulary.labels == ("YoYo", "air_drumming")
    assert vocabulary.descriptions == ("yo yo", "air drumming")
    assert listed(source, tmp_path)[0].path == tmp_path / "YoYo/b.avi"


def test_folders_of_splits_become_tags(tmp_path):
    touch(tmp_path, "train/jump/a.mp4", "test/jump/a.mp4", "test/walk/b.mp4", "other/walk/c.mp4")
    source = ClassFolders(split_folders=True)
    assert [(video.key, video.tags["split"]) for video in listed(source, tmp_path)] == [
        ("train/jump/a.mp4", "train"),
        ("test/jump/a.mp4", "test"),
        ("test/walk/b.mp4", "test"),
    ]
    assert source.vocabulary(tmp_path).labels == ("jump", "walk")


def test_what_is_wrong_with_folders_of_classes_is_named(tmp_path):
    root = tmp_path / "classes"
    touch(root, "jump/a.mp4", "walk/notes.txt")
    assert problems(ClassFolders(), root) == ["walk: holds no video; add some, or remove the folder"]
    touch(root, "walk/a.mp4", "a b/a.mp4", "a_b/a.mp4")
    assert problems(ClassFolders(), root) == [f"{root}: two classes are named 'a_b', but for spaces; rename one"]
    (tmp_path / "empty").mkdir()
    empty = tmp_path / "empty"
    assert problems(ClassFolders(), empty) == [f"{empty}: names no class; add videos of one or more"]
    with pytest.raises(DataError, match=r"data.root is not set"):
        ClassFolders().inventory(None)


def test_a_table_names_videos_with_labels_and_tags(tmp_path):
    (tmp_path / "videos.csv").write_text(
        'path,label,split,group,camera\na.mp4,air drumming,train,g1,\n"deep/b, c.mp4",jump,test,,left\n', "utf-8-sig"
    )
    one, other = listed(VideoTable(videos="films"), tmp_path)
    assert (one.key, one.label, one.tags) == ("a.mp4", "air_drumming", {"split": "train", "group": "g1"})
    assert other.path == tmp_path / "films/deep/b, c.mp4" and other.tags == {"split": "test", "camera": "left"}
    assert VideoTable().vocabulary(tmp_path).labels == ("air_drumming", "jump")
    assert VideoTable(videos="/films").outside(tmp_path) == (Path("/films"),)
    assert VideoTable().outside(tmp_path) == VideoTable().outside(None) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,label\na.mp4\n", "videos.csv:2: has 1 cells under 2 columns"),
        ("path,label\na.mp4,jump\n\nb.mp4, \n", "videos.csv:4: 'label' is empty"),
        ("path,label\na.mp4,jump\na.mp4,walk\n", "videos.csv:3: 'a.mp4' was named at videos.csv:2"),
        ("path,label\n../a.mp4,jump\n", "videos.csv:2: path '../a.mp4' leaves the folder"),
        ("path,label\n/a.mp4,jump\n", "videos.csv:2: path '/a.mp4' leaves the folder"),
        ("path,class\na.mp4,jump\n", "videos.csv:1: columns are 'path, class'; give label too"),
        ("path,label,label\na.mp4,jump,run\n", "videos.csv:1: column 'label' repeats"),
        ("path,label\n", "videos.csv: has a header and no rows"),
        ('path,label\n"a.mp4,jump\n', "videos.csv:2: not a CSV table"),
    ],
)
def test_what_is_wrong_with_a_table_is_named_by_its_line(text, expected, tmp_path):
    (tmp_path / "videos.csv").write_text(text)
    (message,) = problems(VideoTable(), tmp_path)
    assert message.startswith(expected), message
    with pytest.raises(DataError):
        listed(VideoTable(), tmp_path)


def test_every_bad_row_of_a_table_is_named(tmp_path):
    (tmp_path / "videos.csv").write_text("path,label\na.mp4\nb.mp4,jump\n,walk\n")
    assert [message.split(": ")[0] for message in problems(VideoTable(), tmp_path)] == ["videos.csv:2", "videos.csv:4"]


KINETICS = "label,youtube_id,time_start,time_end,split\n"


def test_the_tables_of_kinetics_find_cut_and_whole_videos(tmp_path):
    (tmp_path / "train.csv").write_text(
        f'{KINETICS}air drumming,-cut,20,30,train\n"ski, jump",whole,3,13,train\nair drumming,none,5,15,train\n'
    )
    (tmp_path / "validate.csv").write_text(f"{KINETICS}air drumming,other,0,10.5,validate\n")
    touch(tmp_path, "videos/air drumming/-cut_000020_000030.mp4", "videos/whole.webm", "videos/-cut.mp4")
    cut, whole, none, other = listed(KineticsTables(), tmp_path)
    assert (cut.key, cut.path.name, cut.start, cut.end) == ("-cut_000020_000030", "-cut_000020_000030.mp4", 0, None)
    assert (whole.path.name, whole.start, whole.end, whole.label) == ("whole.webm", 3, 13, "ski,_jump")
    assert none.path == tmp_path / "videos/none_000005_000015.mp4"
    assert (other.key, other.tags) == ("other_000000_0010.5", {"split": "val"})
    assert KineticsTables().vocabulary(tmp_path).descriptions == ("air drumming", "ski, jump")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("jump,a,5,x,train\n", "train.csv:2: 'time_end' is 'x'; give seconds, from 0 on"),
        ("jump,a,-5,3,train\n", "train.csv:2: 'time_start' is '-5'; give seconds, from 0 on"),
        ("jump,a,5,3,train\n", "train.csv:2: 'a, 5, 3, train' are no name, start before end, and split"),
        ("jump,a,5,15,dev\n", "train.csv:2: 'a, 5, 15, dev' are no name, start before end, and split"),
        ("jump,a/../b,5,15,train\n", "train.csv:2: path 'a/../b' leaves the folder"),
        ("jump,a,5,15,train\nrun,a,5,15,train\n", "train.csv:3: 'a_000005_000015' was named at train.csv:2"),
        (",a,5,15,train\n", "train.csv:2: 'label' is empty"),
    ],
)
def test_what_is_wrong_with_the_tables_of_kinetics_is_named_by_its_line(rows, expected, tmp_path):
    (tmp_path / "train.csv").write_text(KINETICS + rows)
    message = problems(KineticsTables(), tmp_path)[0]
    assert message.startswith(expected), message


def test_a_folder_without_tables_of_kinetics_says_which_there_may_be(tmp_path):
    assert problems(KineticsTables(), tmp_path) == [
        f"{tmp_path}: holds none of train.csv, validate.csv, test.csv; add one, or name them as data.source.tables"
    ]


@pytest.fixture
def ucf(tmp_path):
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 ApplyEyeMakeup\r\n2 YoYo\r\n")
    (lists / "trainlist01.txt").write_text("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\nYoYo/v_YoYo_g09_c02.avi 2\n")
    (lists / "testlist01.txt").write_text("YoYo/v_YoYo_g01_c01.avi\n")
    return tmp_path


def test_the_lists_of_ucf101_give_split_and_group(ucf):
    videos = listed(Ucf101Lists(), ucf)
    assert [(video.label, video.tags) for video in videos] == [
        ("ApplyEyeMakeup", {"split": "train", "group": "g08"}),
        ("YoYo", {"split": "train", "group": "g09"}),
        ("YoYo", {"split": "test", "group": "g01"}),
    ]
    assert videos[0].path == ucf / "UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi"
    assert Ucf101Lists().vocabulary(ucf).descriptions == ("apply eye makeup", "yo yo")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("classInd.txt", "1 A\n3 B\n", "classInd.txt:2: '3 B' repeats or skips; count up from 1"),
        ("classInd.txt", "Archery\n", "classInd.txt:1: 'Archery' is no number and name"),
        ("classInd.txt", "", "classInd.txt: names no class"),
        ("trainlist01.txt", "Yo/a.avi 1\n", "trainlist01.txt:1: 'Yo/a.avi' lies in the folder of no class"),
        ("trainlist01.txt", "YoYo/a.avi 1\n", "trainlist01.txt:1: 'YoYo/a.avi 1' has the number '1', but 'YoYo' is 2"),
        ("trainlist01.txt", "\n", "trainlist01.txt: names no video"),
        ("trainlist01.txt", "YoYo/v_YoYo_g01_c01.avi 2\n", "testlist01.txt:1: 'YoYo/v_YoYo_g01_c01.avi' was named at"),
    ],
)
def test_what_is_wrong_with_the_lists_of_ucf101_is_named_by_its_line(name, text, expected, ucf):
    (ucf / "ucfTrainTestlist" / name).write_text(text)
    (message,) = problems(Ucf101Lists(), ucf)
    assert message.removeprefix("ucfTrainTestlist/").startswith(expected), message


def test_another_fold_of_ucf101_has_its_own_lists(ucf):
    assert [message.split(": ")[0] for message in problems(Ucf101Lists(fold=2), ucf)] == [
        "ucfTrainTestlist/trainlist02.txt",
        "ucfTrainTestlist/testlist02.txt",
    ]
    with pytest.raises(ConfigError, match=r"data.source.fold is 0"):
        Ucf101Lists(fold=0)


def test_a_folder_tells_its_source(tmp_path, ucf):
    assert action_source_of(tmp_path / "none") is None
    assert action_source_of(ucf) == Ucf101Lists()
    for name, files, source in (
        ("table", ["videos.csv"], VideoTable()),
        ("kinetics", ["validate.csv", "videos/a.mp4"], KineticsTables()),
        ("classes", ["jump/a.mp4"], ClassFolders()),
        ("vehicles", ["bus/a.mp4", "train/a.mp4"], ClassFolders()),
        ("splits", ["train/jump/a.mp4"], ClassFolders(split_folders=True)),
        ("motions", ["captions.jsonl", "walk.npy", "pictures/a.png"], None),
    ):
        touch(tmp_path / name, *files)
        assert action_source_of(tmp_path / name) == source


def test_synthetic_videos_are_the_same_every_time_and_others_by_another_seed():
    source = ProceduralVideos(num_train=2, num_val=1, num_test=0)
    videos = listed(source, None)
    labels = source.vocabulary(None).labels
    assert len(videos) == 3 * len(labels) == 54
    assert {video.label for video in videos} == set(labels)
    assert [video.tags["split"] for video in videos] == ["train"] * 36 + ["val"] * 18
    view = FrameView(fps=8.0, frame_size=24)
    one, again = videos[5].frames(None, view), listed(source, None)[5].frames(None, view)
    assert one.pixels.shape == (16, 24, 24, 3)
    assert (one.pixels == again.pixels).all()
    other = listed(ProceduralVideos(seed=1, num_train=1), None)[5].frames(None, view)
    assert (one.pixels != other.pixels).any()


def test_synthetic_videos_are_kept_at_a_rate_and_up_to_a_length():
    video = listed(ProceduralVideos(num_train=1), None)[0]
    whole = video.frames(None, FrameView(fps=None, frame_size=16))
    fewer, more = (video.frames(None, FrameView(fps=fps, frame_size=16)) for fps in (4.0, 12.0))
    assert (whole.fps, len(whole.pixels), len(fewer.pixels), len(more.pixels)) == (8.0, 16, 8, 24)
    assert (fewer.pixels == whole.pixels[::2]).all() and (more.pixels[::3] == whole.pixels[::2]).all()
    some = video.frames(None, FrameView(fps=8.0, frame_size=16, max_frames=5))
    assert some.cut and len(some.pixels) == 5 and not whole.cut


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"looks": ("pink_pony",)}, "data.source.looks is .*pink_pony.*; choose one or more, each once, of red_bar"),
        ({"moves": ("left", "left")}, "data.source.moves is"),
        ({"moves": ()}, "data.source.moves is"),
        ({"num_val": -1}, "data.source.num_val is -1; give a number from 0 on"),
    ],
)
def test_settings_of_synthetic_videos_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        ProceduralVideos(**wrong)


@pytest.mark.parametrize("source", [ClassFolders(), CopiedVideos(num_val=0, num_test=0)])
def test_names_that_are_no_text_are_told(source, tmp_path):
    (tmp_path / "walk").mkdir()
    for name in (b"caf\xe9.mp4", b"a.mp4", b"b.mp4"):
        (tmp_path / "walk" / os.fsdecode(name)).touch()
    found = source.inventory(tmp_path)
    (problem,) = found.problems
    assert "udce9.mp4': the file's name is not UTF-8 text; rename it" in problem.message
    assert all("udce9" not in repr(recording.key) for recording in found.recordings)
    assert found.recordings


def test_a_class_without_letters_is_described_by_its_label():
    assert vocabulary_of_names(["_"], "here").descriptions == ("_",)
