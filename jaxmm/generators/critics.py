"""Critics: networks that tell real signing from generated."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.layers import mean_over_valid, uniform_conv, uniform_dense

_STRIDES = (1, 2, 2, 2)


class SignCritic(nn.Module):
    """Convolutions over time, the mean over valid frames, one score; padding changes no score (D4).

    Attributes:
        base_dim: Channels of the first two convolutions; the others have two and four times as many.
        conditional: Whether the score also tells how well the signing fits its text, by a product of their vectors.

    Example:
        >>> frames, mask, text = jnp.ones((2, 9, 12)), jnp.ones((2, 9), bool), jnp.ones((2, 8))
        >>> critic = SignCritic(base_dim=4, conditional=True)
        >>> critic.init_with_output(jax.random.key(0), frames, mask, text)[0].shape
        (2,)

    Reference: seed 004, `Discriminator`; the product with the text, arXiv:1802.05637.
    """

    base_dim: int = 128
    conditional: bool = False

    @nn.compact
    def __call__(
        self,
        frames: Float[Array, "batch time dim"],
        frame_mask: Bool[Array, "batch time"],
        text: Float[Array, "batch text_dim"],
    ) -> Float[Array, "batch"]:
        """Scores clips; higher is more real.

        Args:
            frames: Normalised frames.
            frame_mask: True where a frame is valid.
            text: One vector a text; read only by a conditional critic.
        """
        hidden, mask = frames, frame_mask
        widths = (self.base_dim, self.base_dim, 2 * self.base_dim, 4 * self.base_dim)
        for layer, (width, stride) in enumerate(zip(widths, _STRIDES, strict=True)):
            hidden = jnp.where(mask[..., None], hidden, 0)
            hidden = uniform_conv(width, kernel_size=3, fan_in=hidden.shape[-1], stride=stride, name=f"conv_{layer}")(
                hidden
            )
            hidden = jax.nn.leaky_relu(hidden, 0.2)
            mask = mask[:, ::stride]
        features = mean_over_valid(hidden, mask)
        score = uniform_dense(1, fan_in=widths[-1], name="out")(features)[:, 0]
        if not self.conditional:
            return score
        wanted = uniform_dense(widths[-1], fan_in=text.shape[-1], name="text")(text)
        return score + (features * wanted).sum(axis=-1) * widths[-1] ** -0.5
