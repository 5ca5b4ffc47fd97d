"""Losses on the geometry of a figure: bones keep their length."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

_EPSILON = 1e-12


def bone_length_variance(
    ends: Float[Array, "batch time bones 2 3"], mask: Bool[Array, "batch time bones"]
) -> Float[Array, "batch"]:
    """Returns the variance over time of the length of each bone, averaged over bones; a rigid body has none (D7).

    Args:
        ends: Where each bone starts and ends, in units of length.
        mask: True where both ends are known.

    Returns:
        Units of length squared; zero where nothing is known.

    Example:
        >>> bone = jnp.array([[[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]]])
        >>> moving = jnp.stack([bone, bone + 7.0])[None]
        >>> bone_length_variance(moving, jnp.ones((1, 2, 1), bool)).tolist()
        [0.0]

    Reference: seed 004, `bone_length_consistency`, which took the variance over the bones.
    """
    lengths = bone_lengths(ends)
    counts = jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
    mean = jnp.where(mask, lengths, 0).sum(axis=1, keepdims=True) / counts
    variance = (jnp.where(mask, jnp.square(lengths - mean), 0).sum(axis=1, keepdims=True) / counts)[:, 0]
    known = mask.any(axis=1)
    return jnp.where(known, variance, 0).sum(axis=-1) / jnp.maximum(known.sum(axis=-1), 1)


def bone_length_spread(
    ends: Float[Array, "batch time bones 2 3"],
) -> Float[Array, "batch time"]:
    """Returns the unbiased variance of the lengths of all bones of a frame, as the seed has it.

    Args:
        ends: Where each bone starts and ends, in units of length; two bones or more.

    Example:
        >>> ends = jnp.zeros((1, 1, 2, 2, 3)).at[0, 0, 1, 1, 0].set(2.0)
        >>> bone_length_spread(ends).round(3).tolist()
        [[2.0]]

    Reference: seed 004, `bone_length_consistency`.
    """
    return bone_lengths(ends).var(axis=-1, ddof=1)


def bone_lengths(ends: Float[Array, "*batch 2 3"]) -> Float[Array, "*batch"]:
    """Returns the distance from one end to the other, with a finite gradient where they meet.

    Example:
        >>> bone_lengths(jnp.array([[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]])).item()
        5.0
    """
    square = jnp.square(ends[..., 1, :] - ends[..., 0, :]).sum(axis=-1)
    return jnp.sqrt(jnp.maximum(square, _EPSILON))


def bone_ends(
    positions: Float[Array, "batch time landmarks 3"], bones: Int[Array | np.ndarray, "bones 2 2"]
) -> Float[Array, "batch time bones 2 3"]:
    """Returns where bones start and end; an end is the middle of two landmarks, which may be the same.

    Args:
        positions: Positions of all landmarks.
        bones: For each bone and each of its ends, the indices of two landmarks.

    Example:
        >>> positions = jnp.arange(9.0).reshape(1, 1, 3, 3)
        >>> bone_ends(positions, jnp.array([[[0, 0], [1, 2]]]))[0, 0, 0].tolist()
        [[0.0, 1.0, 2.0], [4.5, 5.5, 6.5]]
    """
    return positions[:, :, bones].mean(axis=-2)
