"""A run that is killed at any moment and started again ends in the same state, to the bit."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHORT = ("--loop.epochs", "8", "--loop.save_every", "1", "--loop.evaluate_every", "4", "--data.source.takes", "1")


def command(workdir: Path) -> list[str]:
    return [sys.executable, "-m", "jaxmm", "train", "configs/dance_text/tiny.py", "--workdir", str(workdir), *SHORT]


@pytest.fixture(scope="module")
def uninterrupted(environment, jaxmm_json, tmp_path_factory) -> tuple[dict, float]:
    """The digest of a run that nobody disturbs, and how long it takes once everything is compiled."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    for name in ("first", "second"):
        started = time.monotonic()
        subprocess.run(command(folder / name), cwd=REPOSITORY, env=environment, check=True, capture_output=True)
        seconds = time.monotonic() - started
    verified = jaxmm_json("verify", folder / "first")
    assert verified == jaxmm_json("verify", folder / "second")
    return verified, seconds


@pytest.mark.parametrize("seed", range(5))
def test_killed_run_ends_in_the_same_state(seed, uninterrupted, environment, jaxmm_json, tmp_path):
    expected, seconds = uninterrupted
    process = subprocess.Popen(command(tmp_path / "run"), cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL)
    # From the middle of the imports to just before the end.
    time.sleep(random.Random(seed).uniform(0.3, 0.95) * seconds)
    process.kill()
    process.wait()
    subprocess.run(command(tmp_path / "run"), cwd=REPOSITORY, env=environment, check=True, capture_output=True)
    assert jaxmm_json("verify", tmp_path / "run") == expected
    steps = [json.loads(line)["step"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)
    assert steps[-1] == expected["step"]
