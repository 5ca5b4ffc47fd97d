"""An autoencoder of signing, whose codes tell how much generated signing looks like real signing."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.layers import uniform_conv, uniform_dense

_STRIDES = (1, 2, 2)
FRAMES_PER_CODE = 4
"""Frames from one code to the next."""


class SignAutoencoder(nn.Module):
    """Convolutions over time down to one code every four frames, and back; padding changes no code.

    Attributes:
        frame_dim: Numbers of a frame.
        hidden_dim: Channels of the convolutions.
        code_dim: Width of a code.

    Example:
        >>> frames, mask = jnp.ones((2, 9, 12)), jnp.arange(9)[None] < jnp.array([[9], [5]])
        >>> model = SignAutoencoder(frame_dim=12, hidden_dim=8, code_dim=4)
        >>> made, variables = model.init_with_output(jax.random.key(0), frames, mask)
        >>> codes, code_mask = model.apply(variables, frames, mask, method=model.encode)
        >>> made.shape, codes.shape, code_mask.sum(axis=1).tolist()
        ((2, 9, 12), (2, 3, 4), [3, 2])

    Reference: the feature space of Yoon et al., arXiv:2009.02119, with codes of stretches instead of whole windows.
    """

    frame_dim: int = 540
    hidden_dim: int = 128
    code_dim: int = 32

    def setup(self) -> None:
        """Makes both halves, which are also used one without the other."""
        self.encoder = _Encoder(self.hidden_dim, self.code_dim)
        self.decoder = _Decoder(self.hidden_dim, self.frame_dim)

    def __call__(
        self, frames: Float[Array, "batch time dim"], frame_mask: Bool[Array, "batch time"]
    ) -> Float[Array, "batch time dim"]:
        """Returns the frames as their codes tell them.

        Args:
            frames: Normalised frames, zeros where nothing was detected.
            frame_mask: True where a frame is valid.
        """
        codes, code_mask = self.encode(frames, frame_mask)
        return self.decoder(codes, code_mask, frame_mask)

    def encode(
        self, frames: Float[Array, "batch time dim"], frame_mask: Bool[Array, "batch time"]
    ) -> tuple[Float[Array, "batch codes code_dim"], Bool[Array, "batch codes"]]:
        """Returns a code for every fourth frame with its surroundings, and which of them are of valid frames."""
        return self.encoder(frames, frame_mask), frame_mask[:, ::FRAMES_PER_CODE]


class _Encoder(nn.Module):
    hidden_dim: int
    code_dim: int

    @nn.compact
    def __call__(self, frames: Array, mask: Array) -> Array:
        hidden = frames
        for layer, stride in enumerate(_STRIDES):
            hidden = jnp.where(mask[..., None], hidden, 0)
            conv = uniform_conv(
                self.hidden_dim, kernel_size=5, fan_in=hidden.shape[-1], stride=stride, name=f"conv_{layer}"
            )
            hidden, mask = jax.nn.gelu(conv(hidden)), mask[:, ::stride]
        return uniform_dense(self.code_dim, fan_in=self.hidden_dim, name="code")(hidden)


class _Decoder(nn.Module):
    hidden_dim: int
    frame_dim: int

    @nn.compact
    def __call__(self, codes: Array, code_mask: Array, frame_mask: Array) -> Array:
        hidden = jnp.where(code_mask[..., None], codes, 0)
        hidden = jnp.repeat(hidden, FRAMES_PER_CODE, axis=1)[:, : frame_mask.shape[1]]
        for layer in range(len(_STRIDES)):
            hidden = jnp.where(frame_mask[..., None], hidden, 0)
            conv = uniform_conv(self.hidden_dim, kernel_size=5, fan_in=hidden.shape[-1], name=f"conv_{layer}")
            hidden = jax.nn.gelu(conv(hidden))
        return uniform_dense(self.frame_dim, fan_in=self.hidden_dim, name="out")(hidden)
