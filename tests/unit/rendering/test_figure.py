"""Figures have the parts of a person, each on its side and before what is behind it."""

import dataclasses

import numpy as np
import pytest

from jaxmm.data.motion import Motion, Skeleton
from jaxmm.rendering.appearance import Appearance
from jaxmm.rendering.backdrop import Backdrop
from jaxmm.rendering.figure import Figure, outline
from jaxmm.rendering.scene import Scene

Image = pytest.importorskip("PIL.Image")

GREY, RED, GREEN = (0.5, 0.5, 0.5), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
PLAIN = Scene(
    appearance=Appearance(skin=RED, hair=GREEN, shirt=GREY, trousers=GREY, shoes=GREY, bare_arms=True),
    backdrop=Backdrop(kind="flat", first=(1.0, 1.0, 1.0)),
)


def coloured(picture, channel):
    """Columns and rows of the pixels in which one colour is much above the others."""
    others = np.delete(picture.astype(int), channel, axis=2).max(-1)
    return np.nonzero(picture[..., channel].astype(int) > others + 60)


def test_outlines_are_convex_and_touch_all_discs():
    rng = np.random.default_rng(0)
    centres, radii = rng.normal(size=(5, 4, 2)) * 10, rng.uniform(1, 4, (5, 4))
    corners = outline(centres, radii)
    assert corners.shape == (5, 20, 2)
    edges = np.roll(corners, -1, axis=1) - corners
    turns = np.cross(
        np.pad(edges, ((0, 0), (0, 0), (0, 1))), np.pad(np.roll(edges, -1, axis=1), ((0, 0), (0, 0), (0, 1)))
    )
    assert (turns[..., 2] >= -1e-9).all()
    np.testing.assert_allclose(corners[..., 0].max(1), (centres[..., 0] + radii).max(1))


def test_a_hand_is_raised_on_its_side_seen_from_the_front_and_from_behind(make_raise):
    top = make_raise(sides=("Left",)).positions[14:15]
    motion = dataclasses.replace(make_raise(), positions=top)
    (front,) = PLAIN.frames(motion, size=128)
    (back,) = dataclasses.replace(PLAIN, azimuth=180.0).frames(motion, size=128)
    for picture, is_right in ((front, True), (back, False)):
        rows, columns = coloured(picture, 0)
        highest = columns[rows < rows.min() + 8].mean()
        assert (highest > 64) == is_right


def test_the_face_is_seen_from_the_front_and_the_hair_from_behind(walk):
    motion = dataclasses.replace(walk, positions=walk.positions[:1])
    pictures = [
        next(dataclasses.replace(PLAIN, azimuth=azimuth, elevation=0.0).frames(motion, size=128))
        for azimuth in (0.0, 180.0)
    ]
    front, back = (len(coloured(picture, 1)[0]) for picture in pictures)
    assert back > 2 * front > 0


def test_the_nearer_arm_is_drawn_after_the_trunk_and_the_further_one_before(walk):
    motion = dataclasses.replace(walk, positions=walk.positions[:1])
    arms = {}
    for side, azimuth in (("left", 90.0), ("right", -90.0)):
        scene = dataclasses.replace(PLAIN, azimuth=azimuth, elevation=0.0)
        arms[side] = len(coloured(next(scene.frames(motion, size=128)), 0)[0])
    figure = Figure(walk.skeleton, walk.positions, PLAIN.appearance)
    assert figure.facing(figure.posed(motion.positions))[0, 2] > 0.9
    assert min(arms.values()) > 40


def test_proportions_change_lengths_and_leave_directions(walk):
    plain, long = (
        Figure(walk.skeleton, walk.positions, Appearance(legs=legs, arms=arms)).posed(walk.positions)
        for legs, arms in ((1.0, 1.0), (1.2, 0.8))
    )
    np.testing.assert_allclose(plain[:, : walk.skeleton.num_joints], walk.positions, atol=1e-6)
    names, parents = walk.skeleton.joint_names, walk.skeleton.parents
    for name, factor in (("LeftLeg", 1.2), ("RightFoot", 1.2), ("LeftForeArm", 0.8), ("Spine1", 1.0)):
        joint = names.index(name)
        before, after = (own[:, joint] - own[:, parents[joint]] for own in (plain, long))
        np.testing.assert_allclose(after, factor * before, atol=1e-5)
    # A step is as much longer as the legs are, so that feet do not slide.
    np.testing.assert_allclose(long[:, 0] - long[0, 0], 1.2 * (plain[:, 0] - plain[0, 0]), atol=1e-5)


def test_skeletons_without_arms_heads_or_sides_are_drawn():
    sticks = Skeleton(joint_names=("a", "b", "c"), parents=(-1, 0, 1))
    positions = np.array([[[0, 0, 0], [0, 1, 0], [0.3, 1.5, 0]]], np.float32)
    motion = Motion(key="sticks", positions=positions, fps=10.0, skeleton=sticks, captions=("it stands",))
    (picture,) = PLAIN.frames(motion, size=64)
    assert (picture != 255).any()
    point = Motion(
        key="point",
        positions=np.zeros((2, 1, 3), np.float32),
        fps=10.0,
        skeleton=Skeleton(joint_names=("a",), parents=(-1,)),
        captions=("it is",),
    )
    assert len(list(PLAIN.frames(point, size=64))) == 2
