"""From JAX's equations to ONNX nodes: an equation at a time, and loops as graphs inside the graph."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from jaxmm.errors import ArtefactError
from jaxmm.export.onnx_graph import Graph
from jaxmm.export.onnx_ops import ELEMENTWISE, IDENTITIES, RULES
from jaxmm.typing import Length

_CALLED = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_LARGEST_FOLDED = 2**16  # elements of a constant that is computed beforehand
_BROADCASTS = frozenset({*ELEMENTWISE, "ne", "and", "or", "xor", "select_n", "rem"})


class _Small(NamedTuple):
    """A value that stands for a larger one which repeats it, until something needs that one whole."""

    name: str
    shape: tuple[Length, ...]


def add_equations(graph: Graph, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[str]) -> list[str]:
    """Adds the nodes of equations, of which none may be without use.

    Args:
        graph: What they are added to.
        jaxpr: Equations.
        consts: Arrays that they read.
        inputs: Names of their inputs.

    Returns:
        Names of their outputs.

    Raises:
        ArtefactError: If a primitive has no counterpart here.
    """
    walk = _Walk(graph)
    return [walk.name(own) for own in walk.run(jaxpr, [np.asarray(own) for own in consts], inputs)]


_Value: TypeAlias = str | _Small | np.ndarray
"""What a variable stands for: a name of the graph, or a constant that is not in the graph yet."""


class _Walk:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._values: dict[Any, _Value] = {}

    def run(self, jaxpr: Any, consts: Sequence[_Value], inputs: Sequence[_Value]) -> list[_Value]:
        self._values.update(zip(jaxpr.constvars, consts, strict=True))
        self._values.update(zip(jaxpr.invars, inputs, strict=True))
        for equation in jaxpr.eqns:
            self._add(equation)
        return [self._value(own) for own in jaxpr.outvars]

    def _value(self, atom: Any) -> _Value:
        return np.asarray(atom.val, atom.aval.dtype) if hasattr(atom, "val") else self._values[atom]

    def name(self, value: _Value) -> str:
        """Returns the name of a value with all its elements, which may have to be added first."""
        if isinstance(value, _Small):
            return self._graph.add("Expand", value.name, self._graph.integers(value.shape))
        return self._graph.constant(value) if isinstance(value, np.ndarray) else value

    def _whole(self, atom: Any) -> str:
        name = self.name(self._value(atom))
        if not hasattr(atom, "val") and isinstance(self._values[atom], _Small):
            self._values[atom] = name  # repeated once for all that need it whole
        return name

    def _beside(self, atoms: Sequence[Any]) -> list[str]:
        """Returns names of values that broadcast to their common shape; one of them has it."""
        values = [self._value(atom) for atom in atoms]
        small = [isinstance(value, _Small) for value in values]
        full = any(not own and atom.aval.ndim for own, atom in zip(small, atoms, strict=True))
        names = []
        for place, (atom, value) in enumerate(zip(atoms, values, strict=True)):
            stays = isinstance(value, _Small) and (full or place != small.index(True))
            names.append(value.name if stays and isinstance(value, _Small) else self._whole(atom))
        return names

    def _add(self, equation: Any) -> None:
        name = equation.primitive.name
        if self._fold(equation):
            return
        if name == "scan":
            self._scan(equation)
        elif called := [equation.params[own] for own in _CALLED if own in equation.params]:
            self._call(equation, called[0])
        elif name == "broadcast_in_dim":
            self._broadcast(equation)
        elif name in IDENTITIES:
            self._values.update(zip(equation.outvars, map(self._value, equation.invars), strict=True))
        elif name == "split":
            sizes, axis = equation.params["sizes"], equation.params["axis"]
            parts = self._graph.add(
                "Split", self._whole(equation.invars[0]), self._graph.integers(sizes), num_outputs=len(sizes), axis=axis
            )
            self._values.update(zip(equation.outvars, parts, strict=True))
        else:
            inputs = self._beside(equation.invars) if name in _BROADCASTS else [*map(self._whole, equation.invars)]
            if name in ELEMENTWISE:
                made = self._graph.add(ELEMENTWISE[name], *inputs)
            elif name in RULES:
                made = RULES[name](self._graph, equation, inputs)
            else:
                raise ArtefactError(f"the primitive {name} cannot be written as ONNX")
            self._values[equation.outvars[0]] = made

    def _fold(self, equation: Any) -> bool:
        """Computes what depends on no input by JAX: powers and sines differ elsewhere in the last bit."""
        name, made = equation.primitive.name, equation.outvars[0].aval
        values = [self._value(own) for own in equation.invars]
        static = all(isinstance(length, int) for length in made.shape) and not any(
            isinstance(own, _Small | str) for own in values
        )
        known = name in ELEMENTWISE or (name in RULES and name != "dim_as_value") or name == "broadcast_in_dim"
        if not (static and known and np.prod(made.shape, dtype=object) <= _LARGEST_FOLDED):
            return False
        self._values[equation.outvars[0]] = np.asarray(equation.primitive.bind(*values, **equation.params))
        return True

    def _call(self, equation: Any, inner: Any) -> None:
        """Adds what is called as if it stood here."""
        jaxpr, consts = (inner.jaxpr, inner.consts) if hasattr(inner, "jaxpr") else (inner, ())
        values = [self._value(own) for own in equation.invars]
        made = _Walk(self._graph).run(jaxpr, [np.asarray(own) for own in consts], values)
        self._values.update(zip(equation.outvars, made, strict=True))

    def _broadcast(self, equation: Any) -> None:
        (atom,), shape = equation.invars, equation.params["shape"]
        places = equation.params["broadcast_dimensions"]
        beside: list[Length] = [1] * len(shape)
        for place, length in zip(places, atom.aval.shape, strict=True):
            beside[place] = length
        name = self._whole(atom)
        if list(map(str, beside)) != list(map(str, atom.aval.shape)):
            new = [place for place in range(len(shape)) if place not in places]
            name = self._graph.add("Unsqueeze", name, self._graph.constant(new, np.int64))
        grows = list(map(str, beside)) != list(map(str, shape))
        self._values[equation.outvars[0]] = _Small(name, shape) if grows else name

    def _scan(self, equation: Any) -> None:
        """Adds a loop over the first axis; what it does not change it sees by its outer name."""
        params = equation.params
        (num_consts, num_carry), closed = _scan_lengths(params), params["jaxpr"]
        consts, start, over = _parts([self._whole(own) for own in equation.invars], num_consts, num_carry)
        body, jaxpr = self._graph.inner(), closed.jaxpr
        _, carried, scanned = _parts(jaxpr.invars, num_consts, num_carry)
        own = [body.name("loop") for _ in (*carried, *scanned)]
        made = add_equations(body, jaxpr, closed.consts, [*consts, *own])
        # An output must be a node's own: a state that does not change is a copy.
        results = [body.add("Identity", name) for name in made]
        declared = [
            body.tensor(name, var.aval.dtype, None) for name, var in zip(own, (*carried, *scanned), strict=True)
        ]
        given = [body.tensor(name, var.aval.dtype, None) for name, var in zip(results, jaxpr.outvars, strict=True)]
        backwards = int(params["reverse"])
        outputs = self._graph.add(
            "Scan",
            *start,
            *over,
            num_outputs=len(results),
            body=body.finish(body.name("body"), declared, given),
            num_scan_inputs=len(over),
            scan_input_directions=[backwards] * len(over),
            scan_output_directions=[backwards] * (len(results) - num_carry),
        )
        self._values.update(zip(equation.outvars, outputs, strict=True))


def _scan_lengths(params: Mapping[str, Any]) -> tuple[int, int]:
    """Returns how many constants and how many states a loop has."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    consts, carry, _ = params["ft_in"].unpack()  # of newer JAX
    return len(consts), len(carry)


def _parts(values: Sequence[Any], num_consts: int, num_carry: int) -> tuple[list[Any], list[Any], list[Any]]:
    values, end = list(values), num_consts + num_carry
    return values[:num_consts], values[num_consts:end], values[end:]
