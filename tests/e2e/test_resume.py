"""A run that is killed or asked to stop at any moment, and started again, ends in the same state, to the bit."""

import json
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxmm.model import load

REPOSITORY = Path(__file__).resolve().parents[2]
PHASES = ("compiling", "training", "evaluating", "saving")
TIMEOUT = 300


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


def test_killed_run_ends_in_the_same_state(short_run, environment, jaxmm_json, tmp_path):
    assert_resumes_after_a_kill(0, short_run, environment, jaxmm_json, tmp_path / "run")


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(1, 25))
def test_killed_run_ends_in_the_same_state_many_times(seed, short_run, environment, jaxmm_json, tmp_path):
    assert_resumes_after_a_kill(seed, short_run, environment, jaxmm_json, tmp_path / "run")


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(10))
def test_killed_signing_ends_in_the_same_state(seed, short_sign_run, environment, jaxmm_json, tmp_path):
    assert short_sign_run.compiled_again == []
    assert_resumes_after_a_kill(seed, short_sign_run, environment, jaxmm_json, tmp_path / "run")


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(10))
def test_a_killed_alignment_is_as_patient_as_if_it_had_gone_on(
    seed, short_alignment_run, environment, jaxmm_json, tmp_path
):
    assert short_alignment_run.verified["step"] < 12 * 2  # it ended early
    assert_resumes_after_a_kill(seed, short_alignment_run, environment, jaxmm_json, tmp_path / "run")


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(10))
def test_killed_comparing_ends_in_the_same_state_and_memory(
    seed, short_similarity_run, environment, jaxmm_json, tmp_path
):
    run = tmp_path / "run"
    assert_resumes_after_a_kill(seed, short_similarity_run, environment, jaxmm_json, run)
    ours, wanted = (load(own).collections["memory"] for own in (run, short_similarity_run.folder))
    assert wanted["valid"].all()
    jax.tree.map(np.testing.assert_array_equal, ours, wanted)


def num_records(run):
    path = run / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.is_file() else 0


def reached(phase, run, log):
    """Tells whether a run is in, or just before, a phase."""
    if phase == "compiling":
        return "its program is compiled first" in log.read_text()
    if phase == "training":
        return num_records(run) > 0
    if phase == "evaluating":
        return "of val" in log.read_text()
    return (run / "checkpoints/.partial").is_dir() and any((run / "checkpoints/.partial").iterdir())


def stop_in(phase, number, short_run, run, environment, *, after=0.0, words=()):
    """Starts a run, sends it a signal in a phase, and returns its status and what it said."""
    log = run.with_suffix(".log")
    if phase == "compiling":  # without what earlier runs have compiled
        environment = {**environment, "JAX_COMPILATION_CACHE_DIR": str(run.with_suffix(".compiled"))}
    with log.open("w") as stderr:
        process = subprocess.Popen(short_run.command(run, *words), cwd=REPOSITORY, env=environment, stderr=stderr)
        deadline = time.monotonic() + TIMEOUT
        while not reached(phase, run, log) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(after)
        process.send_signal(number)
        status = process.wait(timeout=TIMEOUT)
    return status, log.read_text()


def assert_stops_and_continues(
    phase, number, short_run, environment, jaxmm_json, run, *, after=0.0, words=(), verified=None
):
    status, said = stop_in(phase, number, short_run, run, environment, after=after, words=words)
    if status == 0:  # it ended before the signal came
        pytest.fail(f"the run was over before the signal: {said}")
    assert status == 128 + number, said
    assert "Traceback" not in said
    saved = jaxmm_json("verify", run)["step"]
    assert f"step {saved} is saved; the same command continues from there" in said
    subprocess.run(short_run.command(run, *words), cwd=REPOSITORY, env=environment, check=True, capture_output=True)
    assert jaxmm_json("verify", run) == (verified or short_run.verified)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)


@pytest.mark.faults
def test_a_signal_loses_no_step(short_run, environment, jaxmm_json, tmp_path):
    assert_stops_and_continues("compiling", signal.SIGUSR1, short_run, environment, jaxmm_json, tmp_path / "run")


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("phase", PHASES)
def test_sigterm_at_random_moments_of_a_phase(phase, seed, short_run, environment, jaxmm_json, tmp_path):
    after = random.Random(seed).uniform(0, 0.4)
    run = tmp_path / "run"
    assert_stops_and_continues(phase, signal.SIGTERM, short_run, environment, jaxmm_json, run, after=after)


@pytest.mark.faults
def test_pmap_continues_to_the_bit_and_is_evaluated(short_run, environment, jaxmm_json, tmp_path):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    environment, mode = {**environment, "XLA_FLAGS": flags}, ("--devices.mode", "pmap")
    whole, run = tmp_path / "whole", tmp_path / "stopped"
    subprocess.run(short_run.command(whole, *mode), cwd=REPOSITORY, env=environment, check=True, capture_output=True)
    verified = jaxmm_json("verify", whole)
    assert verified["step"] == short_run.verified["step"]
    assert_stops_and_continues(
        "training", signal.SIGTERM, short_run, environment, jaxmm_json, run, words=mode, verified=verified
    )
    ours, theirs = jaxmm_json("evaluate", run, "--split", "val"), jaxmm_json("evaluate", whole, "--split", "val")
    assert ours == theirs
    assert train_loss(whole).keys() == train_loss(short_run.folder).keys()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start_two(short_run, run, environment, logs):
    """Starts both processes of a run, which meet over loopback."""
    address = f"127.0.0.1:{free_port()}"
    processes = []
    for place, log in enumerate(logs):
        cluster = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": str(place)}
        with log.open("w") as stderr:
            words = short_run.command(run, "--distributed")
            processes.append(subprocess.Popen(words, cwd=REPOSITORY, env={**environment, **cluster}, stderr=stderr))
    return processes


def train_loss(run):
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {record["step"]: record["train/loss"] for record in records if "train/loss" in record}


@pytest.mark.faults
def test_two_processes_asked_through_one_save_the_same_step_and_train_as_one_does(
    short_run, environment, jaxmm_json, tmp_path
):
    run, logs = tmp_path / "run", (tmp_path / "first.log", tmp_path / "second.log")
    environment = {**environment, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    processes = start_two(short_run, run, environment, logs)
    deadline = time.monotonic() + TIMEOUT
    while num_records(run) == 0 and all(p.poll() is None for p in processes) and time.monotonic() < deadline:
        time.sleep(0.01)
    processes[1].send_signal(signal.SIGTERM)
    statuses = [process.wait(timeout=TIMEOUT) for process in processes]
    said = [log.read_text() for log in logs]
    assert statuses == [143, 143], said
    saved = jaxmm_json("verify", run)["step"]
    assert all(f"step {saved} is saved" in own for own in said)
    assert [process.wait(timeout=TIMEOUT) for process in start_two(short_run, run, environment, logs)] == [0, 0], [
        log.read_text() for log in logs
    ]
    verified = jaxmm_json("verify", run)
    assert verified["ok"]
    assert verified["step"] == short_run.verified["step"]
    ours, theirs = train_loss(run), train_loss(short_run.folder)
    assert ours.keys() == theirs.keys()
    first = min(ours)
    assert ours[first] == pytest.approx(theirs[first], rel=1e-4)
