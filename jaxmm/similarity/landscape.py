"""The loss around what a run has learnt: over a plane of two random directions, or along one."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float64

from jaxmm.data.similar_videos import SimilarVideosData
from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.study_plots import plot_landscape
from jaxmm.files import write_text
from jaxmm.model import Model
from jaxmm.objectives.reduce import weighted_mean
from jaxmm.optim import with_moving
from jaxmm.similarity.features import kept_features
from jaxmm.tasks.video_similarity import VideoSimilarityTask
from jaxmm.train.step import Devices, compile_eval, make_mesh, place_model, place_whole
from jaxmm.typing import Batch, Params


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Landscape:
    """Losses at steps along one or two directions.

    Attributes:
        steps: How far along each direction, rising.
        losses: Loss at each step, or at each step along the first direction and the second.

    Example:
        >>> landscape = Landscape(steps=np.array([-1.0, 0.0, 1.0]), losses=np.array([3.0, 1.0, 2.0]))
        >>> landscape.values()
        {'loss': 1.0, 'lowest': 1.0, 'highest': 3.0}
    """

    steps: Float64[np.ndarray, "points"]
    losses: Float64[np.ndarray, "points *second"]

    def values(self) -> dict[str, float]:
        """Returns the loss nearest to the run itself, and the lowest and highest of those that are finite.

        Raises:
            DataError: If none is finite.
        """
        middle = (int(np.abs(self.steps).argmin()),) * self.losses.ndim
        finite = self.losses[np.isfinite(self.losses)]
        if not finite.size:
            raise DataError("no loss of the landscape is finite; choose a smaller reach")
        return {"loss": float(self.losses[middle]), "lowest": float(finite.min()), "highest": float(finite.max())}

    def draw(self, folder: Path, *, title: str) -> None:
        """Writes `landscape.png` and `landscape.csv`, a row for each point.

        Raises:
            MissingExtraError: If matplotlib is not installed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        names = ["first", "second"][: self.losses.ndim]
        points = itertools.product(self.steps.tolist(), repeat=self.losses.ndim)
        rows = [
            ",".join(f"{value:.6g}" for value in (*point, loss))
            for point, loss in zip(points, self.losses.ravel().tolist(), strict=True)
        ]
        write_text(folder / "landscape.csv", "\n".join([",".join([*names, "loss"]), *rows, ""]))
        plot_landscape(folder / "landscape.png", self.steps, self.losses, title=title)


def loss_landscape(
    model: Model,
    *,
    num_directions: int = 2,
    num_points: int = 25,
    reach: float = 1.0,
    num_batches: int = 4,
    seed: int = 0,
    root: str | None = None,
) -> Landscape:
    """Measures the training loss around what a run has learnt, without dropout and with running statistics.

    Args:
        model: A run that compares videos.
        num_directions: 1 for a line, 2 for a plane.
        num_points: Points along each direction, >= 2; an odd number has the run itself in the middle.
        reach: How far to go both ways, > 0; at 1 each filter has been changed by as much as its own norm.
        num_batches: Training batches whose mean loss it is, >= 1.
        seed: Seed of the directions and of the batches, >= 0.
        root: Folder of the data; the run's own by default.

    Raises:
        ConfigError: If the run is of another system, or a number is out of its range.
        DataError: If the data cannot be read.

    Example:
        >>> import jaxmm
        >>> loss_landscape(jaxmm.load("no/such/run"))
        Traceback (most recent call last):
        jaxmm.errors.CheckpointError: no/such/run: is not a run; give the folder that jaxmm train wrote

    Reference: Li et al., Visualizing the loss landscape of neural nets, arXiv:1712.09913.
    """
    task = model.experiment.task
    if not isinstance(task, VideoSimilarityTask):
        raise ConfigError(f"{type(task).__name__} compares no videos; choose a run of VideoSimilarityTask")
    if num_directions not in (1, 2):
        raise ConfigError(f"directions are {num_directions}; give 1 for a line, or 2 for a plane")
    for name, value, least in (("points", num_points, 2), ("batches", num_batches, 1), ("seed", seed, 0)):
        if value < least:
            raise ConfigError(f"{name} is {value}; give {least} or more")
    if not 0 < reach < math.inf:
        raise ConfigError(f"reach is {reach}; give a step above zero")
    mesh, data = make_mesh(Devices(num_devices=1)), model.open_similar(root=root)
    batches = [place_whole(batch, mesh) for batch in _batches(model, data, num_batches, seed)]
    params, collections = place_model(model.params, model.collections, mesh)
    moving = task.moving(params, model.experiment.loop.horizon())
    keys = jax.random.split(jax.random.key(seed), num_directions)
    directions = [filter_normalised(key, moving) for key in keys]

    def losses_at(params: Params, collections: Any, batch: Batch) -> Array:
        def at(point: Array) -> Array:
            ahead = jax.tree.map(lambda own, *ways: own + sum(map(jnp.multiply, point, ways)), moving, *directions)
            where = with_moving(ahead, params)
            losses, _ = task.loss(where, collections, batch["examples"], keys[0], train=False)
            return weighted_mean(losses, task.counts(batch["examples"]))

        return jax.lax.map(at, batch["points"])

    steps = np.linspace(-reach, reach, num_points)
    points = np.array(list(itertools.product(steps, repeat=num_directions)), np.float32)
    compiled = compile_eval(losses_at, mesh, precision=task.numerics.matmul_precision)
    found = [
        np.asarray(compiled(params, collections, {"examples": batch, "points": points}), np.float64)
        for batch in batches
    ]
    return Landscape(steps=steps, losses=np.mean(found, axis=0).reshape((num_points,) * num_directions))


def filter_normalised(key: Array, params: Params) -> Params:
    """Returns a random direction, of which each filter is as long as that of the parameters.

    A filter is what makes one output of a layer, along the last axis; biases, scales and other parameters of one axis
    or none stay where they are.

    Args:
        key: Randomness.
        params: Parameters; those that are None stay so.

    Example:
        >>> way = filter_normalised(jax.random.key(0), {"kernel": jnp.ones((4, 2)), "bias": jnp.ones(2)})
        >>> jnp.linalg.norm(way["kernel"], axis=0).round(3).tolist(), way["bias"].tolist()
        ([2.0, 2.0], [0.0, 0.0])

    Reference: arXiv:1712.09913, section 4.
    """
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, max(1, len(leaves)))
    return jax.tree.unflatten(tree, [_direction(*own) for own in zip(keys, leaves, strict=False)])


def _direction(key: Array, own: Array) -> Array:
    if own.ndim < 2:
        return jnp.zeros_like(own)
    way, axes = jax.random.normal(key, own.shape, own.dtype), tuple(range(own.ndim - 1))
    lengths = (jnp.sqrt(jnp.square(part).sum(axis=axes, keepdims=True)) for part in (own, way))
    return way * (next(lengths) / next(lengths))


def _batches(model: Model, data: SimilarVideosData, count: int, seed: int) -> Sequence[Batch]:
    """Returns training batches, with features of frames where training keeps them."""
    ready: Callable[[Batch], Batch] = kept_features(model, data, "train")
    batches = data.train_batches(seed=seed)
    return [ready(next(batches)) for _ in range(count)]
