"""Saving again and again keeps no memory."""

import os
from pathlib import Path

import pytest

from jaxmm.checkpoint import Checkpoints

pytestmark = [pytest.mark.slow, pytest.mark.faults]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_two_hundred_saves_keep_no_memory(rig, tmp_path):
    if not Path("/proc/self/statm").exists():
        pytest.skip("reads resident memory from /proc, which this system does not have")
    batches = rig.at_step(0)
    with Checkpoints(tmp_path) as checkpoints:
        for step in range(1, 231):
            checkpoints.save(rig.state_at(step, width=100_000), batches, {"loss": 1.0})
            if step == 30:  # libraries fill their own caches first
                before = resident_bytes()
        assert checkpoints.steps() == [230]
    drift = resident_bytes() / before - 1
    print(f"resident memory drifts by {drift:.2%} from {before / 2**20:.0f} MiB")
    assert drift < 0.02
