"""Encoders of videos in which frames look at each other: all at once, or within segments and then among them."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.layers import layer_norm, uniform_dense
from jaxmm.encoders.pooling import AttentionPooling
from jaxmm.encoders.similarity.trunk import EmbeddingTrunk
from jaxmm.encoders.similarity.windows import windows
from jaxmm.encoders.temporal import moment_waves
from jaxmm.encoders.transformer import TransformerBlock
from jaxmm.errors import ConfigError

_IN = nn.initializers.variance_scaling(0.5, "fan_avg", "uniform")  # Xavier's of three kernels in one, as torch has them
_OUT = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class MeanAttention(nn.Module):
    """The mean over the valid frames of what multi-head self-attention makes of each.

    Whatever comes after the softmax is linear, so the mean is taken there: of the attention weights, over the frames
    that ask. What is left to do for each video, not for each frame, are the products with the value's and the last
    kernel. Same function and parameters as `jaxmm.encoders.transformer.Attention` and a mean, at about half the work.

    Attributes:
        num_heads: Attention heads; divides the width of the frames.

    Raises:
        ConfigError: If the width of the frames is not a multiple of `num_heads`.

    Example:
        >>> frames, mask = jnp.ones((2, 5, 8)), jnp.ones((2, 5), bool)
        >>> MeanAttention(num_heads=2).init_with_output(jax.random.key(0), frames, mask)[0].shape
        (2, 8)

    Reference: seed 003, `torch.nn.MultiheadAttention` and the mean over time.
    """

    num_heads: int = 8

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"]
    ) -> Float[Array, "batch dim"]:
        """Attends and averages; frames outside `mask` neither ask nor are seen, but must be finite."""
        batch, time, dim = frames.shape
        if self.num_heads < 1 or dim % self.num_heads:
            raise ConfigError(f"frames have {dim} features and num_heads is {self.num_heads}; give a divisor of {dim}")
        heads = (self.num_heads, dim // self.num_heads)
        query = nn.Dense(dim, kernel_init=_IN, name="query")(frames).reshape(batch, time, *heads)
        key = nn.Dense(dim, kernel_init=_IN, name="key")(frames).reshape(batch, time, *heads)
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) * heads[1] ** -0.5
        bias = jnp.where(mask, 0.0, jnp.finfo(scores.dtype).min)
        weights = jax.nn.softmax(scores + bias[:, None, None, :], axis=-1)
        share = mask / jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
        weights = jnp.einsum("bhqk,bq->bhk", weights, share.astype(weights.dtype))
        seen = jnp.einsum("bhk,bkd->bhd", weights, frames)
        return nn.Dense(dim, kernel_init=_OUT, name="out")(_HeadsDense(name="value")(seen))


class _HeadsDense(nn.Module):
    """A dense layer each of whose heads has an input of its own; a head is a run of its outputs."""

    @nn.compact
    def __call__(self, x: Float[Array, "batch heads dim"]) -> Float[Array, "batch dim"]:
        batch, num_heads, dim = x.shape
        kernel = self.param("kernel", _IN, (dim, dim)).reshape(dim, num_heads, -1)
        bias = self.param("bias", nn.initializers.zeros, (dim,))
        return jnp.einsum("bhd,dhe->bhe", x, kernel).reshape(batch, dim) + bias[None]


class AttentionEncoder(nn.Module):
    """Self-attention over the frames of a video, their mean, and a trunk.

    Attributes:
        num_heads: Attention heads; divides the width of the frames.
        positions: Whether frames are told where in their video they are; without it, as in the seed, order is not seen.
        trunk: From the mean to the embedding.

    Example:
        >>> frames, mask = jnp.ones((1, 16, 2048)), jnp.ones((1, 16), bool)
        >>> encoder = AttentionEncoder(positions=False)
        >>> shapes = jax.eval_shape(lambda: encoder.init(jax.random.key(0), frames, mask, deterministic=True))
        >>> sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
        17901184

    Reference: seed 003, `AttentionBasedSiamese.forward_one`.
    """

    num_heads: int = 8
    positions: bool = True
    trunk: EmbeddingTrunk = dataclasses.field(
        default_factory=lambda: EmbeddingTrunk(hidden_dims=(512,), batch_norm=True, parent=None)
    )

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds videos by the features of their frames; frames outside `mask` change nothing."""
        frames = jnp.where(mask[..., None], frames, 0)
        if self.positions:
            frames = frames + _moments(mask, frames)
        seen = MeanAttention(self.num_heads, name="attention")(frames, mask)
        return self.trunk(seen, mask.any(axis=1), deterministic=deterministic)


class HierarchicalEncoder(nn.Module):
    """Frames of a segment look at each other and are pooled, then segments do and are.

    Attributes:
        dim: Width of frames and segments; a multiple of `num_heads`.
        segment_frames: Frames of a segment, >= 1; the last segment of a video may have fewer.
        num_heads: Attention heads.
        feedforward_dim: Width inside the feed-forward networks.
        dropout_rate: Dropout of attention weights and residual branches, in [0, 1).
        trunk: From the pooled segments to the embedding.

    Example:
        >>> encoder = HierarchicalEncoder(dim=8, num_heads=2, feedforward_dim=8, segment_frames=4)
        >>> frames, mask = jnp.ones((2, 9, 6)), jnp.ones((2, 9), bool)
        >>> encoder.init_with_output(jax.random.key(0), frames, mask, deterministic=True)[0].shape
        (2, 128)

    Reference: seed 003, exercise 3.2; hierarchical attention networks, https://aclanthology.org/N16-1174.
    """

    dim: int = 256
    segment_frames: int = 8
    num_heads: int = 4
    feedforward_dim: int = 512
    dropout_rate: float = 0.1
    trunk: EmbeddingTrunk = dataclasses.field(default_factory=lambda: EmbeddingTrunk(hidden_dims=(), parent=None))

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds videos by the features of their frames; frames outside `mask` change nothing."""
        x = uniform_dense(self.dim, fan_in=frames.shape[-1], name="in")(jnp.where(mask[..., None], frames, 0))
        x, seen = windows(x + _moments(mask, x), mask, self.segment_frames)
        batch, segments = seen.shape[:2]
        x = self._pooled(
            x.reshape(batch * segments, *x.shape[2:]), seen.reshape(batch * segments, -1), "frame", deterministic
        )
        x = self._pooled(x.reshape(batch, segments, self.dim), seen.any(axis=2), "segment", deterministic)
        return self.trunk(x, mask.any(axis=1), deterministic=deterministic)

    def _pooled(self, x: Array, mask: Array, level: str, deterministic: bool) -> Float[Array, "batch dim"]:
        block = TransformerBlock(self.num_heads, self.feedforward_dim, self.dropout_rate, name=f"{level}_block")
        x = layer_norm(1e-5, name=f"{level}_norm")(block(x, mask, deterministic=deterministic))
        return AttentionPooling(name=f"{level}_pooling")(x, mask)


def _moments(mask: Bool[Array, "batch time"], x: Float[Array, "batch time dim"]) -> Float[Array, "batch time dim"]:
    """Returns what is added to frames by where in their video they are, in their own type."""
    return nn.Dense(x.shape[-1], use_bias=False, name="moment")(moment_waves(mask).astype(x.dtype))
