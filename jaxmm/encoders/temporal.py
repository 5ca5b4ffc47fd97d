"""What the order of frames tells: attention pooling and motion features beyond the mean of a video's frames."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.layers import mean_over_valid
from jaxmm.errors import ConfigError

_NUM_WAVES = 4


class TemporalFusion(nn.Module):
    """Attention pooling and frame differences in parallel, fused into what is added to the mean of the frames.

    Both parts vanish where there is but one frame: attention counts by how much it departs from the mean, and a lone
    frame has no difference. So a video of one frame is embedded as its frame is (D1).

    Attributes:
        hidden_dim: Width of each part, and of their fusion.
        num_heads: Heads of the attention, each of which looks for other moments; they divide `hidden_dim`.
        strides: Frames from one to the other of a difference, each >= 1 and another.

    Raises:
        ConfigError: If the numbers do not fit together.

    Example:
        >>> fusion = TemporalFusion(hidden_dim=8, num_heads=2, strides=(1, 2))
        >>> x, mask = jnp.ones((2, 5, 6)), jnp.ones((2, 5), bool)
        >>> video, variables = fusion.init_with_output(jax.random.key(0), x, mask)
        >>> lone = fusion.apply(variables, x[:, :1], mask[:, :1])
        >>> video.shape, bool((lone == x[:, 0]).all())
        ((2, 6), True)

    Reference: seed 001, temporal attention, motion features and fusion, with the axes that its specification corrects.
    """

    hidden_dim: int = 256
    num_heads: int = 4
    strides: tuple[int, ...] = (1, 2, 4)

    @nn.compact
    def __call__(self, x: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"]) -> Float[Array, "batch dim"]:
        """Embeds videos.

        Args:
            x: Features of their frames.
            mask: True where a frame is valid; the valid ones come first.
        """
        if self.num_heads < 1 or self.hidden_dim % self.num_heads:
            raise ConfigError(f"temporal.num_heads is {self.num_heads}; give a divisor of hidden_dim {self.hidden_dim}")
        if not self.strides or min(self.strides) < 1 or len(set(self.strides)) < len(self.strides):
            raise ConfigError(
                f"temporal.strides are {self.strides}; give one or more, each of at least 1 frame and given once"
            )
        x = jnp.where(mask[..., None], x, 0)
        parts = [self._attended(x, mask), *(self._motion(x, mask, stride) for stride in self.strides)]
        fused = jax.nn.gelu(nn.Dense(self.hidden_dim, use_bias=False, name="fusion")(jnp.concatenate(parts, axis=-1)))
        return mean_over_valid(x, mask) + nn.Dense(x.shape[-1], use_bias=False, name="out")(fused)

    def _attended(self, x: Array, mask: Array) -> Float[Array, "batch hidden"]:
        """Returns, head by head, the pooled values less their mean; heads also see where in the video a frame is."""
        wide = (*x.shape[:2], self.num_heads, self.hidden_dim // self.num_heads)
        waves = nn.Dense(self.hidden_dim, use_bias=False, name="moment")(moment_waves(mask).astype(x.dtype))
        keys = jnp.reshape(nn.Dense(self.hidden_dim, name="key")(x) + waves, wide)
        values = jnp.reshape(nn.Dense(self.hidden_dim, use_bias=False, name="value")(x), wide)
        query = self.param("query", nn.initializers.normal(1.0), wide[2:])
        scores = jnp.einsum("bthd,hd->bth", keys, query) * wide[3] ** -0.5
        seen = mask[:, :, None]
        weights = jax.nn.softmax(scores, axis=1, where=seen)
        excess = jnp.where(seen, weights - seen / jnp.maximum(seen.sum(axis=1, keepdims=True), 1), 0)
        return jnp.reshape(jnp.einsum("bth,bthd->bhd", excess.astype(x.dtype), values), (x.shape[0], self.hidden_dim))

    def _motion(self, x: Array, mask: Array, stride: int) -> Float[Array, "batch hidden"]:
        """Returns the mean of what each difference over some frames excites."""
        excite = nn.Dense(self.hidden_dim, use_bias=False, name=f"motion_{stride}")
        later, seen_later = (
            jnp.pad(own, [(0, stride if axis == 1 else 0) for axis in range(own.ndim)])[:, stride:] for own in (x, mask)
        )
        return mean_over_valid(jax.nn.gelu(excite(later - x)), mask & seen_later)


def moment_waves(mask: Bool[Array, "batch time"]) -> Float[Array, "batch time waves"]:
    """Returns where in its video each frame is, as sines and cosines of quarter, half, one and two turns.

    What counts is the share of the video that is over, so that a video and its copy at another speed agree.

    Args:
        mask: True where a frame is valid; the valid ones come first.

    Example:
        >>> slow, fast = jnp.ones((1, 9), bool), jnp.ones((1, 5), bool)
        >>> bool(jnp.allclose(moment_waves(slow)[:, ::2], moment_waves(fast)))
        True
    """
    last = jnp.maximum(mask.sum(axis=1, keepdims=True) - 1, 1)
    share = jnp.arange(mask.shape[1])[None, :] / last
    angles = 2 * jnp.pi * share[..., None] * jnp.expand_dims(2.0 ** (jnp.arange(_NUM_WAVES) - 2), (0, 1))
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
