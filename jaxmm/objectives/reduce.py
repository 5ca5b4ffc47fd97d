"""Reductions over the valid entries of a batch."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

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
