"""What the end-to-end tests share: the command line as a user runs it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from .browser import CHROMIUM, Browser
from .commands import Commands

REPOSITORY = Path(__file__).resolve().parents[2]
# Four passes of a few steps over short clips, whose programs compile fast.
FOUR_PASSES = ("--loop.epochs", "4", "--loop.save_every", "1", "--loop.evaluate_every", "2")
DANCE = ("configs/dance_text/tiny.py", *FOUR_PASSES, "--data.source.takes", "1", "--data.num_frames", "8")
SIGNS = (
    *("configs/text2sign/tiny.py", *FOUR_PASSES, "--data.source.takes", "1", "--data.source.num_held_out", "12"),
    *("--data.fps", "3", "--data.max_frames", "16", "--task.generator.max_frames", "16"),
    *("--task.generator.num_layers", "1", "--task.objective.adversarial_from", "1"),
)
ALIGNMENT = (
    *("configs/semantic_alignment/tiny.py", "--loop.epochs", "12", "--loop.patience", "3"),
    # So fast that it soon becomes no better, and stops early.
    *("--task.optimizer.lr", "0.1", "--data.source.num_train", "8", "--data.source.num_val", "2"),
)
# A memory that is full, and goes round, after a pass.
SIMILARITY = (
    *("configs/video_similarity/tiny.py", *FOUR_PASSES, "--task.memory", "40"),
    *("--data.source.num_train", "8", "--data.source.num_val", "2", "--data.frames_per_clip", "2"),
    *("--task.frames.backbone.num_layers", "1", "--task.optimizer.warmup_steps", "2"),
)


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment that commands run in; all of them compile a program once, into the cache of the tests."""
    return {**os.environ, "COLUMNS": "120"}


@pytest.fixture(scope="session")
def jaxmm(environment, tmp_path_factory) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs `jaxmm ...` in the repository; an unexpected status fails with the command's own words."""
    commands = Commands(environment, REPOSITORY)

    def run(*words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = commands.run([*map(str, words)], tmp_path_factory.mktemp("output"))
        assert done.returncode == status, f"jaxmm {' '.join(done.args)}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    yield run
    commands.close()


@pytest.fixture(scope="session")
def jaxmm_json(jaxmm: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., dict]:
    """Runs a command with --json and returns the one object that it must print."""
    return lambda *words, status=0: json.loads(jaxmm(*words, "--json", status=status).stdout)


@pytest.fixture(scope="session")
def goes_on_and_leaves(jaxmm, jaxmm_json, tmp_path_factory) -> Callable[..., None]:
    """Returns the check that a run which lost its last checkpoint ends in the same state, and is exported.

    Takes the folder of a run, in which it has two checkpoints or more, the words that trained it, and the name of the
    part that is exported.
    """

    def check(run: Path, *words: str, part: str) -> None:
        again = tmp_path_factory.mktemp("again") / run.name
        shutil.copytree(run, again)
        *before, last = sorted((again / "checkpoints").iterdir(), key=lambda folder: int(folder.name))
        assert before
        shutil.rmtree(last)
        jaxmm("train", *words, "--workdir", again)
        assert jaxmm_json("verify", again) == jaxmm_json("verify", run)
        exported = again / f"{part}.stablehlo"
        jaxmm("export", again, "--format", "stablehlo", "--part", part, "--out", exported)
        assert jaxmm_json("run", exported, "--describe")["part"] == part

    return check


class ShortRun:
    """A run of a few steps that nobody disturbs, and the command that makes another.

    Attributes:
        words: Config and flags of the run.
        folder: The run.
        verified: What `jaxmm verify` says of it.
        seconds: How long it takes once everything is compiled.
        compiled_again: The programs that a second start compiled.
        found_compiled: The programs that a second start found in the cache.
    """

    def __init__(
        self, words: Sequence[str], folder: Path, environment: dict[str, str], jaxmm_json: Callable[..., dict]
    ) -> None:
        self.words = words
        self.folder, again = folder / "first", folder / "second"
        self._train(self.folder, environment)
        started = time.monotonic()
        log = self._train(again, {**environment, "JAX_DEBUG_LOG_MODULES": "jax._src.compiler"}).splitlines()
        self.seconds = time.monotonic() - started
        self.compiled_again = [line for line in log if "CACHE MISS" in line]
        self.found_compiled = [line for line in log if "cache hit" in line]
        self.verified = jaxmm_json("verify", self.folder)
        assert self.verified == jaxmm_json("verify", again)

    def _train(self, folder: Path, environment: dict[str, str]) -> str:
        command = self.command(folder)
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True)
        return done.stderr

    def command(self, workdir: Path, *words: str) -> list[str]:
        return [sys.executable, "-m", "jaxmm", "train", *self.words, "--workdir", str(workdir), *words]


@pytest.fixture(scope="session")
def short_run(environment, jaxmm_json, tmp_path_factory) -> ShortRun:
    """A short run of the tiny config that learns to retrieve."""
    return ShortRun(DANCE, tmp_path_factory.mktemp("short"), environment, jaxmm_json)


@pytest.fixture(scope="session")
def short_sign_run(environment, jaxmm_json, tmp_path_factory) -> ShortRun:
    """A short run of the tiny config that learns to sign."""
    return ShortRun(SIGNS, tmp_path_factory.mktemp("short_signs"), environment, jaxmm_json)


@pytest.fixture(scope="session")
def short_alignment_run(environment, jaxmm_json, tmp_path_factory) -> ShortRun:
    """A run of the tiny config that aligns videos, which ends early."""
    return ShortRun(ALIGNMENT, tmp_path_factory.mktemp("short_alignments"), environment, jaxmm_json)


@pytest.fixture(scope="session")
def short_similarity_run(environment, jaxmm_json, tmp_path_factory) -> ShortRun:
    """A short run of the tiny config that compares videos, with those of earlier batches too."""
    return ShortRun(SIMILARITY, tmp_path_factory.mktemp("short_similarity"), environment, jaxmm_json)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    """A headless browser; the test skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("needs a chromium browser on the PATH")
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()
