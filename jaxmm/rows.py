"""What computes once, of all data, what no step changes: JAX, or ONNX Runtime in its place."""

import functools

from jax.sharding import Mesh

from jaxmm.export.rows import onnx_rows
from jaxmm.model import Model
from jaxmm.state import TrainState
from jaxmm.tasks.base import EmbedRows, Task
from jaxmm.train.step import embed_rows


def embedder(task: Task, state: TrainState | Model, mesh: Mesh) -> EmbedRows:
    """Returns what applies functions of a state, or a trained model, to batches, by the runtime that the task asks for.

    Args:
        task: The task.
        state: Whose parameters and collections the functions take.
        mesh: Devices of JAX; ONNX Runtime uses the processor.
    """
    settled = {
        "params": state.params,
        "collections": state.collections,
        "precision": task.numerics.matmul_precision,
    }
    if task.runtime == "onnx":
        return functools.partial(onnx_rows, **settled)
    return functools.partial(embed_rows, **settled, mesh=mesh)
