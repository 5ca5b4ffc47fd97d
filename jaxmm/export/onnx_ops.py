"""The primitives of JAX that our modules use, as nodes of ONNX: here those that compute."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxmm.errors import ArtefactError
from jaxmm.export.onnx_graph import Graph
from jaxmm.export.onnx_moves import MOVES, WIDE_BOOLEANS, Rule, arranged, aval, out
from jaxmm.typing import Length

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


def _negated(kind: str) -> Rule:
    return lambda graph, equation, inputs: graph.add("Not", graph.add(kind, *inputs))


def _logical(kind: str) -> Rule:
    def rule(graph: Graph, equation: Any, inputs: list[str]) -> str:
        return graph.add(kind if out(equation).dtype == np.bool_ else f"Bitwise{kind}", *inputs)

    return rule


def _select(graph: Graph, equation: Any, inputs: list[str]) -> str:
    which, first, second = inputs
    if aval(equation).dtype != np.bool_:
        which = graph.cast(which, np.bool_)
    if out(equation).dtype != np.bool_:
        return graph.add("Where", which, second, first)
    # ONNX Runtime has no choice between masks.
    return graph.add("Or", graph.add("And", which, second), graph.add("And", graph.add("Not", which), first))


def _integer_pow(graph: Graph, equation: Any, inputs: list[str]) -> str:
    power = equation.params["y"]
    if power == 2:
        return graph.add("Mul", inputs[0], inputs[0])
    return graph.add("Pow", inputs[0], graph.constant(power, aval(equation).dtype))


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
    return graph.add("Sub", graph.constant(1, aval(equation).dtype), graph.add("Erf", inputs[0]))


def _convert(graph: Graph, equation: Any, inputs: list[str]) -> str:
    return graph.cast(inputs[0], equation.params["new_dtype"])


def _reduction(kind: str) -> Rule:
    def rule(graph: Graph, equation: Any, inputs: list[str]) -> str:
        axes = graph.constant(list(equation.params["axes"]), np.int64)
        if aval(equation).dtype == np.bool_:
            widened = graph.cast(inputs[0], WIDE_BOOLEANS)
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
    left, right = aval(equation).shape, aval(equation, 1).shape
    left_kept = [axis for axis in range(len(left)) if axis not in (*left_summed, *left_shared)]
    right_kept = [axis for axis in range(len(right)) if axis not in (*right_summed, *right_shared)]
    first = arranged(graph, inputs[0], [*left_shared, *left_kept, *left_summed])
    second = arranged(graph, inputs[1], [*right_shared, *right_summed, *right_kept])
    if len(left_summed) == 1 and len(right_kept) == 1 and (len(left_kept) == 1 or (not left_shared and left_kept)):
        return graph.add("MatMul", first, second)
    shared = [left[axis] for axis in left_shared]
    summed = _product(left[axis] for axis in left_summed)
    rows, columns = _product(left[axis] for axis in left_kept), _product(right[axis] for axis in right_kept)
    first = graph.add("Reshape", first, graph.integers([*shared, rows, summed]))
    second = graph.add("Reshape", second, graph.integers([*shared, summed, columns]))
    return graph.add("Reshape", graph.add("MatMul", first, second), graph.integers(out(equation).shape))


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
        arranged(graph, inputs[0], list(about.lhs_spec)),
        arranged(graph, inputs[1], list(about.rhs_spec)),
        pads=[*(before for before, _ in padding), *(after for _, after in padding)],
        strides=list(params["window_strides"]),
        dilations=list(params["rhs_dilation"]),
        group=params["feature_group_count"],
    )
    return arranged(graph, made, [list(about.out_spec).index(axis) for axis in range(len(about.out_spec))])


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
        arranged(graph, inputs[0], [*other, *axes]),
        kernel_shape=[sizes[axis] for axis in axes],
        pads=[padding[axis][end] for end in (0, 1) for axis in axes],
        strides=[params["window_strides"][axis] for axis in axes],
        dilations=[params["window_dilation"][axis] for axis in axes],
    )
    return arranged(graph, made, [[*other, *axes].index(axis) for axis in range(len(sizes))])


RULES: Mapping[str, Rule] = {
    **MOVES,
    "and": _logical("And"),
    "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"),
    "clamp": _clamp,
    "conv_general_dilated": _convolution,
    "convert_element_type": _convert,
    "cumsum": _cumulative_sum,
    "dot_general": _dot,
    "erfc": _erfc,
    "integer_pow": _integer_pow,
    "ne": _negated("Equal"),
    "not": lambda graph, equation, inputs: graph.add("Not", *inputs),
    "or": _logical("Or"),
    "reduce_and": _reduction("ReduceMin"),
    "reduce_max": _reduction("ReduceMax"),
    "reduce_min": _reduction("ReduceMin"),
    "reduce_or": _reduction("ReduceMax"),
    "reduce_prod": _reduction("ReduceProd"),
    "reduce_sum": _reduction("ReduceSum"),
    "reduce_window_max": _max_pool,
    "rem": _remainder,
    "rsqrt": _rsqrt,
    "select_n": _select,
    "square": _square,
    "xor": _logical("Xor"),
}
"""Primitives that take more than one node, or parameters."""
