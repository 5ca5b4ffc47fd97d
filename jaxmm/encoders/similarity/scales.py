"""Encoders of videos at several scales of time; what is shorter than a scale, and tails, are padded, never dropped."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.layers import uniform_dense
from jaxmm.encoders.similarity.convolution import ConvBlock
from jaxmm.encoders.similarity.trunk import EmbeddingTrunk, Pooling, pool_frames
from jaxmm.encoders.similarity.windows import doubled, halved, windows
from jaxmm.errors import ConfigError


class MultiScaleEncoder(nn.Module):
    """Convolutions whose stride is their length, one a scale, each pooled; a dense layer fuses them.

    Attributes:
        scales: Frames that each convolution sees and moves on by, each >= 1 and another.
        dim: Width of each convolution and of their fusion.
        rectified: Whether a ReLU stands between convolution and pooling. Without it, as in the seed, all is linear, and
            what is seen of a video is no more than means of its frames.
        trunk: From the fusion to the embedding.

    Raises:
        ConfigError: If there is no scale, one below 1, or one twice.

    Example:
        >>> import jax
        >>> encoder, frames, mask = MultiScaleEncoder(dim=8), jnp.ones((2, 3, 6)), jnp.ones((2, 3), bool)
        >>> encoder.init_with_output(jax.random.key(0), frames, mask, deterministic=True)[0].shape
        (2, 128)

    Reference: seed 003, `MultiScaleProcessor`, with decision D4.
    """

    scales: tuple[int, ...] = (1, 2, 4)
    dim: int = 512
    rectified: bool = True
    trunk: EmbeddingTrunk = dataclasses.field(default_factory=lambda: EmbeddingTrunk(hidden_dims=(), parent=None))

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds videos by the features of their frames; frames outside `mask` change nothing."""
        if not self.scales or min(self.scales) < 1 or len(set(self.scales)) < len(self.scales):
            raise ConfigError(f"scales are {self.scales}; give one or more, each of at least 1 frame and given once")
        pooled = []
        for scale in self.scales:
            parts, seen = windows(frames, mask, scale)
            # Windows do not overlap, so that the convolution is a product with each of them.
            parts = parts.reshape(*parts.shape[:2], scale * frames.shape[-1])
            x = uniform_dense(self.dim, fan_in=parts.shape[-1], name=f"scale_{scale}")(parts)
            pooled.append(pool_frames(nn.relu(x) if self.rectified else x, seen.any(axis=2), "mean"))
        fused = uniform_dense(self.dim, fan_in=len(self.scales) * self.dim, name="fusion")(jnp.concatenate(pooled, -1))
        return self.trunk(fused, mask.any(axis=1), deterministic=deterministic)


class SkipEncoder(nn.Module):
    """Goes down to half the frames again and again, and up again, beside which each level is handed over (U-Net).

    Attributes:
        num_levels: How often frames are halved, >= 1.
        dim: Width of all levels.
        dropout_rate: Dropout after each convolution, in [0, 1).
        pooling: How the frames that come up become one vector.
        trunk: From that vector to the embedding.

    Raises:
        ConfigError: If there is no level.

    Example:
        >>> import jax
        >>> encoder, frames, mask = SkipEncoder(dim=8), jnp.ones((2, 5, 6)), jnp.ones((2, 5), bool)
        >>> encoder.init_with_output(jax.random.key(0), frames, mask, deterministic=True)[0].shape
        (2, 128)

    Reference: seed 003, exercise 5.2; arXiv:1505.04597.
    """

    num_levels: int = 2
    dim: int = 256
    dropout_rate: float = 0.3
    pooling: Pooling = "mean"
    trunk: EmbeddingTrunk = dataclasses.field(default_factory=lambda: EmbeddingTrunk(hidden_dims=(), parent=None))

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds videos by the features of their frames; frames outside `mask` change nothing."""
        if self.num_levels < 1:
            raise ConfigError(f"num_levels is {self.num_levels}; give 1 or more")
        x, seen, skipped = jnp.where(mask[..., None], frames, 0), mask, []
        for level in range(self.num_levels):
            x = self._block(f"down_{level}")(x, seen, deterministic=deterministic)
            skipped.append((x, seen))
            x, seen = halved(x, seen)
        x = self._block("bottom")(x, seen, deterministic=deterministic)
        for level in reversed(range(self.num_levels)):
            skip, seen = skipped[level]
            x = jnp.concatenate([skip, doubled(x, skip.shape[1])], axis=-1)
            x = self._block(f"up_{level}")(x, seen, deterministic=deterministic)
        return self.trunk(pool_frames(x, mask, self.pooling), mask.any(axis=1), deterministic=deterministic)

    def _block(self, name: str) -> ConvBlock:
        return ConvBlock(self.dim, self.dropout_rate, name=name)


class PyramidEncoder(nn.Module):
    """Levels of half the frames each; every one is told of those above it and pooled, and all are read side by side.

    Attributes:
        num_levels: Levels, of which the lowest has all frames, >= 1.
        dim: Width of all levels.
        dropout_rate: Dropout after each convolution, in [0, 1).
        trunk: From the pooled levels to the embedding.

    Raises:
        ConfigError: If there is no level.

    Example:
        >>> import jax
        >>> encoder, frames, mask = PyramidEncoder(dim=8), jnp.ones((2, 5, 6)), jnp.ones((2, 5), bool)
        >>> encoder.init_with_output(jax.random.key(0), frames, mask, deterministic=True)[0].shape
        (2, 128)

    Reference: seed 003, exercise 5.4; feature pyramids, arXiv:1612.03144.
    """

    num_levels: int = 3
    dim: int = 256
    dropout_rate: float = 0.3
    trunk: EmbeddingTrunk = dataclasses.field(default_factory=lambda: EmbeddingTrunk(hidden_dims=(), parent=None))

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds videos by the features of their frames; frames outside `mask` change nothing."""
        if self.num_levels < 1:
            raise ConfigError(f"num_levels is {self.num_levels}; give 1 or more")
        x, seen, levels = jnp.where(mask[..., None], frames, 0), mask, []
        for level in range(self.num_levels):
            x, seen = halved(x, seen) if level else (x, seen)
            x = ConvBlock(self.dim, self.dropout_rate, name=f"up_{level}")(x, seen, deterministic=deterministic)
            levels.append((x, seen))
        told, pooled = None, []
        for level, (x, seen) in reversed(list(enumerate(levels))):
            x = uniform_dense(self.dim, fan_in=self.dim, name=f"across_{level}")(x)
            told = x if told is None else x + doubled(told, x.shape[1])
            pooled.append(pool_frames(told, seen, "mean"))
        return self.trunk(jnp.concatenate(pooled, axis=-1), mask.any(axis=1), deterministic=deterministic)
