"""Rows that a pure function makes of batches, computed by ONNX Runtime."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np
from jaxtyping import Array

from jaxmm.artefact import Metadata, Tensor, onnx_file
from jaxmm.export.onnx_model import convert
from jaxmm.export.parts import Part
from jaxmm.export.program import trace
from jaxmm.typing import Batch, Collections, Params

_ROWS = "rows"


def onnx_rows(
    function: Callable[[Params, Collections, Batch], Array],
    batches: Iterable[Batch],
    *,
    params: Params,
    collections: Collections,
    precision: str = "highest",
) -> Iterator[np.ndarray]:
    """Yields the rows that a function makes of each batch, as `jaxmm.train.step.embed_rows` does.

    Args:
        function: A pure function.
        batches: Arrays of the same shapes in each.
        params: Its parameters.
        collections: Other variables.
        precision: Precision of products where JAX computes constants, as in `Numerics`.

    Raises:
        ArtefactError: If the function has a primitive that cannot be written as ONNX, or a batch other shapes.
        MissingExtraError: If the extra `onnx` is not installed.
    """
    program: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]] | None = None
    for batch in batches:
        arrays = {name: np.asarray(values) for name, values in batch.items()}
        if program is None:
            program = _program(function, arrays, params, collections, precision)
        yield program(arrays)[_ROWS]


def _program(
    function: Callable[[Params, Collections, Batch], Array],
    batch: Mapping[str, np.ndarray],
    params: Params,
    collections: Collections,
    precision: str,
) -> Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]:
    part = Part(
        name=_ROWS,
        function=lambda params, collections, batch: {_ROWS: function(params, collections, batch)},
        inputs=tuple(
            Tensor(name=name, dtype=cast(Any, str(array.dtype)), shape=array.shape, meaning="of a batch")
            for name, array in sorted(batch.items())
        ),
        outputs={_ROWS: "what is made of it"},
        sizes={},
    )
    program = trace(part, params, collections, precision=precision)
    metadata = Metadata(
        **{"task": "", "part": _ROWS, "digest": "", "step": 0, "version": ""},
        inputs=part.inputs,
        outputs=program.outputs,
        sizes={},
    )
    return onnx_file.make_program(convert(program, metadata), metadata)
