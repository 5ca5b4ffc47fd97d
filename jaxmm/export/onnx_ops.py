"""The primitives of JAX that our modules use, as nodes of ONNX."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from jaxmm.errors import ArtefactError
from jaxmm.export.onnx_graph import Graph
from jaxmm.typing import Length

Rule: TypeAlias = Callable[[Graph, Any, list[str]], str]
"""Adds the nodes of an equation, whose inputs have these names, and returns the name of its output."""

ELEMENTWISE: Mapping[str, str] = {
    "abs": "Abs",
    "add": "Add",
    "add_any": "Add",
    "ceil": "Ceil",
    "cos": "Cos",
    "div": "Div",
    "eq": "Equal",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "ge": "GreaterOrEqual",
    "gt": "Greater",
    "le": "LessOrEqual",
    "log": "Log",
    "logistic": "Sigmoid",
    "lt": "Less",
    "max": "Max",
    "min": "Min",
    "mul": "Mul",
    "neg": "Neg",
    "pow": "Pow",
    "sign": "Sign",
    "sin": "Sin",
    "sqrt": "Sqrt",
    "sub": "Sub",
    "tanh": "Tanh",
}
"""Primitives that are one node, which broadcasts as NumPy does."""

IDENTITIES = frozenset(
    {"copy", "copy_p", "optimization_barrier", "reduce_precision", "sharding_constraint", "stop_gradient"}
)
"""Primitives that change no value."""

_WIDE_BOOLEANS = np.int32  # where ONNX has an operator for numbers alone


def _aval(equation: Any, place: int = 0) -> Any:
    return equation.invars[place].aval


def _out(equation: Any) -> Any:
    return equation.outvars[0].aval


def _negated(kind: str) -> Rule:
    return lambda graph, equation, inputs: graph.add("Not", graph.add(kind, *inputs))


def _logical(kind: str) -> Rule:
    def rule(graph: Graph, equation: Any, inputs: list[str]) -> str:
        return graph.add(kind if _out(equation).dtype == np.bool_ else f"Bitwise{kind}", *inputs)

    return rule


def _select(graph: Graph, equation: Any, inputs: list[str]) -> str:
    which, first, second = inputs
    if _aval(equation).dtype != np.bool_:
        which = graph.cast(which, np.bool_)
    if _out(equation).dtype != np.bool_:
        return graph.add("Where", which, second, first)
    # ONNX Runtime has no choice between masks.
    return graph.add("Or", graph.add("And", which, second), graph.add("And", graph.add("Not", which), first))


def _integer_pow(graph: Graph, equation: Any, inputs: list[str]) -> str:
    power = equation.params["y"]
    if power == 2:
        return graph.add("Mul", inputs[0], inputs[0])
    return graph.add("Pow", inputs[0], graph.constant(power, _aval(equation).dtype))


def _remainder(graph: Graph, equation: Any, inputs: list[str]) -> str:
    return graph.add("Mod", *inputs, fmod=1)


def _clamp(graph: Graph, equation: Any, inputs: list[str]) -> str:
    least, value, most = inputs
    return graph.add("Min", graph.add("Max", value, least), most)


def _rsqrt(graph: Graph, equation: Any, inputs: list[str]) -> str:
    return graph.add("Reciprocal", graph.add("Sqrt", inputs[0]))


def _square(graph: Graph, equation: Any, inputs: list[str]) -> str:
    return graph.add("Mul", inputs[0], inputs[0])


def _erfc(graph: Graph, equation: Any, inputs: list[str]) -> str:
    return graph.add("Sub", graph.constant(1, _aval(equation).dtype), graph.add("Erf", inputs[0]))


def _convert(graph: Graph, equation: Any, inputs: list[str]) -> str:
    return graph.cast(inputs[0], equation.params["new_dtype"])


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
    return graph.cast(scalar, _out(equation).dtype)


def _reshape(graph: Graph, equation: Any, inputs: list[str]) -> str:
    return graph.add("Reshape", inputs[0], _target(graph, _out(equation).shape))


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
    dtype = _aval(equation).dtype
    if dtype == np.bool_:
        value, filler = graph.cast(value, _WIDE_BOOLEANS), graph.cast(filler, _WIDE_BOOLEANS)
    padded = graph.add("Pad", value, graph.integers([*before, *after]), filler)
    return graph.cast(padded, dtype) if dtype == np.bool_ else padded


def _slice(graph: Graph, equation: Any, inputs: list[str]) -> str:
    starts, ends = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(starts)
    changed = [
        axis
        for axis, (start, end, step) in enumerate(zip(starts, ends, steps, strict=True))
        if not (isinstance(start, int) and start == 0 and step == 1 and str(end) == str(_aval(equation).shape[axis]))
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
    sizes, shape, axes = equation.params["slice_sizes"], _aval(equation).shape, list(axes)
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
    about, sizes, shape = equation.params["dimension_numbers"], equation.params["slice_sizes"], _aval(equation).shape
    axes, (*places, _) = tuple(about.start_index_map), _aval(equation, 1).shape
    other = [axis for axis in range(len(shape)) if axis not in axes]
    whole = all(str(sizes[axis]) == str(shape[axis]) for axis in other) and not about.operand_batching_dims
    if whole and not places:
        cut = _cut(graph, equation, inputs[0], graph.cast(inputs[1], np.int64), axes)
        return graph.add("Reshape", cut, _target(graph, _out(equation).shape))
    last = tuple(range(len(places), len(_out(equation).shape)))
    if not whole or len(axes) != 1 or tuple(about.collapsed_slice_dims) != axes or tuple(about.offset_dims) != last:
        raise ArtefactError("a gather along several axes cannot be written as ONNX")
    table = _arranged(graph, inputs[0], [*axes, *other])
    return graph.add("Gather", table, graph.add("Squeeze", inputs[1], graph.constant([-1], np.int64)), axis=0)


def _reduction(kind: str) -> Rule:
    def rule(graph: Graph, equation: Any, inputs: list[str]) -> str:
        axes = graph.constant(list(equation.params["axes"]), np.int64)
        if _aval(equation).dtype == np.bool_:
            widened = graph.cast(inputs[0], _WIDE_BOOLEANS)
            return graph.cast(graph.add(kind, widened, axes, keepdims=0), np.bool_)
        return graph.add(kind, inputs[0], axes, keepdims=0)

    return rule


def _arg(kind: str) -> Rule:
    def rule(graph: Graph, equation: Any, inputs: list[str]) -> str:
        (axis,) = equation.params["axes"]
        return graph.cast(graph.add(kind, inputs[0], axis=axis, keepdims=0), equation.params["index_dtype"])

    return rule


def _cumulative_sum(graph: Graph, equation: Any, inputs: list[str]) -> str:
    axis = graph.constant(equation.params["axis"], np.int64)
    return graph.add("CumSum", inputs[0], axis, reverse=int(equation.params["reverse"]))


def _dot(graph: Graph, equation: Any, inputs: list[str]) -> str:
    """A product of matrices: shared axes first, then those that are kept, those that are summed over last or first."""
    (left_summed, right_summed), (left_shared, right_shared) = equation.params["dimension_numbers"]
    left, right = _aval(equation).shape, _aval(equation, 1).shape
    left_kept = [axis for axis in range(len(left)) if axis not in (*left_summed, *left_shared)]
    right_kept = [axis for axis in range(len(right)) if axis not in (*right_summed, *right_shared)]
    first = _arranged(graph, inputs[0], [*left_shared, *left_kept, *left_summed])
    second = _arranged(graph, inputs[1], [*right_shared, *right_summed, *right_kept])
    if len(left_summed) == 1 and len(right_kept) == 1 and (len(left_kept) == 1 or (not left_shared and left_kept)):
        return graph.add("MatMul", first, second)
    shared = [left[axis] for axis in left_shared]
    summed = _product(left[axis] for axis in left_summed)
    rows, columns = _product(left[axis] for axis in left_kept), _product(right[axis] for axis in right_kept)
    first = graph.add("Reshape", first, graph.integers([*shared, rows, summed]))
    second = graph.add("Reshape", second, graph.integers([*shared, summed, columns]))
    return graph.add("Reshape", graph.add("MatMul", first, second), graph.integers(_out(equation).shape))


def _arranged(graph: Graph, value: str, axes: list[int]) -> str:
    return value if axes == sorted(axes) else graph.add("Transpose", value, perm=axes)


def _product(lengths: Any) -> Length:
    total = 1
    for length in lengths:
        total = total * length
    return total


def _convolution(graph: Graph, equation: Any, inputs: list[str]) -> str:
    params = equation.params
    about, padding = params["dimension_numbers"], params["padding"]
    static = all(isinstance(end, int) for ends in padding for end in ends)
    if any(step != 1 for step in params["lhs_dilation"]) or params["batch_group_count"] != 1 or not static:
        raise ArtefactError("a transposed convolution, or one of varying padding, cannot be written as ONNX")
    made = graph.add(
        "Conv",
        _arranged(graph, inputs[0], list(about.lhs_spec)),
        _arranged(graph, inputs[1], list(about.rhs_spec)),
        pads=[*(before for before, _ in padding), *(after for _, after in padding)],
        strides=list(params["window_strides"]),
        dilations=list(params["rhs_dilation"]),
        group=params["feature_group_count"],
    )
    return _arranged(graph, made, [list(about.out_spec).index(axis) for axis in range(len(about.out_spec))])


def _max_pool(graph: Graph, equation: Any, inputs: list[str]) -> str:
    """The largest of a window along some axes, beside which an image has two: its own, and that of its channels."""
    params = equation.params
    sizes, padding = params["window_dimensions"], params["padding"]
    axes = [axis for axis, size in enumerate(sizes) if size != 1]
    other = [axis for axis in range(len(sizes)) if axis not in axes]
    plain = all(params["window_strides"][axis] == 1 and padding[axis] == (0, 0) for axis in other)
    if len(other) != 2 or not plain or any(step != 1 for step in params["base_dilation"]):
        raise ArtefactError("a window over the batch or the channels cannot be written as ONNX")
    made = graph.add(
        "MaxPool",
        _arranged(graph, inputs[0], [*other, *axes]),
        kernel_shape=[sizes[axis] for axis in axes],
        pads=[padding[axis][end] for end in (0, 1) for axis in axes],
        strides=[params["window_strides"][axis] for axis in axes],
        dilations=[params["window_dilation"][axis] for axis in axes],
    )
    return _arranged(graph, made, [[*other, *axes].index(axis) for axis in range(len(sizes))])


RULES: Mapping[str, Rule] = {
    "and": _logical("And"),
    "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"),
    "clamp": _clamp,
    "concatenate": _concatenate,
    "conv_general_dilated": _convolution,
    "convert_element_type": _convert,
    "cumsum": _cumulative_sum,
    "dim_as_value": _dim_as_value,
    "dot_general": _dot,
    "dynamic_slice": _dynamic_slice,
    "erfc": _erfc,
    "gather": _gather,
    "integer_pow": _integer_pow,
    "iota": _iota,
    "ne": _negated("Equal"),
    "not": lambda graph, equation, inputs: graph.add("Not", *inputs),
    "or": _logical("Or"),
    "pad": _pad,
    "reduce_and": _reduction("ReduceMin"),
    "reduce_max": _reduction("ReduceMax"),
    "reduce_min": _reduction("ReduceMin"),
    "reduce_or": _reduction("ReduceMax"),
    "reduce_prod": _reduction("ReduceProd"),
    "reduce_sum": _reduction("ReduceSum"),
    "reduce_window_max": _max_pool,
    "rem": _remainder,
    "reshape": _reshape,
    "rev": _reverse,
    "rsqrt": _rsqrt,
    "select_n": _select,
    "slice": _slice,
    "square": _square,
    "squeeze": _reshape,
    "stack": _stack,
    "transpose": _transpose,
    "xor": _logical("Xor"),
}
"""Primitives that take more than one node, or parameters."""
