"""What motion encoders read of a motion: positions, velocities, and tokens made of neighbouring joints and frames."""

from typing import Literal, TypeAlias

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.errors import ConfigError
from jaxmm.typing import Length

MotionInputs: TypeAlias = Literal["positions", "positions_and_velocities"]
"""What an encoder reads of each joint: where it is, or also how far it moved since the frame before."""

_PER_PART = nn.initializers.lecun_normal(in_axis=1, out_axis=2, batch_axis=0)


def motion_inputs(
    motion: Float[Array, "batch time joints coords"], motion_mask: Bool[Array, "batch time"], which: MotionInputs
) -> Float[Array, "batch time joints features"]:
    """Returns what an encoder reads of each joint and frame; invalid frames are zero, whatever they held.

    Args:
        motion: Joint positions.
        motion_mask: True where a frame is valid.
        which: `positions` keeps the coordinates; `positions_and_velocities` appends their change since the frame
            before, in units of length a frame, zero where that frame is not valid.

    Raises:
        ConfigError: If `which` is neither.

    Example:
        >>> motion = jnp.array([1.0, 4.0, 9.0, 50.0]).reshape(1, 4, 1, 1)
        >>> mask = jnp.array([[True, True, True, False]])
        >>> motion_inputs(motion, mask, "positions_and_velocities")[0, :, 0].tolist()
        [[1.0, 0.0], [4.0, 3.0], [9.0, 5.0], [0.0, 0.0]]
    """
    valid = motion_mask[:, :, None, None]
    positions = jnp.where(valid, motion, 0)
    if which == "positions":
        return positions
    if which != "positions_and_velocities":
        raise ConfigError(f"inputs '{which}' are unknown; use 'positions' or 'positions_and_velocities'")
    moved = jnp.where(valid[:, 1:] & valid[:, :-1], positions[:, 1:] - positions[:, :-1], 0)
    velocities = jnp.concatenate([jnp.zeros_like(positions[:, :1]), moved], axis=1)
    return jnp.concatenate([positions, velocities], axis=-1)


class PatchEmbedding(nn.Module):
    """Turns each patch, neighbouring joints over neighbouring frames, into a token that knows its place.

    Each part of the body has its own linear map and learned bias, which tell the parts apart; sinusoids tell time.
    Kernels start LeCun-normal, biases normal with deviation 0.02.

    Attributes:
        dim: Width of a token.
        joints_per_patch: Joints of a part, consecutive in the skeleton's order; the last part may have fewer.
        frames_per_patch: Frames of a patch; those missing from the last one count as zeros.

    Example:
        >>> import jax
        >>> features, mask = jnp.ones((2, 7, 5, 3)), jnp.arange(7)[None] < jnp.array([[7], [3]])
        >>> embedding = PatchEmbedding(dim=8, joints_per_patch=2, frames_per_patch=3)
        >>> (tokens, token_mask), _ = embedding.init_with_output(jax.random.key(0), features, mask)
        >>> tokens.shape, token_mask.tolist()
        ((2, 3, 3, 8), [[True, True, True], [True, False, False]])

    Reference: a linear map for each joint, arXiv:2004.08692; patches of joints and frames, arXiv:2405.04771.
    """

    dim: int
    joints_per_patch: int
    frames_per_patch: int

    @nn.compact
    def __call__(
        self, features: Float[Array, "batch time joints features"], motion_mask: Bool[Array, "batch time"]
    ) -> tuple[Float[Array, "batch steps parts dim"], Bool[Array, "batch steps"]]:
        """Returns the tokens, and which of them hold a valid frame; invalid frames of `features` must be zero."""
        if self.joints_per_patch < 1 or self.frames_per_patch < 1:
            raise ConfigError(
                f"joints_per_patch is {self.joints_per_patch} and frames_per_patch {self.frames_per_patch}; "
                "give 1 or more"
            )
        batch, time, joints, width = features.shape
        more_time, more_joints = -time % self.frames_per_patch, -joints % self.joints_per_patch
        features = jnp.pad(features, ((0, 0), (0, more_time), (0, more_joints), (0, 0)))
        steps, parts = (time + more_time) // self.frames_per_patch, (joints + more_joints) // self.joints_per_patch
        patches = features.reshape(batch, steps, self.frames_per_patch, parts, self.joints_per_patch * width)
        patches = jnp.swapaxes(patches, 2, 3).reshape(batch, steps, parts, -1)
        kernel = self.param("kernel", _PER_PART, (parts, patches.shape[-1], self.dim))
        bias = self.param("bias", nn.initializers.normal(0.02), (parts, self.dim))
        place = sinusoids(steps, self.dim).astype(bias.dtype)[:, None] + bias[None]
        tokens = jnp.einsum("bspf,pfd->bspd", patches, kernel) + place[None]
        mask = jnp.pad(motion_mask, ((0, 0), (0, more_time))).reshape(batch, steps, self.frames_per_patch).any(-1)
        return tokens, mask


def sinusoids(num_places: Length, dim: int) -> Float[Array, "places dim"]:
    """Returns the sines, then the cosines, of each place's number at wavelengths from 2 pi to nearly 20,000 pi.

    Example:
        >>> sinusoids(3, 4)[0].tolist()
        [0.0, 0.0, 1.0, 1.0]

    Reference: arXiv:1706.03762, section 3.5.
    """
    num_waves = -(-dim // 2)
    speeds = 10_000.0 ** (-jnp.arange(num_waves) / num_waves)
    angles = jnp.arange(num_places)[:, None] * speeds[None]
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)[:, :dim]
