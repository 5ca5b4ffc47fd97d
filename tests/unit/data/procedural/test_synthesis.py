"""Synthetic motions: reproducible, anatomically constant, grounded, and plainly showing what their sentences say."""

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest

from jaxmm.data.procedural import FIGURE, Clause, Combination, all_combinations, motions, synthesize
from jaxmm.data.procedural.style import Style
from jaxmm.data.procedural.synthesis import perform
from jaxmm.errors import ConfigError

JOINT = {name: index for index, name in enumerate(FIGURE.joint_names)}
COMBINATIONS = all_combinations()
TOES = [JOINT["LeftToeBase"], JOINT["RightToeBase"]]


def combination(action, **factors):
    return Combination(first=Clause(action=action, **factors))


def neutral(action, **factors):
    return perform(combination(action, **factors), Style.neutral(), fps=20.0).positions()


def travelled(positions):
    return positions[-1, 0] - positions[0, 0]


def facing(positions):
    across = positions[:, JOINT["LeftUpLeg"]] - positions[:, JOINT["RightUpLeg"]]
    return np.unwrap(np.arctan2(-across[:, 2], across[:, 0]))


def num_peaks(height, threshold):
    high = height > threshold
    return int(high[0]) + int((high[1:] & ~high[:-1]).sum())


@pytest.fixture(scope="module")
def many_motions():
    singles = [one for one in COMBINATIONS if one.second is None]
    pairs = [one for one in COMBINATIONS if one.second is not None]
    return [synthesize(one, seed=3, take=index % 4) for index, one in enumerate((*singles, *pairs[::5]))]


def test_figure_has_the_named_joints_and_pairs():
    assert FIGURE.num_joints == 25
    assert FIGURE.joint_names[19] == "LeftHandIndex1" and FIGURE.parents[19] == 18
    assert FIGURE.parents[9] == 0 and FIGURE.parents[12] == FIGURE.parents[15] == FIGURE.parents[20] == 11
    assert FIGURE.hip_joints() == (1, 5)


def test_motions_say_what_they_are():
    motion = synthesize(combination("kick", side="left", direction="forward"), seed=0, take=2)
    assert motion.key == "kick-left-forward__take2"
    assert motion.captions[0] == "a person kicks forward with the left leg"
    assert len(set(motion.captions)) == len(motion.captions) > 3
    assert motion.tags["origin"] == "synthetic"
    assert motion.tags["split"] in ("train", "val", "test")
    assert motion.skeleton == FIGURE and motion.positions.dtype == np.float32


def test_every_motion_is_finite_and_two_to_three_seconds_long(many_motions):
    assert all(np.isfinite(motion.positions).all() for motion in many_motions)
    assert {motion.fps for motion in many_motions} == {20.0}
    assert all(40 <= motion.num_frames <= 60 for motion in many_motions)


def test_bones_keep_their_lengths(many_motions):
    for motion in many_motions:
        bones = motion.positions[:, 1:] - motion.positions[:, FIGURE.parents[1:]]
        lengths = np.linalg.norm(bones, axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-4, motion.key
        assert lengths.min() > 0.01, motion.key


def test_nothing_sinks_below_the_ground_and_someone_stands_on_it(many_motions):
    for motion in many_motions:
        assert motion.positions[..., 1].min() > -0.03, motion.key
        assert motion.positions[:, TOES, 1].min(axis=1).max() < 0.5, motion.key
        assert np.median(motion.positions[:, TOES, 1].min(axis=1)) < 0.2, motion.key


def test_knees_never_bend_backward(many_motions):
    for motion in many_motions:
        positions = motion.positions
        for side in ("Left", "Right"):
            hip, knee, ankle = (positions[:, JOINT[side + name]] for name in ("UpLeg", "Leg", "Foot"))
            bend = np.cross(knee - hip, ankle - knee)
            across = positions[:, JOINT["LeftUpLeg"]] - positions[:, JOINT["RightUpLeg"]]
            assert ((bend * across).sum(-1) > -0.03).all(), motion.key


def test_no_joint_leaps_between_frames(many_motions):
    for motion in many_motions:
        step = np.linalg.norm(np.diff(motion.positions, axis=0), axis=-1)
        assert step.max() < 1.1, motion.key


def test_bodies_differ_between_takes_and_stay_human():
    heights = [synthesize(combination("bow"), seed=0, take=take).positions[0, JOINT["Head"], 1] for take in range(40)]
    assert np.ptp(heights) > 0.05
    assert 1.4 < min(heights) < max(heights) < 1.9


def test_same_arguments_give_the_same_motion_and_others_another():
    one = combination("throw", side="left", direction="overhand")
    first, again = synthesize(one, seed=5, take=1), synthesize(one, seed=5, take=1)
    np.testing.assert_array_equal(first.positions, again.positions)
    for seed, take in ((5, 2), (6, 1)):
        other = synthesize(one, seed=seed, take=take).positions
        assert other.shape != first.positions.shape or np.abs(other - first.positions).max() > 0.01


def test_another_process_gives_the_same_motion():
    program = (
        "import hashlib\n"
        "from jaxmm.data.procedural import all_combinations, synthesize\n"
        "motion = synthesize(all_combinations()[500], seed=1, take=2)\n"
        "print(hashlib.sha256(motion.positions.tobytes()).hexdigest())\n"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    here = synthesize(COMBINATIONS[500], seed=1, take=2)
    assert there.stdout.strip() == hashlib.sha256(here.positions.tobytes()).hexdigest()


def test_frame_rate_changes_the_sampling_alone():
    one = combination("squat")
    slow, fast = synthesize(one, seed=0, take=0), synthesize(one, seed=0, take=0, fps=40.0)
    assert abs(slow.seconds - fast.seconds) < 0.06
    np.testing.assert_allclose(fast.positions[::2][: slow.num_frames], slow.positions, atol=0.02)


def test_mirrored_combination_gives_the_mirrored_motion():
    for one in COMBINATIONS[::7]:
        here = perform(one, Style.neutral(lead=0), fps=20.0).positions()
        there = perform(one.mirrored(), Style.neutral(lead=1), fps=20.0).positions()
        reflected = there[:, FIGURE.mirror_index()] * np.array([-1.0, 1.0, 1.0], np.float32)
        np.testing.assert_allclose(here, reflected, atol=1e-4, err_msg=one.key)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("speed", ["slow", "plain", "quick"])
def test_planted_feet_do_not_slide_in_walks(direction, speed):
    for take in range(4):
        toes = synthesize(combination("walk", direction=direction, speed=speed), seed=0, take=take).positions[:, TOES]
        planted = (toes[1:, :, 1] < 0.024) & (toes[:-1, :, 1] < 0.024)
        moved = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1)
        assert planted.any(axis=1).mean() > 0.5
        assert moved[planted].max() < 0.02


def test_walks_and_runs_go_where_they_say_at_the_speed_they_say():
    ways = {
        speed: travelled(neutral("walk", direction="forward", speed=speed))[2] for speed in ("slow", "plain", "quick")
    }
    assert 1.0 < ways["slow"] < 0.7 * ways["plain"] < 0.7 * 0.75 * ways["quick"]
    assert travelled(neutral("walk", direction="backward"))[2] < -1.0
    assert travelled(neutral("run", direction="forward"))[2] > 1.3 * ways["quick"]
    assert travelled(neutral("sidestep", direction="left"))[0] > 1.0
    assert travelled(neutral("sidestep", direction="right"))[0] < -1.0
    assert np.abs(travelled(neutral("march", direction="in place"))).max() < 0.1


def test_runs_leave_the_ground_and_walks_do_not():
    assert neutral("run", direction="forward")[:, TOES, 1].min(axis=1).max() > 0.06
    assert neutral("walk", direction="forward")[:, TOES, 1].min(axis=1).max() < 0.06


@pytest.mark.parametrize(("action", "angle"), [("quarter turn", 90), ("half turn", 180), ("spin", 360)])
def test_turns_reach_their_angle_to_their_side(action, angle):
    for direction, sign in (("left", 1), ("right", -1)):
        yaw = facing(neutral(action, direction=direction))
        assert np.degrees(yaw[-1] - yaw[0]) == pytest.approx(sign * angle, abs=8)


def test_curves_bend_to_their_side():
    for action in ("walk", "run"):
        left, right = neutral(action, direction="left"), neutral(action, direction="right")
        assert facing(left)[-1] - facing(left)[0] > 0.8 > -0.8 > facing(right)[-1] - facing(right)[0]
        assert travelled(left)[0] > 0.5 > -0.5 > travelled(right)[0]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_repetitions_are_seen(count):
    kick = neutral("kick", side="left", direction="forward", count=count)
    assert num_peaks(kick[:, JOINT["LeftFoot"], 2], 0.5) == count
    lift = neutral("raise", side="right", direction="overhead", count=count)
    assert num_peaks(lift[:, JOINT["RightHand"], 1], 1.6) == count
    assert num_peaks(-neutral("squat", count=count)[:, 0, 1], -0.75) == count
    assert num_peaks(neutral("jump", direction="up", count=count)[:, TOES, 1].min(axis=1), 0.12) == count
    punch = neutral("punch", side="left", direction="forward", count=count)
    assert num_peaks(punch[:, JOINT["LeftHand"], 2] - punch[:, JOINT["LeftArm"], 2], 0.42) == count


@pytest.mark.parametrize(("action", "direction"), [("raise", "overhead"), ("raise", "sideways"), ("wave", None)])
def test_the_named_arm_rises_and_the_other_hangs(action, direction):
    height = {name: JOINT[name] for name in ("LeftHand", "RightHand")}
    for side, up, down in (("left", "LeftHand", "RightHand"), ("right", "RightHand", "LeftHand")):
        positions = neutral(action, side=side, direction=direction)
        assert positions[:, height[up], 1].max() > 1.3 > 1.1 > positions[:, height[down], 1].max()
    both = neutral(action, side="both", direction=direction)
    assert both[:, list(height.values()), 1].max(axis=0).min() > 1.3


def test_directions_of_limbs_are_seen():
    ahead, aside = (
        neutral("kick", side="left", direction=way)[:, JOINT["LeftFoot"]] for way in ("forward", "sideways")
    )
    assert ahead[:, 2].max() > 0.6 > 0.3 > aside[:, 2].max()
    assert aside[:, 0].max() > 0.6 > 0.3 > ahead[:, 0].max()
    straight, up = (
        neutral("punch", side="right", direction=way)[:, JOINT["RightHand"]] for way in ("forward", "upward")
    )
    assert straight[:, 2].max() > 0.4 and up[:, 1].max() > 1.7 > 1.6 > straight[:, 1].max()


def test_something_on_the_floor_is_reached_by_the_named_hand():
    left = neutral("pick up", side="left")
    assert left[:, JOINT["LeftHandIndex1"], 1].min() < 0.2 < 0.3 < left[:, JOINT["RightHandIndex1"], 1].min()
    both = neutral("pick up", side="both")
    assert both[:, [JOINT["LeftHandIndex1"], JOINT["RightHandIndex1"]], 1].min(axis=0).max() < 0.2


def test_hands_meet_in_a_clap():
    for direction in ("in front", "overhead"):
        positions = neutral("clap", direction=direction)
        apart = np.linalg.norm(positions[:, JOINT["LeftHandIndex1"]] - positions[:, JOINT["RightHandIndex1"]], axis=-1)
        assert apart.min() < 0.12 < 0.3 < apart[0]


def test_speeds_differ_in_how_long_the_action_lasts():
    moving = {}
    for speed in ("slow", "plain", "quick"):
        hand = neutral("raise", side="left", direction="overhead", speed=speed)[:, JOINT["LeftHand"], 1]
        moving[speed] = int((hand > hand[0] + 0.2).sum())
    assert moving["slow"] > 1.5 * moving["plain"] > 1.5 * 1.5 * moving["quick"] > 0


def test_order_of_two_actions_is_seen():
    wave, bow = Clause(action="wave", side="left"), Clause(action="bow")
    for first, second, earlier in ((wave, bow, True), (bow, wave, False)):
        positions = perform(Combination(first=first, second=second), Style.neutral(), fps=20.0).positions()
        waving = positions[:, JOINT["LeftHand"], 1].argmax()
        bowing = positions[:, JOINT["Head"], 1].argmin()
        assert (waving < bowing) == earlier


def test_motions_of_a_split_are_its_combinations_times_the_takes():
    keys = [motion.key for motion in itertools.islice(motions("val", seed=0, takes=2), 6)]
    expected = [one.key for one in COMBINATIONS if one.split == "val"][:3]
    assert keys == [f"{key}__take{take}" for key in expected for take in (0, 1)]


@pytest.mark.parametrize(("split", "takes"), [("dev", 1), ("train", 0)])
def test_an_unknown_split_or_no_take_is_an_error(split, takes):
    with pytest.raises(ConfigError, match="give train, val or test"):
        motions(split, seed=0, takes=takes)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"take": -1}, {"fps": 0.0}])
def test_numbers_out_of_range_are_an_error(wrong):
    arguments = {"seed": 0, "take": 0, "fps": 20.0} | wrong
    with pytest.raises(ConfigError, match="give seed and take"):
        synthesize(COMBINATIONS[0], **arguments)
