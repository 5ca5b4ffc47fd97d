"""Synthetic videos of shapes: what they look like is told by one frame, how they move by the order of frames alone.

Every move has one that is its reverse, and both begin and end anywhere: frames in another order, or looked at one by
one, do not tell them apart.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, UInt8

from jaxmm.data.procedural.chance import take_generator
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.splits import Split
from jaxmm.data.video.clip import MadeVideo

LOOKS = {
    "red_bar": (200, 60, 50),
    "green_square": (60, 170, 70),
    "blue_triangle": (60, 90, 200),
    "yellow_cross": (210, 190, 60),
}
"""How shapes look, each with its colour."""

MOVES = {
    "left": "moves left",
    "right": "moves right",
    "up": "moves up",
    "down": "moves down",
    "grow": "grows",
    "shrink": "shrinks",
    "turn_left": "turns to the left",
    "turn_right": "turns to the right",
}
"""How they move, each in words."""

FPS, NUM_FRAMES = 8.0, 16
"""Frames a second, and in all, of every video."""

_STEPS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_WAY = 0.6  # of the width of the picture
_SIZES = (0.12, 0.34)  # half of a shape, of one that is growing at its beginning and at its end
_TURN = 0.55 * np.pi
_SOFTNESS = 1.5  # pixels from inside to outside
_COLOUR_NOISE, _FRAME_NOISE = 18.0, 6.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Pose:
    """Where a shape is in each frame: its centre and half its size in widths of the picture, and its turn."""

    x: Float[np.ndarray, "time"]
    y: Float[np.ndarray, "time"]
    half: Float[np.ndarray, "time"]
    turn: Float[np.ndarray, "time"]


def shapes_vocabulary(looks: Sequence[str], moves: Sequence[str]) -> Vocabulary:
    """Returns the labels of shapes that move: every look with every move.

    Example:
        >>> shapes_vocabulary(["red_bar"], ["grow"]).labels
        ('red_bar_grow',)
    """
    described = {f"{look}_{move}": f"a {look.replace('_', ' ')} {MOVES[move]}" for look in looks for move in moves}
    return Vocabulary.of(list(described), described)


def videos(
    split: Split, *, seed: int, looks: Sequence[str], moves: Sequence[str], num_each: int
) -> Iterator[MadeVideo]:
    """Yields the videos of a split, whose frames are drawn when they are asked for.

    Args:
        split: `train`, `val` or `test`.
        seed: Seed of the videos, >= 0.
        looks: Some of `LOOKS`.
        moves: Some of `MOVES`.
        num_each: Videos of each look and move, >= 0.

    Example:
        >>> video = next(videos("test", seed=0, looks=["red_bar"], moves=["left"], num_each=1))
        >>> video.key, video.make(32).shape
        ('test-red_bar_left-0', (16, 32, 32, 3))
    """
    for number in range(num_each):
        for look in looks:
            for move in moves:
                key = f"{split}-{look}_{move}-{number}"
                yield MadeVideo(
                    key=key,
                    label=f"{look}_{move}",
                    tags={"origin": "synthetic", "split": split},
                    make=partial(_draw, key, look, move, seed),
                    fps=FPS,
                )


def _draw(key: str, look: str, move: str, seed: int, size: int) -> UInt8[np.ndarray, "time size size 3"]:
    rng = take_generator(key, seed=seed, take=0)
    pose = _pose(move, rng)
    ground, colour = rng.uniform(60, 190, 3), np.array(LOOKS[look]) + rng.normal(0, _COLOUR_NOISE, 3)
    slope = rng.uniform(-40, 40, 2)
    axis = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    ground = ground + (slope[0] * (x - 0.5) + slope[1] * (y - 0.5))[..., None]
    share = _covered(look, pose, x, y, softness=_SOFTNESS / size)[..., None]
    drawn = share * colour + (1 - share) * ground
    drawn = drawn + rng.normal(0, _FRAME_NOISE, (NUM_FRAMES, size, size, 1))
    return np.clip(np.rint(drawn), 0, 255).astype(np.uint8)


def _pose(move: str, rng: np.random.Generator) -> _Pose:
    """Draws a path of the move; a move and its reverse are as likely to be anywhere at any time."""
    progress = np.linspace(-0.5, 0.5, NUM_FRAMES)
    still = np.ones(NUM_FRAMES)
    x, y = rng.uniform(0.35, 0.65, 2)
    half, turn, way = np.mean(_SIZES), rng.uniform(-np.pi, np.pi), rng.uniform(0.7, 1.0)
    across, down = _STEPS.get(move, (0, 0))
    grows = {"grow": 1, "shrink": -1}.get(move, 0)
    turns = {"turn_left": -1, "turn_right": 1}.get(move, 0)
    return _Pose(
        x=x + across * way * _WAY * progress,
        y=y + down * way * _WAY * progress,
        half=half * still + grows * way * (_SIZES[1] - _SIZES[0]) * progress,
        turn=turn + turns * way * _TURN * progress,
    )


def _covered(
    look: str, pose: _Pose, x: Float[np.ndarray, "size size"], y: Float[np.ndarray, "size size"], *, softness: float
) -> Float[np.ndarray, "time size size"]:
    """Returns how much of each pixel the shape covers, from 0 to 1."""
    across, down = x - pose.x[:, None, None], y - pose.y[:, None, None]
    cosine, sine = np.cos(pose.turn)[:, None, None], np.sin(pose.turn)[:, None, None]
    half = pose.half[:, None, None]
    u, v = (cosine * across + sine * down) / half, (cosine * down - sine * across) / half
    match look:
        case "red_bar":
            beyond = np.maximum(np.abs(u) - 1, np.abs(v) - 0.35)
        case "green_square":
            beyond = np.maximum(np.abs(u), np.abs(v)) - 0.8
        case "blue_triangle":
            beyond = np.maximum(0.9 * np.abs(u) + 0.45 * v - 0.45, -v - 0.8)
        case _:
            beyond = np.minimum(np.maximum(np.abs(u) - 1, np.abs(v) - 0.3), np.maximum(np.abs(u) - 0.3, np.abs(v) - 1))
    return np.clip(0.5 - beyond * half / softness, 0, 1)
