"""Hostile files are refused quickly, cheaply and without running anything of theirs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .attacks import ATTACKS

MOST_SECONDS, MOST_MIB = 2.0, 256


@pytest.fixture(scope="module")
def results():
    """What each attack did, as measured in processes of their own, without the shape checks of the tests."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "TOKENIZERS_PARALLELISM": "false"}
    if (others := os.environ.get("PYTHONPATH")) is not None:
        environment["PYTHONPATH"] += os.pathsep + others
    command = [sys.executable, "-m", "tests.unit.data.run_attacks"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.faults
@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_files_are_refused_cheaply(results, name):
    found = results[name]
    assert found["outcome"].startswith(("refused: ", "read"))
    assert not found["executed"]
    assert found["seconds"] < MOST_SECONDS
    assert found["mib"] < MOST_MIB
