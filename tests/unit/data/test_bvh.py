import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxmm.data import bvh_grammar, kinematics, lines
from jaxmm.data.bvh import read_bvh, read_bvh_folder
from jaxmm.data.motion import Motion, resample
from jaxmm.errors import DataError

ARM = """HIERARCHY
ROOT Hips
{
    OFFSET 1 2 3
    CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
    JOINT Left Arm
    {
        OFFSET 10 0 0
        CHANNELS 3 Zrotation Xrotation Yrotation
        JOINT LeftHand
        {
            OFFSET 5 0 0
            CHANNELS 0
            End Site
            {
                OFFSET 2 0 0
            }
        }
    }
}
MOTION
Frames: 2
Frame Time: 0.0333333
0 0 0 0 0 0 0 0 0
7 8 9 90 0 0 0 0 90
"""


def read_text(folder: Path, text: str | bytes, *, metres_per_unit: float = 1.0) -> Motion:
    path = folder / "arm.bvh"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_bvh(path, metres_per_unit=metres_per_unit, captions=("a person lifts an arm",))


def one_joint(channels: str, values: str) -> str:
    return (
        f"HIERARCHY\nROOT Hips\n{{\nOFFSET 0 0 0\nCHANNELS {channels}\n"
        "JOINT Tip\n{\nOFFSET 1 2 3\nCHANNELS 0\n}\n}\n"
        f"MOTION\nFrames: 1\nFrame Time: 0.5\n{values}\n"
    )


def test_joints_are_placed_by_forward_kinematics(tmp_path: Path) -> None:
    motion = read_text(tmp_path, ARM)
    assert motion.skeleton.joint_names == ("Hips", "Left Arm", "LeftHand")
    assert motion.skeleton.parents == (-1, 0, 1)
    np.testing.assert_allclose(motion.positions[0], [[0, 0, 0], [10, 0, 0], [15, 0, 0]])
    # The root turns +x to +y, then the arm about its own y turns the forearm from +x to -z.
    np.testing.assert_allclose(motion.positions[1], [[7, 8, 9], [7, 18, 9], [7, 18, 4]], atol=1e-5)


def test_end_sites_are_left_out_and_the_key_is_the_file_name(tmp_path: Path) -> None:
    motion = read_text(tmp_path, ARM)
    assert (motion.key, motion.skeleton.num_joints, motion.captions) == ("arm", 3, ("a person lifts an arm",))


def test_lengths_become_metres(tmp_path: Path) -> None:
    in_units, in_metres = read_text(tmp_path, ARM), read_text(tmp_path, ARM, metres_per_unit=0.01)
    np.testing.assert_allclose(in_metres.positions, in_units.positions * 0.01, rtol=1e-6)


@pytest.mark.parametrize(
    ("order", "tip"),
    [
        # Quarter turns of (1, 2, 3): about x to (1, -3, 2), about y to (3, 2, -1), about z to (-2, 1, 3).
        # The channel listed last acts on the offset first.
        ("Xrotation", (1, -3, 2)),
        ("Yrotation", (3, 2, -1)),
        ("Zrotation", (-2, 1, 3)),
        ("Xrotation Yrotation", (3, 1, 2)),
        ("Yrotation Xrotation", (2, -3, -1)),
        ("Zrotation Yrotation Xrotation", (3, 2, -1)),
        ("Zrotation Xrotation Yrotation", (-1, 3, 2)),
    ],
)
def test_rotations_compose_in_the_order_of_the_channels(tmp_path: Path, order: str, tip: tuple[float, ...]) -> None:
    num_channels = len(order.split())
    motion = read_text(tmp_path, one_joint(f"{num_channels} {order}", "90 " * num_channels))
    np.testing.assert_allclose(motion.positions[0, 1], tip, atol=1e-6)


def test_position_channels_replace_the_offset_of_any_joint(tmp_path: Path) -> None:
    text = ARM.replace("CHANNELS 0", "CHANNELS 1 Yposition").replace("0 0 0\n7", "0 0 0 4\n7").replace("90\n", "90 6\n")
    positions = read_text(tmp_path, text).positions
    np.testing.assert_allclose(positions[0, 2], [15, 4, 0])
    np.testing.assert_allclose(positions[1, 2], [1, 18, 4], atol=1e-5)


def test_a_joint_that_lists_no_position_keeps_its_offset(tmp_path: Path) -> None:
    text = one_joint("3 Xrotation Yrotation Zrotation", "0 0 0").replace("OFFSET 0 0 0", "OFFSET 4 5 6")
    np.testing.assert_allclose(read_text(tmp_path, text).positions[0], [[4, 5, 6], [5, 7, 9]])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(angles=st.lists(st.floats(-720, 720), min_size=6, max_size=6))
def test_bones_keep_their_length(tmp_path: Path, angles: list[float]) -> None:
    values = " ".join(f"{angle:.6f}" for angle in angles)
    motion = read_text(tmp_path, ARM.replace("7 8 9 90 0 0 0 0 90", f"7 8 9 {values}"))
    lengths = np.linalg.norm(np.diff(motion.positions, axis=1), axis=-1)
    np.testing.assert_allclose(lengths, [[10, 5], [10, 5]], rtol=1e-5)


@pytest.mark.parametrize(("frame_time", "fps"), [("0.0333333", 30.0), (".0083333", 120.0), ("0.03", 1 / 0.03)])
def test_rounded_frame_times_give_the_rate_that_was_meant(tmp_path: Path, frame_time: str, fps: float) -> None:
    assert read_text(tmp_path, ARM.replace("0.0333333", frame_time)).fps == pytest.approx(fps, rel=1e-12)


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n{", " {").replace("    ", "\t"),
        lambda text: text.replace("MOTION", "\nMOTION\n").replace("Frames: 2", "Frames:\t2"),
        lambda text: text.replace("Xrotation", "XROTATION"),
        lambda text: text.rstrip("\n"),
    ],
    ids=["crlf", "cr", "byte-order-mark", "braces-on-the-line", "blank-lines", "upper-case", "no-last-newline"],
)
def test_harmless_variants_of_the_format_read_the_same(tmp_path: Path, rewrite) -> None:
    np.testing.assert_array_equal(read_text(tmp_path, rewrite(ARM)).positions, read_text(tmp_path, ARM).positions)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "SKELETON", r"arm\.bvh:1: found 'SKELETON' where 'HIERARCHY' belongs"),
        ("ROOT", "JOINT", r":2: found 'JOINT' where 'ROOT' belongs"),
        ("ROOT Hips", "ROOT", r":3: a joint has no name"),
        ("OFFSET 1 2 3", "OFFSET 1 x 3", r":4: OFFSET holds 'x'"),
        ("OFFSET 1 2 3", "OFFSET 1 nan 3", r":4: OFFSET holds 'nan'"),
        ("OFFSET 1 2 3", "OFFSET 1 2", r":5: OFFSET holds 'CHANNELS'"),
        ("CHANNELS 6", "CHANNELS 7", r":5: 'Hips' has '7' channels"),
        ("CHANNELS 6", "CHANNELS 5", r":5: found 'Yrotation' where JOINT, End Site or '}' belongs"),
        ("6 Xposition", "6 Wposition", r":5: 'Hips' has a channel 'Wposition'"),
        ("6 Xposition", "6 Yposition", r":5: 'Hips' lists a channel twice"),
        ("JOINT LeftHand", "JOINT Hips", r":13: joint 'Hips' appears twice"),
        ("JOINT LeftHand", "ROOT LeftHand", r":10: found 'ROOT' where JOINT"),
        ("End Site", "End Effector", r":14: found 'Effector' where 'Site' belongs"),
        ("}\nMOTION", "MOTION", r":19: the hierarchy ends before '}' that closes 'Hips'"),
        ("}\nMOTION", "}\n}\nMOTION", r":21: found '}' after the root was closed"),
        ("MOTION", "", r"no MOTION section"),
        ("Frames: 2", "", r":23: 'Frames: <number of frames>' is missing"),
        ("Frames: 2", "Frames: many", r":22: Frames states many but 2 lines"),
        ("Frames: 2", "Frames: 3", r":22: Frames states 3 but 2 lines"),
        ("Frames: 2", "Frames: 1", r":22: Frames states 1 but 2 lines"),
        ("Frames: 2", "Frames: -2", r":22: Frames states -2"),
        ("Frame Time: 0.0333333", "", r":24: 'Frame Time: <seconds>' is missing"),
        ("0.0333333", "0", r":23: Frame Time is 0"),
        ("0.0333333", "-0.1", r":23: Frame Time is -0.1"),
        ("0.0333333", "inf", r":23: Frame Time is inf"),
        ("7 8 9 90", "7 8 9", r":25: 8 values; the joints have 9 channels"),
        ("7 8 9 90", "7 8 9 90 1", r":25: 10 values"),
        ("7 8 9 90", "7 8 9 ninety", r":25: 'ninety' is not a finite number"),
        ("7 8 9 90", "7 8 9 nan", r":25: 'nan' is not a finite number"),
        ("7 8 9 90", "7 8 9 1e999", r":25: '1e999' is not a finite number"),
        ("7 8 9 90", "7 8 9 9_0", r":25: '9_0' is not a finite number"),
        ("7 8 9 90", "1e300 8 9 90", r"a position is too large"),
    ],
)
def test_errors_name_the_file_the_line_and_the_fault(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in ARM
    with pytest.raises(DataError, match=message) as caught:
        read_text(tmp_path, ARM.replace(old, new, 1))
    assert str(tmp_path / "arm.bvh") in str(caught.value)


def test_a_file_without_channels_or_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no joint has a channel"):
        read_text(tmp_path, one_joint("0", ""))
    with pytest.raises(DataError, match="Frames states 0 but 0 lines"):
        read_text(tmp_path, one_joint("1 Xposition", "").replace("Frames: 1", "Frames: 0"))


@pytest.mark.parametrize("metres_per_unit", [0.0, -1.0, float("nan"), float("inf")])
def test_a_senseless_unit_is_refused(tmp_path: Path, metres_per_unit: float) -> None:
    with pytest.raises(DataError, match="metres_per_unit"):
        read_text(tmp_path, ARM, metres_per_unit=metres_per_unit)


def test_files_that_are_not_text_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"arm\.bvh:2: not UTF-8 text"):
        read_text(tmp_path, b"HIERARCHY\n\xff\xfe")
    for path, message in [
        (tmp_path, "is not a regular file"),
        (tmp_path / "absent.bvh", "No such file or directory"),
        ("nul\0byte.bvh", "cannot be read"),
    ]:
        with pytest.raises(DataError, match=message):
            read_bvh(path, metres_per_unit=1, captions=("x",))


def test_a_huge_stated_frame_count_costs_nothing(tmp_path: Path) -> None:
    start = time.perf_counter()
    with pytest.raises(DataError, match="Frames states 999999999999 but 2 lines"):
        read_text(tmp_path, ARM.replace("Frames: 2", "Frames: 999999999999"))
    with pytest.raises(DataError, match="Frames states 99999999999999999999 but 2 lines"):
        read_text(tmp_path, ARM.replace("Frames: 2", "Frames: " + "9" * 10_000))
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("module", "limit", "value", "message"),
    [
        (lines, "MAX_BYTES", 100, "larger than"),
        (lines, "MAX_LINES", 10, "more than 10 lines"),
        (lines, "MAX_LINE_LENGTH", 20, ":5: longer than 20 characters"),
        (bvh_grammar, "MAX_JOINTS", 2, ":13: more than 2 joints"),
        (kinematics, "MAX_POSITIONS", 5, "2 frames of 3 joints are too many"),
    ],
)
def test_sizes_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, limit: str, value: int, message: str
) -> None:
    monkeypatch.setattr(module, limit, value)
    with pytest.raises(DataError, match=message):
        read_text(tmp_path, ARM)


def test_deep_nesting_is_refused_without_recursion(tmp_path: Path) -> None:
    joints = "".join(f"JOINT J{index}\n{{\nOFFSET 0 0 0\nCHANNELS 0\n" for index in range(5000))
    with pytest.raises(DataError, match="more than 1024 joints"):
        read_text(tmp_path, ARM.replace("JOINT Left Arm", joints + "JOINT Left Arm"))


def test_long_recordings_are_placed_as_short_ones_are(tmp_path: Path) -> None:
    frames = [f"{index} 0 0 {index} 0 0 0 0 {index}" for index in range(5000)]
    header = ARM.split("Frames")[0]
    whole = read_text(tmp_path, f"{header}Frames: 5000\nFrame Time: 0.01\n" + "\n".join(frames))
    part = read_text(tmp_path, f"{header}Frames: 500\nFrame Time: 0.01\n" + "\n".join(frames[4000:4500]))
    np.testing.assert_allclose(whole.positions[4000:4500], part.positions, rtol=1e-6)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_raise_data_errors_only(tmp_path: Path, data: st.DataObject) -> None:
    content = ARM.encode()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, min(len(content), start + 12)))
        piece = st.binary(max_size=8) | st.sampled_from(
            [
                b"{",
                b"}",
                b"\n",
                b" ",
                b"1e308",
                b"-",
                b"JOINT ",
                b"End Site",
                b"CHANNELS 6",
                b"MOTION\n",
                b"\x1c",
                b"\r",
            ]
        )
        content = content[:start] + data.draw(piece) + content[stop:]
    try:
        motion = read_text(tmp_path, content)
    except DataError as error:
        assert "arm.bvh" in str(error)
    else:
        assert np.isfinite(motion.positions).all()


def write_folder(folder: Path, rows: list[object], files: tuple[str, ...] = ("walk.bvh", "run.bvh")) -> Path:
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(ARM)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "captions.jsonl").write_text("\n".join(lines))
    return folder


def test_a_folder_yields_its_files_in_the_order_of_the_captions(tmp_path: Path) -> None:
    rows = [
        {"file": "walk.bvh", "texts": ["a person walks", "walking"], "style": "happy", "number": 3},
        "",
        {"file": "slow/run.bvh", "text": "a person runs", "metres_per_unit": 1},
    ]
    walk, run = read_bvh_folder(write_folder(tmp_path, rows, ("walk.bvh", "slow/run.bvh")), metres_per_unit=0.01)
    assert (walk.key, walk.captions, walk.tags) == ("walk", ("a person walks", "walking"), {"style": "happy"})
    assert (run.key, run.captions, run.tags) == ("slow/run", ("a person runs",), {})
    np.testing.assert_allclose(walk.positions, run.positions * 0.01, rtol=1e-6)


WALK = {"file": "walk.bvh", "text": "a person walks"}
RUN = {"file": "run.bvh", "text": "a person runs"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([WALK, RUN, {"file": "jump.bvh", "text": "x"}], r"captions\.jsonl:3: no file 'jump.bvh' in .*remove the row"),
        ([WALK, {"file": "../walk.bvh", "text": "x"}], r"captions\.jsonl:2: no file '\.\./walk\.bvh'"),
        ([WALK], r"run\.bvh: no caption \(1 such files\); add a row \{\"file\": \"run\.bvh\""),
        ([WALK, RUN, WALK], r"captions\.jsonl:3: 'walk\.bvh' was described on line 1; merge"),
        ([WALK, "{oops"], r"captions\.jsonl:2: not JSON"),
        ([WALK, "[" * 100_000], r"captions\.jsonl:2: not JSON"),
        ([WALK, ["run.bvh"]], r"captions\.jsonl:2: no \"file\""),
        ([WALK, {"file": "run.bvh"}], r"captions\.jsonl:2: give either \"text\" or a list \"texts\""),
        ([WALK, RUN | {"texts": ["x"]}], r"captions\.jsonl:2: give either"),
        ([WALK, {"file": "run.bvh", "texts": []}], r"captions\.jsonl:2: give either"),
        ([WALK, {"file": "run.bvh", "text": " "}], r"captions\.jsonl:2: a caption of 'run\.bvh' is empty"),
        ([WALK, {"file": "run.bvh", "text": 3}], r"captions\.jsonl:2: a caption of 'run\.bvh' is empty or not text"),
        ([WALK, RUN | {"metres_per_unit": "cm"}], r"captions\.jsonl:2: 'run\.bvh' has metres_per_unit 'cm'; give"),
        (
            [WALK, RUN | {"metres_per_unit": 10**400}],
            r"captions\.jsonl:2: 'run\.bvh' has metres_per_unit an enormous",
        ),
        ([""], r"captions\.jsonl: no rows"),
    ],
)
def test_captions_and_files_must_correspond(tmp_path: Path, rows: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(read_bvh_folder(write_folder(tmp_path, rows), metres_per_unit=0.01))


def test_a_folder_needs_its_unit_and_its_captions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"captions\.jsonl: cannot be read"):
        read_bvh_folder(tmp_path)
    with pytest.raises(DataError, match=r"captions\.jsonl:1: 'walk\.bvh' has metres_per_unit None; give the length"):
        list(read_bvh_folder(write_folder(tmp_path, [WALK, RUN])))


BANDAI_JOINTS = {"Hips": "Hips", "Spine": "Spine", "Chest": "Spine1", "Neck": "Neck", "Head": "Head"} | {
    f"{theirs}_{side[0]}": f"{side}{ours}"
    for side in ("Left", "Right")
    for theirs, ours in {
        **{"Shoulder": "Shoulder", "UpperArm": "Arm", "LowerArm": "ForeArm", "Hand": "Hand"},
        **{"UpperLeg": "UpLeg", "LowerLeg": "Leg", "Foot": "Foot", "Toes": "ToeBase"},
    }.items()
}


@pytest.mark.parametrize(
    ("source", "key", "file", "metres_per_unit", "num_rest_frames", "target_fps"),
    [
        # CMU's unit is 1/0.45 inch; each file starts with one frame of rest pose, which the prepared data leaves out.
        ("cmu", "05_03", "cmu_05_03", 0.0254 / 0.45, 1, 30.0),
        ("cmu", "09_03", "cmu_09_03", 0.0254 / 0.45, 1, 30.0),
        ("bandai", "d1_kick_normal_001", "bandai_dataset-1_kick_normal_001", 0.01, 0, 20.0),
    ],
)
def test_real_recordings_agree_with_their_prepared_counterparts(
    shared_data: Path,
    source: str,
    key: str,
    file: str,
    metres_per_unit: float,
    num_rest_frames: int,
    target_fps: float,
) -> None:
    motion = read_bvh(
        shared_data / "motion" / "bvh" / f"{file}.bvh", metres_per_unit=metres_per_unit, captions=("a motion",)
    )
    positions = resample(motion.positions[num_rest_frames:], source_fps=motion.fps, target_fps=target_fps)
    with np.load(shared_data / "motion" / source / "motions.npz") as prepared:
        joints, root = prepared[f"{key}/joints"], prepared[f"{key}/root"]
        names = prepared["joint_names"].tolist()
    num_frames = min(len(positions), len(joints))
    assert abs(len(positions) - len(joints)) <= 1
    rename = BANDAI_JOINTS if source == "bandai" else {name: name for name in names}
    ours = [index for index, name in enumerate(motion.skeleton.joint_names) if name in rename]
    theirs = [names.index(rename[motion.skeleton.joint_names[index]]) for index in ours]
    assert len(ours) == len(rename)
    hips = positions[:num_frames, motion.skeleton.joint_names.index("Hips")]
    np.testing.assert_allclose(hips, root[:num_frames], atol=2e-5)
    # Root-centred joints are stored as float16, whose spacing below 1 m is at most 2 ** -11 m.
    np.testing.assert_allclose(
        positions[:num_frames, ours] - hips[:, None], joints[:num_frames, theirs].astype(np.float32), atol=2**-11
    )
