"""What the tests of data share: clips of signing, first batches, and which clips a batch holds."""

import dataclasses
import itertools

import numpy as np

from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.folder import write_sign_folder
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.statistics import Statistics

SIGN_FPS, SIGN_MAX_FRAMES, BATCH_SIZE, SEED = 25.0, 8, 4, 3
_LENGTHS = {"train": (3, 8, 12, 5, 9, 13, 8, 20, 7, 4), "val": (6, 11, 2), "test": (8, 10)}


def make_clip(key, num_frames=6, **fields):
    """A clip of random frames, without a left hand where its number is odd, whose nose never moves."""
    frames = np.random.default_rng(list(key.encode())).normal(size=(num_frames, 540)).astype(np.float32)
    frames[:, :3] = 0.5
    frames[:, HOLISTIC.part_features("left_hand")] *= 1 - int(key[-1]) % 2
    usual = {"gloss": f"SIGN{key[-1]} HOUSE", "sentence": f"This is {key[-1]}.", "signer": f"s{int(key[-1]) % 3}"}
    return SignClip(**{"key": key, "frames": frames, "fps": SIGN_FPS, **usual, **fields})


def make_clips():
    """Fifteen clips in three splits; a signer and a sign of testing were never seen, and one more has no gloss."""
    clips = [
        make_clip(f"{split}_{place}", length, tags={"split": split})
        for split, lengths in _LENGTHS.items()
        for place, length in enumerate(lengths)
    ]
    clips[-1] = dataclasses.replace(clips[-1], signer="stranger", gloss="UNSEEN")
    return [*clips, make_clip("train_99", 6, gloss=None, tags={"split": "train"})]


def write_signs(clips, root):
    """Writes a folder of signing with the statistics of its training split."""
    write_sign_folder(clips, root)
    Statistics.of(clip for clip in clips if clip.tags.get("split") == "train").write(root / "statistics.npz")
    return root


def first_batches(data, num_batches, **which):
    return list(itertools.islice(data.train_batches(seed=SEED, **which), num_batches))


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])
        assert ours[name].dtype == theirs[name].dtype


def motions_of(data, batch):
    """Which training motions a batch of unaugmented, uncropped motions holds, by their first relative frames."""
    found = []
    for frames, mask in zip(batch["motion"], batch["motion_mask"], strict=True):
        for index in data.split("train"):
            whole = data.packed.motion(index)
            shapes = whole[: len(whole) - mask.sum() + 1] if len(whole) >= mask.sum() else []
            if any(np.allclose(own[1] - own[0], frames[0, 1] - frames[0, 0], atol=1e-5) for own in shapes):
                found.append(data.packed.keys[index])
    return found


def clips_of(data, batch):
    """Which training clips a batch of signing holds, by their first frames."""
    own = {clip.key: data.statistics.normalise(clip.frames[:1])[0] for clip in data.clips("train")}
    return [next(key for key, first in own.items() if np.array_equal(first, row[0])) for row in batch["frames"]]
