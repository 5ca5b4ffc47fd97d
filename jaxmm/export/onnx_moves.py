"""Primitives of JAX that make no number of numbers, as nodes of ONNX: they count places, move elements, and cut out."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from jaxmm.errors import ArtefactError
from jaxmm.export.onnx_graph import Graph
from jaxmm.typing import Length

Rule: TypeAlias = Callable[[Graph, Any, list[str]], str]
"""Adds the nodes of an equation, whose inputs have these names, and returns the name of its output."""

WIDE_BOOLEANS = np.int32
"""What masks become where ONNX has an operator for numbers alone."""


def aval(equation: Any, place: int = 0) -> Any:
    """Returns the shape and type of an input of an equation."""
    return equation.invars[place].aval


def out(equation: Any) -> Any:
    """Returns the shape and type of its output."""
    return equation.outvars[0].aval


def arranged(graph: Graph, value: str, axes: list[int]) -> str:
    """Returns a value with its axes in another order."""
    return value if axes == sorted(axes) else graph.add("Transpose", value, perm=axes)


def _iota(graph: Graph, equation: Any, inputs: list[str]) -> str:
    shape, axis = equation.params["shape"], equation.params["dimension"]
    scalar = graph.add("Squeeze", graph.length(shape[axis]), graph.constant([0], np.int64))
    counted = graph.add("Range", graph.constant(0, np.int64), scalar, graph.constant(1, np.int64))
    counted = graph.cast(counted, equation.params["dtype"])
    if len(shape) == 1:
        return counted
    beside = [-1 if place == axis else 1 for place in range(len(shape))]
    placed = graph.add("Reshape", counted, graph.constant(beside, np.int64))
    return graph.add("Expand", placed, graph.integers(shape))


def _dim_as_value(graph: Graph, equation: Any, inputs: list[str]) -> str:
    scalar = graph.add("Squeeze", graph.length(equation.params["dim"]), graph.constant([0], np.int64))
    return graph.cast(scalar, out(equation).dtype)


def _reshape(graph: Graph, equation: Any, inputs: list[str]) -> str:
    return graph.add("Reshape", inputs[0], _target(graph, out(equation).shape))


def _target(graph: Graph, shape: tuple[Length, ...]) -> str:
    """Returns the shape to reshape to; a single length that varies need not be computed."""
    varying = [place for place, length in enumerate(shape) if not isinstance(length, int)]
    if len(varying) == 1 and 0 not in shape:
        return graph.constant([-1 if place in varying else length for place, length in enumerate(shape)], np.int64)
    return graph.integers(shape)


def _transpose(graph: Graph, equation: Any, inputs: list[str]) -> str:
    return graph.add("Transpose", inputs[0], perm=list(equation.params["permutation"]))


def _concatenate(graph: Graph, equation: Any, inputs: list[str]) -> str:
    return graph.add("Concat", *inputs, axis=equation.params["dimension"])


def _stack(graph: Graph, equation: Any, inputs: list[str]) -> str:
    axis = graph.constant([equation.params["axis"]], np.int64)
    return graph.add("Concat", *(graph.add("Unsqueeze", own, axis) for own in inputs), axis=equation.params["axis"])


def _pad(graph: Graph, equation: Any, inputs: list[str]) -> str:
    before, after, between = zip(*equation.params["padding_config"], strict=True)
    if any(between):
        raise ArtefactError("padding between elements cannot be written as ONNX")
    value, filler = inputs
    dtype = aval(equation).dtype
    if dtype == np.bool_:
        value, filler = graph.cast(value, WIDE_BOOLEANS), graph.cast(filler, WIDE_BOOLEANS)
    padded = graph.add("Pad", value, graph.integers([*before, *after]), filler)
    return graph.cast(padded, dtype) if dtype == np.bool_ else padded


def _slice(graph: Graph, equation: Any, inputs: list[str]) -> str:
    starts, ends = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(starts)
    changed = [
        axis
        for axis, (start, end, step) in enumerate(zip(starts, ends, steps, strict=True))
        if not (isinstance(start, int) and start == 0 and step == 1 and str(end) == str(aval(equation).shape[axis]))
    ]
    if not changed:
        return inputs[0]
    of_changed = ([values[axis] for axis in changed] for values in (starts, ends))
    axes, steps = (graph.constant(values, np.int64) for values in (changed, [steps[axis] for axis in changed]))
    return graph.add("Slice", inputs[0], *map(graph.integers, of_changed), axes, steps)


def _dynamic_slice(graph: Graph, equation: Any, inputs: list[str]) -> str:
    starts = [graph.add("Reshape", own, graph.constant([1], np.int64)) for own in inputs[1:]]
    start = graph.cast(graph.add("Concat", *starts, axis=0), np.int64)
    return _cut(graph, equation, inputs[0], start, range(len(starts)))


def _cut(graph: Graph, equation: Any, value: str, start: str, axes: Iterable[int]) -> str:
    """Cuts out what begins at a vector of places along some axes, and has the slice sizes of the equation."""
    sizes, shape, axes = equation.params["slice_sizes"], aval(equation).shape, list(axes)
    # As JAX has it, a slice that would reach beyond an end is moved inside.
    latest = graph.integers([shape[axis] - sizes[axis] for axis in axes])
    start = graph.add("Min", graph.add("Max", start, graph.constant([0], np.int64)), latest)
    end = graph.add("Add", start, graph.integers([sizes[axis] for axis in axes]))
    return graph.add("Slice", value, start, end, graph.constant(axes, np.int64))


def _reverse(graph: Graph, equation: Any, inputs: list[str]) -> str:
    axes = list(equation.params["dimensions"])
    numbers = ([-1] * len(axes), [np.iinfo(np.int64).min] * len(axes), axes, [-1] * len(axes))
    return graph.add("Slice", inputs[0], *(graph.constant(own, np.int64) for own in numbers))


def _gather(graph: Graph, equation: Any, inputs: list[str]) -> str:
    """Rows of a table along one axis, or a single slice; what else a gather can be, our modules do not use."""
    about, sizes, shape = equation.params["dimension_numbers"], equation.params["slice_sizes"], aval(equation).shape
    axes, (*places, _) = tuple(about.start_index_map), aval(equation, 1).shape
    other = [axis for axis in range(len(shape)) if axis not in axes]
    whole = all(str(sizes[axis]) == str(shape[axis]) for axis in other) and not about.operand_batching_dims
    if whole and not places:
        cut = _cut(graph, equation, inputs[0], graph.cast(inputs[1], np.int64), axes)
        return graph.add("Reshape", cut, _target(graph, out(equation).shape))
    last = tuple(range(len(places), len(out(equation).shape)))
    if not whole or len(axes) != 1 or tuple(about.collapsed_slice_dims) != axes or tuple(about.offset_dims) != last:
        raise ArtefactError("a gather along several axes cannot be written as ONNX")
    table = arranged(graph, inputs[0], [*axes, *other])
    return graph.add("Gather", table, graph.add("Squeeze", inputs[1], graph.constant([-1], np.int64)), axis=0)


MOVES: Mapping[str, Rule] = {
    "concatenate": _concatenate,
    "dim_as_value": _dim_as_value,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "iota": _iota,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _reverse,
    "slice": _slice,
    "squeeze": _reshape,
    "stack": _stack,
    "transpose": _transpose,
}
"""Those primitives."""
