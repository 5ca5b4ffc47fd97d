"""Motion-text retrieval: two towers, one space, a contrastive objective."""

import dataclasses
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from jaxmm import parallel
from jaxmm.data.dataset import Dataset
from jaxmm.data.motion_text import MotionTextData
from jaxmm.encoders.heads import ProjectionHead
from jaxmm.encoders.pose import PoseConvGru
from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon
from jaxmm.objectives.positives import same_texts, similar_rows
from jaxmm.objectives.settings import Contrastive
from jaxmm.optim import AdamW, Group, keep_within
from jaxmm.tasks.micro_batches import embed_in_micro_batches
from jaxmm.tasks.text_task import TextTask
from jaxmm.typing import Batch, Collections, Metrics, Params
from jaxmm.weights import Freeze


def _seed_freeze() -> Freeze:
    return Freeze.last_tensors(4)


def _seed_optimizer() -> AdamW:
    return AdamW(groups=(Group(pattern="^text/", lr_scale=0.1), Group(pattern="")))


class _Towers(NamedTuple):
    """What both towers make of a batch; `features` are what the text head projects."""

    motion: Float[Array, "batch dim"]
    text: Float[Array, "batch dim"]
    features: Float[Array, "batch features"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DanceTextTask(TextTask):
    """Learns to find a motion by a sentence and a sentence by a motion.

    The text backbone's fields are inherited from `jaxmm.tasks.text_task.TextTask`.

    Attributes:
        motion: Motion encoder; takes `(motion, motion_mask, deterministic=)` and returns unit-norm embeddings.
        text_head: Projection of the pooled states.
        objective: What makes a pair's embeddings alike, and others unlike.
        num_micro_batches: Pieces of a batch that the towers are trained on one after the other, see
            `embed_in_micro_batches`; must divide the batch. Negatives span the batch, batch statistics a piece.
        optimizer: By default the seed's: the text tower, its head included, learns at a tenth of the rate. What the
            objective learns is under `objective/`, and is not decayed, as in CLIP.

    Raises:
        ConfigError: If there is no micro-batch, or the towers end in different widths.

    Example:
        >>> from jaxmm import TransformerText
        >>> tiny = TransformerText(vocab_size=50, dim=8, num_layers=1, num_heads=2, feedforward_dim=16)
        >>> task = DanceTextTask(text=tiny, freeze=Freeze("nothing"))
        >>> batch = {"motion": jnp.ones((2, 6, 25, 3)), "motion_mask": jnp.ones((2, 6), bool),
        ...          "token_ids": jnp.ones((2, 4), int), "token_mask": jnp.ones((2, 4), bool),
        ...          "example_mask": jnp.ones(2, bool)}
        >>> sorted(jax.eval_shape(task.init_variables, jax.random.key(0), batch)[0]["text"])
        ['backbone', 'head']

    Reference: seed 000, with the decisions of its specification.
    """

    motion: nn.Module = dataclasses.field(default_factory=PoseConvGru)
    text_head: ProjectionHead = dataclasses.field(default_factory=ProjectionHead)
    freeze: Freeze = dataclasses.field(default_factory=_seed_freeze)
    objective: Contrastive = dataclasses.field(default_factory=Contrastive)
    num_micro_batches: int = 1
    optimizer: AdamW = dataclasses.field(default_factory=_seed_optimizer)

    def __post_init__(self) -> None:
        if self.num_micro_batches < 1:
            raise ConfigError(f"task.num_micro_batches is {self.num_micro_batches}; give 1 or more")
        width = getattr(self.motion, "embedding_dim", None)
        if width != self.text_head.embedding_dim:
            raise ConfigError(
                f"task.motion.embedding_dim is {width} and task.text_head.embedding_dim "
                f"{self.text_head.embedding_dim}; make them equal"
            )

    def init_variables(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, Collections]:
        """Returns random parameters, and the motion encoder's running statistics."""
        motion_key, backbone_key, head_key = jax.random.split(key, 3)
        motion = self.motion.init(motion_key, batch["motion"], batch["motion_mask"], deterministic=True)
        backbone = self.text.init(backbone_key, batch["token_ids"], batch["token_mask"], deterministic=True)
        head = self.text_head.init(head_key, jnp.zeros((1, self.text.dim)))
        params = {
            "motion": motion["params"],
            "text": {"backbone": backbone["params"], "head": head["params"]},
        }
        if self.objective.learnable:
            params["objective"] = self.objective.init_params()
        return params, {"motion": {name: own for name, own in motion.items() if name != "params"}}

    def transform(self, params: Params, horizon: Horizon) -> optax.GradientTransformation:
        """Returns the gradient transformation, which keeps a learnt temperature in its range and does not decay it."""
        if not self.objective.learnable:
            return super().transform(params, horizon)
        own = {f"objective/{name}" for name in self.objective.init_params()}
        ranges = {f"objective/{name}": bounds for name, bounds in self.objective.ranges().items()}
        built = self.optimizer.build(params, horizon=horizon, frozen=self.frozen(params), undecayed=own)
        return optax.chain(built, keep_within(ranges))

    def check_data(self, data: Dataset[Any]) -> None:
        """Refuses data that are no motions, a tokenizer that does not fit, and batches that cannot be cut.

        Raises:
            ConfigError: If the data hold no motions, the tokenizer does not fit the backbone, or batches cannot be
                shared equally by micro-batches or chunks.
        """
        if not isinstance(data, MotionTextData):
            raise ConfigError(f"data are {type(data.settings).__name__}; DanceTextTask learns from MotionText")
        super().check_data(data)
        batch_size, chunk_size = data.settings.batch_size, self.objective.chunk_size
        for name, divisor in (("num_micro_batches", self.num_micro_batches), ("objective.chunk_size", chunk_size)):
            if divisor is not None and batch_size % divisor:
                raise ConfigError(
                    f"task.{name} is {divisor}, which does not divide data.batch_size {batch_size}; change either"
                )

    def embed_motion(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch dim"]:
        """Embeds `motion` under `motion_mask`, without dropout and with running statistics (D4)."""
        variables = {"params": params["motion"], **collections["motion"]}
        return cast(Array, self.motion.apply(variables, batch["motion"], batch["motion_mask"], deterministic=True))

    def embed_text(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch dim"]:
        """Embeds `token_ids` under `token_mask`, without dropout (D4)."""
        del collections
        return self._project_text(params["text"], self.text_features(params["text"]["backbone"], batch, None))

    def _project_text(self, params: Params, features: Float[Array, "batch features"]) -> Float[Array, "batch dim"]:
        return cast(Array, self.text_head.apply({"params": params["head"]}, features))

    def _train_towers(
        self, params: Params, collections: Collections, batch: Batch, key: PRNGKeyArray
    ) -> tuple[_Towers, Collections]:
        motion_key, text_key = jax.random.split(key)
        motion, changed = self.motion.apply(
            {"params": params["motion"], **collections["motion"]},
            batch["motion"],
            batch["motion_mask"] & batch["example_mask"][:, None],
            deterministic=False,
            mutable=list(collections["motion"]),
            rngs={"dropout": motion_key},
        )
        features = self.text_features(params["text"]["backbone"], batch, text_key if self.drops_text else None)
        text = self._project_text(params["text"], features)
        return _Towers(cast(Array, motion), text, features), {**collections, "motion": changed}

    def _positives(self, batch: Batch, features: Float[Array, "batch features"]) -> Bool[Array, "batch batch"] | None:
        compares = self.objective.compares
        if compares == "same_caption":
            return same_texts(batch["token_ids"], batch["token_mask"])
        return similar_rows(features, self.objective.similarity_threshold) if compares == "similar_caption" else None

    def loss(
        self, params: Params, collections: Collections, batch: Batch, key: PRNGKeyArray, *, train: bool
    ) -> tuple[Float[Array, "batch"], tuple[Collections, Metrics]]:
        """Returns the objective of each pair over the global batch (D8), and what the objective has learnt."""
        if train:
            towers, collections = embed_in_micro_batches(
                self._train_towers, params, collections, batch, key, num_micro_batches=self.num_micro_batches
            )
        else:
            features = self.text_features(params["text"]["backbone"], batch, None)
            motion = self.embed_motion(params, collections, batch)
            towers = _Towers(motion, self._project_text(params["text"], features), features)
        compared = {name: batch[name] for name in ("example_mask", "token_ids", "token_mask") if name in batch}
        towers, compared = parallel.all_rows((towers, compared))
        losses, metrics = self.objective.losses(
            params.get("objective", {}),
            towers.motion,
            towers.text,
            example_mask=compared["example_mask"],
            positives=self._positives(compared, towers.features),
        )
        return parallel.own_rows(losses), (collections, metrics)
