"""Motion-text retrieval: two towers, one space, a contrastive objective."""

import dataclasses
from collections.abc import Callable, Set
from typing import Any, Literal, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from jaxmm import parallel
from jaxmm.data.captioned import CaptionedData
from jaxmm.encoders.heads import ProjectionHead
from jaxmm.encoders.pose import PoseConvGru
from jaxmm.encoders.text import TransformerText
from jaxmm.errors import ConfigError
from jaxmm.hub import find_checkpoint
from jaxmm.objectives.positives import same_texts, similar_rows
from jaxmm.objectives.settings import Contrastive
from jaxmm.optim import AdamW, Group, Horizon, keep_within
from jaxmm.tasks.base import EmbedRows, Task
from jaxmm.tasks.micro_batches import embed_in_micro_batches
from jaxmm.tasks.text_features import TextFeatures, keep_frozen_states
from jaxmm.typing import Batch, Collections, Metrics, Params
from jaxmm.weights import Freeze, HFFlaxBackbone, load_backbone


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
class DanceTextTask(Task):
    """Learns to find a motion by a sentence and a sentence by a motion.

    Attributes:
        motion: Motion encoder; takes `(motion, motion_mask, deterministic=)` and returns unit-norm embeddings.
        text: Text backbone, ours or one of transformers' own; its token states are pooled and projected.
        text_weights: Checkpoint of the backbone, as `jaxmm.hub.find_checkpoint` names it; None starts from scratch.
        text_revision: Revision of a hub checkpoint to pin; None takes the newest.
        pooling: Which token states stand for a sentence: the first one's, or the mean over valid ones.
        text_head: Projection of the pooled states.
        freeze: Which parameters of the backbone never change. What comes before the first trainable one runs without
            dropout; so does a backbone of which only the last tensors train.
        text_cache_mib: Most memory, in MiB, for what the frozen part of the backbone makes of the training captions.
            It is computed once and kept where it fits, and otherwise computed at every step; 0 keeps nothing.
        objective: What makes a pair's embeddings alike, and others unlike.
        num_micro_batches: Pieces of a batch that the towers are trained on one after the other, see
            `embed_in_micro_batches`; must divide the batch. Negatives span the batch, batch statistics a piece.
        optimizer: By default the seed's: the text tower, its head included, learns at a tenth of the rate. What the
            objective learns is under `objective/`, and is not decayed, as in CLIP.

    Raises:
        ConfigError: If there is no micro-batch, or the towers end in different widths.

    Example:
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
    text: TransformerText | HFFlaxBackbone = dataclasses.field(default_factory=TransformerText)
    text_weights: str | None = None
    text_revision: str | None = None
    pooling: Literal["first", "mean"] = "first"
    text_head: ProjectionHead = dataclasses.field(default_factory=ProjectionHead)
    freeze: Freeze = dataclasses.field(default_factory=_seed_freeze)
    text_cache_mib: int = 1024
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

    def load_pretrained(self, params: Params) -> Params:
        """Puts the checkpoint's tensors into the text backbone.

        Raises:
            WeightsError: If the checkpoint cannot be found, or does not fit the backbone.
        """
        if self.text_weights is None:
            return params
        folder = find_checkpoint(self.text_weights, revision=self.text_revision)
        return {**params, "text": {**params["text"], "backbone": load_backbone(folder, self.text)}}

    def frozen(self, params: Params) -> Set[str]:
        """Returns the paths that the freeze policy holds still."""
        del params
        trainable = self.freeze.trainable(self.text)
        return {f"text/backbone/{path}" for path in Freeze("nothing").trainable(self.text) - trainable}

    def transform(self, params: Params, horizon: Horizon) -> optax.GradientTransformation:
        """Returns the gradient transformation, which keeps a learnt temperature in its range and does not decay it."""
        if not self.objective.learnable:
            return super().transform(params, horizon)
        own = {f"objective/{name}" for name in self.objective.init_params()}
        ranges = {f"objective/{name}": bounds for name, bounds in self.objective.ranges().items()}
        built = self.optimizer.build(params, horizon=horizon, frozen=self.frozen(params), undecayed=own)
        return optax.chain(built, keep_within(ranges))

    def check_data(self, data: CaptionedData[Any]) -> None:
        """Refuses a tokenizer whose ids the backbone's table cannot hold, and batches that cannot be cut.

        Raises:
            ConfigError: If the tokenizer has more ids than the table rows, texts may be longer than positions, or
                batches cannot be shared equally by micro-batches or chunks.
        """
        batch_size, chunk_size = data.settings.batch_size, self.objective.chunk_size
        for name, divisor in (("num_micro_batches", self.num_micro_batches), ("objective.chunk_size", chunk_size)):
            if divisor is not None and batch_size % divisor:
                raise ConfigError(
                    f"task.{name} is {divisor}, which does not divide data.batch_size {batch_size}; change either"
                )
        vocab_size, max_tokens = data.tokenizer.vocab_size, data.settings.max_tokens
        if max_tokens > self.text.max_tokens:
            raise ConfigError(
                f"data.max_tokens is {max_tokens}, but task.text takes {self.text.max_tokens} tokens at most; "
                f"set data.max_tokens to {self.text.max_tokens} or less"
            )
        if vocab_size > self.text.vocab_size:
            raise ConfigError(
                f"the tokenizer has {vocab_size} tokens, but task.text.vocab_size is {self.text.vocab_size}; "
                "take data.tokenizer and task.text_weights from one checkpoint, or raise task.text.vocab_size"
            )

    def embed_motion(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch dim"]:
        """Embeds `motion` under `motion_mask`, without dropout and with running statistics (D4)."""
        variables = {"params": params["motion"], **collections["motion"]}
        return cast(Array, self.motion.apply(variables, batch["motion"], batch["motion_mask"], deterministic=True))

    def embed_text(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch dim"]:
        """Embeds `token_ids` under `token_mask`, without dropout (D4)."""
        del collections
        return self._project_text(params["text"], self._text_features(params["text"]["backbone"], batch, None))

    def frozen_text_states(
        self, params: Params, collections: Collections, batch: Batch
    ) -> Float[Array, "batch *states"]:
        """Returns what the frozen part of the backbone makes of each text; pooled where all of it is frozen."""
        del collections
        return self._text_features.frozen_states(params["text"]["backbone"], batch)

    def precompute(self, params: Params, data: CaptionedData[Any], embed: EmbedRows) -> Callable[[Batch], Batch]:
        """Runs the frozen part of the backbone once for each caption, not at every step; losses are the same."""
        unchanged = super().precompute(params, data, embed)
        if self._text_features.num_frozen_steps == 0 or self.text_cache_mib == 0:
            return unchanged
        texts = list(data.training_texts())
        put_in = keep_frozen_states(self.frozen_text_states, params, texts, embed, limit_mib=self.text_cache_mib)
        return put_in or unchanged

    @property
    def _text_features(self) -> TextFeatures:
        return TextFeatures(backbone=self.text, freeze=self.freeze, pooling=self.pooling)

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
        drops = self.freeze.kind in ("nothing", "first_layers")
        features = self._text_features(params["text"]["backbone"], batch, text_key if drops else None)
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
            features = self._text_features(params["text"]["backbone"], batch, None)
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
