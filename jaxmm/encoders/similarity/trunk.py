"""Where every encoder of videos ends: dense layers from one vector a video to its embedding; and the plainest of them.

An encoder of videos is a Linen module that takes features of frames, their mask, and `deterministic`, and returns one
embedding a video. Valid frames come first, padding changes nothing, and a video without a valid frame, which is a row
that fills its batch up, counts for no statistic.
"""

import dataclasses
from typing import Literal, TypeAlias

import flax.linen as nn
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import MaskedBatchNorm, l2_normalize, uniform_dense
from jaxmm.encoders.pooling import AttentionPooling, pool
from jaxmm.errors import ConfigError

Pooling: TypeAlias = Literal["mean", "max", "attention"]
"""How frames become one vector: their mean, the largest value of each feature, or a learnt weighting."""


class EmbeddingTrunk(nn.Module):
    """Dense layers, each with ReLU and Dropout, and a last one to the embedding.

    At its defaults it has 1,213,312 parameters for features of 2048 numbers; normalisation adds 1,536.

    Attributes:
        hidden_dims: Width of each layer before the last.
        embedding_dim: Width of the embeddings.
        dropout_rate: Dropout after each layer but the last, in [0, 1).
        batch_norm: Whether batch normalisation stands before each ReLU.
        unit_norm: Whether embeddings are scaled to unit length.

    Raises:
        ConfigError: If there is no layer for `batch_norm` to act in.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> trunk, features = EmbeddingTrunk(hidden_dims=(8,), unit_norm=True), jnp.ones((2, 6))
        >>> found, _ = trunk.init_with_output(jax.random.key(0), features, jnp.ones(2, bool), deterministic=True)
        >>> found.shape, bool(jnp.allclose(jnp.linalg.norm(found, axis=1), 1))
        ((2, 128), True)

    Reference: seed 003, `VideoSiameseNetwork.embedding` and, with both options, `VideoTripletNetwork`.
    """

    hidden_dims: tuple[int, ...] = (512, 256)
    embedding_dim: int = 128
    dropout_rate: float = 0.3
    batch_norm: bool = False
    unit_norm: bool = False

    @nn.compact
    def __call__(
        self, features: Float[Array, "batch dim"], example_mask: Bool[Array, "batch"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds pooled features.

        Args:
            features: One vector a video.
            example_mask: True where a row is a video; others count for no statistic of the batch.
            deterministic: Normalises by the running statistics and switches dropout off; otherwise a `dropout` key is
                needed, and the collection `batch_stats` changes.
        """
        if self.batch_norm and not self.hidden_dims:
            raise ConfigError("trunk.batch_norm stands in hidden layers, and there is none; give trunk.hidden_dims")
        x = features
        for layer, width in enumerate(self.hidden_dims):
            x = uniform_dense(width, fan_in=x.shape[-1], name=f"hidden_{layer}")(x)
            if self.batch_norm:
                norm = MaskedBatchNorm(name=f"norm_{layer}")
                x = norm(x[:, None], example_mask[:, None], deterministic=deterministic)[:, 0]
            x = Dropout(self.dropout_rate)(nn.relu(x), deterministic=deterministic)
        x = uniform_dense(self.embedding_dim, fan_in=x.shape[-1], name="out")(x)
        return l2_normalize(x) if self.unit_norm else x


def pool_frames(
    frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], pooling: Pooling
) -> Float[Array, "batch dim"]:
    """Reduces the frames of each video to one vector, within a compact module, which then owns a learnt weighting.

    Args:
        frames: Features of frames.
        mask: True where a frame is valid.
        pooling: How.

    Raises:
        ConfigError: If `pooling` is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> pool_frames(jnp.array([[[1.0], [3.0], [50.0]]]), jnp.array([[True, True, False]]), "mean").tolist()
        [[2.0]]
    """
    if pooling == "attention":
        return AttentionPooling(name="pooling")(frames, mask)
    return pool(frames, mask, pooling)


class PooledTrunk(nn.Module):
    """Pools the frames of a video and embeds what comes of it, blind to their order.

    Attributes:
        pooling: How frames become one vector.
        trunk: From that vector to the embedding.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> encoder = PooledTrunk(trunk=EmbeddingTrunk(batch_norm=True, unit_norm=True))
        >>> frames, mask = jnp.ones((1, 16, 2048)), jnp.ones((1, 16), bool)
        >>> shapes = jax.eval_shape(lambda: encoder.init(jax.random.key(0), frames, mask, deterministic=True))
        >>> sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
        1214848

    Reference: seed 003, `VideoSiameseNetwork.forward_one`.
    """

    pooling: Pooling = "mean"
    trunk: EmbeddingTrunk = dataclasses.field(default_factory=lambda: EmbeddingTrunk(parent=None))

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds videos by the features of their frames; frames outside `mask` change nothing."""
        return self.trunk(pool_frames(frames, mask, self.pooling), mask.any(axis=1), deterministic=deterministic)
