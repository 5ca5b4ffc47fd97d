import dataclasses
import json

import numpy as np
import pytest

from jaxmm import cli
from jaxmm.data.segmentation.check import SegmentFindings, check_segments
from jaxmm.data.segmentation.folder import bundle_path
from jaxmm.data.segmentation.sources import ProceduralSegments, SegmentationFolder, write_segmentation_folder
from jaxmm.data.splits import HashSplit
from jaxmm.errors import DataError

from .conftest import VOCABULARY, make_video


def found(root, source=None, **which):
    """The messages of each kind, without the folder."""
    kinds = {}
    for problem in check_segments(source or SegmentationFolder(), root, **which).problems:
        kinds.setdefault(problem.kind, []).append(problem.message.replace(f"{root}/", ""))
    return kinds


def test_sound_videos_have_no_problems_and_are_counted(folder, videos):
    report = check_segments(SegmentationFolder(), folder)
    num_frames = sum(video.num_frames for video in videos)
    num_segments = sum(1 + int((np.diff(video.labels) != 0).sum()) for video in videos)
    assert report.values() == {
        **{"videos": 4, "frames": num_frames, "seconds": pytest.approx(num_frames / 15), "dim": 3},
        **{"segments": num_segments, "labels": 3, "unused_labels": 0, "problems": 0},
    }


def test_a_label_that_no_frame_has_is_counted_and_no_problem(videos, tmp_path):
    unused = [dataclasses.replace(video, labels=np.minimum(video.labels, 1)) for video in videos]
    write_segmentation_folder(unused, VOCABULARY, tmp_path / "videos")
    report = check_segments(SegmentationFolder(), tmp_path / "videos")
    assert (report.counts["unused_labels"], report.problems) == (1, ())


def test_every_file_of_every_video_is_named(folder):
    broken = np.load(folder / "features" / "a.npy")
    broken[1, 4] = np.nan
    np.save(folder / "features" / "a.npy", broken)
    (folder / "groundTruth" / "a.txt").write_text("cut\nchop\n")
    (folder / "groundTruth" / "b.txt").write_text("cut\n")
    (folder / "features" / "c.npy").unlink()
    (folder / "groundTruth" / "d.txt").unlink()
    (folder / "features" / "e.npy").touch()
    assert found(folder, SegmentationFolder(dim=(3,))) == {
        "files": [
            "splits/val.split1.bundle:1: no file 'c.npy' in features; add what is missing, or remove the line",
            "splits/test.split1.bundle:1: no file 'd.txt' in groundTruth; add what is missing, or remove the line",
        ],
        "splits": ["splits/test.split1.bundle: brings no video to test; name some, one a line"],
        "undescribed": ["features/e.npy: no line in a bundle of the split; it is left out until it has one"],
        "labels": [
            "groundTruth/a.txt:2: 'chop' is no label of the mapping (1 such lines); correct it, or add it to the "
            "mapping"
        ],
        "features": [
            "features/a.npy: frame 4 holds a value that is not finite (1 such frames); repair it, or drop the video"
        ],
        "lengths": [
            "groundTruth/b.txt: has 1 frames where features/b.npy has 21; repair one of them, or set tolerance to 20 "
            "or more, which cuts off what is too long"
        ],
    }


def test_frames_that_are_cut_off_are_a_problem(folder):
    """D9."""
    path = folder / "groundTruth" / "a.txt"
    path.write_text(path.read_text() + "null\n")
    report = check_segments(SegmentationFolder(tolerance=1), folder)
    (problem,) = report.problems
    assert problem.kind == "lengths"
    assert problem.message.endswith("a.txt has 21; those beyond are cut off")
    assert report.counts["videos"] == 4


def test_a_video_in_two_parts_is_leakage(folder):
    bundle_path(folder, "test", 1).write_text("a\nd\n")
    assert found(folder) == {"leakage": ["splits/test.split1.bundle:1: 'a' is in train already; keep it in one"]}


def test_a_video_that_repeats_in_a_bundle_is_named(folder):
    bundle_path(folder, "test", 1).write_text("d.txt\nd.npy\n")
    assert found(folder) == {"splits": ["splits/test.split1.bundle:2: 'd' is on line 1 already; keep one"]}


def test_bundles_of_other_splits_are_checked_too(folder):
    bundle_path(folder, "train", 2).write_text("a\nb\n")
    bundle_path(folder, "test", 2).write_text("b\nz\n")
    problems = found(folder)
    assert problems["leakage"] == ["splits/test.split2.bundle:1: 'b' is in train already; keep it in one"]
    assert problems["files"] == [
        "splits/test.split2.bundle:2: no file 'z.npy' in features and no 'z.txt' in groundTruth; add what is missing, "
        "or remove the line"
    ]


def test_a_missing_folder_is_told_once(folder):
    bundle_path(folder, "test", 2).write_text("a\n")
    problems = found(folder, SegmentationFolder(features=("i3d",)))
    assert problems["files"] == ["i3d: no such folder; add it, or name the folder of the videos' .npy files"]


def test_the_same_video_in_two_splits_is_leakage_and_in_one_a_duplicate(videos, tmp_path):
    copies = [
        dataclasses.replace(videos[0], key="copy", tags={"split": "test"}),
        dataclasses.replace(videos[1], key="again"),
    ]
    write_segmentation_folder([*videos, *copies], VOCABULARY, tmp_path / "videos")
    assert found(tmp_path / "videos") == {
        "leakage": ["a, copy: the same recording is in test and train; keep it in one"],
        "duplicate": ["b, again: the same recording under 2 keys; keep one"],
    }
    everything_in_training = HashSplit(num_buckets=1000, test=(0,))
    assert found(tmp_path / "videos", split=everything_in_training).keys() == {"duplicate"}


def test_features_that_never_change_are_named(videos, tmp_path):
    still = dataclasses.replace(videos[0], features=np.ones_like(videos[0].features))
    for video in videos[1:]:
        video.features[:, 1] = 1.0
    write_segmentation_folder([still, *videos[1:]], VOCABULARY, tmp_path / "videos")
    assert found(tmp_path / "videos") == {
        "constant": [
            "a: its features never change; compute them anew, or drop the video",
            "features 1 never change, in any video; drop them",
        ]
    }


def test_features_of_another_dimension_are_named(folder):
    num_frames = make_video("d", 23).num_frames
    np.save(folder / "features" / "d.npy", make_video("x", num_frames, 5).features)
    assert found(folder) == {"dim": ["d: has 5 features a frame where a has 3; compute them anew"]}


def test_a_mapping_that_cannot_be_read_is_told_with_the_list(folder):
    (folder / "mapping.txt").write_text("1 cut\n")
    (folder / "features" / "a.npy").unlink()
    assert {kind: len(messages) for kind, messages in found(folder).items()} == {"labels": 1, "files": 1}


def test_a_root_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"data\.root: .*no is not a folder"):
        check_segments(SegmentationFolder(), tmp_path / "no")


def test_nothing_is_found_in_nothing():
    findings = SegmentFindings(VOCABULARY)
    assert findings.counts()["unused_labels"] == 3
    assert list(findings.summary()) == []


def test_synthetic_videos_are_sound():
    report = check_segments(ProceduralSegments(num_train=12, num_val=2, num_test=4, num_unseen=2), None)
    assert report.problems == ()
    assert report.counts["videos"] == 18


def test_real_salads_are_sound(salads):
    report = check_segments(SegmentationFolder(), salads)
    assert report.problems == ()
    assert (report.counts["videos"], report.counts["frames"], report.counts["unused_labels"]) == (50, 16_596, 0)


# The command


def run(capsys, *words):
    """The status and what is printed."""
    try:
        cli.main(["data", "check", *map(str, words)])
    except SystemExit as stopped:
        return int(stopped.code or 0), capsys.readouterr().out
    return 0, capsys.readouterr().out


def test_the_command_knows_a_folder_of_labelled_videos(folder, capsys):
    status, out = run(capsys, folder, "--json")
    values = json.loads(out)
    assert (status, values["videos"], values["frames"], values["labels"], values["problems"]) == (0, 4, 86, 3, 0)
    status, out = run(capsys, folder)
    assert status == 0 and "segments" in out


def test_the_command_lists_what_is_wrong_with_a_damaged_folder_and_exits_with_one(folder, capsys):
    (folder / "groundTruth" / "a.txt").write_text("cut\nchop\n")
    (folder / "features" / "c.npy").write_bytes(b"\x93NUMPY")
    status, out = run(capsys, folder)
    assert status == 1 and "Traceback" not in out
    lines = [line.split(":")[0] for line in out.splitlines()]
    assert {"labels", "features"} <= set(lines)
    status, out = run(capsys, folder, "--json")
    values = json.loads(out)
    assert (status, values["videos"], values["problems"]) == (1, 2, 2)
    assert (values["problems/labels"], values["problems/features"]) == (1, 1)
    assert values["problem/1"].startswith(f"{folder}/groundTruth/a.txt:2: 'chop' is no label of the mapping")


def test_the_command_reads_what_the_config_names(folder, tmp_path, capsys):
    config = tmp_path / "own.py"
    config.write_text(
        "from jaxmm import Experiment, SegmentationFolder, SegmentedVideos, SemanticAlignmentTask\n"
        "def get_config():\n"
        "    data = SegmentedVideos(source=SegmentationFolder(dim=(3,), split=2))\n"
        "    return Experiment(task=SemanticAlignmentTask(), data=data)\n"
    )
    status, out = run(capsys, config, "--data.root", folder)
    assert status == 1 and "splits: " in out and "choose split" in out
    bundle_path(folder, "train", 2).write_text("a\nb\n")
    bundle_path(folder, "test", 2).write_text("d\n")
    status, out = run(capsys, config, "--data.root", folder, "--json")
    assert json.loads(out)["videos"] == 3


def test_mistakes_at_the_command_exit_with_two(folder, capsys):
    for words in (("--metres_per_unit", "0.01"), ("--data.root", folder)):
        assert run(capsys, folder, *words)[0] == 2
