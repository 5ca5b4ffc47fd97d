"""A part of a run traced with symbolic sizes: what writers of programs start from."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters.partial_eval import dce_jaxpr
from jaxtyping import Array

from jaxmm.artefact import Tensor
from jaxmm.export.parts import Part
from jaxmm.optim import path_name
from jaxmm.typing import Batch, Collections, Params


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A pure function of parameters by path and of inputs by name.

    Attributes:
        function: Maps parameters and inputs to outputs by name.
        parameters: The parameters that it reads, by path.
        inputs: Symbolic shapes and types of its inputs.
        outputs: What it gives, as traced.
    """

    function: Callable[[Mapping[str, Array], Batch], dict[str, Array]]
    parameters: dict[str, np.ndarray]
    inputs: dict[str, jax.ShapeDtypeStruct]
    outputs: tuple[Tensor, ...]


def trace(part: Part, params: Params, collections: Collections, *, precision: str) -> Program:
    """Traces a part for every size at once, and finds which parameters it reads.

    Args:
        part: The part.
        params: Parameters of the run.
        collections: Its other variables.
        precision: Precision of products, as in `Numerics`.

    Example:
        >>> x = Tensor(name="x", dtype="float32", shape=("batch", 2), meaning="pairs")
        >>> def sums(params, collections, batch):
        ...     return {"y": params["w"]["used"] * batch["x"].sum(axis=1)}
        >>> part = Part(name="sums", function=sums, inputs=(x,), outputs={"y": "sums"}, sizes={"batch": (1, None)})
        >>> params = {"w": {"used": np.ones(1, np.float32), "unused": np.ones(9, np.float32)}}
        >>> traced = trace(part, params, {}, precision="highest")
        >>> sorted(traced.parameters), traced.outputs[0].shape
        (['params/w/used'], ('batch',))
    """
    variables = {"params": params, "collections": collections}
    leaves, structure = jax.tree_util.tree_flatten_with_path(variables)
    arrays = {path_name(path): np.asarray(leaf) for path, leaf in leaves}

    def function(parameters: Mapping[str, Array], inputs: Batch) -> dict[str, Array]:
        # Those that are not read are zeros, of which nothing is left in the program.
        own = [parameters[name] if name in parameters else jnp.zeros_like(array) for name, array in arrays.items()]
        whole = jax.tree.unflatten(structure, own)
        with jax.default_matmul_precision(precision):
            return dict(part.function(whole["params"], whole["collections"], inputs))

    inputs = _symbolic(part)
    shapes = {name: jax.ShapeDtypeStruct(array.shape, array.dtype) for name, array in arrays.items()}
    traced, made = jax.make_jaxpr(function, return_shape=True)(shapes, inputs)
    _, is_read = dce_jaxpr(traced.jaxpr, True)
    # A dictionary's leaves are in the order of its names, and parameters come before inputs.
    names = [name for name, read in zip(sorted(arrays), is_read, strict=False) if read]
    outputs = tuple(
        Tensor(
            name=name,
            dtype=cast(Any, str(made[name].dtype)),
            shape=tuple(axis if isinstance(axis, int) else str(axis) for axis in made[name].shape),
            meaning=meaning,
        )
        for name, meaning in part.outputs.items()
    )
    return Program(function=function, parameters={name: arrays[name] for name in names}, inputs=inputs, outputs=outputs)


def _symbolic(part: Part) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes of a part's inputs, in which a named axis has any length within its bounds."""
    bounds = [f"{axis} >= {least}" for axis, (least, _) in part.sizes.items()]
    bounds += [f"{axis} <= {most}" for axis, (_, most) in part.sizes.items() if most is not None]
    lengths = dict(zip(part.sizes, jax.export.symbolic_shape(", ".join(part.sizes), constraints=bounds), strict=True))
    return {
        tensor.name: jax.ShapeDtypeStruct(
            tuple(lengths[axis] if isinstance(axis, str) else axis for axis in tensor.shape), tensor.dtype
        )
        for tensor in part.inputs
    }
