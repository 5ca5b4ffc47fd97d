"""A staged run that is killed in any stage, or between two, ends in the same state when it is started again."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxmm.experiment import read_config
from jaxmm.run import verify

pytestmark = [pytest.mark.slow, pytest.mark.faults]
REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = "configs/clip_har/stages.py"
TIMEOUT = 900


def command(run):
    return [sys.executable, "-m", "jaxmm", "train", CONFIG, "--loop.log_every", "1", "--workdir", str(run)]


def finish(run):
    done = subprocess.run(command(run), cwd=REPOSITORY, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return verify(run)


def steps_of(run):
    """The steps of the records that a run has written, as far as they are whole."""
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line)["step"] for line in lines if line.endswith("\n")]


def wait(process, reached):
    deadline = time.monotonic() + TIMEOUT
    while not reached() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What `verify` says of a run that nobody disturbs, and the steps at which its stages end."""
    verified = finish(tmp_path_factory.mktemp("whole") / "run")
    loop = read_config(REPOSITORY / CONFIG).loop
    ends = loop.horizon(steps_per_epoch=verified["step"] // loop.epochs).lengths
    return verified, [sum(ends[: stage + 1]) * verified["step"] // loop.epochs for stage in range(len(ends))]


@pytest.mark.parametrize("seed", range(10))
def test_a_run_killed_in_any_stage_or_between_two_ends_in_the_same_state(seed, whole, tmp_path):
    verified, ends = whole
    rng, run = random.Random(seed), tmp_path / "run"
    stage, inside = seed % 3, seed < 6
    first, last = [0, *ends][stage], ends[stage]
    with subprocess.Popen(command(run), cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
        if inside:
            step = rng.randrange(first + 1, last)
            wait(process, lambda: max(steps_of(run), default=0) >= step)
        else:  # in the save at its end, or in what the next stage begins with
            wait(process, lambda: max(steps_of(run), default=0) >= last)
            time.sleep(rng.uniform(0, 1.5))
        process.kill()
    if inside:
        assert process.returncode == -signal.SIGKILL
    assert finish(run) == verified
    steps = steps_of(run)
    assert steps == sorted(steps)
    assert steps[-1] == verified["step"]
