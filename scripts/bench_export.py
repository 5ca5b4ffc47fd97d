"""Sizes and latencies of what systems export: JAX as it trains, the StableHLO file, and the ONNX file in ONNX Runtime.

Systems have the sizes of their configs and random parameters; `clip_har_small` is the tiny one, and `clip_har_lite0`
has EfficientNet-Lite0 in place of CLIP's tower. Each part answers one example and then a batch. The three programs take
turns round after round, so that what else the machine does meets all of them; in a turn each is called for a while, and
its fastest call counts. A latency is the median over rounds, with the smallest and the largest, in milliseconds, inputs
and outputs as NumPy arrays; the largest difference from JAX stands beside. Files are in MiB. All three use the cores
that the environment lets them; `taskset` and `OMP_NUM_THREADS` narrow it.

It prints a table in Markdown, and what machine it is of. It needs the extra `onnx`.

Usage: python scripts/bench_export.py [--rounds 5] [--seconds 1] [--only dance_text clip_har ...]
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from bench.exported import CASES, Case, untrained
from safetensors.numpy import load_file

from jaxmm.artefact import load as load_artefact
from jaxmm.export import Part, export, parts_of
from jaxmm.export.onnx_model import compare, random_inputs
from jaxmm.model import Model
from jaxmm.train.step import compile_eval, make_mesh, place_model, place_whole

KINDS = ("stablehlo", "onnx", "safetensors")
COLUMNS = (
    "part",
    "batch x time",
    "parameters",
    *(f"MiB {kind}" for kind in KINDS),
    "ms JAX",
    "ms StableHLO",
    "ms ONNX Runtime",
    "diff StableHLO",
    "diff ONNX Runtime",
)

Call = Callable[[], object]


def rows(name: str, case: Case, options: argparse.Namespace) -> Iterator[list[str]]:
    """Yields the rows of a system: of each part, one example and a batch."""
    with tempfile.TemporaryDirectory() as folder:
        model = untrained(case, Path(folder))
        for part in parts_of(model).values():
            yield from rows_of_part(f"{name}/{part.name}", case, model, part, options)


def rows_of_part(name: str, case: Case, model: Model, part: Part, options: argparse.Namespace) -> Iterator[list[str]]:
    files = [export(model, kind, part=part.name, out=model.run / f"{part.name}.{kind}") for kind in KINDS]
    num_parameters = sum(array.size for array in load_file(files[-1]).values())
    written = [load_artefact(path) for path in files[:-1]]
    answers = [jax_answer(model, part), *(lambda inputs, own=own: own(**inputs) for own in written)]
    about = written[0].metadata
    for batch in (1, case.batch):
        sizes = {axis: batch if axis == "batch" else case.length for axis in about.sizes}
        inputs = random_inputs(about, sizes, np.random.default_rng(0))
        expected, *found = (answer(inputs) for answer in answers)
        taken = interleaved([partial(answer, inputs) for answer in answers], options)
        yield [
            name,
            f"{batch} x {case.length}",
            f"{num_parameters:,}",
            *(f"{path.stat().st_size / 2**20:.2f}" for path in files),
            *(f"{_short(statistics.median(own))} ({_short(min(own))}-{_short(max(own))})" for own in taken),
            *(f"{max(compare(own, expected).values()):.0e}" for own in found),
        ]


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def jax_answer(model: Model, part: Part) -> Callable[..., object]:
    """Returns the part as training and evaluation compute it, its parameters on the device."""
    mesh = make_mesh()
    placed = place_model(model.params, model.collections, mesh)
    function = compile_eval(part.function, mesh, precision=model.experiment.task.numerics.matmul_precision)
    return lambda inputs: jax.device_get(function(*placed, place_whole(inputs, mesh)))


def interleaved(calls: list[Call], options: argparse.Namespace) -> list[list[float]]:
    """Returns the milliseconds of each call, by round."""
    rounds = [[fastest(call, options.seconds) for call in calls] for _ in range(options.rounds)]
    return [list(own) for own in zip(*rounds, strict=True)]


def fastest(call: Call, seconds: float) -> float:
    """Returns the milliseconds of the fastest call, after one to warm up."""
    call()
    times, until = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < until:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def machine() -> str:
    """Says what the figures are of."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("jax", "jaxlib", "onnxruntime"))
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores ({platform.machine()}), {jax.default_backend()}, Python {platform.python_version()}, {versions}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="Time of a program in a round.")
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    options = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS), sep="\n", flush=True)
    for name in options.only:
        for row in rows(name, CASES[name], options):
            print("| " + " | ".join(row) + " |", flush=True)
    print(f"\n{machine()}; median of {options.rounds} rounds (smallest-largest).")


if __name__ == "__main__":
    main()
