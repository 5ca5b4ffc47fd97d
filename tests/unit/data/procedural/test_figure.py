"""The parts the synthetic figure is made of: curves, rotations, limbs, proportions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxmm.data.procedural.curves import glide, keyed
from jaxmm.data.procedural.figure import FIGURE, Body, Controls, pose
from jaxmm.data.procedural.rotations import about_y, bend_limb, lean, swing, turned
from jaxmm.data.procedural.style import Style

angles = st.floats(-3.0, 3.0)


@given(arrays(np.float64, (4, 3), elements=angles))
def test_rotations_are_orthogonal_and_proper(vectors):
    matrices = swing(vectors)
    np.testing.assert_allclose(
        matrices @ np.swapaxes(matrices, -1, -2), np.broadcast_to(np.eye(3), (4, 3, 3)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0, atol=1e-9)


@given(arrays(np.float64, (4, 3), elements=angles))
def test_a_rotation_keeps_its_axis(vectors):
    np.testing.assert_allclose(turned(swing(vectors), vectors), vectors, atol=1e-9)


def test_positive_angles_lean_ahead_and_turn_and_roll_to_the_left():
    up, ahead = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    assert (lean(np.array([0.5, 0.0, 0.0])) @ up)[2] > 0
    assert (lean(np.array([0.0, 0.5, 0.0])) @ ahead)[0] > 0
    assert (lean(np.array([0.0, 0.0, 0.5])) @ up)[0] > 0
    assert (about_y(np.array(0.5)) @ ahead)[0] > 0


@given(arrays(np.float64, (5, 3), elements=st.floats(-2.0, 2.0)), st.floats(0.2, 1.0), st.floats(0.2, 1.0))
def test_limbs_keep_their_lengths_and_reach_what_is_in_reach(target, upper, lower):
    root, pole = np.zeros((5, 3)), np.tile([0.1, 0.2, 1.0], (5, 1))
    middle, end = bend_limb(root, target, pole, upper=upper, lower=lower)
    distance = np.linalg.norm(target, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=-1)[distance > 1e-6], lower, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(middle, axis=-1)[distance > 1e-6], upper, atol=1e-6)
    reachable = (distance < 0.999 * (upper + lower)) & (distance > abs(upper - lower) + 0.06 * upper)
    np.testing.assert_allclose(end[reachable], target[reachable], atol=1e-9)


@given(st.lists(st.floats(-5.0, 5.0), min_size=2, max_size=6))
def test_keyed_curves_meet_their_keys_without_overshoot(values):
    keys = np.array(values)[:, None]
    times = [float(index) for index in range(len(values))]
    np.testing.assert_allclose(keyed(np.array(times), times, keys), keys, atol=1e-9)
    between = keyed(np.linspace(-1.0, len(values), 60), times, keys)
    assert between.min() >= keys.min() - 1e-9 and between.max() <= keys.max() + 1e-9


@pytest.mark.parametrize("ramp", [0.1, 0.33, 0.5])
def test_travel_progresses_steadily_from_none_to_all(ramp):
    progress = glide(np.linspace(-0.5, 1.5, 200), ramp)
    assert progress[0] == 0.0 and progress[-1] == 1.0
    assert (np.diff(progress) >= 0).all()


def test_a_quiet_figure_stands_upright_on_the_ground():
    stage_feet = Controls.still(1)
    stage_feet.toes[:, :, 0] = [0.1, -0.1]
    stage_feet.toes[:, :, 2] = 0.1
    positions = pose(Body.proportioned(stature=1.0), stage_feet)[0]
    joint = {name: positions[index] for index, name in enumerate(FIGURE.joint_names)}
    assert 1.55 < joint["Head"][1] < 1.75
    assert joint["LeftToeBase"][1] == pytest.approx(0.02, abs=1e-3)
    assert joint["LeftArm"][0] > 0.1 > -0.1 > joint["RightArm"][0]
    assert joint["LeftHand"][1] < joint["LeftForeArm"][1] < joint["LeftArm"][1]


def test_parts_scale_on_their_own():
    plain, long_arms = Body.proportioned(stature=1.0), Body.proportioned(stature=1.0, arms=1.08)
    changed = np.linalg.norm(long_arms.offsets - plain.offsets, axis=1) > 1e-9
    names = {name for name, differs in zip(FIGURE.joint_names, changed, strict=True) if differs}
    assert names == {side + part for side in ("Left", "Right") for part in ("ForeArm", "Hand", "HandIndex1")}


def test_noise_is_smooth_and_absent_in_the_neutral_style():
    time = np.arange(300) / 100.0
    noise = Style.draw(np.random.default_rng(1)).noise(time)
    assert noise.std(axis=0).max() > 0.005
    assert np.abs(np.diff(noise, axis=0)).max() < 0.02
    assert not Style.neutral().noise(time).any()
