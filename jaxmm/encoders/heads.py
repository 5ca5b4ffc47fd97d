"""Heads: a tower's features into the shared embedding space, or into preferences for classes."""

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from jaxmm.encoders.dropout import Dropout
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


class ClassifierHead(nn.Module):
    """Dropout, Dense to half the width, ReLU, Dense to one logit a class; probabilities are a matter of who asks.

    Attributes:
        num_classes: Classes to choose from.
        dropout_rate: Share of the features that training hides, in [0, 1).

    Example:
        >>> import jax.numpy as jnp
        >>> head = ClassifierHead(num_classes=15)
        >>> params = head.init(jax.random.key(0), jnp.ones((1, 512)), deterministic=True)["params"]
        >>> sum(leaf.size for leaf in jax.tree.leaves(params))
        135183

    Reference: seed 001, `ActionClassifier`.
    """

    num_classes: int
    dropout_rate: float = 0.5

    @nn.compact
    def __call__(
        self, features: Float[Array, "batch features"], *, deterministic: bool
    ) -> Float[Array, "batch classes"]:
        """Returns logits."""
        dim = features.shape[-1]
        seen = Dropout(self.dropout_rate)(features, deterministic=deterministic)
        hidden = jax.nn.relu(uniform_dense(dim // 2, fan_in=dim, name="hidden")(seen))
        return uniform_dense(self.num_classes, fan_in=dim // 2, name="out")(hidden)
