"""One device, eight, pmap and two processes make the same update, each as a program of its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .example import TOLERANCE

PROGRAM = Path(__file__).with_name("one_update.py")
WAYS = {"one device": ("jit", 1), "eight devices": ("jit", 8), "pmap": ("pmap", 8)}


def start(out, mode, num_devices, *words, **variables):
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": root, **variables}
    command = [sys.executable, str(PROGRAM), str(out), mode, str(num_devices), *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    said, complaint = process.communicate(timeout=300)
    assert process.returncode == 0, complaint[-2000:]
    return said


@pytest.fixture(scope="module")
def updates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("updates")
    said = {}
    for name, (mode, num_devices) in WAYS.items():
        said[name] = finish(start(folder / f"{name}.npz", mode, num_devices))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    cluster = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    name = "two processes"
    pair = [
        start(folder / f"{name}.npz", "jit", 4, "--distributed", JAX_PROCESS_ID=str(place), **cluster)
        for place in range(2)
    ]
    said[name], _ = [finish(process) for process in pair]
    return said, {name: dict(np.load(folder / f"{name}.npz")) for name in said}


@pytest.mark.parametrize("way", ["eight devices", "pmap", "two processes"])
def test_the_loss_and_every_gradient_are_those_of_one_device(way, updates):
    said, found = updates
    assert f"8 devices of {2 if way == 'two processes' else 1} processes" in said[way]
    one, ours = found["one device"], found[way]
    assert ours.keys() == one.keys()
    assert len(one) > 20
    apart = {name: float(np.abs(ours[name] - one[name]).max()) for name in one}
    units = {name: apart[name] / max(1.0, float(np.abs(one[name]).max())) for name in one}
    print(f"{way}: loss {apart.pop('loss'):.1e}, gradients {max(apart.values()):.1e}, scaled {max(units.values()):.1e}")
    assert max(units.values()) <= TOLERANCE
