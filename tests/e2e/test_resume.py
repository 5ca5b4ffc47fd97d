"""A run that is killed at any moment and started again ends in the same state, to the bit."""

import json
import random
import subprocess
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_second_start_compiles_nothing(short_run):
    assert short_run.compiled_again == []
    assert short_run.found_compiled


def assert_resumes_after_a_kill(seed, short_run, environment, jaxmm_json, run):
    process = subprocess.Popen(short_run.command(run), cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL)
    # From the middle of the imports to just before the end.
    time.sleep(random.Random(seed).uniform(0.2, 0.95) * short_run.seconds)
    process.kill()
    process.wait()
    subprocess.run(short_run.command(run), cwd=REPOSITORY, env=environment, check=True, capture_output=True)
    assert jaxmm_json("verify", run) == short_run.verified
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)
    assert steps[-1] == short_run.verified["step"]


@pytest.mark.parametrize("seed", range(5))
def test_killed_run_ends_in_the_same_state(seed, short_run, environment, jaxmm_json, tmp_path):
    assert_resumes_after_a_kill(seed, short_run, environment, jaxmm_json, tmp_path / "run")


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(5, 25))
def test_killed_run_ends_in_the_same_state_many_times(seed, short_run, environment, jaxmm_json, tmp_path):
    assert_resumes_after_a_kill(seed, short_run, environment, jaxmm_json, tmp_path / "run")
