"""A traced program as an ONNX model, and the comparison of that model with JAX before it is kept."""

from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from jax.interpreters.partial_eval import dce_jaxpr

from jaxmm.artefact import Metadata, onnx_file
from jaxmm.errors import ArtefactError
from jaxmm.export.onnx_graph import Graph
from jaxmm.export.onnx_walk import add_equations
from jaxmm.export.program import Program
from jaxmm.typing import Batch

TOLERANCE = 1e-4
"""Largest difference from JAX: of numbers absolute, of masks the share that differs."""

_LENGTHS = ((2, 9), (1, 24), (3, 5))  # of the batch, and of any other axis


def convert(program: Program, metadata: Metadata) -> bytes:
    """Returns a program as an ONNX file, in which axes that vary are named.

    Args:
        program: A traced part.
        metadata: What the file says of itself.

    Raises:
        ArtefactError: If it has a primitive that is not known here.
        MissingExtraError: If the extra `onnx` is not installed.
    """
    shapes = {name: jax.ShapeDtypeStruct(own.shape, own.dtype) for name, own in program.parameters.items()}
    closed = jax.make_jaxpr(program.function)(shapes, program.inputs)
    jaxpr, _ = dce_jaxpr(closed.jaxpr, True, instantiate=True)
    graph = Graph()
    declared = [graph.tensor(own.name, own.dtype, own.shape) for own in metadata.inputs]
    for tensor in metadata.inputs:
        graph.name_sizes(tensor.name, tensor.shape)
    parameters = [graph.constant(program.parameters[path], name=path) for path in sorted(program.parameters)]
    made = add_equations(graph, jaxpr, closed.consts, [*parameters, *sorted(program.inputs)])
    names = sorted(own.name for own in metadata.outputs)  # as a dictionary's leaves are
    for name, value in zip(names, made, strict=True):
        graph.add("Identity", value, output=name)
    given = [graph.tensor(own.name, own.dtype, own.shape) for own in metadata.outputs]
    return graph.model(graph.finish(metadata.part, declared, given), {onnx_file.PROPERTY: metadata.as_json()})


def verify(path: Path, program: Program, metadata: Metadata) -> None:
    """Runs a file in ONNX Runtime and the program in JAX on random inputs of several sizes.

    Raises:
        ArtefactError: If they differ by more than `TOLERANCE`.
    """
    ours, theirs = jax.jit(program.function), onnx_file.make_program(path.read_bytes(), metadata)
    for seed, (batch, length) in enumerate(_LENGTHS):
        sizes = {axis: _within(batch if axis == "batch" else length, *ends) for axis, ends in metadata.sizes.items()}
        inputs = random_inputs(metadata, sizes, np.random.default_rng(seed))
        differences = compare(theirs(inputs), jax.device_get(ours(program.parameters, inputs)))
        for name, difference in differences.items():
            if not difference <= TOLERANCE:
                at = ", ".join(f"{axis} {own}" for axis, own in sizes.items())
                raise ArtefactError(
                    f"ONNX Runtime gives {name} that differs from JAX by {difference:.3g} at {at}, more than "
                    f"{TOLERANCE:g}; nothing was written, export --format stablehlo instead"
                )


def compare(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns the largest difference of each output; of masks, the share that differs.

    Example:
        >>> compare({"mask": np.array([True, False])}, {"mask": np.array([True, True])})
        {'mask': 0.5}
    """
    return {
        name: np.inf
        if found[name].shape != np.shape(wanted)
        else float(np.mean(found[name] != wanted))
        if np.asarray(wanted).dtype == np.bool_
        else float(np.abs(found[name] - wanted).max(initial=0))
        for name, wanted in expected.items()
    }


def random_inputs(metadata: Metadata, sizes: Mapping[str, int], rng: np.random.Generator) -> Batch:
    """Draws inputs of given sizes: normal numbers, places within their range, and masks of random lengths.

    Example:
        >>> from jaxmm.artefact import Tensor
        >>> mask = Tensor(name="mask", dtype="bool", shape=("batch", "time"), meaning="valid frames")
        >>> about = Metadata(task="", part="", digest="", step=0, version="", inputs=(mask,),
        ...                  sizes={"batch": (1, None), "time": (1, None)})
        >>> random_inputs(about, {"batch": 2, "time": 3}, np.random.default_rng(0))["mask"].tolist()
        [[True, True, True], [True, True, False]]
    """
    drawn = {}
    for tensor in metadata.inputs:
        shape = [sizes[axis] if isinstance(axis, str) else axis for axis in tensor.shape]
        if tensor.dtype == "bool":
            lengths = rng.integers(1, shape[-1] + 1, (*shape[:-1], 1))
            drawn[tensor.name] = np.arange(shape[-1]) < lengths
        elif tensor.dtype == "int32":
            drawn[tensor.name] = rng.integers(0, tensor.below or 2, shape, np.int32)
        elif tensor.dtype == "uint8":
            drawn[tensor.name] = rng.integers(0, tensor.below or 256, shape, np.uint8)
        else:
            drawn[tensor.name] = rng.normal(size=shape).astype(np.float32)
    return drawn


def _within(length: int, least: int, most: int | None) -> int:
    return max(least, length if most is None else min(length, most))
