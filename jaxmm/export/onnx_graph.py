"""A graph of ONNX nodes under construction, in which lengths may be expressions of the sizes of inputs."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxmm.errors import ArtefactError, MissingExtraError, reason
from jaxmm.typing import Length

OPSET = 20
"""Of the nodes; TensorRT 10 and every ONNX Runtime since 1.17 know it."""

_IR_VERSION = 9

_OPERATIONS: Mapping[type, str] = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul"}
_CALLS: Mapping[str, str] = {"max": "Max", "min": "Min"}


class Graph:
    """Nodes and constants, each value known by a name.

    A graph inside another, the body of a loop, sees the names of those around it.

    Args:
        outer: The graph around this one.

    Raises:
        MissingExtraError: If the extra `onnx` is not installed.
    """

    def __init__(self, outer: "Graph | None" = None) -> None:
        try:
            import onnx
        except ImportError as error:
            raise MissingExtraError.of("onnx", extra="onnx") from error
        self._onnx = onnx
        self._sizes: dict[str, str] = dict(outer._sizes) if outer else {}
        self._count: list[int] = outer._count if outer else [0]
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._lengths: dict[str, str] = {}
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def inner(self) -> "Graph":
        """Returns an empty graph inside this one."""
        return Graph(outer=self)

    def name(self, kind: str) -> str:
        """Returns a name that no other value has."""
        self._count[0] += 1
        return f"{kind.lower()}_{self._count[0]}"

    def name_sizes(self, tensor: str, shape: Sequence[int | str]) -> None:
        """Has the named axes of an input be known, those that are not yet."""
        for place, axis in enumerate(shape):
            if isinstance(axis, str) and axis not in self._sizes:
                self._sizes[axis] = self.add("Shape", tensor, start=place, end=place + 1)

    def add(
        self, kind: str, *inputs: str, num_outputs: int | None = None, output: str | None = None, **attributes: Any
    ) -> Any:
        """Adds a node and returns the name of its output; with `num_outputs` a list of that many names."""
        outputs = [output or self.name(kind) for _ in range(1 if num_outputs is None else num_outputs)]
        self.nodes.append(self._onnx.helper.make_node(kind, list(inputs), outputs, **attributes))
        return outputs[0] if num_outputs is None else outputs

    def constant(self, value: Any, dtype: Any = None, *, name: str | None = None) -> str:
        """Adds a constant array, small ones of the same value once, and returns its name."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= 64 and name is None else None
        if key in self._constants:
            return self._constants[key]
        name = name or self.name("constant")
        self.initializers.append(
            self._onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        )
        if key is not None:
            self._constants[key] = name
        return name

    def cast(self, value: str, dtype: Any) -> str:
        """Adds a conversion to a NumPy type."""
        return self.add("Cast", value, to=self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def integers(self, values: Sequence[Length]) -> str:
        """Returns the name of a vector of int64 of numbers, some of which are expressions of sizes."""
        if all(isinstance(value, int | np.integer) for value in values):
            return self.constant(list(map(int, values)), np.int64)
        parts = [self.length(value) for value in values]
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=0)

    def length(self, value: Length) -> str:
        """Returns the name of a vector of one int64 that holds a length."""
        if isinstance(value, int | np.integer):
            return self.constant([int(value)], np.int64)
        text = str(value)
        if text not in self._lengths:
            try:
                self._lengths[text] = self._expression(ast.parse(text.replace("^", "**"), mode="eval").body)
            except (SyntaxError, KeyError, TypeError) as error:
                raise ArtefactError(f"the length {text} cannot be written as ONNX ({reason(error)})") from error
        return self._lengths[text]

    def _expression(self, tree: ast.expr) -> str:
        """Computes what JAX's text of a symbolic length says: `2*time + floordiv(time, 3)`."""
        match tree:
            case ast.Constant(value=int(value)):
                return self.constant([value], np.int64)
            case ast.Name(id=axis):
                return self._sizes[axis]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.add("Neg", self._expression(operand))
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))):
                value = self._expression(left)
                return self._fold("Mul", [value] * power)
            case ast.BinOp(left=left, op=operation, right=right):
                return self.add(_OPERATIONS[type(operation)], self._expression(left), self._expression(right))
            case ast.Call(func=ast.Name(id="mod"), args=[left, right]):
                return self.add("Mod", self._expression(left), self._expression(right))  # has the divisor's sign
            case ast.Call(func=ast.Name(id="floordiv"), args=[left, right]):
                value, divisor = self._expression(left), self._expression(right)
                return self.add("Div", self.add("Sub", value, self.add("Mod", value, divisor)), divisor)
            case ast.Call(func=ast.Name(id=name), args=parts):
                return self.add(_CALLS[name], *map(self._expression, parts))
            case _:
                raise TypeError(ast.dump(tree))

    def _fold(self, kind: str, values: Sequence[str]) -> str:
        total = values[0]
        for value in values[1:]:
            total = self.add(kind, total, value)
        return total

    def tensor(self, name: str, dtype: Any, shape: Sequence[Length] | None) -> Any:
        """Returns the declaration of an input or output."""
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        axes = None if shape is None else [axis if isinstance(axis, int) else str(axis) for axis in shape]
        return self._onnx.helper.make_tensor_value_info(name, kind, axes)

    def finish(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Returns the graph as ONNX's own, with declared inputs and outputs."""
        return self._onnx.helper.make_graph(self.nodes, name, list(inputs), list(outputs), self.initializers)

    def model(self, graph: Any, properties: Mapping[str, str]) -> bytes:
        """Returns a whole file of a finished graph.

        Raises:
            ArtefactError: If ONNX refuses it.
        """
        onnx = self._onnx
        made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="jaxmm")
        made.ir_version = _IR_VERSION
        onnx.helper.set_model_props(made, dict(properties))
        try:
            onnx.checker.check_model(made)
            return made.SerializeToString()
        except Exception as error:  # the checker's own kind, and the 2 GiB that a protocol buffer can have
            raise ArtefactError(f"cannot be written as ONNX ({reason(error)})") from error
