"""Encoders of videos that convolve over time: dilated levels, residual blocks, and blocks with a bottleneck."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import layer_norm, uniform_dense
from jaxmm.encoders.similarity.trunk import EmbeddingTrunk, Pooling, pool_frames
from jaxmm.encoders.tcn import TemporalConv, TemporalConvNet
from jaxmm.errors import ConfigError

_NARROWEST = 3


class ConvBlock(nn.Module):
    """A convolution of three frames, layer normalisation, ReLU and Dropout.

    Attributes:
        dim: Width of the outcome.
        dropout_rate: Dropout, in [0, 1).

    Example:
        >>> import jax
        >>> block, x, mask = ConvBlock(dim=8), jnp.ones((2, 5, 6)), jnp.ones((2, 5), bool)
        >>> block.init_with_output(jax.random.key(0), x, mask, deterministic=True)[0].shape
        (2, 5, 8)
    """

    dim: int
    dropout_rate: float = 0.3

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch time in_dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch time dim"]:
        """Convolves the valid frames; what comes of the others means nothing."""
        x = layer_norm(1e-5, name="norm")(TemporalConv(self.dim, name="conv")(x, mask))
        return Dropout(self.dropout_rate)(nn.relu(x), deterministic=deterministic)


class TcnEncoder(nn.Module):
    """A temporal convolutional network over the frames, pooled.

    Attributes:
        tcn: What sees the frames around one.
        pooling: How frames become one vector.
        trunk: From that vector to the embedding.

    Example:
        >>> import jax
        >>> encoder = TcnEncoder(tcn=TemporalConvNet(dims=(8, 4)))
        >>> frames, mask = jnp.ones((2, 5, 6)), jnp.ones((2, 5), bool)
        >>> encoder.init_with_output(jax.random.key(0), frames, mask, deterministic=True)[0].shape
        (2, 128)

    Reference: seed 003, exercise 3.1; arXiv:1803.01271.
    """

    tcn: TemporalConvNet = dataclasses.field(default_factory=lambda: TemporalConvNet(dims=(256, 256, 256), parent=None))
    pooling: Pooling = "mean"
    trunk: EmbeddingTrunk = dataclasses.field(default_factory=lambda: EmbeddingTrunk(hidden_dims=(), parent=None))

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds videos by the features of their frames; frames outside `mask` change nothing."""
        x = self.tcn(frames, mask, deterministic=deterministic)
        return self.trunk(pool_frames(x, mask, self.pooling), mask.any(axis=1), deterministic=deterministic)


class ResidualEncoder(nn.Module):
    """Blocks of two convolutions, each after a normalisation and ReLU, added to what they see (pre-activation).

    Attributes:
        dim: Width of all frames.
        num_blocks: Blocks; block i has dilation 2 ** i.
        dropout_rate: Dropout of each block's change, in [0, 1).
        pooling: How frames become one vector.
        trunk: From that vector to the embedding.

    Example:
        >>> import jax
        >>> encoder, frames, mask = ResidualEncoder(dim=8), jnp.ones((2, 5, 6)), jnp.ones((2, 5), bool)
        >>> encoder.init_with_output(jax.random.key(0), frames, mask, deterministic=True)[0].shape
        (2, 128)

    Reference: seed 003, exercise 5.1; arXiv:1603.05027.
    """

    dim: int = 256
    num_blocks: int = 3
    dropout_rate: float = 0.3
    pooling: Pooling = "mean"
    trunk: EmbeddingTrunk = dataclasses.field(default_factory=lambda: EmbeddingTrunk(hidden_dims=(), parent=None))

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds videos by the features of their frames; frames outside `mask` change nothing."""
        x = uniform_dense(self.dim, fan_in=frames.shape[-1], name="in")(jnp.where(mask[..., None], frames, 0))
        for block in range(self.num_blocks):
            change = x
            for number in range(2):
                conv = TemporalConv(self.dim, dilation=2**block, name=f"block_{block}_conv_{number}")
                change = conv(_activated(change, f"block_{block}_norm_{number}"), mask)
            x = x + Dropout(self.dropout_rate)(change, deterministic=deterministic)
        pooled = pool_frames(_activated(x, "norm"), mask, self.pooling)
        return self.trunk(pooled, mask.any(axis=1), deterministic=deterministic)


class BottleneckEncoder(nn.Module):
    """Residual blocks that convolve in a narrow space, for less work: a product in, a convolution, a product out.

    Attributes:
        dim: Width of all frames.
        narrow_dim: Width within blocks, >= 3: of two numbers, a normalisation leaves no more than which is larger.
        num_blocks: Blocks; block i has dilation 2 ** i.
        dropout_rate: Dropout of each block's change, in [0, 1).
        pooling: How frames become one vector.
        trunk: From that vector to the embedding.

    Raises:
        ConfigError: If `narrow_dim` is below 3.

    Example:
        >>> import jax
        >>> encoder = BottleneckEncoder(dim=8, narrow_dim=4)
        >>> frames, mask = jnp.ones((2, 5, 6)), jnp.ones((2, 5), bool)
        >>> encoder.init_with_output(jax.random.key(0), frames, mask, deterministic=True)[0].shape
        (2, 128)

    Reference: seed 003, exercise 5.3; arXiv:1512.03385, section 4.1.
    """

    dim: int = 256
    narrow_dim: int = 64
    num_blocks: int = 3
    dropout_rate: float = 0.3
    pooling: Pooling = "mean"
    trunk: EmbeddingTrunk = dataclasses.field(default_factory=lambda: EmbeddingTrunk(hidden_dims=(), parent=None))

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds videos by the features of their frames; frames outside `mask` change nothing."""
        if self.narrow_dim < _NARROWEST:
            raise ConfigError(f"narrow_dim is {self.narrow_dim}; give {_NARROWEST} or more, or nothing passes a block")
        x = uniform_dense(self.dim, fan_in=frames.shape[-1], name="in")(jnp.where(mask[..., None], frames, 0))
        for block in range(self.num_blocks):
            narrow = _activated(x, f"block_{block}_norm_0")
            narrow = uniform_dense(self.narrow_dim, fan_in=self.dim, name=f"block_{block}_narrow")(narrow)
            conv = TemporalConv(self.narrow_dim, dilation=2**block, name=f"block_{block}_conv")
            narrow = conv(_activated(narrow, f"block_{block}_norm_1"), mask)
            narrow = _activated(narrow, f"block_{block}_norm_2")
            change = uniform_dense(self.dim, fan_in=self.narrow_dim, name=f"block_{block}_wide")(narrow)
            x = x + Dropout(self.dropout_rate)(change, deterministic=deterministic)
        pooled = pool_frames(_activated(x, "norm"), mask, self.pooling)
        return self.trunk(pooled, mask.any(axis=1), deterministic=deterministic)


def _activated(x: Float[Array, "batch time dim"], name: str) -> Float[Array, "batch time dim"]:
    return nn.relu(layer_norm(1e-5, name=name)(x))
