"""A figure that walks, and one that stands, raises hands straight up, and lowers them again."""

import dataclasses

import numpy as np
import pytest

from jaxmm.data.motion import Motion
from jaxmm.data.procedural import motions

FPS, REST, WAY, HOLD = 10.0, 6, 5, 9  # frames at rest, on the way, and raised
NUM_FRAMES = 2 * (REST + WAY) + HOLD


@pytest.fixture(scope="session")
def walk() -> Motion:
    """A walk of the built-in figure towards +z."""
    return next(motion for motion in motions("train", seed=0, takes=1) if "walk" in motion.captions[0])


@pytest.fixture(scope="session")
def make_raise(walk):
    """Builds a motion in which the hands of some sides are raised, and nothing else moves."""

    def build(key: str = "raise", sides: tuple[str, ...] = ("Left",), **tags: str) -> Motion:
        way = np.linspace(0, 1, WAY + 2)[1:-1]
        share = np.concatenate([np.zeros(REST), way, np.ones(HOLD), 1 - way, np.zeros(REST)])
        up = np.stack([np.zeros(NUM_FRAMES), -np.cos(np.pi * share), np.sin(np.pi * share)], axis=1)
        positions = np.repeat(walk.positions[:1], NUM_FRAMES, axis=0)
        names = walk.skeleton.joint_names
        for side in sides:
            shoulder = positions[:, names.index(f"{side}Arm")]
            for joint in ("ForeArm", "Hand", "HandIndex1"):
                reach = np.linalg.norm(positions[0, names.index(f"{side}{joint}")] - shoulder[0])
                positions[:, names.index(f"{side}{joint}")] = shoulder + reach * up
        return dataclasses.replace(walk, key=key, positions=positions, fps=FPS, tags=tags)

    return build
