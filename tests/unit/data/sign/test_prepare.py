import csv
import json

import numpy as np
import pytest

from jaxmm import cli
from jaxmm.data.sign.folder import read_sign_folder
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.pose_file import read_pose, write_pose
from jaxmm.data.sign.prepare import prepare_signs, resample_signs
from jaxmm.data.sign.statistics import Statistics
from jaxmm.errors import DataError

LEFT, RIGHT = HOLISTIC.part_features("left_hand"), HOLISTIC.part_features("right_hand")
SHOULDERS = [HOLISTIC.landmark(f"body/{side}_SHOULDER") for side in ("LEFT", "RIGHT")]


def signing(seed=0, num_frames=10):
    frames = np.random.default_rng(seed).uniform(0.1, 1, size=(num_frames, 540)).astype(np.float32)
    for place, x in zip(HOLISTIC.position_features[SHOULDERS], (0.5, -0.5), strict=True):
        frames[:, place] = (x, 0, 0)
    frames[: num_frames // 2, LEFT] = 0
    return frames


def build(root, rows=("sub/a.pose,Hello.,HELLO,train", "b.pose,Bye.,,test"), columns="pose_path,sentence,gloss,split"):
    """A folder of two recordings, at 50 and 25 frames a second, and a table."""
    (root / "poses" / "sub").mkdir(parents=True)
    write_pose(root / "poses" / "sub" / "a.pose", signing(0), 50.0)
    write_pose(root / "poses" / "b.pose", signing(1), 25.0)
    (root / "table.csv").write_text("\n".join((columns, *rows)), encoding="utf-8")
    return root / "poses", root / "table.csv", root / "out"


# Resampling


def test_the_same_rate_changes_nothing():
    frames = signing()
    np.testing.assert_array_equal(resample_signs(frames, source_fps=25.0, target_fps=25.0), frames)


@pytest.mark.parametrize(
    ("source_fps", "target_fps", "num_frames"), [(50.0, 25.0, 5), (25.0, 50.0, 20), (30.0, 0.5, 1)]
)
def test_duration_is_kept(source_fps, target_fps, num_frames):
    assert len(resample_signs(signing(), source_fps=source_fps, target_fps=target_fps)) == num_frames


def test_landmarks_are_blended_only_between_frames_in_which_both_were_detected():
    frames = np.full((5, 540), 4, np.float32)
    frames[1], frames[2, LEFT], frames[3, LEFT] = 8, 0, 0
    fine = resample_signs(frames, source_fps=10.0, target_fps=40.0)
    right, left = fine[:, RIGHT.start], fine[:, LEFT.start]
    assert right.tolist() == [4, 5, 6, 7, 8, 7, 6, 5, *[4] * 12]
    assert left.tolist() == [4, 5, 6, 7, 8, 8, *[0] * 8, 4, 4, 4, 4, 4, 4]


def test_a_body_landmark_that_is_not_detected_has_no_visibility_either():
    frames = signing(num_frames=2)
    frames[0, :4] = 0
    fine = resample_signs(frames, source_fps=10.0, target_fps=30.0)
    assert (fine[:2, :4] == 0).all() and (fine[2:, :4] == frames[1, :4]).all()


# The folder


def test_recordings_are_written_at_one_rate_with_their_texts(tmp_path):
    poses, table, out = build(tmp_path)
    prepared = prepare_signs(poses, table, out)
    first, second = read_sign_folder(out)
    assert (first.key, first.sentence, first.gloss, first.fps, first.num_frames) == (
        "sub/a",
        "Hello.",
        "HELLO",
        25.0,
        5,
    )
    assert (second.key, second.gloss, second.num_frames, dict(second.tags)) == ("b", None, 10, {"split": "test"})
    np.testing.assert_array_equal(second.frames, read_pose(poses / "b.pose")[0])
    assert (prepared.num_clips, prepared.num_frames, prepared.seconds, prepared.num_unlisted) == (2, 15, 0.6, 0)
    assert prepared.detected_rate == {"body": 1, "left_hand": pytest.approx(7 / 15), "right_hand": 1, "face": 1}


def test_statistics_are_those_of_the_training_split(tmp_path):
    prepare_signs(*build(tmp_path))
    expected = Statistics.of([next(read_sign_folder(tmp_path / "out"))])
    np.testing.assert_array_equal(Statistics.read(tmp_path / "out" / "statistics.npz").mean, expected.mean)


def test_statistics_are_those_of_all_where_there_is_no_split(tmp_path):
    prepare_signs(*build(tmp_path, ("sub/a.pose,A", "b.pose,B"), "pose_path,gloss"))
    expected = Statistics.of(read_sign_folder(tmp_path / "out"))
    np.testing.assert_array_equal(Statistics.read(tmp_path / "out" / "statistics.npz").std, expected.std)


def test_files_that_the_table_does_not_name_are_counted(tmp_path):
    poses, table, out = build(tmp_path, ("b.pose,B",), "pose_path,gloss")
    assert prepare_signs(poses, table, out).num_unlisted == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("c.pose,C,C,train", "d.pose,D,D,train"), r"table\.csv:2: no file 'c\.pose' in .* \(1 more like this\)"),
        (("b.pose,C,train",), r"table\.csv:2: has 3 cells under 4 columns"),
        (("b.mp4,C,C,train",), r"table\.csv:2: pose_path is 'b\.mp4'; name a file that ends in \.pose"),
        (("b.pose,C,C,val",), "no row has the split 'train'"),
    ],
)
def test_what_is_wrong_shows_before_anything_is_written(rows, message, tmp_path):
    poses, table, out = build(tmp_path, rows)
    with pytest.raises(DataError, match=message):
        prepare_signs(poses, table, out)
    assert not out.exists()


def test_a_damaged_recording_leaves_no_table(tmp_path):
    poses, table, out = build(tmp_path)
    (poses / "b.pose").write_bytes(b"none")
    with pytest.raises(DataError, match=r"b\.pose: not a \.pose file"):
        prepare_signs(poses, table, out)
    assert not (out / "metadata.csv").exists()
    with pytest.raises(DataError, match="no such folder"):
        prepare_signs(tmp_path / "none", table, out)


# The command


def test_the_command_prints_what_was_prepared(tmp_path, capsys):
    poses, table, out = build(tmp_path)
    cli.main(["data", "prepare-sign", str(poses), "--csv", str(table), "--out", str(out), "--fps", "50", "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert (shown["clips"], shown["frames"], shown["unlisted_files"], shown["face_detected"]) == (2, 30, 0, 1)
    assert {clip.fps for clip in read_sign_folder(out)} == {50.0}


def test_the_command_answers_mistakes(tmp_path, capsys):
    poses, _, out = build(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main(["data", "prepare-sign", str(poses), "--csv", str(tmp_path / "no.csv"), "--out", str(out)])
    assert caught.value.code == 2
    assert "no.csv: cannot be read" in " ".join(capsys.readouterr().err.split())


# Real recordings


def test_real_recordings_become_a_folder_for_training(shared_data, tmp_path):
    poses = shared_data / "sign" / "pose"
    if not poses.is_dir():
        pytest.skip("needs the recordings of sign/pose in ../shared/data")
    names = sorted(path.name for path in poses.glob("*.pose"))
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("pose_path", "sentence_gloss"), *((name, "A") for name in names)])
    prepared = prepare_signs(poses, tmp_path / "table.csv", tmp_path / "out")
    assert prepared.num_clips == len(names) and prepared.detected_rate["right_hand"] == 1
    statistics = Statistics.read(tmp_path / "out" / "statistics.npz")
    normal = np.concatenate([statistics.normalise(clip.frames) for clip in read_sign_folder(tmp_path / "out")])
    assert normal[:, RIGHT].std() == pytest.approx(1, abs=1e-3) and np.abs(normal.mean()) < 1e-3


def test_a_mistaken_frame_rate_asks_for_no_memory():
    with pytest.raises(DataError, match=r"from 0.1 to 25 frames a second: 75000 frames of \d+ joints are too many"):
        resample_signs(np.zeros((300, HOLISTIC.dim), np.float32), source_fps=0.1, target_fps=25.0)
