"""Motion encoders made of attention: over joints and time by turns, or over all patches of a motion at once."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.heads import ProjectionHead
from jaxmm.encoders.layers import layer_norm, mean_over_valid
from jaxmm.encoders.patches import MotionInputs, PatchEmbedding, motion_inputs
from jaxmm.encoders.transformer import TransformerBlock


class PoseTransformer(nn.Module):
    """Attention over the joints of a moment, then over the moments of a joint, by turns; the mean of all, and a head.

    A token is one joint over a few frames. Cost grows with joints and frames, not with their product squared, but each
    parameter still meets every token: fewer frames a token, or more layers, cost in proportion.

    Attributes:
        dim: Width of a token; a multiple of `num_heads`.
        num_layers: Pairs of blocks, one over joints and one over time.
        num_heads: Attention heads.
        feedforward_dim: Width inside the feed-forward networks.
        dropout_rate: Dropout of attention weights and residual branches, in [0, 1).
        frames_per_token: Frames of a joint that make a token; valid frames must come first where it is above 1.
        projection_dim: Width inside the head.
        embedding_dim: Width of the shared space.
        inputs: What is read of each joint, see `jaxmm.encoders.patches.motion_inputs`.

    Example:
        >>> import jax
        >>> motion, mask = jnp.ones((2, 30, 25, 3)), jnp.ones((2, 30), bool)
        >>> encoder = PoseTransformer(dim=8, num_layers=1, num_heads=2, feedforward_dim=8)
        >>> encoder.init_with_output(jax.random.key(0), motion, mask, deterministic=True)[0].shape
        (2, 256)

    Reference: ViViT's factorised attention, arXiv:2103.15691, over joints as in arXiv:2004.08692.
    """

    dim: int = 192
    num_layers: int = 4
    num_heads: int = 6
    feedforward_dim: int = 384
    dropout_rate: float = 0.1
    frames_per_token: int = 3
    projection_dim: int = 256
    embedding_dim: int = 256
    inputs: MotionInputs = "positions"

    @nn.compact
    def __call__(
        self,
        motion: Float[Array, "batch time joints coords"],
        motion_mask: Bool[Array, "batch time"],
        *,
        deterministic: bool,
    ) -> Float[Array, "batch dim"]:
        """Embeds motions; padding after the last valid frame changes nothing."""
        embed = PatchEmbedding(self.dim, 1, self.frames_per_token, name="patches")
        x, step_mask = embed(motion_inputs(motion, motion_mask, self.inputs), motion_mask)
        batch, steps, joints, dim = x.shape
        at_a_step = jnp.ones((batch * steps, joints), bool)  # states of padded steps are finite, and read by no one
        of_a_joint = jnp.repeat(step_mask, joints, axis=0)
        for layer in range(self.num_layers):
            x = self._block(f"joints_{layer}")(x.reshape(-1, joints, dim), at_a_step, deterministic=deterministic)
            x = jnp.swapaxes(x.reshape(batch, steps, joints, dim), 1, 2)
            x = self._block(f"time_{layer}")(x.reshape(-1, steps, dim), of_a_joint, deterministic=deterministic)
            x = jnp.swapaxes(x.reshape(batch, joints, steps, dim), 1, 2)
        x = layer_norm(1e-5, name="norm")(x).mean(axis=2)
        return ProjectionHead(self.projection_dim, self.embedding_dim, name="head")(mean_over_valid(x, step_mask))

    def _block(self, name: str) -> TransformerBlock:
        return TransformerBlock(self.num_heads, self.feedforward_dim, self.dropout_rate, name=name)


class PosePatchVit(nn.Module):
    """A vision transformer over patches of joints and frames; the mean of all valid patches, and a head.

    Attributes:
        dim: Width of a token; a multiple of `num_heads`.
        num_layers: Transformer blocks.
        num_heads: Attention heads.
        feedforward_dim: Width inside the feed-forward networks.
        dropout_rate: Dropout of attention weights and residual branches, in [0, 1).
        joints_per_patch: Joints of a body part, consecutive in the skeleton's order, which follows limbs.
        frames_per_patch: Frames of a patch; valid frames must come first where it is above 1.
        projection_dim: Width inside the head.
        embedding_dim: Width of the shared space.
        inputs: What is read of each joint, see `jaxmm.encoders.patches.motion_inputs`.

    Example:
        >>> import jax
        >>> motion, mask = jnp.ones((2, 30, 25, 3)), jnp.ones((2, 30), bool)
        >>> encoder = PosePatchVit(dim=8, num_layers=1, num_heads=2, feedforward_dim=8)
        >>> encoder.init_with_output(jax.random.key(0), motion, mask, deterministic=True)[0].shape
        (2, 256)

    Reference: ViT, arXiv:2010.11929; motion patches, arXiv:2405.04771, whose parts are limbs resampled to one length.
    """

    dim: int = 192
    num_layers: int = 6
    num_heads: int = 6
    feedforward_dim: int = 768
    dropout_rate: float = 0.1
    joints_per_patch: int = 4
    frames_per_patch: int = 5
    projection_dim: int = 256
    embedding_dim: int = 256
    inputs: MotionInputs = "positions"

    @nn.compact
    def __call__(
        self,
        motion: Float[Array, "batch time joints coords"],
        motion_mask: Bool[Array, "batch time"],
        *,
        deterministic: bool,
    ) -> Float[Array, "batch dim"]:
        """Embeds motions; padding after the last valid frame changes nothing."""
        embed = PatchEmbedding(self.dim, self.joints_per_patch, self.frames_per_patch, name="patches")
        x, step_mask = embed(motion_inputs(motion, motion_mask, self.inputs), motion_mask)
        token_mask = jnp.repeat(step_mask, x.shape[2], axis=1)
        x = x.reshape(x.shape[0], -1, self.dim)
        for layer in range(self.num_layers):
            block = TransformerBlock(self.num_heads, self.feedforward_dim, self.dropout_rate, name=f"block_{layer}")
            x = block(x, token_mask, deterministic=deterministic)
        x = layer_norm(1e-5, name="norm")(x)
        return ProjectionHead(self.projection_dim, self.embedding_dim, name="head")(mean_over_valid(x, token_mask))
