"""Frames of a video to one vector: their mean, their maximum, or a learnt weighting; padding changes nothing."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.layers import mean_over_valid, uniform_dense
from jaxmm.errors import ConfigError


def pool(
    frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], kind: Literal["mean", "max"]
) -> Float[Array, "batch dim"]:
    """Reduces the valid frames of each video to one vector; zeros where there is none.

    Args:
        frames: Features of frames.
        mask: True where a frame is valid.
        kind: `mean` averages the frames, `max` takes the largest value of each feature.

    Raises:
        ConfigError: If `kind` is unknown.

    Example:
        >>> frames, mask = jnp.array([[[1.0], [3.0], [50.0]]]), jnp.array([[True, True, False]])
        >>> pool(frames, mask, "mean").tolist(), pool(frames, mask, "max").tolist()
        ([[2.0]], [[3.0]])
    """
    if kind == "mean":
        return mean_over_valid(frames, mask)
    if kind != "max":
        raise ConfigError(f"pooling is {kind!r}; use mean or max, or of an encoder of videos attention")
    largest = jnp.where(mask[..., None], frames, -jnp.inf).max(axis=1)
    return jnp.where(mask.any(axis=1, keepdims=True), largest, 0)


class AttentionPooling(nn.Module):
    """Weighs each frame by a score of what it shows, and sums the weighted frames.

    Attributes:
        hidden_dim: Width of the layer that scores are made of.

    Example:
        >>> frames, mask = jnp.ones((2, 5, 6)), jnp.ones((2, 5), bool)
        >>> video, _ = AttentionPooling(hidden_dim=4).init_with_output(jax.random.key(0), frames, mask)
        >>> video.shape, bool(jnp.allclose(video, 1.0))
        ((2, 6), True)

    Reference: arXiv:1802.04712, equation 8.
    """

    hidden_dim: int = 128

    @nn.compact
    def __call__(
        self, frames: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"]
    ) -> Float[Array, "batch dim"]:
        """Pools the valid frames of each video; zeros where there is none.

        Args:
            frames: Features of frames.
            mask: True where a frame is valid.
        """
        frames = jnp.where(mask[..., None], frames, 0)
        hidden = jnp.tanh(uniform_dense(self.hidden_dim, fan_in=frames.shape[-1], name="hidden")(frames))
        # No bias: the softmax over the frames would take it off again.
        scores = nn.Dense(1, use_bias=False, name="score")(hidden)[..., 0]
        weights = jnp.where(mask, jax.nn.softmax(scores, axis=1, where=mask), 0)
        return jnp.einsum("bt,btd->bd", weights, frames)
