"""Sizes and latencies of what runs export: JAX as it trains, the StableHLO file, and the ONNX file in ONNX Runtime.

Each program answers one example and then a batch; a latency is the fastest call of several seconds, in milliseconds,
inputs and outputs as NumPy arrays. The largest difference from JAX stands beside. All three use the cores that the
environment lets them; `taskset` and `OMP_NUM_THREADS` narrow it.

Usage: python scripts/bench_export.py RUN [RUN ...] [--batch 32] [--length 60] [--seconds 3]
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from jaxmm import load
from jaxmm.artefact import load as load_artefact
from jaxmm.export import export, parts_of
from jaxmm.export.onnx_model import compare, random_inputs
from jaxmm.train.step import compile_eval, make_mesh, place_model, place_whole

KINDS = ("stablehlo", "onnx")


def fastest(call, seconds: float) -> float:
    """Returns the milliseconds of the fastest call, after two to warm up."""
    call(), call()
    times, until = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < until:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def rows(run: Path, options: argparse.Namespace):
    """Yields a row of the table for each part of a run and each size."""
    model, mesh = load(run), make_mesh()
    placed = place_model(model.params, model.collections, mesh)
    for name, part in parts_of(model).items():
        function = compile_eval(part.function, mesh, precision=model.experiment.task.numerics.matmul_precision)
        with tempfile.TemporaryDirectory() as folder:
            files = [export(model, kind, part=name, out=Path(folder) / f"part.{kind}") for kind in KINDS]
            mib = [path.stat().st_size / 2**20 for path in files]
            written = [load_artefact(path) for path in files]
        programs = [
            partial(jax_answer, function, placed, mesh),
            *(lambda inputs, own=own: own(**inputs) for own in written),
        ]
        about = written[0].metadata
        for batch in (1, options.batch):
            sizes = {axis: min(options.length, most or options.length) for axis, (_, most) in about.sizes.items()}
            inputs = random_inputs(about, {**sizes, "batch": batch}, np.random.default_rng(0))
            expected = programs[0](inputs)
            differences = [max(compare(program(inputs), expected).values()) for program in programs[1:]]
            latencies = [fastest(partial(program, inputs), options.seconds) for program in programs]
            yield [
                f"{run.name}/{name}",
                str(batch),
                *(f"{own:.2f}" for own in mib),
                *(f"{own:.2f}" for own in latencies),
                *(f"{own:.0e}" for own in differences),
            ]


def jax_answer(function, placed, mesh, inputs):
    return jax.device_get(function(*placed, place_whole(inputs, mesh)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=60, help="Frames, or tokens, of an example.")
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    table = Table(box=None)
    columns = (
        "part",
        "batch",
        "MiB stablehlo",
        "MiB onnx",
        "ms jax",
        "ms stablehlo",
        "ms onnx",
        "diff stablehlo",
        "diff onnx",
    )
    for column in columns:
        table.add_column(column)
    for run in options.runs:
        for row in rows(run, options):
            table.add_row(*row)
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
