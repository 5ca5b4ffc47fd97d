import builtins
import io
import json
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.pose_file import read_pose, write_pose
from jaxmm.errors import DataError, MissingExtraError

MEDIAPIPE = {
    "POSE_LANDMARKS": HOLISTIC.part("body").landmarks,
    "FACE_LANDMARKS": tuple(map(str, range(478))),
    "LEFT_HAND_LANDMARKS": HOLISTIC.part("left_hand").landmarks,
    "RIGHT_HAND_LANDMARKS": HOLISTIC.part("right_hand").landmarks,
    "POSE_WORLD_LANDMARKS": HOLISTIC.part("body").landmarks,
}
SHOULDERS = [HOLISTIC.landmark(f"body/{side}_SHOULDER") for side in ("LEFT", "RIGHT")]


def signing(seed=0, num_frames=4):
    """Frames whose shoulders are one apart about the origin in the median, of which the left hand is seen in some."""
    rng = np.random.default_rng(seed)
    frames = rng.uniform(-1.5, 1.5, size=(num_frames, 540)).astype(np.float32)
    frames[:, 3:132:4] = rng.uniform(0.01, 1, size=(num_frames, 33))
    frames[1::2, HOLISTIC.part_features("left_hand")] = 0
    for place, x in zip(HOLISTIC.position_features[SHOULDERS], (0.5, -0.5), strict=True):
        frames[:, place] = (x, 0, 0)
    return frames


def mediapipe(components=MEDIAPIPE, *, num_frames=3, num_people=1, fps=25.0, point_format="XYZC", change=None):
    """The bytes of a file as MediaPipe Holistic's are; `change` edits its points and their confidence."""
    num_points = sum(map(len, components.values()))
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 500, size=(num_frames, num_people, num_points, len(point_format) - 1)).astype(np.float32)
    confidence = np.ones(points.shape[:3], np.float32)
    for shoulder, place in (11, (350, 200, 10)), (12, (150, 200, -10)):
        points[:, :, shoulder] = place[: points.shape[-1]]
    if change is not None:
        change(points, confidence)
    parts = [
        PoseHeaderComponent(name, list(names), [(0, 1)], [(255, 0, 0)], point_format)
        for name, names in components.items()
    ]
    pose = Pose(PoseHeader(0.2, PoseHeaderDimensions(500, 500, 0), parts), NumPyPoseBody(fps, points, confidence))
    return written(pose)


def written(pose):
    buffer = io.BytesIO()
    pose.write(buffer)
    return buffer.getvalue()


def saved(path, content):
    path.write_bytes(content)
    return path


# What is read


def test_landmarks_are_found_by_name_and_measured_in_widths_of_the_shoulders(tmp_path):
    def change(points, confidence):
        points[:, 0, 33 + 466] = (250, 400, 50)
        confidence[0, 0, 15] = 0.25
        confidence[1, 0, 33 + 478 :] = 0

    frames, fps = read_pose(saved(tmp_path / "a.pose", mediapipe(fps=29.97, change=change)))
    assert (frames.shape, frames.dtype, fps) == ((3, 540), np.float32, 29.97)
    positions = frames[:, HOLISTIC.position_features]
    np.testing.assert_allclose(positions[0, SHOULDERS], [[0.5, 0, 0.05], [-0.5, 0, -0.05]], atol=1e-6)
    np.testing.assert_allclose(positions[0, HOLISTIC.landmark("face/466")], [0, 1, 0.25], atol=1e-6)
    assert frames[0, HOLISTIC.feature("body/LEFT_WRIST", "visibility")] == 0.25
    hands = np.r_[HOLISTIC.part_landmarks("left_hand"), HOLISTIC.part_landmarks("right_hand")]
    assert not HOLISTIC.detected(frames)[1, hands].any()
    assert HOLISTIC.detected(frames)[[0, 2]].all()


def test_the_unit_is_that_of_most_frames(tmp_path):
    def jump(points, confidence):
        points[2, 0, :, :3] = points[0, 0, :, :3] * 3 + 100
        points[:2, 0] = points[0, 0]

    frames, _ = read_pose(saved(tmp_path / "a.pose", mediapipe(change=jump)))
    width = np.linalg.norm(np.subtract(*frames[:, HOLISTIC.position_features[SHOULDERS]].transpose(1, 0, 2)), axis=-1)
    np.testing.assert_allclose(width[:2], np.hypot(1, 0.1), rtol=1e-6)
    np.testing.assert_allclose(width[2], 3 * np.hypot(1, 0.1), rtol=1e-6)


def test_what_stands_where_nothing_was_detected_is_not_read(tmp_path):
    def change(points, confidence):
        confidence[0, 0, 0] = 0
        points[0, 0, 0] = np.frombuffer(b"\1\0\xa0\x7f", np.float32)  # the kind of NaN that warns when it is copied

    frames, _ = read_pose(saved(tmp_path / "a.pose", mediapipe(change=change)))
    assert not frames[0, :4].any()


def test_files_of_version_0_1_are_read_and_checked(tmp_path):
    content = bytearray(mediapipe(num_frames=2))
    content[:4] = struct.pack("<f", 0.1)
    body = 2 * 586 * 16
    old = bytes(content[: -body - 10]) + struct.pack("<HHH", 25, 2, 1) + bytes(content[-body:])
    frames, fps = read_pose(saved(tmp_path / "old.pose", old))
    new, _ = read_pose(saved(tmp_path / "new.pose", mediapipe(num_frames=2)))
    np.testing.assert_array_equal(frames, new)
    assert fps == 25.0
    with pytest.raises(DataError, match="cut off or damaged"):
        read_pose(saved(tmp_path / "cut.pose", old[: -586 * 16]))


# What is written


@settings(max_examples=20)
@given(seed=st.integers(0, 2**16), num_frames=st.integers(1, 5), fps=st.sampled_from([0.1, 23.976, 25.0, 59.94]))
def test_frames_come_back(seed, num_frames, fps, tmp_path_factory):
    path = tmp_path_factory.mktemp("poses") / "a.pose"
    frames = signing(seed, num_frames)
    write_pose(path, frames, fps)
    back, back_fps = read_pose(path)
    np.testing.assert_allclose(back, frames, atol=5e-6)
    np.testing.assert_array_equal(HOLISTIC.detected(back), HOLISTIC.detected(frames))
    assert back_fps == fps


def test_other_units_come_back_as_the_layout_has_them(tmp_path):
    frames = signing()
    moved = frames.copy()
    moved[:, HOLISTIC.position_features] = frames[:, HOLISTIC.position_features] * 2 + [1, -1, 3]
    moved[~HOLISTIC.detected(frames)[:, HOLISTIC.landmark_of_feature]] = 0
    write_pose(tmp_path / "a.pose", moved, 25.0)
    np.testing.assert_allclose(read_pose(tmp_path / "a.pose")[0], frames, atol=5e-6)


def test_the_library_finds_a_person_in_a_written_file(tmp_path):
    frames = signing()
    frames[:, HOLISTIC.feature("body/LEFT_WRIST", "visibility")] = -0.5
    write_pose(tmp_path / "a.pose", frames, 25.0)
    pose = Pose.read((tmp_path / "a.pose").read_bytes())
    assert [component.name for component in pose.header.components] == list(MEDIAPIPE)[:4]
    body, face, left, _ = pose.header.components
    assert tuple(body.points) == MEDIAPIPE["POSE_LANDMARKS"]
    assert tuple(face.points) == HOLISTIC.part("face").landmarks
    ends = {(body.points[start], body.points[end]) for start, end in body.limbs}
    assert ("LEFT_SHOULDER", "LEFT_ELBOW") in ends and len(left.limbs) >= 20
    left_hand = slice(33 + 94, 33 + 94 + 21)
    assert not pose.body.confidence[1::2, 0, left_hand].any()
    assert (pose.body.confidence[0] > 0).all(), "a landmark that is hardly visible was still detected"
    shown = pose.body.data.data[pose.body.confidence >= 0.5][:, :2]
    assert (shown >= 0).all() and (shown <= (pose.header.dimensions.width, pose.header.dimensions.height)).all()


def test_stray_landmarks_do_not_make_the_image_huge(tmp_path):
    frames = signing()
    frames[0, HOLISTIC.feature("face/1", "x")] = 1e6
    write_pose(tmp_path / "a.pose", frames, 25.0)
    assert Pose.read((tmp_path / "a.pose").read_bytes()).header.dimensions.width <= 2000


# What is wrong


def hide_shoulders(points, confidence):
    confidence[:, :, 11] = 0


def join_shoulders(points, confidence):
    points[:, :, 11] = points[:, :, 12]


def spoil(points, confidence):
    points[0, 0, 3, 1] = np.inf


def without(name):
    return {own: names for own, names in MEDIAPIPE.items() if own != name}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_people": 2}, "holds 3 frames of 2 people; write one file for each person"),
        ({"num_people": 0}, "holds 3 frames of 0 people"),
        ({"num_frames": 0}, "holds 0 frames"),
        ({"fps": 0.0}, "states 0.0 frames a second"),
        ({"fps": float("nan")}, "states nan frames a second"),
        ({"components": without("FACE_LANDMARKS")}, "has no component FACE_LANDMARKS, only 'POSE_LANDMARKS, LEFT"),
        ({"components": {**MEDIAPIPE, "FACE_LANDMARKS": ("0", "1")}}, r"FACE_LANDMARKS lacks the point '7' \(92 of 94"),
        ({"point_format": "XYC"}, "POSE_LANDMARKS has 'XYC' of each point; expected XYZC"),
        ({"change": hide_shoulders}, "no frame shows both shoulders"),
        ({"change": join_shoulders}, "the shoulders are 0 apart"),
        ({"change": spoil}, "not finite"),
    ],
)
def test_what_is_no_recording_of_one_person_is_refused(settings, message, tmp_path):
    with pytest.raises(DataError, match=message) as caught:
        read_pose(saved(tmp_path / "odd.pose", mediapipe(**settings)))
    assert str(caught.value).startswith(str(tmp_path / "odd.pose"))


@pytest.mark.parametrize("version", [0.0, 0.3, float("nan")])
def test_other_versions_are_refused(version, tmp_path):
    content = struct.pack("<f", version) + mediapipe()[4:]
    with pytest.raises(DataError, match=r"not a \.pose file of version"):
        read_pose(saved(tmp_path / "a.pose", content))


def test_a_file_that_is_cut_anywhere_or_too_long_is_refused(tmp_path):
    content = mediapipe()
    for length in [0, 3, 10, 17, 100, 4000, 9000, len(content) // 2, len(content) - 1]:
        with pytest.raises(DataError, match=r"not a \.pose file|cut off or damaged"):
            read_pose(saved(tmp_path / "a.pose", content[:length]))
    with pytest.raises(DataError, match="cut off or damaged"):
        read_pose(saved(tmp_path / "a.pose", content + b"\0"))


@settings(max_examples=60)
@given(place=st.integers(0, 12_000), value=st.binary(min_size=1, max_size=6))
def test_damage_is_an_error_or_does_no_harm(place, value, tmp_path_factory):
    content = bytearray(mediapipe(num_frames=1))
    content[place : place + len(value)] = value
    path = saved(tmp_path_factory.mktemp("poses") / "a.pose", bytes(content))
    try:
        frames, _ = read_pose(path)
    except DataError as error:
        assert str(error).startswith(str(path))
    else:
        assert np.isfinite(frames).all()


@pytest.mark.parametrize("version", [0.1, 0.2])
def test_announced_terabytes_are_not_allocated(version, tmp_path):
    content = mediapipe(num_frames=1)
    body = 586 * 16
    counts = {0.1: struct.pack("<HHH", 25, 2**16 - 1, 2**16 - 1), 0.2: struct.pack("<fIH", 25, 2**32 - 1, 2**16 - 1)}
    hostile = struct.pack("<f", version) + content[4 : -body - 10] + counts[version] + content[-body:]
    path = saved(tmp_path / "a.pose", hostile)
    tracemalloc.start()
    with pytest.raises(DataError):
        read_pose(path)
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


def test_a_header_of_millions_of_points_is_not_read(tmp_path):
    start = struct.pack("<fHHHH", 0.2, 9, 9, 0, 99)
    component = struct.pack("<HHHHH", 0, 0, 0, 2**16 - 1, 0) + bytes(4 * (2**16 - 1))
    path = saved(tmp_path / "a.pose", start + component * 99)
    tracemalloc.start()
    with pytest.raises(DataError, match="cut off or damaged"):
        read_pose(path)
    assert tracemalloc.get_traced_memory()[1] < 2**27
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("frames", "fps", "message"),
    [
        (signing() * np.float32(np.nan), 25.0, "cannot be written"),
        (signing()[:0], 25.0, "0 frames at 25.0"),
        (signing(), 0.0, "at 0.0 a second"),
        (np.zeros((3, 540), np.float32), 25.0, "no frame shows both shoulders"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(frames, fps, message, tmp_path):
    with pytest.raises(DataError, match=message):
        write_pose(tmp_path / "a.pose", frames, fps)
    assert not (tmp_path / "a.pose").exists()


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name.split(".")[0] == "pose_format":
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest)

    path = saved(tmp_path / "a.pose", mediapipe())
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match=r"pose-format is not installed; run: pip install 'jaxmm\[sign\]'"):
        read_pose(path)
    with pytest.raises(MissingExtraError, match="pose-format"):
        write_pose(tmp_path / "b.pose", signing(), 25.0)


# Real recordings


def test_real_recordings_read_as_their_features_were_made(shared_data, tmp_path):
    """The features are float16, so a value may round to its neighbour."""
    features = shared_data / "sign" / "fingerspelling"
    paths = sorted((shared_data / "sign" / "pose").glob("*.pose"))
    if not paths or not (features / "features540.npz").exists():
        pytest.skip("needs the recordings of sign/pose and sign/fingerspelling in ../shared/data")
    keys = [json.loads(line)["key"] for line in (features / "metadata.jsonl").read_text().splitlines()]
    with np.load(features / "features540.npz") as arrays:
        for path in paths:
            theirs = arrays[next(key for key in keys if key.endswith(path.stem))]
            ours, fps = read_pose(path)
            assert fps == 25.0
            np.testing.assert_array_equal(HOLISTIC.detected(ours), HOLISTIC.detected(theirs.astype(np.float32)))
            assert (np.abs(ours - theirs.astype(np.float32)) <= np.spacing(np.abs(theirs)).astype(np.float32)).all()
            assert (ours.astype(np.float16) != theirs).mean() < 1e-3
            write_pose(tmp_path / path.name, ours, fps)
            np.testing.assert_allclose(read_pose(tmp_path / path.name)[0], ours, atol=1e-6)
