"""Motion encoders: sequences of joint positions to unit-norm embeddings."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.gru import BidirectionalGru
from jaxmm.encoders.heads import ProjectionHead
from jaxmm.encoders.layers import MaskedBatchNorm, uniform_conv
from jaxmm.encoders.patches import MotionInputs, motion_inputs


class PoseConvGru(nn.Module):
    """Convolutions over time, a bidirectional GRU, and a projection head.

    At its defaults and 25 joints it has 39,552 parameters in the convolutions and their normalisation, 1,773,568 in
    the GRU (torch counts 2,048 more: it keeps two biases where their sum is all that matters) and 197,120 in the head.

    Attributes:
        conv_dims: Channels of the convolutions, each followed by normalisation and ReLU.
        kernel_size: Odd number of frames a convolution sees.
        hidden_dim: Width of one GRU direction.
        num_layers: Number of GRU layers.
        dropout_rate: Dropout between GRU layers, in [0, 1).
        projection_dim: Width inside the head.
        embedding_dim: Width of the shared space.
        scramble_axes: Reproduces the seed's reshape, which mixes joints, time and coordinates; only for
            comparing weights with the original.
        inputs: What is read of each joint, see `jaxmm.encoders.patches.motion_inputs`.

    Example:
        >>> motion, mask = jnp.ones((2, 30, 25, 3)), jnp.ones((2, 30), bool)
        >>> encoder = PoseConvGru(conv_dims=(8,), hidden_dim=4)
        >>> encoder.init_with_output(jax.random.key(0), motion, mask, deterministic=True)[0].shape
        (2, 256)

    Reference: seed 000, `DanceEncoder`, with decisions D1 (axes) and D3 (masks).
    """

    conv_dims: tuple[int, ...] = (64, 128)
    kernel_size: int = 3
    hidden_dim: int = 256
    num_layers: int = 2
    dropout_rate: float = 0.2
    projection_dim: int = 256
    embedding_dim: int = 256
    scramble_axes: bool = False
    inputs: MotionInputs = "positions"

    @nn.compact
    def __call__(
        self,
        motion: Float[Array, "batch time joints coords"],
        motion_mask: Bool[Array, "batch time"],
        *,
        deterministic: bool,
    ) -> Float[Array, "batch dim"]:
        """Embeds motions; frames whose mask is False change nothing."""
        motion = motion_inputs(motion, motion_mask, self.inputs)
        batch, time, joints, coords = motion.shape
        if self.scramble_axes:
            motion = jnp.swapaxes(motion, 1, 2).reshape(batch, joints * coords, time).swapaxes(1, 2)
        x = motion.reshape(batch, time, joints * coords)
        valid = motion_mask[..., None]
        for layer, width in enumerate(self.conv_dims):
            # Zeros stand where a convolution would otherwise read padding, as at the ends of a sequence.
            x = uniform_conv(width, kernel_size=self.kernel_size, fan_in=x.shape[-1], name=f"conv_{layer}")(
                jnp.where(valid, x, 0)
            )
            x = MaskedBatchNorm(name=f"norm_{layer}")(x, motion_mask, deterministic=deterministic)
            x = jax.nn.relu(x)
        x = BidirectionalGru(self.hidden_dim, self.num_layers, self.dropout_rate, name="gru")(
            x, motion_mask, deterministic=deterministic
        )
        return ProjectionHead(self.projection_dim, self.embedding_dim, name="head")(x)
