"""The one place that compiles: pure functions of a task become sharded, donated programs over a mesh."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxmm.errors import ConfigError
from jaxmm.state import TrainState
from jaxmm.tasks.base import Task
from jaxmm.typing import Batch, Collections, Metrics, Params

TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def make_mesh(num_devices: int | None = None) -> Mesh:
    """Returns a mesh with the axes `data` and `model`; all devices share the batch.

    Args:
        num_devices: Devices to use; all by default.

    Raises:
        ConfigError: If there are fewer devices.

    Example:
        >>> dict(make_mesh(1).shape)
        {'data': 1, 'model': 1}
    """
    devices = jax.devices()
    if num_devices is not None and num_devices > len(devices):
        raise ConfigError(f"{num_devices} devices are asked for, but JAX has {len(devices)}; ask for fewer")
    devices = devices[:num_devices]
    # Explicit axes, make_mesh's default, break nn.Embed on a sharded batch.
    return jax.make_mesh(
        (len(devices), 1), ("data", "model"), axis_types=(AxisType.Auto, AxisType.Auto), devices=devices
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of values that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def place_batch(batch: Batch, mesh: Mesh) -> Batch:
    """Spreads the rows of a batch over the mesh; each process gives its own rows.

    Raises:
        ConfigError: If the devices cannot share the rows equally.

    Example:
        >>> place_batch({"x": np.zeros((4, 2), np.float32)}, make_mesh(1))["x"].shape
        (4, 2)
    """
    rows = len(next(iter(batch.values()))) * jax.process_count()
    if rows % mesh.shape["data"]:
        raise ConfigError(
            f"data.batch_size is {rows}, which {mesh.shape['data']} devices cannot share equally; use a multiple"
        )
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    return {name: jax.make_array_from_process_local_data(sharding, np.asarray(rows)) for name, rows in batch.items()}


def compile_train_step(task: Task, mesh: Mesh) -> TrainStep:
    """Compiles the task's update; the state's memory is reused for the new state.

    Negatives and batch statistics span the global batch, since the program is written for it and XLA inserts what
    devices must exchange.
    """
    whole = replicated(mesh)
    rows = NamedSharding(mesh, PartitionSpec("data"))
    return jax.jit(task.train_step, in_shardings=(whole, rows), out_shardings=(whole, whole), donate_argnums=0)


def compile_eval(function: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """Compiles `function(params, collections, batch)` with whole outputs on every device."""
    whole = replicated(mesh)
    rows = NamedSharding(mesh, PartitionSpec("data"))
    return jax.jit(function, in_shardings=(whole, whole, rows), out_shardings=whole)


def embed_rows(
    function: Callable[[Params, Collections, Batch], Any], batches: Iterable[Batch], *, params: Params, mesh: Mesh
) -> Iterator[np.ndarray]:
    """Yields the rows that a function makes of each batch, as NumPy arrays.

    Example:
        >>> batches = [{"x": np.arange(2.0)}, {"x": np.arange(2.0)}]
        >>> double = lambda params, collections, batch: params["scale"] * batch["x"]
        >>> [rows.tolist() for rows in embed_rows(double, batches, params={"scale": 2.0}, mesh=make_mesh(1))]
        [[0.0, 2.0], [0.0, 2.0]]
    """
    compiled = compile_eval(function, mesh)
    for batch in batches:
        num_rows = len(next(iter(batch.values())))
        yield np.asarray(compiled(params, {}, place_batch(batch, mesh)))[:num_rows]
