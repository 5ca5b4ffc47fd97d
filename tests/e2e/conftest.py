"""What the end-to-end tests share: the command line as a user runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of its own, so that nothing from outside decides a test."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def environment(cache: Path) -> dict[str, str]:
    """The environment that commands run in."""
    return {**os.environ, "JAXMM_CACHE": str(cache), "COLUMNS": "120"}


@pytest.fixture(scope="session")
def jaxmm(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `jaxmm ...` in the repository; an unexpected status fails with the command's own words."""

    def run(*words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jaxmm", *map(str, words)]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=900)
        assert done.returncode == status, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def jaxmm_json(jaxmm: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., dict]:
    """Runs a command with --json and returns the one object that it must print."""
    return lambda *words, status=0: json.loads(jaxmm(*words, "--json", status=status).stdout)
