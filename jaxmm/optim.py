"""Optimizers as settings: AdamW over parameter groups, cosine annealing by epoch, frozen parameters and stages."""

import dataclasses
import math
import re
from collections.abc import Hashable, Mapping, Set
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, ArrayLike, Float

from jaxmm.errors import ConfigError, reason
from jaxmm.horizon import Horizon, Stage
from jaxmm.typing import Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters that share a learning rate.

    Attributes:
        pattern: Regular expression searched in paths such as `text/head/out/kernel`; the first group to match wins.
        lr_scale: Multiplies the peak learning rate, >= 0; None freezes the group.
        weight_decay: Decoupled decay of the group, >= 0; None takes the optimizer's.

    Raises:
        ConfigError: If the pattern is no regular expression, or a number is negative.

    Example:
        >>> Group(pattern="^text/", lr_scale=0.1).lr_scale
        0.1
    """

    pattern: str
    lr_scale: float | None = 1.0
    weight_decay: float | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ConfigError(
                f"optimizer.groups: {self.pattern!r} is no regular expression ({reason(error)})"
            ) from error
        if self.lr_scale is not None and not self.lr_scale >= 0:
            raise ConfigError(f"optimizer.groups: lr_scale is {self.lr_scale}; give 0 or more, or None to freeze")
        if self.weight_decay is not None and not self.weight_decay >= 0:
            raise ConfigError(f"optimizer.groups: weight_decay is {self.weight_decay}; give 0 or more, or None")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamW:
    """AdamW with one cosine schedule per group, annealed once an epoch, as the seeds train.

    Attributes:
        lr: Peak learning rate, >= 0.
        end_lr: Where every group's cosine ends, >= 0.
        restart_epochs: Epochs of the first cosine, after which the rate starts again at its peak; each further cosine
            takes twice as long. None has one cosine over the whole run.
        weight_decay: Decoupled decay, >= 0; frozen parameters do not decay.
        b1: Decay of the first moment, in [0, 1).
        b2: Decay of the second moment, in [0, 1).
        epsilon: Added to the root of the second moment, > 0.
        warmup_steps: Updates over which the rate grows linearly from zero.
        clip_norm: Largest global norm of the gradient; None leaves it as it is.
        groups: Ordered; a parameter that none matches is an error.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> settings = AdamW(groups=(Group(pattern="head"), Group(pattern="", lr_scale=None)))
        >>> params = {"head": jnp.ones(2), "tower": jnp.ones(2)}
        >>> horizon = Horizon(epochs=2, steps_per_epoch=5)
        >>> transform = settings.build(params, horizon=horizon)
        >>> moving = moving_part(params, settings.frozen(params, horizon))
        >>> updates, _ = transform.update(moving, transform.init(moving), moving)
        >>> updates["tower"], bool((updates["head"] < 0).all())
        (None, True)

    Reference: arXiv:1711.05101; seed 000, training configuration; restarts, arXiv:1608.03983 and seed 002.
    """

    lr: float = 3e-4
    end_lr: float = 1e-6
    restart_epochs: int | None = None
    weight_decay: float = 1e-5
    b1: float = 0.9
    b2: float = 0.999
    epsilon: float = 1e-8
    warmup_steps: int = 0
    clip_norm: float | None = None
    groups: tuple[Group, ...] = (Group(pattern=""),)

    def __post_init__(self) -> None:
        for name in ("lr", "end_lr", "weight_decay", "warmup_steps"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"optimizer.{name} is {getattr(self, name)}; give 0 or more")
        if self.restart_epochs is not None and self.restart_epochs < 1:
            raise ConfigError(f"optimizer.restart_epochs is {self.restart_epochs}; give 1 or more, or None")
        for name in ("b1", "b2"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"optimizer.{name} is {getattr(self, name)}; give 0 or more, below 1")
        if not self.epsilon > 0:  # a parameter without gradient would become 0 / 0
            raise ConfigError(f"optimizer.epsilon is {self.epsilon}; give a value above zero")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ConfigError(f"optimizer.clip_norm is {self.clip_norm}; give a norm above zero, or None")

    def build(
        self,
        params: Params,
        *,
        horizon: Horizon,
        frozen: Set[str] = frozenset(),
        undecayed: Set[str] = frozenset(),
        whole: Params | None = None,
    ) -> optax.GradientTransformation:
        """Returns the transformation for the moving part of a tree of parameters.

        Its state is that of all parameters that move at any time of the run; of a run's stage, it updates those that
        train there, and leaves the state of the others as it is.

        Args:
            params: The whole tree, arrays or their shapes; only the paths are read.
            horizon: Length of the run, and its stage.
            frozen: Paths that never change, whatever their group.
            undecayed: Paths that change without weight decay.
            whole: All parameters that stages may name, where other optimizers change the rest of them.

        Raises:
            ConfigError: If a parameter is in no group, or a group or a stage matches no parameter.
        """
        groups = list(enumerate(self.groups))
        # One number for a group and the stage at which a parameter begins: both set its learning rate.
        transforms: dict[Hashable, optax.GradientTransformation] = {
            stage * len(groups) + index: optax.adamw(
                self.schedule(group.lr_scale, horizon, begins=stage),
                b1=self.b1,
                b2=self.b2,
                eps=self.epsilon,
                weight_decay=self.weight_decay if group.weight_decay is None else group.weight_decay,
                mask=(lambda tree: _paths_outside(tree, undecayed)) if undecayed else None,
            )
            for stage in range(len(horizon.lengths))
            for index, group in groups
            if group.lr_scale is not None
        }

        def number(path: jax.tree_util.KeyPath, index: int) -> int:
            return (horizon.begins(path_name(path)) or 0) * len(groups) + index

        labels = jax.tree_util.tree_map_with_path(number, self._labels(params))
        run = dataclasses.replace(horizon, stage=None)
        grouped = optax.partition(transforms, moving_part(labels, frozen | self.frozen(params, run, whole=whole)))
        if horizon.stage is not None:
            running = {
                own: made for own, made in transforms.items() if cast(int, own) < (horizon.stage + 1) * len(groups)
            }
            still = frozen | self.frozen(params, horizon, whole=whole)
            grouped = _partly(grouped, optax.partition(running, moving_part(labels, still)))
        return grouped if self.clip_norm is None else optax.chain(optax.clip_by_global_norm(self.clip_norm), grouped)

    def frozen(self, params: Params, horizon: Horizon, *, whole: Params | None = None) -> frozenset[str]:
        """Returns the paths of the parameters that do not move: those of groups that never do, or of later stages.

        Args:
            params: Those of this optimizer.
            horizon: Length of the run, and its stage.
            whole: All parameters that stages may name, where other optimizers change the rest of them.

        Raises:
            ConfigError: If a parameter is in no group, or a group or a stage matches no parameter.
        """
        leaves = [(path_name(path), group) for path, group in jax.tree_util.tree_leaves_with_path(self._labels(params))]
        named = jax.tree_util.tree_leaves_with_path(params if whole is None else whole)
        begun = {horizon.begins(path_name(path)) for path, _ in named}
        for number, stage in enumerate(horizon.stages):
            if number not in begun:
                raise ConfigError(
                    f"loop.stages[{number}]: pattern {stage.pattern!r} matches no parameter that an earlier stage has "
                    "not begun; correct or remove it"
                )
        return frozenset(
            path for path, group in leaves if self.groups[group].lr_scale is None or not horizon.trains(path)
        )

    def schedule(self, lr_scale: float, horizon: Horizon, *, begins: int = 0) -> optax.Schedule:
        """Returns the learning rate by step: constant within an epoch, a cosine from epoch to epoch of each stage.

        Args:
            lr_scale: Multiplies the peak.
            horizon: Length of the run, and its stages.
            begins: Stage whose first update is step 0.

        Example:
            >>> rate = AdamW(lr=1.0, end_lr=0.0).schedule(1.0, Horizon(epochs=2, steps_per_epoch=10))
            >>> [round(float(rate(step)), 3) for step in (0, 9, 10)]
            [1.0, 1.0, 0.5]
        """
        stages = horizon.stages or (Stage(epochs=horizon.epochs, pattern=""),)
        by_epoch: list[float] = []
        first: list[int] = []  # of each epoch's stage
        for stage in stages:
            # In double precision here: float32 cosines are off by more than a millionth towards the end.
            cosines = [(1 + math.cos(math.pi * share)) / 2 for share in self._shares(stage.epochs)]
            peak, start = self.lr * lr_scale * stage.lr_scale, len(first)
            rates = [self.end_lr + (peak - self.end_lr) * cosine for cosine in cosines]
            by_epoch, first = by_epoch[:start] + rates, first + [start] * stage.epochs
        first.append(first[-1])
        skipped = sum(horizon.lengths[:begins]) * horizon.steps_per_epoch

        def rate(step: ArrayLike) -> Float[Array, ""]:
            step = jnp.add(step, skipped)
            epoch = jnp.minimum(jnp.floor_divide(step, horizon.steps_per_epoch), horizon.epochs)
            since = step - jnp.asarray(first)[epoch] * horizon.steps_per_epoch
            warm = jnp.minimum(1.0, (since + 1) / max(self.warmup_steps, 1))
            return warm * jnp.asarray(by_epoch, jnp.float32)[epoch]

        return rate

    def _shares(self, epochs: int) -> list[float]:
        """Returns what share of its cosine has gone by at the start of each epoch, and at the end of the run."""
        if self.restart_epochs is None:
            return [epoch / epochs for epoch in range(epochs + 1)]
        shares: list[float] = []
        length = self.restart_epochs
        while len(shares) <= epochs:
            shares += [epoch / length for epoch in range(length)]
            length *= 2
        return shares[: epochs + 1]

    def _labels(self, params: Params) -> Params:
        """Returns the index of each parameter's group."""
        used: set[int] = set()

        def label(path: jax.tree_util.KeyPath, _: Any) -> int:
            name = path_name(path)
            for index, group in enumerate(self.groups):
                if re.search(group.pattern, name):
                    used.add(index)
                    return index
            raise ConfigError(
                f"optimizer.groups: no pattern matches the parameter {name}; add a last group with pattern ''"
            )

        labels = jax.tree_util.tree_map_with_path(label, params)
        for index, group in enumerate(self.groups):
            if index not in used:
                raise ConfigError(
                    f"optimizer.groups[{index}]: pattern {group.pattern!r} matches no parameter "
                    "that an earlier group has not taken; correct or remove it"
                )
        return labels


def _partly(whole: optax.GradientTransformation, part: optax.GradientTransformation) -> optax.GradientTransformation:
    """Returns a partition whose state is that of the whole, and whose updates are those of a part of its groups."""

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        groups = cast(optax.PartitionState, state).inner_states
        # The states of the part differ by what stands for parameters that are not its own, which holds no array.
        like = cast(optax.PartitionState, jax.eval_shape(part.init, params))
        own = {label: groups[label] for label in like.inner_states}
        given = jax.tree.unflatten(jax.tree.structure(like), jax.tree.leaves(own))
        updates, changed = part.update(updates, given, params)
        own = jax.tree.unflatten(jax.tree.structure(own), jax.tree.leaves(changed))
        return updates, optax.PartitionState({**groups, **own})

    return optax.GradientTransformation(whole.init, update)


def moving_part(tree: Params, frozen: Set[str]) -> Params:
    """Returns a tree without its frozen leaves, which are None.

    Example:
        >>> moving_part({"head": 1, "tower": 2}, {"tower"})
        {'head': 1, 'tower': None}
    """
    return jax.tree_util.tree_map_with_path(lambda path, leaf: None if path_name(path) in frozen else leaf, tree)


def with_moving(moving: Params, tree: Params) -> Params:
    """Returns a tree with its moving part replaced; the inverse of `moving_part`.

    Example:
        >>> with_moving({"head": 5, "tower": None}, {"head": 1, "tower": 2})
        {'head': 5, 'tower': 2}
    """
    return jax.tree.map(lambda new, old: old if new is None else new, moving, tree, is_leaf=lambda leaf: leaf is None)


def keep_within(ranges: Mapping[str, tuple[float, float]]) -> optax.GradientTransformation:
    """Cuts updates so that parameters stay in their ranges.

    Args:
        ranges: Least and largest value by path; other parameters are free.

    Example:
        >>> transform = keep_within({"log_temperature": (-2.0, 0.0)})
        >>> params, updates = {"log_temperature": jnp.float32(-0.5)}, {"log_temperature": jnp.float32(3.0)}
        >>> transform.update(updates, transform.init(params), params)[0]["log_temperature"].item()
        0.5
    """

    def cut(path: jax.tree_util.KeyPath, update: Array, param: Array) -> Array:
        if path_name(path) not in ranges:
            return update
        return jnp.clip(param + update, *ranges[path_name(path)]) - param

    return optax.stateless(lambda updates, params: jax.tree_util.tree_map_with_path(cut, updates, params))


def _paths_outside(tree: optax.Params, paths: Set[str]) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, _: path_name(path) not in paths, tree)


def path_name(path: jax.tree_util.KeyPath) -> str:
    """Writes the path of a leaf as names joined by slashes.

    Example:
        >>> [path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path({"a": {"b": 1}})]
        ['a/b']
    """
    return jax.tree_util.keystr(path, simple=True, separator="/")
