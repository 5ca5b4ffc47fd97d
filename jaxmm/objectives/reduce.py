"""Reductions over the valid entries of a batch."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmm import parallel


def masked_mean(values: Float[Array, "*shape"], mask: Bool[Array, "*shape"]) -> Float[Array, ""]:
    """Averages the values of all devices whose mask is True; without any, the mean is zero.

    Args:
        values: Per-example or per-frame losses; those behind a False mask may hold anything, even NaN.
        mask: True where a value counts.

    Example:
        >>> masked_mean(jnp.array([1.0, 3.0, jnp.nan]), jnp.array([True, True, False])).item()
        2.0
    """
    total = parallel.total(jnp.sum(jnp.where(mask, values, 0.0)))
    return total / jnp.maximum(parallel.total(jnp.sum(mask)), 1)


def weighted_mean(values: Float[Array, "*shape"], counts: Int[Array, "*shape"]) -> Float[Array, ""]:
    """Averages what the values of all devices are means of; without any, the mean is zero.

    Args:
        values: Means, such as those over the frames of each video; where nothing is counted they may hold anything.
        counts: Of how much each value is the mean, >= 0.

    Example:
        >>> weighted_mean(jnp.array([1.0, 5.0, jnp.nan]), jnp.array([3, 1, 0])).item()
        2.0
    """
    total = parallel.total(jnp.sum(jnp.where(counts > 0, values * counts, 0.0)))
    return total / jnp.maximum(parallel.total(jnp.sum(counts)), 1)


def mean_over_time(values: Float[Array, "batch time"], mask: Bool[Array, "batch time"]) -> Float[Array, "batch"]:
    """Averages the values of each clip's valid frames; of a clip without any, the mean is zero.

    Args:
        values: One a frame; behind a False mask they may hold anything, even NaN.
        mask: True where a frame counts.

    Example:
        >>> mean_over_time(jnp.array([[1.0, 3.0, jnp.nan]]), jnp.array([[True, True, False]])).tolist()
        [2.0]
    """
    return jnp.where(mask, values, 0.0).sum(axis=1) / jnp.maximum(mask.sum(axis=1), 1)
