"""No damage to a file of a checkpoint is silent."""

import random

import pytest

from jaxmm.checkpoint import Checkpoints

pytestmark = [pytest.mark.slow, pytest.mark.faults]
NUM_DAMAGES = 500


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Flips one bit, or cuts at any place."""
    if rng.random() < 0.5:
        return content[: rng.randrange(len(content))]
    flipped = bytearray(content)
    flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def test_every_flip_and_cut_is_named_and_passed_over(rig, tmp_path, caplog):
    run = rig.saved(tmp_path, 1, 2, keep=2)
    folder = run / "checkpoints/2"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) > 15
    rng = random.Random(0)
    silent = []
    with Checkpoints(run, keep=2) as checkpoints:
        for trial in range(NUM_DAMAGES):
            path = files[trial % len(files)]
            content = path.read_bytes()
            path.write_bytes(damaged(content, rng))
            caplog.clear()
            named = checkpoints.damage(2)
            rig.assert_resumes(checkpoints, 1)
            if not (len(named) == 1 and f"{path}: " in named[0] and f"{path}: " in caplog.text):
                silent.append((trial, path, named))
            (run / "checkpoints/damaged/2").rename(folder)
            path.write_bytes(content)
        assert silent == []
        rig.assert_resumes(checkpoints, 2)
