"""What is read of a text: pooled or all token states, of which the frozen beginnings need to be computed once."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Literal, cast

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from jaxmm.encoders.text import TransformerText, pool
from jaxmm.tasks.base import EmbedRows
from jaxmm.typing import Batch, Collections, Params
from jaxmm.weights import Freeze, HFFlaxBackbone

FROZEN_STATES = "frozen_states"
"""Name under which a batch holds what the frozen part of the backbone makes of its texts."""

_LOG = logging.getLogger(__name__)
_MIB = 2**20


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextFeatures:
    """Pooled token states of a backbone, computed in two parts: what comes before its first trainable tensor, the rest.

    Attributes:
        backbone: Text backbone.
        freeze: Which of its parameters never change.
        pooling: Which token states stand for a text: the first one's, or the mean over valid ones; `tokens` keeps all.

    Example:
        >>> import jax.numpy as jnp
        >>> tiny = TransformerText(vocab_size=50, dim=8, num_layers=1, num_heads=2, feedforward_dim=16)
        >>> features = TextFeatures(backbone=tiny, freeze=Freeze.last_tensors(4), pooling="first")
        >>> texts = {"token_ids": jnp.ones((2, 4), int), "token_mask": jnp.ones((2, 4), bool)}
        >>> params = tiny.init(jax.random.key(0), *texts.values(), deterministic=True)["params"]
        >>> features(params, texts, None).shape
        (2, 8)
        >>> features.frozen_states(params, texts).shape  # the first token's state, and the same widened to 16
        (2, 1, 24)
    """

    backbone: TransformerText | HFFlaxBackbone
    freeze: Freeze
    pooling: Literal["first", "mean", "tokens"]

    @property
    def num_frozen_steps(self) -> int:
        """Steps of the backbone before the first one that has a trainable parameter."""
        return self.freeze.frozen_steps(self.backbone)

    def __call__(self, params: Params, batch: Batch, key: PRNGKeyArray | None) -> Float[Array, "batch *features"]:
        """Returns one vector a text, or with `tokens` one a token; with a key, what is not frozen is dropped out.

        Args:
            params: Parameters of the backbone.
            batch: `token_ids` and `token_mask`; where it has `FROZEN_STATES`, `token_ids` are not read.
            key: Randomness of dropout; None has none.
        """
        variables, token_mask, num_steps = {"params": params}, batch["token_mask"], self.num_frozen_steps
        deterministic, rngs = key is None, None if key is None else {"dropout": key}
        if num_steps == 0:
            hidden = self.backbone.apply(
                variables,
                batch["token_ids"],
                token_mask,
                only_first=self.pooling == "first",
                deterministic=deterministic,
                rngs=rngs,
            )
            return self._pool(cast(Array, hidden), token_mask)
        states = batch[FROZEN_STATES] if FROZEN_STATES in batch else self.frozen_states(params, batch)
        if isinstance(self.backbone, HFFlaxBackbone) or num_steps == self.backbone.num_steps:
            return states
        hidden = self.backbone.apply(
            variables,
            states,
            token_mask,
            num_steps=num_steps,
            only_first=self.pooling == "first",
            deterministic=deterministic,
            rngs=rngs,
            method="suffix",
        )
        return self._pool(cast(Array, hidden), token_mask)

    def frozen_states(self, params: Params, batch: Batch) -> Float[Array, "batch *states"]:
        """Returns what the frozen part makes of each text, without dropout; the features where all is frozen.

        Args:
            params: Parameters of the backbone.
            batch: `token_ids` and `token_mask`.
        """
        variables, token_ids, token_mask = {"params": params}, batch["token_ids"], batch["token_mask"]
        num_steps = self.num_frozen_steps
        if isinstance(self.backbone, HFFlaxBackbone) or num_steps == self.backbone.num_steps:
            hidden = self.backbone.apply(
                variables, token_ids, token_mask, only_first=self.pooling == "first", deterministic=True
            )
            return self._pool(cast(Array, hidden), token_mask)
        states = self.backbone.apply(
            variables, token_ids, token_mask, num_steps=num_steps, only_first=self.pooling == "first", method="prefix"
        )
        return cast(Array, states)

    def _pool(
        self, hidden: Float[Array, "batch some_tokens dim"], token_mask: Bool[Array, "batch tokens"]
    ) -> Float[Array, "batch *features"]:
        if self.pooling == "tokens":
            return hidden
        return pool(hidden, token_mask[:, : hidden.shape[1]], self.pooling)


def keep_frozen_states(
    compute: Callable[[Params, Collections, Batch], Array],
    params: Params,
    texts: Sequence[Batch],
    embed: EmbedRows,
    *,
    limit_mib: int,
) -> Callable[[Batch], Batch] | None:
    """Computes the frozen states of all texts and returns what puts them into a batch; None where they take too much.

    Args:
        compute: Makes the frozen states of a batch's texts.
        params: Parameters, arrays or their shapes.
        texts: Batches that hold every text of training, all of one shape.
        embed: Runs `compute`, compiled.
        limit_mib: Most memory for the states, in MiB.

    Example:
        >>> texts = [{"token_ids": np.array([[2, 7], [2, 9]], np.int32)}]
        >>> def compute(params, collections, batch):
        ...     return params["scale"] * batch["token_ids"].sum(axis=1)
        >>> params = {"scale": jax.numpy.float32(2)}
        >>> def embed(compute, batches):
        ...     return (np.asarray(compute(params, {}, batch)) for batch in batches)
        >>> put_in = keep_frozen_states(compute, params, texts, embed, limit_mib=1)
        >>> put_in({"token_ids": np.array([[2, 9], [2, 9]], np.int32)})["frozen_states"].tolist()
        [22.0, 22.0]
    """
    shape = jax.eval_shape(compute, params, {}, texts[0])
    mib = -(-len(texts) * shape.size * shape.dtype.itemsize // _MIB)
    if mib > limit_mib:
        _LOG.info(
            "frozen text states are computed at every step: to keep them takes %d MiB, task.text_cache_mib is %d",
            *(mib, limit_mib),
        )
        return None
    kept: dict[bytes, np.ndarray] = {}
    for text, rows in zip(texts, embed(compute, texts), strict=True):
        kept.update(zip(map(bytes, text["token_ids"]), rows, strict=True))

    def put_in(batch: Batch) -> Batch:
        return {**batch, FROZEN_STATES: np.stack([kept[bytes(row)] for row in batch["token_ids"]])}

    return put_in
