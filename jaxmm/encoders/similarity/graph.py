"""A graph network whose nodes are the frames of a video."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import layer_norm, uniform_dense
from jaxmm.encoders.similarity.trunk import EmbeddingTrunk, Pooling, pool_frames
from jaxmm.errors import ConfigError


class GraphEncoder(nn.Module):
    """Frames hear, layer by layer, from those shortly before, shortly after, and those that look alike anywhere.

    Attributes:
        dim: Width of a frame.
        num_layers: Layers, each with edges to alike frames of its own.
        reach: Frames before and after one that are its neighbours in time, >= 1.
        dropout_rate: Dropout of what each layer adds, in [0, 1).
        pooling: How frames become one vector.
        trunk: From that vector to the embedding.

    Raises:
        ConfigError: If `reach` is below 1.

    Example:
        >>> encoder, frames, mask = GraphEncoder(dim=8), jnp.ones((2, 5, 6)), jnp.ones((2, 5), bool)
        >>> encoder.init_with_output(jax.random.key(0), frames, mask, deterministic=True)[0].shape
        (2, 128)

    Reference: seed 003, exercise 3.4; space-time graphs, arXiv:1806.01810.
    """

    dim: int = 256
    num_layers: int = 2
    reach: int = 1
    dropout_rate: float = 0.3
    pooling: Pooling = "mean"
    trunk: EmbeddingTrunk = dataclasses.field(default_factory=lambda: EmbeddingTrunk(hidden_dims=(), parent=None))

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch embedding"]:
        """Embeds videos by the features of their frames; frames outside `mask` change nothing."""
        if self.reach < 1:
            raise ConfigError(f"reach is {self.reach}; give at least 1 frame")
        x = uniform_dense(self.dim, fan_in=frames.shape[-1], name="in")(jnp.where(mask[..., None], frames, 0))
        in_time = self._edges_in_time(mask)
        for layer in range(self.num_layers):
            edges = (*in_time, self._edges_to_alike(x, mask, f"layer_{layer}"))
            heard = jnp.concatenate(
                [x, *(jnp.einsum("bts,bsd->btd", own.astype(x.dtype), x) for own in edges)], axis=-1
            )
            change = uniform_dense(self.dim, fan_in=heard.shape[-1], name=f"layer_{layer}")(heard)
            change = nn.relu(layer_norm(1e-5, name=f"layer_{layer}_norm")(change))
            x = x + Dropout(self.dropout_rate)(change, deterministic=deterministic)
        return self.trunk(pool_frames(x, mask, self.pooling), mask.any(axis=1), deterministic=deterministic)

    def _edges_in_time(self, mask: Array) -> tuple[Array, Array]:
        """Returns the weights of the frames before and after each, which are equal and add up to one, or to zero."""
        place = jnp.arange(mask.shape[1])
        apart = place[:, None] - place[None, :]
        near = (apart != 0) & (jnp.abs(apart) <= self.reach)
        edges = [(side & near)[None] & mask[:, None, :] for side in (apart > 0, apart < 0)]
        before, after = (own / jnp.maximum(own.sum(axis=2, keepdims=True), 1) for own in edges)
        return before, after

    def _edges_to_alike(self, x: Array, mask: Array, name: str) -> Array:
        """Returns the weights of all frames for each, which add up to one."""
        one = uniform_dense(self.dim, fan_in=self.dim, name=f"{name}_one")(x)
        other = uniform_dense(self.dim, fan_in=self.dim, name=f"{name}_other")(x)
        scores = jnp.einsum("btd,bsd->bts", one, other) * self.dim**-0.5
        return jax.nn.softmax(scores + jnp.where(mask, 0.0, jnp.finfo(scores.dtype).min)[:, None], axis=-1)
