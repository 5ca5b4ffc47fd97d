"""Motion-text retrieval: two towers, one space, symmetric InfoNCE."""

import dataclasses
import logging
from collections.abc import Callable, Set
from typing import Literal, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxmm.data.motion_text import MotionTextData
from jaxmm.encoders.heads import ProjectionHead
from jaxmm.encoders.pose import PoseConvGru
from jaxmm.encoders.text import TransformerText, pool
from jaxmm.errors import ConfigError
from jaxmm.hub import find_checkpoint
from jaxmm.objectives.contrastive import symmetric_infonce
from jaxmm.optim import AdamW, Group
from jaxmm.tasks.base import EmbedRows, Task
from jaxmm.typing import Batch, Collections, Metrics, Params
from jaxmm.weights import Freeze, HFFlaxBackbone, load_backbone

_LOG = logging.getLogger(__name__)
_MIB = 2**20


def _seed_freeze() -> Freeze:
    return Freeze.last_tensors(4)


def _seed_optimizer() -> AdamW:
    return AdamW(groups=(Group(pattern="^text/", lr_scale=0.1), Group(pattern="^motion/")))


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
        temperature: Softmax temperature, > 0.
        optimizer: By default the seed's: the text tower, its head included, learns at a tenth of the rate.

    Raises:
        ConfigError: If the temperature is not positive, or the towers end in different widths.

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
    temperature: float = 0.07
    optimizer: AdamW = dataclasses.field(default_factory=_seed_optimizer)

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ConfigError(f"task.temperature is {self.temperature}; give a value above zero")
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

    def check_data(self, data: MotionTextData) -> None:
        """Refuses a tokenizer whose ids the backbone's table cannot hold.

        Raises:
            ConfigError: If the tokenizer has more ids than the table rows, or texts may be longer than positions.
        """
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
        return self._embed_text(params["text"], batch, None)

    def text_features(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch *features"]:
        """Returns what the frozen part of the backbone makes of each text; pooled where all of it is frozen."""
        del collections
        return self._frozen_features(params["text"]["backbone"], batch)

    def precompute(self, params: Params, data: MotionTextData, embed: EmbedRows) -> Callable[[Batch], Batch]:
        """Runs the frozen part of the backbone once for each caption, not at every step; losses are the same."""
        if self.freeze.frozen_steps(self.text) == 0 or self.text_cache_mib == 0:
            return super().precompute(params, data, embed)
        texts = list(data.training_texts())
        shape = jax.eval_shape(self.text_features, params, {}, texts[0])
        mib = -(-len(texts) * shape.size * shape.dtype.itemsize // _MIB)
        if mib > self.text_cache_mib:
            _LOG.info(
                "frozen text features are computed at every step: to keep them takes %d MiB, task.text_cache_mib is %d",
                *(mib, self.text_cache_mib),
            )
            return super().precompute(params, data, embed)
        features: dict[bytes, np.ndarray] = {}
        for batch, rows in zip(texts, embed(self.text_features, texts), strict=True):
            features.update(zip(map(bytes, batch["token_ids"]), rows, strict=True))

        def look_up(batch: Batch) -> Batch:
            found = np.stack([features[bytes(row)] for row in batch["token_ids"]])
            rest = {name: rows for name, rows in batch.items() if name != "token_ids"}
            return {**rest, "text_features": found}

        return look_up

    def _frozen_features(self, backbone: Params, batch: Batch) -> Float[Array, "batch *features"]:
        if "text_features" in batch:
            return batch["text_features"]
        variables, token_ids, token_mask = {"params": backbone}, batch["token_ids"], batch["token_mask"]
        steps = self.freeze.frozen_steps(self.text)
        if steps == self.text.num_steps or isinstance(self.text, HFFlaxBackbone):
            hidden = self.text.apply(variables, token_ids, token_mask, deterministic=True)
            return pool(cast(Array, hidden), token_mask, self.pooling)
        hidden = cast(Array, self.text.apply(variables, token_ids, token_mask, num_steps=steps, method="prefix"))
        only_first = self.pooling == "first" and steps >= self.text.num_mixing_steps
        return hidden[:, :1] if only_first else hidden

    def _text_features(self, params: Params, batch: Batch, key: PRNGKeyArray | None) -> Float[Array, "batch features"]:
        variables, mask = {"params": params["backbone"]}, batch["token_mask"]
        steps = self.freeze.frozen_steps(self.text)
        deterministic, rngs = key is None, None if key is None else {"dropout": key}
        if steps == 0:
            hidden = self.text.apply(variables, batch["token_ids"], mask, deterministic=deterministic, rngs=rngs)
            return pool(cast(Array, hidden), mask, self.pooling)
        features = self._frozen_features(params["backbone"], batch)
        if steps == self.text.num_steps or isinstance(self.text, HFFlaxBackbone):
            return features
        hidden = self.text.apply(
            variables, features, mask, num_steps=steps, deterministic=deterministic, rngs=rngs, method="suffix"
        )
        return pool(cast(Array, hidden), mask[:, : features.shape[1]], self.pooling)

    def _embed_text(self, params: Params, batch: Batch, key: PRNGKeyArray | None) -> Float[Array, "batch dim"]:
        features = self._text_features(params, batch, key)
        return cast(Array, self.text_head.apply({"params": params["head"]}, features))

    def loss(
        self, params: Params, collections: Collections, batch: Batch, key: PRNGKeyArray, *, train: bool
    ) -> tuple[Float[Array, "batch"], tuple[Collections, Metrics]]:
        """Returns the symmetric InfoNCE of each pair over the global batch (D8)."""
        if train:
            motion_key, text_key = jax.random.split(key)
            motion, changed = self.motion.apply(
                {"params": params["motion"], **collections["motion"]},
                batch["motion"],
                batch["motion_mask"] & batch["example_mask"][:, None],
                deterministic=False,
                mutable=list(collections["motion"]),
                rngs={"dropout": motion_key},
            )
            collections = {**collections, "motion": changed}
            drops = self.freeze.kind in ("nothing", "first_layers")
            text = self._embed_text(params["text"], batch, text_key if drops else None)
        else:
            motion = self.embed_motion(params, collections, batch)
            text = self.embed_text(params, collections, batch)
        losses = symmetric_infonce(motion, text, temperature=self.temperature, example_mask=batch["example_mask"])
        return losses, (collections, {})
