import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.data.motion import Motion, Skeleton, at_times, other_side, resample
from jaxmm.errors import DataError

FIGURE = Skeleton(
    joint_names=("Hips", "LeftUpLeg", "LeftLeg", "RightUpLeg", "RightLeg", "Spine"), parents=(-1, 0, 1, 0, 3, 0)
)


def motion_of(positions: np.ndarray, *, fps: float = 20.0, captions: tuple[str, ...] = ("a person stands",)) -> Motion:
    return Motion(key="stand", positions=positions, fps=fps, skeleton=FIGURE, captions=captions)


@pytest.mark.parametrize(
    ("joint_names", "parents", "message"),
    [
        ((), (), "0 joint names but 0 parents"),
        (("Hips", "Spine"), (-1,), "2 joint names but 1 parents"),
        (("Hips", "Spine", "Spine"), (-1, 0, 1), "joint names repeat: Spine"),
        (("Hips", "Spine"), (0, -1), r"joint 0 \(Hips\) has parent 0"),
        (("Hips", "Spine"), (-1, -1), r"joint 1 \(Spine\) has parent -1"),
        (("Hips", "Spine"), (-1, 1), r"joint 1 \(Spine\) has parent 1"),
        (("Hips", "Spine", "Head"), (-1, 2, 0), r"joint 1 \(Spine\) has parent 2"),
    ],
)
def test_a_skeleton_is_a_tree_with_parents_first(
    joint_names: tuple[str, ...], parents: tuple[int, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Skeleton(joint_names=joint_names, parents=parents)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("LeftForeArm", "RightForeArm"),
        ("left_knee", "right_knee"),
        ("LEFT_KNEE", "RIGHT_KNEE"),
        ("UpperLeg_L", "UpperLeg_R"),
        ("l-hip", "r-hip"),
        ("mixamorig.L.Hand", "mixamorig.R.Hand"),
        ("Spine", "Spine"),
        ("Collar", "Collar"),
    ],
)
def test_sides_are_swapped_both_ways(name: str, other: str) -> None:
    assert other_side(name) == other
    assert other_side(other) == name


@given(st.lists(st.sampled_from(["Left", "right", "RIGHT", "l", "R", "_", ".", "-", "Arm"]), max_size=6).map("".join))
def test_swapping_sides_twice_gives_the_name_back(name: str) -> None:
    assert other_side(other_side(name)) == name


def test_mirroring_pairs_the_sides_and_keeps_the_middle() -> None:
    assert FIGURE.mirror_index() == (0, 3, 4, 1, 2, 5)
    alone = Skeleton(joint_names=("Hips", "LeftHand"), parents=(-1, 0))
    assert alone.mirror_index() == (0, 1)


@pytest.mark.parametrize(
    ("joint_names", "hips"),
    [
        (("Hips", "LeftUpLeg", "RightUpLeg"), (1, 2)),
        (("Hips", "RightUpLeg", "LeftUpLeg"), (2, 1)),
        (("Root", "UpperLeg_R", "UpperLeg_L"), (2, 1)),
        (("Pelvis", "l_thigh", "r_thigh"), (1, 2)),
        (("pelvis", "right_hip", "left_hip"), (2, 1)),
    ],
)
def test_hips_are_found_by_name_left_first(joint_names: tuple[str, ...], hips: tuple[int, int]) -> None:
    assert Skeleton(joint_names=joint_names, parents=(-1, 0, 0)).hip_joints() == hips


def test_a_skeleton_without_two_hips_says_so() -> None:
    with pytest.raises(DataError, match="no pair of hips among Hips, LeftUpLeg"):
        Skeleton(joint_names=("Hips", "LeftUpLeg"), parents=(-1, 0)).hip_joints()


def test_a_motion_knows_its_length() -> None:
    motion = motion_of(np.zeros((30, 6, 3), np.float32))
    assert (motion.num_frames, motion.seconds, motion.tags) == (30, 1.5, {})


@pytest.mark.parametrize("shape", [(0, 6, 3), (4, 5, 3)])
def test_positions_must_fit_the_skeleton(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"stand: positions have shape .* expected \(time >= 1, 6, 3\)"):
        motion_of(np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_positions_must_be_finite(value: float) -> None:
    positions = np.zeros((4, 6, 3), np.float32)
    positions[2, 1, 0] = value
    with pytest.raises(DataError, match="stand: frame 2 holds a value that is not finite"):
        motion_of(positions)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_the_rate_must_be_above_zero(fps: float) -> None:
    with pytest.raises(DataError, match="stand: fps is"):
        motion_of(np.zeros((4, 6, 3), np.float32), fps=fps)


@pytest.mark.parametrize("captions", [(), ("",), ("a person stands", " ")])
def test_each_caption_must_say_something(captions: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="stand: a caption is missing or empty"):
        motion_of(np.zeros((4, 6, 3), np.float32), captions=captions)


def line(num_frames: int) -> np.ndarray:
    """A joint that moves one metre a frame along x."""
    positions = np.zeros((num_frames, 1, 3), np.float32)
    positions[:, 0, 0] = np.arange(num_frames)
    return positions


@pytest.mark.parametrize(
    ("num_frames", "source_fps", "target_fps", "expected"),
    [
        (5, 20, 20, [0, 1, 2, 3, 4]),
        (6, 60, 30, [0, 2, 4]),
        (4, 120, 20, [0]),
        (1, 120, 20, [0]),
        (3, 20, 40, [0, 0.5, 1, 1.5, 2, 2]),
        (6, 30, 20, [0, 1.5, 3, 4.5]),
    ],
)
def test_resampling_interpolates_and_keeps_the_duration(
    num_frames: int, source_fps: int, target_fps: int, expected: list[float]
) -> None:
    resampled = resample(line(num_frames), source_fps=source_fps, target_fps=target_fps)
    assert resampled.dtype == np.float32
    np.testing.assert_allclose(resampled[:, 0, 0], expected)


def test_resampling_to_the_same_rate_changes_nothing_but_the_type() -> None:
    positions = line(3).astype(np.float64)
    resampled = resample(positions, source_fps=20, target_fps=20)
    assert resampled.dtype == np.float32
    np.testing.assert_array_equal(resampled, positions)


@given(
    num_frames=st.integers(1, 60), source_fps=st.floats(1, 240), target_fps=st.floats(1, 240), place=st.floats(-5, 5)
)
def test_a_figure_at_rest_stays_where_it_is(
    num_frames: int, source_fps: float, target_fps: float, place: float
) -> None:
    positions = np.full((num_frames, 1, 3), place, np.float32)
    resampled = resample(positions, source_fps=source_fps, target_fps=target_fps)
    assert len(resampled) == max(1, round(num_frames * target_fps / source_fps))
    np.testing.assert_allclose(resampled, positions[0, 0, 0], rtol=1e-6, atol=1e-6)


def test_times_between_frames_are_interpolated_and_those_outside_are_clipped() -> None:
    times = np.array([-1.0, 0.0, 0.25, 1.5, 2.0, 7.0])
    np.testing.assert_allclose(at_times(line(3), times)[:, 0, 0], [0, 0, 0.25, 1.5, 2, 2])


def test_a_mistaken_frame_rate_asks_for_no_memory():
    with pytest.raises(DataError, match=r"from 0.12 to 20 frames a second: 666667 frames of 20 joints are too many"):
        resample(np.zeros((4000, 20, 3), np.float32), source_fps=0.12, target_fps=20.0)
