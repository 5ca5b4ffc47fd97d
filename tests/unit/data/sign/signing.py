"""Clips of the procedural signer, sound and changed, and what the check of signing finds in them."""

import dataclasses

import numpy as np

from jaxmm.data.sign.check import SignFindings, check_signs
from jaxmm.data.sign.folder import write_sign_folder
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.procedural import sentences, synthesize
from jaxmm.data.sign.sources import SignFolder
from jaxmm.data.sign.statistics import Statistics

SENTENCES = sentences("train")
HANDS = np.r_[HOLISTIC.part_features("left_hand"), HOLISTIC.part_features("right_hand")]
X, Y = (HOLISTIC.position_features[:, axis] for axis in range(2))


def signing(key, number=0, **fields):
    """A sound clip of the procedural signer."""
    clip = synthesize(SENTENCES[number], seed=0, take=0)
    return dataclasses.replace(clip, **{"key": key, "tags": {}, **fields})


def changed(key, change, number=0, **fields):
    clip = signing(key, number, **fields)
    frames = clip.frames.copy()
    change(frames)
    return dataclasses.replace(clip, frames=frames)


def build(root, clips, *, statistics=True):
    write_sign_folder(clips, root)
    if statistics:
        Statistics.neutral().write(root / "statistics.npz")
    return root


def clear(frames, rows=slice(None), columns=slice(None)):
    frames[rows, columns] = 0


def placed(x, y, *, aside=0.0):
    def change(frames):
        frames[:, X] = frames[:, X] * x + aside
        frames[:, Y] *= y

    return change


def kinds(problems):
    found = {}
    for problem in problems:
        found.setdefault(problem.kind, []).append(problem.message)
    return found


def found(root, source=None, **which):
    return kinds(check_signs(source or SignFolder(), root, **which).problems)


def of(clip, **which):
    """What is wrong with one clip."""
    return kinds(SignFindings(**which).add(clip))
