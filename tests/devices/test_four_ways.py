"""One device, eight, pmap and two processes make the same updates, each as a program of its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .example import SYSTEMS, assert_close

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.faults  # four programs are compiled for each system, which takes minutes
WAYS = {"one device": ("jit", 1), "eight devices": ("jit", 8), "pmap": ("pmap", 8)}


def start(system, out, mode, num_devices, *words, **variables):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(REPOSITORY), **variables}
    command = [sys.executable, "-m", "tests.devices.some_updates", system, str(out), mode, str(num_devices), *words]
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


@pytest.fixture(scope="module", params=SYSTEMS)
def updates(request, tmp_path_factory):
    system, folder = request.param, tmp_path_factory.mktemp(request.param)
    said = {name: finish(start(system, folder / f"{name}.npz", *way)) for name, way in WAYS.items()}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    cluster = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    name = "two processes"
    way = (system, folder / f"{name}.npz", "jit", 4, "--distributed")
    said[name] = finish(*(start(*way, JAX_PROCESS_ID=str(n), **cluster) for n in range(2)))
    return said, {name: dict(np.load(folder / f"{name}.npz")) for name in said}


@pytest.mark.parametrize("way", ["eight devices", "pmap", "two processes"])
def test_losses_gradients_and_the_state_after_them_are_those_of_one_device(way, updates):
    said, found = updates
    assert f"8 devices of {2 if way == 'two processes' else 1} processes" in said[way]
    one, ours = found["one device"], found[way]
    apart: dict[str, float] = {}
    for name, expected in one.items():
        kind = name if name.endswith("/loss") else name.split("/")[0]
        distance = np.abs(ours[name] - expected).max() / max(1.0, np.abs(expected).max())
        apart[kind] = max(apart.get(kind, 0.0), float(distance))
    print(f"{way}:", ", ".join(f"{kind} {value:.1e}" for kind, value in apart.items()))
    assert_close(ours, one)


def test_every_parameter_is_compared_after_it_has_had_a_gradient(updates):
    one = updates[1]["one device"]
    moments = {name for name in one if name.startswith("optimizer_2/") and "/mu/" in name}
    assert len(moments) > 20
    # Real and generated clips pull this one equally hard to both sides while no score is beyond the hinges.
    assert all(name.endswith("critic/out/bias") for name in moments if not np.abs(one[name]).max())
