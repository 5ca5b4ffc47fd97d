"""The contract between a system and the trainer."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxmm import parallel
from jaxmm.data.dataset import Dataset
from jaxmm.horizon import Horizon
from jaxmm.numerics import Guard, Numerics
from jaxmm.objectives.reduce import weighted_mean
from jaxmm.optim import AdamW, moving_part, with_moving
from jaxmm.state import TrainState
from jaxmm.typing import Batch, Collections, Metrics, Params

EmbedRows = Callable[[Callable[[Params, Collections, Batch], Array], Iterable[Batch]], Iterator[np.ndarray]]
"""Applies a pure function of the task to batches and yields its rows, one batch's at a time."""

Runtime: TypeAlias = Literal["jax", "onnx"]
"""What applies it: JAX on its devices, or ONNX Runtime on the processor."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A system as settings: its modules, its objective and its optimizer, with pure functions over a state.

    A new system implements `init_variables` and `loss`, and may name parameters to freeze; the rest follows.

    Attributes:
        optimizer: How parameters are updated.
        numerics: Precision of training, and what is done about steps whose numbers are bad.
    """

    optimizer: AdamW = dataclasses.field(default_factory=AdamW)
    numerics: Numerics = dataclasses.field(default_factory=Numerics)

    def init_variables(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, Collections]:
        """Returns freshly initialised parameters and collections, traceable under `jax.eval_shape`."""
        raise TypeError(f"{type(self).__name__} must define init_variables")

    def loss(
        self, params: Params, collections: Collections, batch: Batch, key: PRNGKeyArray, *, train: bool
    ) -> tuple[Float[Array, "batch"], tuple[Collections, Metrics]]:
        """Returns one loss per example, the collections after the batch, and scalars worth logging."""
        raise TypeError(f"{type(self).__name__} must define loss")

    def counts(self, batch: Batch) -> Int[Array, "batch"]:
        """Returns how much each example counts in the mean loss of a batch; by default all real ones count alike."""
        return batch["example_mask"].astype(jnp.int32)

    def load_pretrained(
        self, params: Params, collections: Collections, data: Dataset[Any]
    ) -> tuple[Params, Collections]:
        """Returns the variables with what is not learnt here put in; by default there is nothing.

        Args:
            params: Freshly initialised.
            collections: Freshly initialised.
            data: The data that are learnt from.
        """
        del data
        return params, collections

    def check_data(self, data: Dataset[Any]) -> None:
        """Refuses data that the modules cannot take; by default any will do.

        Raises:
            ConfigError: If the data do not fit.
        """
        del data

    @property
    def runtime(self) -> Runtime:
        """What applies functions to all data before training; `precompute` is given one that does."""
        return "jax"

    def precompute(
        self, params: Params, data: Dataset[Any], embed: EmbedRows, horizon: Horizon
    ) -> Callable[[Batch], Batch]:
        """Returns what is done to each training batch before its step; by default nothing.

        A task whose frozen parameters would compute the same again at every step computes it here, once a stage.

        Args:
            params: Parameters at the start; only frozen ones may be used.
            data: The data.
            embed: Runs a function `(params, collections, batch) -> array` of one value a row, compiled.
            horizon: The run, and its stage.
        """
        del params, data, embed, horizon
        return lambda batch: batch

    def frozen(self, params: Params) -> Set[str]:
        """Returns the paths of the parameters that never change; by default there are none."""
        del params
        return frozenset()

    def init(self, key: PRNGKeyArray, batch: Batch, horizon: Horizon) -> TrainState:
        """Returns the state before the first step; traceable, so shapes cost nothing to know.

        Args:
            key: Randomness of the initialisation and, folded with the step, of every step.
            batch: Any batch; only shapes are read.
            horizon: Length of the run, as a whole.
        """
        init_key, run_key = jax.random.split(key)
        params, collections = self.init_variables(init_key, batch)
        return TrainState(
            step=jnp.int32(0),
            params=params,
            collections=collections,
            opt_state=self.transform(params, horizon).init(self.moving(params, horizon)),
            guards={"all": Guard.fresh()},
            key=jax.random.key_data(run_key),
            horizon=horizon,
        )

    def moving(self, params: Params, horizon: Horizon) -> Params:
        """Returns the parameters that the run, or its stage, changes; the others are None."""
        return moving_part(params, self.frozen(params) | self.optimizer.frozen(params, horizon))

    def transform(self, params: Params, horizon: Horizon) -> optax.GradientTransformation:
        """Returns the transformation of the gradients of the moving parameters."""
        return self.optimizer.build(params, horizon=horizon, frozen=self.frozen(params))

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """Returns the state after one update, and its scalars; after a bad step only the counts have changed."""
        moving, key = self.moving(state.params, state.horizon), parallel.own_key(state.step_key())

        def objective(moving: Params) -> tuple[Array, tuple[Collections, Metrics]]:
            params = self.numerics.cast(with_moving(moving, state.params))
            losses, aux = self.loss(params, state.collections, self.numerics.cast(batch), key, train=True)
            return weighted_mean(losses, self.counts(batch)), aux

        (loss, (collections, metrics)), grads = jax.value_and_grad(objective, has_aux=True)(moving)
        done = guarded_update(
            self.transform(state.params, state.horizon),
            self.numerics,
            state.guards["all"],
            moving=moving,
            opt_state=state.opt_state,
            loss=loss,
            grads=grads,
            others=(state.collections, collections),
        )
        after = dataclasses.replace(
            state,
            step=state.step + 1,
            params=with_moving(done.moving, state.params),
            collections=done.others,
            opt_state=done.opt_state,
            guards={"all": done.guard},
        )
        return after, {"loss": loss, "grad_norm": done.grad_norm, **parallel.mean(metrics)}

    def eval_step(self, state: TrainState, batch: Batch) -> Metrics:
        """Returns the scalars of a batch without dropout and with running statistics (D4)."""
        losses, (_, metrics) = self.loss(state.params, state.collections, batch, state.step_key(), train=False)
        return {"loss": weighted_mean(losses, self.counts(batch)), **metrics}


class Update(NamedTuple):
    """What one optimizer's update leaves; after a bad step all but the guard is as it was."""

    moving: Params
    opt_state: optax.OptState
    others: Any
    guard: Guard
    grad_norm: Float[Array, ""]


def guarded_update(
    transform: optax.GradientTransformation,
    numerics: Numerics,
    guard: Guard,
    *,
    moving: Params,
    opt_state: optax.OptState,
    loss: Float[Array, ""],
    grads: Params,
    others: tuple[Any, Any] = ((), ()),
) -> Update:
    """Takes one step of an optimizer, unless its numbers are bad.

    Args:
        transform: The optimizer.
        numerics: What counts as bad.
        guard: What is remembered of its steps.
        moving: Parameters that it changes.
        opt_state: Its state.
        loss: The loss, of all devices.
        grads: Its gradient; each device gives its own, and their mean counts.
        others: Further arrays before and after the step, which must be finite.

    Example:
        >>> params, transform = {"w": jnp.ones(2)}, optax.sgd(0.5)
        >>> done = guarded_update(transform, Numerics(), Guard.fresh(), moving=params, opt_state=transform.init(params),
        ...                       loss=jnp.float32(1), grads=params)
        >>> done.moving["w"].tolist()
        [0.5, 0.5]
    """
    grads = parallel.mean(grads)
    grad_norm = optax.tree.norm(grads)
    before, after = others

    def update() -> tuple[Params, optax.OptState, Any]:
        updates, new_state = transform.update(grads, opt_state, moving)
        return cast(Params, optax.apply_updates(moving, updates)), new_state, after

    old = moving, opt_state, before
    kept, guard = guard.choose(numerics, old, update, loss=loss, grad_norm=grad_norm, watched=after)
    return Update(*kept, guard=guard, grad_norm=grad_norm)
