"""One device, eight, pmap and two processes make the same update, each as a program of its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .example import assert_close

REPOSITORY = Path(__file__).parents[2]
WAYS = {"one device": ("jit", 1), "eight devices": ("jit", 8), "pmap": ("pmap", 8)}


def start(out, mode, num_devices, *words, **variables):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(REPOSITORY), **variables}
    command = [sys.executable, "-m", "tests.devices.one_update", str(out), mode, str(num_devices), *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(*processes):
    """Waits for programs that may wait for each other, and returns what the first one said."""
    try:
        said = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return said[0][0]


@pytest.fixture(scope="module")
def updates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("updates")
    said = {name: finish(start(folder / f"{name}.npz", *way)) for name, way in WAYS.items()}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    cluster = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    name = "two processes"
    out = folder / f"{name}.npz"
    said[name] = finish(*(start(out, "jit", 4, "--distributed", JAX_PROCESS_ID=str(n), **cluster) for n in range(2)))
    return said, {name: dict(np.load(folder / f"{name}.npz")) for name in said}


@pytest.mark.parametrize("way", ["eight devices", "pmap", "two processes"])
def test_the_loss_and_every_gradient_are_those_of_one_device(way, updates):
    said, found = updates
    assert f"8 devices of {2 if way == 'two processes' else 1} processes" in said[way]
    one, ours = found["one device"], found[way]
    assert len(one) > 20
    apart = {name: np.abs(ours[name] - one[name]).max() for name in one}
    print(f"{way}: loss {apart.pop('loss'):.1e} apart, gradients {np.max(list(apart.values())):.1e}")
    assert_close(ours, one)
