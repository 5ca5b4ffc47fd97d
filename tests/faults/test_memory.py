"""Saving again and again keeps no memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.faults]

SAVES = """
import os, runpy, sys
from pathlib import Path
from jaxmm.checkpoint import Checkpoints

rig = runpy.run_path(sys.argv[1])

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

batches = rig["at_step"](0)
with Checkpoints(Path(sys.argv[2])) as checkpoints:
    for step in range(1, 231):
        checkpoints.save(rig["state_at"](step, width=100_000), batches, {"loss": 1.0})
        if step == 30:  # libraries fill their own caches first
            before = resident_bytes()
    assert checkpoints.steps() == [230]
print(before, resident_bytes())
"""


def test_two_hundred_saves_keep_no_memory(tmp_path):
    if not Path("/proc/self/statm").exists():
        pytest.skip("reads resident memory from /proc, which this system does not have")
    # What glibc keeps for later of the buffers that were freed would hide what we keep: large ones go back at once.
    settings = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**17), "JAX_PLATFORMS": "cpu"}
    rig = Path(__file__).with_name("conftest.py")
    command = [sys.executable, "-c", SAVES, str(rig), str(tmp_path / "run")]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    before, after = map(int, done.stdout.split()[-2:])
    print(f"resident memory drifts by {after / before - 1:.2%} from {before / 2**20:.0f} MiB")
    assert after / before - 1 < 0.02
