"""The one place that compiles: pure functions of a task become sharded, donated programs over a mesh."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxmm import parallel
from jaxmm.errors import ConfigError
from jaxmm.state import TrainState
from jaxmm.tasks.base import Task
from jaxmm.typing import Array, Batch, Collections, Metrics, Params

TrainStep = Callable[[TrainState, Batch, int], tuple[TrainState, Metrics, Metrics]]
"""Takes a state, this process's rows of a batch, and the number of the signal that asks this process to stop, or 0;
returns the new state, scalars worth logging, and the alarms `stop`, the largest such number of all processes, and
`bad_in_row`."""

_WORTH_SPLITTING = 2**16  # elements; smaller arrays cost more to gather than to hold


@dataclasses.dataclass(frozen=True, kw_only=True)
class Devices:
    """How training is spread over devices; but for `mode`, a run may be continued with other settings.

    Attributes:
        num_devices: Devices to use; None uses all of every process.
        model_parallelism: Devices that share one copy of the large parameters and of their moments, >= 1; the others
            share the batch.
        mode: "jit" writes one program for the whole batch, which XLA divides; "pmap" one for each device's rows, with
            every parameter on every device, dropout of each device's own, and in one process only.

    Raises:
        ConfigError: If the numbers do not fit together.

    Example:
        >>> Devices(model_parallelism=2).mode
        'jit'
    """

    num_devices: int | None = None
    model_parallelism: int = 1
    mode: Literal["jit", "pmap"] = "jit"

    def __post_init__(self) -> None:
        if self.num_devices is not None and self.num_devices < 1:
            raise ConfigError(f"devices.num_devices is {self.num_devices}; give 1 or more, or None for all")
        if self.model_parallelism < 1:
            raise ConfigError(f"devices.model_parallelism is {self.model_parallelism}; give 1 or more")
        if self.mode == "pmap" and self.model_parallelism > 1:
            raise ConfigError("devices.mode is pmap, which divides no parameters; set devices.model_parallelism to 1")


def make_mesh(settings: Devices | None = None) -> Mesh:
    """Returns a mesh with the axes `data` and `model`.

    Args:
        settings: Which devices, and how many share parameters; by default all share the batch.

    Raises:
        ConfigError: If there are fewer devices, or they cannot be divided as asked for.

    Example:
        >>> dict(make_mesh(Devices(num_devices=1)).shape)
        {'data': 1, 'model': 1}
    """
    settings = settings or Devices()
    found, wanted, shared = jax.devices(), settings.num_devices, settings.model_parallelism
    if wanted is not None and wanted > len(found):
        raise ConfigError(f"devices.num_devices is {wanted}, but JAX has {len(found)}; ask for fewer")
    if wanted is not None and jax.process_count() > 1 and wanted != len(found):
        raise ConfigError(
            f"devices.num_devices is {wanted}, but several processes use all {len(found)}; set it to None"
        )
    if settings.mode == "pmap" and jax.process_count() > 1:
        raise ConfigError(f"devices.mode is pmap, but there are {jax.process_count()} processes; set it to jit")
    devices = found[:wanted]
    if len(devices) % (shared * jax.process_count()):
        raise ConfigError(
            f"devices.model_parallelism is {shared}, which does not divide the {len(devices)} devices "
            f"of {jax.process_count()} process(es) equally"
        )
    # Explicit axes break nn.Embed on a sharded batch.
    # In the order of processes: rows of a process are neighbours, and so are the devices that share parameters.
    devices = sorted(devices, key=lambda device: (device.process_index, device.id))
    return Mesh(np.reshape(devices, (-1, shared)), ("data", "model"), axis_types=(AxisType.Auto, AxisType.Auto))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of values that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def state_shardings(state: Any, mesh: Mesh) -> Any:
    """Returns where each array of a state lives: large ones are divided over the axis `model`, the others are whole.

    An array is divided along the longest of its axes that the devices can share equally.

    Args:
        state: A state, or its shapes.
        mesh: Devices.

    Example:
        >>> state_shardings({"w": jnp.zeros((4, 2))}, make_mesh(Devices(num_devices=1)))["w"].is_fully_replicated
        True
    """
    shares = mesh.shape["model"]

    def place(leaf: Array) -> NamedSharding:
        axes = [axis for axis, length in enumerate(leaf.shape) if length % shares == 0]
        if shares == 1 or leaf.size < _WORTH_SPLITTING or not axes:
            return replicated(mesh)
        longest = max(axes, key=lambda axis: leaf.shape[axis])
        return NamedSharding(mesh, PartitionSpec(*(None,) * longest, "model"))

    return jax.tree.map(place, state)


def place_batch(batch: Batch, mesh: Mesh) -> Batch:
    """Spreads the rows of a batch over the mesh; each process gives its own rows.

    Raises:
        ConfigError: If the devices cannot share the rows equally.

    Example:
        >>> place_batch({"x": np.zeros((4, 2), np.float32)}, make_mesh(Devices(num_devices=1)))["x"].shape
        (4, 2)
    """
    _check_rows(len(next(iter(batch.values()))) * jax.process_count(), mesh)
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    return {name: jax.make_array_from_process_local_data(sharding, np.asarray(rows)) for name, rows in batch.items()}


def place_whole(batch: Batch, mesh: Mesh) -> Batch:
    """Spreads the rows of a batch that every process holds whole; rows that cannot be shared are held by all devices.

    Example:
        >>> place_whole({"x": np.zeros((4, 2), np.float32)}, make_mesh(Devices(num_devices=1)))["x"].shape
        (4, 2)
    """
    shared = len(next(iter(batch.values()))) % mesh.shape["data"] == 0
    sharding = NamedSharding(mesh, PartitionSpec("data" if shared else None))
    return {name: jax.device_put(np.asarray(rows), sharding) for name, rows in batch.items()}


def place_model(params: Params, collections: Collections, mesh: Mesh) -> tuple[Params, Collections]:
    """Sends a model to every device, once; one that is on devices stays as it is laid out.

    Example:
        >>> params, _ = place_model({"w": np.zeros(2, np.float32)}, {}, make_mesh(Devices(num_devices=1)))
        >>> isinstance(params["w"], jax.Array)
        True
    """
    held = jax.tree.leaves(params)
    if held and isinstance(held[0], jax.Array):
        return params, collections
    return jax.device_put((params, collections), replicated(mesh))


def compile_train_step(task: Task, state: TrainState, mesh: Mesh, *, mode: Literal["jit", "pmap"] = "jit") -> TrainStep:
    """Compiles the task's update; the state's memory is reused for the new state.

    Negatives and batch statistics span the global batch: with "jit" since the program is written for it, with "pmap"
    through `jaxmm.parallel`.

    Args:
        task: What to learn.
        state: A state, or its shapes.
        mesh: Devices.
        mode: As in `Devices`.
    """

    def step(state: TrainState, batch: Batch, stop: Array) -> tuple[TrainState, Metrics, Metrics]:
        with jax.default_matmul_precision(task.numerics.matmul_precision):
            after, metrics = task.train_step(state, batch)
        guards = after.guards.values()
        metrics = {**metrics, "skipped": sum(guard.skipped for guard in guards)}
        in_row = jnp.stack([guard.in_row for guard in guards]).max()
        return after, metrics, {"stop": parallel.largest(stop), "bad_in_row": in_row}

    num_flags = mesh.shape["data"] // jax.process_count()
    if mode == "jit":
        shardings = (state_shardings(state, mesh), replicated(mesh), replicated(mesh))
        compiled, place = jax.jit(step, out_shardings=shardings, donate_argnums=0), place_batch
    else:
        devices = list(mesh.devices.flat)
        compiled = jax.pmap(step, parallel.AXIS, in_axes=(None, 0, 0), out_axes=None, devices=devices, donate_argnums=0)
        place = _divide

    def run(state: TrainState, batch: Batch, stop: int) -> tuple[TrainState, Metrics, Metrics]:
        flags = place({"stop": np.full(num_flags, stop, np.int32)}, mesh)["stop"]
        return compiled(state, place(batch, mesh), flags)

    return run


def _divide(batch: Batch, mesh: Mesh) -> Batch:
    """Gives each device its rows, along a new first axis."""
    num_devices = mesh.shape["data"]
    _check_rows(len(next(iter(batch.values()))), mesh)
    return {name: np.reshape(rows, (num_devices, -1, *np.shape(rows)[1:])) for name, rows in batch.items()}


def _check_rows(num_rows: int, mesh: Mesh) -> None:
    if num_rows % mesh.shape["data"]:
        raise ConfigError(
            f"data.batch_size is {num_rows}, which {mesh.shape['data']} devices cannot share equally; use a multiple"
        )


def compile_eval(function: Callable[..., Any], mesh: Mesh, *, precision: str = "highest") -> Callable[..., Any]:
    """Compiles `function(params, collections, batch)` with whole outputs on every device; parameters stay put.

    Args:
        function: A pure function.
        mesh: Devices.
        precision: Precision of float32 products, as in `Numerics`.
    """

    def precise(params: Params, collections: Collections, batch: Batch) -> Any:
        with jax.default_matmul_precision(precision):
            return function(params, collections, batch)

    return jax.jit(precise, out_shardings=replicated(mesh))


def embed_rows(
    function: Callable[[Params, Collections, Batch], Any],
    batches: Iterable[Batch],
    *,
    params: Params,
    collections: Collections,
    mesh: Mesh,
    precision: str = "highest",
) -> Iterator[np.ndarray]:
    """Yields the rows that a function makes of each batch, as NumPy arrays; every process gives the same whole batch.

    Example:
        >>> batches = [{"x": np.arange(2.0)}, {"x": np.arange(2.0)}]
        >>> double = lambda params, collections, batch: params["scale"] * batch["x"]
        >>> rows = embed_rows(double, batches, params={"scale": 2.0}, collections={}, mesh=make_mesh())
        >>> [own.tolist() for own in rows]
        [[0.0, 2.0], [0.0, 2.0]]
    """
    compiled = compile_eval(function, mesh, precision=precision)
    for batch in batches:
        num_rows = len(next(iter(batch.values())))
        yield np.asarray(compiled(params, collections, place_whole(batch, mesh)))[:num_rows]
