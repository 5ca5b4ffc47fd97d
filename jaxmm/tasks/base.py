"""The contract between a system and the trainer."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, cast, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxmm import parallel
from jaxmm.data.dataset import Dataset
from jaxmm.generators.sign import SignGenerator
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


@runtime_checkable
class Embeds(Protocol):
    """A task whose towers embed motions and texts into one space."""

    @property
    def numerics(self) -> Numerics:
        """Precision of the products."""
        ...

    def embed_motion(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch dim"]:
        """Embeds `motion` under `motion_mask`, without dropout."""
        ...

    def embed_text(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch dim"]:
        """Embeds `token_ids` under `token_mask`, without dropout."""
        ...


@runtime_checkable
class Generates(Protocol):
    """A task that makes clips of signing from texts."""

    @property
    def numerics(self) -> Numerics:
        """Precision of the products."""
        ...

    @property
    def generator(self) -> SignGenerator:
        """What makes the clips: it knows their noise, their longest length and the signers."""
        ...

    def generate(self, params: Params, collections: Collections, batch: Batch) -> Mapping[str, Array]:
        """Makes a clip for each text; see `jaxmm.tasks.sign_task.SignTask.generate`."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """A task whose codes of signing tell how much of it looks real."""

    @property
    def numerics(self) -> Numerics:
        """Precision of the products."""
        ...

    def encode(
        self, params: Params, collections: Collections, batch: Batch
    ) -> tuple[Float[Array, "batch codes code_dim"], Bool[Array, "batch codes"]]:
        """Returns codes of stretches of `frames` under `frame_mask`, and which of them are of valid frames."""
        ...

    def reconstruct(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch time dim"]:
        """Returns `frames` as their codes tell them, normalised."""
        ...


@runtime_checkable
class AnswersFrames(Protocol):
    """A task that answers every frame of a video, by features or by preferences for labels."""

    @property
    def numerics(self) -> Numerics:
        """Precision of the products."""
        ...

    @property
    def context(self) -> tuple[int, int]:
        """Frames before and after one that its answer depends on."""
        ...

    def answer(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch time out"]:
        """Answers the frames of `features` under `frame_mask`."""
        ...

    def answer_next(
        self, params: Params, collections: Collections, batch: Batch, stream: Collections | None
    ) -> tuple[Float[Array, "batch time out"], Collections]:
        """Answers the next frames of a stream, and returns its state after them, as `FrameTask.answer_next` says."""
        ...


@runtime_checkable
class Aligns(AnswersFrames, Protocol):
    """A task whose answers are features, to be compared with embeddings of labels' descriptions."""

    def embeddings(self, collections: Collections) -> Float[Array, "labels out"]:
        """Returns the embeddings of the labels of training."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """A task that tells which class a video shows, by a classifier and, where it has them, by prompts."""

    @property
    def numerics(self) -> Numerics:
        """Precision of the products."""
        ...

    @property
    def semantics(self) -> object | None:
        """Where the embeddings of prompts come from; None has none."""
        ...

    def trains_backbone(self, params: Params, horizon: Horizon) -> bool:
        """Tells whether what sees the frames changes in a run, or its stage."""
        ...

    def features_of(self, videos: Any, split: str, embed: EmbedRows) -> Callable[[Batch], Batch] | None:
        """Sees all frames of a split once, and returns what puts their features into a batch."""
        ...

    def class_embeddings(self, vocabulary: Any) -> np.ndarray:
        """Returns the embedding of each class of a vocabulary by its prompts; see `compare`."""
        ...

    def see(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch time dim"]:
        """Returns the features of `frames`, of which none depends on another frame."""
        ...

    def classify(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch classes"]:
        """Returns the logits of the classifier for `frames`, or their `features`, under `frame_mask`."""
        ...

    def compare(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch classes"]:
        """Returns the scaled similarity of each video to the prompts of every class, `classes/embeddings`."""
        ...


@runtime_checkable
class Compares(Protocol):
    """A task that embeds videos and tells of pairs of embeddings how alike their videos are."""

    @property
    def numerics(self) -> Numerics:
        """Precision of the products."""
        ...

    @property
    def embedding_dim(self) -> int:
        """Width of the embeddings."""
        ...

    def trains_backbone(self, params: Params, horizon: Horizon) -> bool:
        """Tells whether what sees the frames changes in a run, or its stage."""
        ...

    def features_of(self, videos: Any, split: str, embed: EmbedRows) -> Callable[[Batch], Batch] | None:
        """Sees all frames of a split once, and returns what puts their features into a batch."""
        ...

    def embed_video(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch embedding"]:
        """Returns the embedding of each video, of its `features` where the batch has them, or of its `frames`."""
        ...

    def compare_pairs(
        self, params: Params, a: Float[Array, "pairs embedding"], b: Float[Array, "pairs embedding"]
    ) -> Float[Array, "pairs"]:
        """Returns the logit of each pair of embeddings: the higher, the more alike."""
        ...
