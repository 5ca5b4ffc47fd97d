"""A process that is killed at any point of a save leaves a run that goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jaxmm.checkpoint import Checkpoints

pytestmark = [pytest.mark.slow, pytest.mark.faults]
REPOSITORY = Path(__file__).resolve().parents[2]

# Where to die: the object and its function, at which call, and the newest step that must be left.
POINTS = {
    "before anything is written": ("jaxmm.snapshot:write", 1, 2),
    "while arrays are written": ("orbax.checkpoint:StandardCheckpointHandler.finalize", 1, 2),
    "while Orbax commits": ("orbax.checkpoint.path:atomicity.AtomicRenameTemporaryPath.finalize", 2, 2),
    "before the manifest is written": ("jaxmm.snapshot:seal", 1, 2),
    "while files are hashed": ("jaxmm.manifest:_sha256", 5, 2),
    "before the manifest is on the disk": ("jaxmm.manifest:_text", 1, 2),
    "before the step gets its name": ("pathlib:Path.rename", 1, 2),
    "after the step has its name": ("jaxmm.checkpoint:damage", 1, 3),
    "before the old step is moved away": ("pathlib:Path.rename", 2, 3),
    "while the old step is removed": ("os:unlink", 4, 3),
    "before the old step's folder is removed": ("os:rmdir", 1, 3),
}
SCRIPT = """
import functools, importlib, os, signal, sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
import grain, jax, orbax.checkpoint
import jaxmm.checkpoint, jaxmm.manifest

spec = spec_from_file_location("rig", sys.argv[1])
rig = module_from_spec(spec)
spec.loader.exec_module(rig)
run, target, nth = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
module, _, path = target.partition(":")
*owners, name = path.split(".")
owner = functools.reduce(getattr, owners, importlib.import_module(module))
original, calls = getattr(owner, name), []

@functools.wraps(original)
def dying(*args, **settings):
    calls.append(None)
    if len(calls) == nth:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **settings)

with jaxmm.checkpoint.Checkpoints(run) as checkpoints:
    batches = rig.at_step(3)
    setattr(owner, name, dying)
    checkpoints.save(rig.state_at(3), batches, {})
"""


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_save_leaves_a_run_that_goes_on(point, rig, tmp_path):
    target, call, newest = POINTS[point]
    rig.saved(tmp_path, 2)
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).with_name("conftest.py"))]
    done = subprocess.run(
        [*command, str(tmp_path), target, str(call)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Checkpoints(tmp_path) as checkpoints:
        rig.assert_resumes(checkpoints, newest)
        for step in (3, 4):
            checkpoints.save(rig.state_at(step), rig.at_step(step), {})
        rig.assert_resumes(checkpoints, 4)
    assert [entry.name for entry in (tmp_path / "checkpoints").iterdir()] == ["4"]
