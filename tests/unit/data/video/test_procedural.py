"""Looks are told by single frames, moves by their order alone."""

import dataclasses

import numpy as np
import pytest

from jaxmm.data.video.procedural import LOOKS, MOVES, _covered, _pose, videos

SIZE = 32
REVERSES = {"left": "right", "up": "down", "grow": "shrink", "turn_left": "turn_right"}


def made(look, move, count=12):
    found = videos("train", seed=0, looks=[look], moves=[move], num_each=count)
    return np.stack([video.make(SIZE) for video in found]).astype(np.float64)


def shape_masks(clips):
    """Where each frame differs from the ground, which is smooth: the median of the clip's frames and surroundings."""
    ground = np.median(clips.reshape(len(clips), -1, 3), axis=1)[:, None, None, None]
    return np.abs(clips - ground).sum(axis=-1) > 90


def paths(clips):
    """Mean column, mean row and area of the shape in each frame."""
    masks = shape_masks(clips)
    area = np.maximum(masks.sum(axis=(2, 3)), 1)
    rows = (masks * np.arange(SIZE)[:, None]).sum(axis=(2, 3)) / area
    columns = (masks * np.arange(SIZE)).sum(axis=(2, 3)) / area
    return {"x": columns, "y": rows, "area": area}


@pytest.mark.parametrize(
    ("move", "what", "sign"), [("left", "x", -1), ("right", "x", 1), ("up", "y", -1), ("down", "y", 1)]
)
def test_a_shape_moves_where_its_label_says(move, what, sign):
    path = paths(made("red_bar", move))[what]
    slope = path[:, -4:].mean(axis=1) - path[:, :4].mean(axis=1)
    assert np.mean(sign * slope > 2) > 0.8


@pytest.mark.parametrize(("move", "sign"), [("grow", 1), ("shrink", -1)])
def test_a_shape_grows_or_shrinks_as_its_label_says(move, sign):
    area = paths(made("yellow_cross", move))["area"]
    assert np.mean(sign * (area[:, -1] - area[:, 0]) > 0) > 0.8


@pytest.mark.parametrize(("move", "sign"), [("turn_left", -1), ("turn_right", 1)])
def test_a_shape_turns_as_its_label_says(move, sign):
    """The angle of a bar's longer axis goes up from frame to frame where it turns right, since y points down."""
    axis = (np.arange(64) + 0.5) / 64
    x, y = np.meshgrid(axis, axis)
    for seed in range(5):
        masks = _covered("red_bar", _pose(move, np.random.default_rng(seed)), x, y, softness=0.03) > 0.5
        angles = []
        for mask in masks:
            values, vectors = np.linalg.eigh(np.cov(np.stack([x[mask], y[mask]])))
            angles.append(np.arctan2(*vectors[::-1, values.argmax()]))
        assert (sign * np.diff(np.unwrap(2 * np.array(angles)) / 2) > 0.03).all()


@pytest.mark.parametrize("move", REVERSES)
def test_a_move_and_its_reverse_show_the_same_frames_in_another_order(move):
    for seed in range(20):
        one, other = (_pose(name, np.random.default_rng(seed)) for name in (move, REVERSES[move]))
        for field in dataclasses.fields(one):
            np.testing.assert_allclose(getattr(one, field.name)[::-1], getattr(other, field.name), atol=1e-12)


def test_a_look_is_told_by_the_colour_of_one_frame():
    shown = {}
    for look in LOOKS:
        clips = made(look, "right", 4)
        shown[look] = np.median(clips[shape_masks(clips)], axis=0)
    for look, colour in shown.items():
        nearest = min(LOOKS, key=lambda name: np.abs(colour - np.array(LOOKS[name])).sum())
        assert nearest == look


def test_every_move_has_words():
    assert set(MOVES) == {"left", "right", "up", "down", "grow", "shrink", "turn_left", "turn_right"}
