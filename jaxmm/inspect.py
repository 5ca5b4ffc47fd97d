"""What a model is made of: parameters, shapes and floating-point operations."""

import dataclasses
from typing import Any

import jax
import numpy as np

from jaxmm.errors import ConfigError
from jaxmm.experiment import Experiment
from jaxmm.optim import path_name
from jaxmm.tasks.abilities import Embeds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """One module of a model.

    Attributes:
        name: Path of the module, such as `motion/gru`.
        num_parameters: Number of its parameters.
        trainable: How many of them training changes.
        shapes: Shape of each of its variables by name.

    Example:
        >>> Part(name="motion/head", num_parameters=4, trainable=4, shapes={"bias": (4,)}).trainable
        4
    """

    name: str
    num_parameters: int
    trainable: int
    shapes: dict[str, tuple[int, ...]]


def parts(experiment: Experiment, *, num_joints: int | None = None, depth: int = 3) -> list[Part]:
    """Lists the modules of an experiment's task, without allocating any parameter.

    Args:
        experiment: The experiment.
        num_joints: Joints of the skeleton, >= 1, where data may be of any; None takes a usual number.
        depth: Number of path elements after which parameters are summed up, >= 1.

    Raises:
        ConfigError: If there are no joints, or parameters would be summed up under no name.

    Example:
        >>> from jaxmm import DanceTextTask, MotionText
        >>> rows = parts(Experiment(task=DanceTextTask(), data=MotionText()), num_joints=25, depth=2)
        >>> [(row.name, row.num_parameters) for row in rows if row.name == "motion/gru"]
        [('motion/gru', 1773568)]
    """
    if depth < 1:
        raise ConfigError(f"depth is {depth}; give 1 or more")
    batch = experiment.data.blank_batch(num_joints=num_joints)
    params = jax.eval_shape(experiment.task.init_variables, jax.random.key(0), batch)[0]
    moving = jax.tree_util.tree_leaves_with_path(experiment.task.moving(params, experiment.loop.horizon()))
    trained = {path_name(path) for path, _ in moving}
    found: dict[str, Part] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        names = [str(entry.key) for entry in path]
        name, size = "/".join(names[:depth][: len(names) - 1]), int(np.prod(leaf.shape))
        before = found.get(name, Part(name=name, num_parameters=0, trainable=0, shapes={}))
        found[name] = Part(
            name=name,
            num_parameters=before.num_parameters + size,
            trainable=before.trainable + (size if "/".join(names) in trained else 0),
            shapes={**before.shapes, "/".join(names[len(name.split("/")) :]): leaf.shape},
        )
    return list(found.values())


def totals(experiment: Experiment, *, num_joints: int | None = None) -> dict[str, float]:
    """Returns parameters in all and in training, by stage where it has any, and operations to embed one example.

    Args:
        experiment: The experiment.
        num_joints: Joints of the skeleton, >= 1, where data may be of any; None takes a usual number.

    Raises:
        ConfigError: If JAX cannot count operations on this backend.

    Example:
        >>> from jaxmm import DanceTextTask, MotionText
        >>> sums = totals(Experiment(task=DanceTextTask(), data=MotionText()), num_joints=25)
        >>> sums["parameters/motion"]
        2010240.0
    """
    rows = parts(experiment, num_joints=num_joints, depth=1)
    sums = {f"parameters/{row.name}": float(row.num_parameters) for row in rows}
    sums["parameters"] = sum(sums.values())
    sums["parameters/trainable"] = float(sum(row.trainable for row in rows))
    task, horizon = experiment.task, experiment.loop.horizon()
    batch = experiment.data.blank_batch(num_joints=num_joints)
    params, collections = jax.eval_shape(task.init_variables, jax.random.key(0), batch)
    for number in range(len(horizon.stages)):
        moving = task.moving(params, dataclasses.replace(horizon, stage=number))
        sums[f"parameters/trainable/stage_{number}"] = float(sum(leaf.size for leaf in jax.tree.leaves(moving)))
    if isinstance(task, Embeds):
        for name, function in (("motion", task.embed_motion), ("text", task.embed_text)):
            sums[f"flops/{name}"] = _flops(function, params, collections, batch)
    return sums


def _flops(function: Any, *shapes: Any) -> float:
    costs = jax.jit(function).lower(*shapes).cost_analysis()
    if costs is None:
        raise ConfigError(
            f"JAX counts no operations on the {jax.default_backend()} backend; set JAX_PLATFORMS=cpu to inspect"
        )
    return float(costs["flops"])
