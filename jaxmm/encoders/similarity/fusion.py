"""Features of several kinds, such as those of two image networks, fused into one vector."""

import dataclasses
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import uniform_dense
from jaxmm.encoders.similarity.trunk import EmbeddingTrunk, Pooling, pool_frames
from jaxmm.errors import ConfigError


class FeatureFusion(nn.Module):
    """A dense layer for each kind of features, and one over all of them with ReLU and Dropout.

    Attributes:
        fusion_dim: Width of all layers.
        dropout_rate: Dropout at the end, in [0, 1).

    Example:
        >>> import jax
        >>> features = [jnp.ones((2, 6)), jnp.ones((2, 3))]
        >>> FeatureFusion(fusion_dim=4).init_with_output(jax.random.key(0), features, deterministic=True)[0].shape
        (2, 4)

    Reference: seed 003, `FeatureFusionModule`.
    """

    fusion_dim: int = 256
    dropout_rate: float = 0.3

    @nn.compact
    def __call__(
        self, features: Sequence[Float[Array, "batch _"]], *, deterministic: bool
    ) -> Float[Array, "batch fusion"]:
        """Fuses one vector of each kind."""
        parts = [
            uniform_dense(self.fusion_dim, fan_in=own.shape[-1], name=f"in_{place}")(own)
            for place, own in enumerate(features)
        ]
        fused = uniform_dense(self.fusion_dim, fan_in=len(parts) * self.fusion_dim, name="out")(
            jnp.concatenate(parts, axis=-1)
        )
        return Dropout(self.dropout_rate)(nn.relu(fused), deterministic=deterministic)


class FusionEncoder(nn.Module):
    """Pools frames whose features are of several kinds, side by side, and fuses the kinds.

    Attributes:
        feature_dims: Width of each kind, in their order, each >= 1.
        pooling: How frames become one vector.
        fusion: What fuses.
        trunk: From the fusion to the embedding.

    Raises:
        ConfigError: If the widths do not add up to that of the frames, or one is below 1.

    Example:
        >>> import jax
        >>> encoder, frames, mask = FusionEncoder(feature_dims=(4, 2)), jnp.ones((2, 5, 6)), jnp.ones((2, 5), bool)
        >>> encoder.init_with_output(jax.random.key(0), frames, mask, deterministic=True)[0].shape
        (2, 128)

    Reference: seed 003, section 7.
    """

    feature_dims: tuple[int, ...] = (2048, 512)
    pooling: Pooling = "mean"
    fusion: FeatureFusion = dataclasses.field(default_factory=lambda: FeatureFusion(parent=None))
    trunk: EmbeddingTrunk = dataclasses.field(default_factory=lambda: EmbeddingTrunk(hidden_dims=(), parent=None))

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds videos by the features of their frames; frames outside `mask` change nothing."""
        if sum(self.feature_dims) != frames.shape[-1] or min(self.feature_dims) < 1:
            raise ConfigError(
                f"feature_dims are {self.feature_dims}, but frames have {frames.shape[-1]} features; give widths of "
                "1 or more that add up to it"
            )
        ends = np.cumsum(self.feature_dims)[:-1].tolist()
        features = jnp.split(pool_frames(frames, mask, self.pooling), ends, axis=-1)
        return self.trunk(
            self.fusion(features, deterministic=deterministic), mask.any(axis=1), deterministic=deterministic
        )
