"""Projection heads that take a tower's features into the shared embedding space."""

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from jaxmm.encoders.layers import l2_normalize, uniform_dense


class ProjectionHead(nn.Module):
    """Dense, ReLU, Dense, then scaling to unit length.

    Attributes:
        hidden_dim: Width between the two dense layers.
        embedding_dim: Width of the shared space.

    Example:
        >>> import jax.numpy as jnp
        >>> head = ProjectionHead(hidden_dim=8, embedding_dim=4)
        >>> embedding, _ = head.init_with_output(jax.random.key(0), jnp.ones((2, 6)))
        >>> embedding.shape, bool(jnp.allclose(jnp.linalg.norm(embedding, axis=-1), 1.0))
        ((2, 4), True)

    Reference: seed 000, `DanceEncoder.fc` and `TextEncoder.projection`.
    """

    hidden_dim: int = 512
    embedding_dim: int = 256

    @nn.compact
    def __call__(self, features: Float[Array, "batch features"]) -> Float[Array, "batch dim"]:
        """Returns unit-norm embeddings."""
        hidden = uniform_dense(self.hidden_dim, fan_in=features.shape[-1], name="hidden")(features)
        embedding = uniform_dense(self.embedding_dim, fan_in=self.hidden_dim, name="out")(jax.nn.relu(hidden))
        return l2_normalize(embedding)
