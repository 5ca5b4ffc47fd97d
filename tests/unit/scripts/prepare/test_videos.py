"""Lists of Kinetics, UCF101 and HMDB51, of which some videos are there, listed and then opened."""

from collections import Counter

import pytest

HEADER = "label,youtube_id,time_start,time_end,split,is_cc\n"


@pytest.fixture
def touch(tmp_path):
    def files(*names):
        for name in names:
            path = tmp_path / "clips" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        return tmp_path / "clips"

    return files


@pytest.fixture
def kinetics(tmp_path):
    lists = tmp_path / "annotations"
    lists.mkdir()
    (lists / "train.csv").write_text(
        HEADER + "air drumming,-1Il,20,30,train,0\narchery,abc_d,0,10,train,1\narchery,gone,5,15,train,0\n"
    )
    (lists / "val.csv").write_text(HEADER + "archery,xyz,100,110,val,0\nyoga,gone2,1,11,val,0\n")
    return lists


def opened(experiment, train, out):
    source = experiment(train).data.source
    return source, list(source.inventory(out).items())


def test_kinetics_is_cut_down_to_what_is_there(kinetics, touch, tmp_path, prepare, experiment):
    out, clips = (
        tmp_path / "out",
        touch("train/-1Il_000020_000030.mp4", "train/abc_d_000000_000010.mp4", "val/xyz.webm"),
    )
    found, (check, train) = prepare("videos", "kinetics", kinetics, clips, out)
    assert found == {
        **{"classes": "2", "videos, train": "2", "videos, val": "1"},
        **{"missing": "2", "classes without a video": "1"},
    }
    assert check == ["jaxmm", "data", "check", "configs/clip_har/base.py", "--data.root", str(out)]
    assert experiment(train).task.num_classes == 2
    source, videos = opened(experiment, train, out)
    assert source.vocabulary(out).labels == ("air_drumming", "archery")
    assert [(video.key, video.label, video.tags["split"], video.start, video.end) for video in videos] == [
        ("-1Il_000020_000030", "air_drumming", "train", 0.0, None),
        ("abc_d_000000_000010", "archery", "train", 0.0, None),
        ("xyz_000100_000110", "archery", "val", 100.0, 110.0),
    ]
    assert all(video.path.is_file() for video in videos)


def test_classes_are_chosen_by_name(kinetics, touch, tmp_path, prepare, refused, experiment):
    out, clips = tmp_path / "out", touch("-1Il_000020_000030.mp4", "xyz_000100_000110.mp4")
    found, (_, train) = prepare("videos", "kinetics", kinetics, clips, out, "--classes", "air drumming")
    assert found["classes"] == found["videos, train"] == "1" and found["missing"] == "0"
    assert [video.label for video in opened(experiment, train, out)[1]] == ["air_drumming"]
    words = ("kinetics", kinetics, clips, tmp_path / "other", "--classes", "juggling")
    assert "has no class 'juggling'; choose among ['air_drumming'" in refused("videos", *words)


def test_ucf101_keeps_groups_and_the_fold(touch, tmp_path, prepare, experiment):
    lists, out = tmp_path / "ucfTrainTestlist", tmp_path / "out"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Archery\n2 YoYo\n")
    (lists / "trainlist02.txt").write_text("Archery/v_Archery_g08_c01.avi 1\nYoYo/v_YoYo_g08_c01.avi 2\n")
    (lists / "testlist02.txt").write_text("YoYo/v_YoYo_g01_c02.avi\nArchery/v_Archery_g01_c01.avi\n")
    names = ("Archery/v_Archery_g08_c01.avi", "YoYo/v_YoYo_g08_c01.avi", "YoYo/v_YoYo_g01_c02.avi")
    found, (_, train) = prepare("videos", "ucf101", lists, touch(*names), out, "--fold", 2)
    assert (found["videos, train"], found["videos, test"], found["missing"]) == ("2", "1", "1")
    _, videos = opened(experiment, train, out)
    assert [(video.key, video.tags) for video in videos] == [
        ("Archery/v_Archery_g08_c01.avi", {"split": "train", "group": "g08"}),
        ("YoYo/v_YoYo_g08_c01.avi", {"split": "train", "group": "g08"}),
        ("YoYo/v_YoYo_g01_c02.avi", {"split": "test", "group": "g01"}),
    ]
    assert videos[2].path.read_bytes() == b"YoYo/v_YoYo_g01_c02.avi"


@pytest.fixture
def hmdb51(tmp_path):
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    for name in ("brush_hair", "wave"):
        (lists / f"{name}_test_split1.txt").write_text(f"{name}_a.avi 1 \n{name}_b.avi 2 \n{name}_c.avi 0 \n")
        (lists / f"{name}_test_split2.txt").write_text(f"{name}_a.avi 2 \n{name}_b.avi 1 \n{name}_c.avi 1 \n")
    return lists


@pytest.mark.parametrize(("fold", "splits"), [(1, {"train": 2, "test": 2}), (2, {"train": 4, "test": 2})])
def test_hmdb51_leaves_out_what_a_split_does_not_use(hmdb51, touch, tmp_path, prepare, experiment, fold, splits):
    clips = touch(*(f"{name}/{name}_{take}.avi" for name in ("brush_hair", "wave") for take in "abc"))
    found, (_, train) = prepare("videos", "hmdb51", hmdb51, clips, tmp_path / "out", "--fold", fold)
    assert found["classes"] == "2" and found["missing"] == "0"
    _, videos = opened(experiment, train, tmp_path / "out")
    assert Counter(video.tags["split"] for video in videos) == splits
    assert {video.label for video in videos} == {"brush_hair", "wave"}


def test_lists_and_videos_of_another_layout_are_refused(kinetics, hmdb51, touch, tmp_path, refused):
    out, clips = tmp_path / "out", touch("other.mp4")

    def said(*words):
        return refused("videos", *words)

    assert "gone: no such file or folder; name the folder of the lists" in said("hmdb51", tmp_path / "gone", clips, out)
    assert "gone: no such file or folder; name the folder of the videos" in said(
        "hmdb51", hmdb51, tmp_path / "gone", out
    )
    assert "holds no list such as brush_hair_test_split1.txt" in said("hmdb51", kinetics, clips, out)
    assert "classInd.txt: cannot be read (No such file" in said("ucf101", hmdb51, clips, out)
    assert "train.csv: no such file or folder; name the folder of Kinetics' tables" in said(
        "kinetics", hmdb51, clips, out
    )
    assert "brush_hair_a.avi: no such file, nor one of 3 more; name the folder of videos" in said(
        "hmdb51", hmdb51, clips, out
    )
    (hmdb51 / "wave_test_split1.txt").write_text("wave_a.avi 3\n")
    assert "wave_test_split1.txt:1: 'wave_a.avi 3' is no file and 0, 1 or 2" in said("hmdb51", hmdb51, clips, out)
    (kinetics / "val.csv").write_text("youtube_id,time_start,time_end,split\n")
    assert "val.csv:1: columns are" in said("kinetics", kinetics, clips, out)
    assert not out.exists()
    out.mkdir()
    (out / "videos.csv").write_text("mine")
    assert "is not an empty folder; choose another" in said("kinetics", kinetics, clips, out)
