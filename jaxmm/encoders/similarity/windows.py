"""Frames in windows of some length, and at half and twice their rate; what fills a window up counts for nothing."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.errors import ConfigError
from jaxmm.typing import Length


def windows(
    x: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], size: int
) -> tuple[Float[Array, "batch windows size dim"], Bool[Array, "batch windows size"]]:
    """Cuts time into windows, of which the last is filled up with zeros (D4).

    Args:
        x: Frames.
        mask: True where a frame is valid.
        size: Frames of a window, >= 1.

    Returns:
        Frames by window, zero where they are not valid, and where they are.

    Raises:
        ConfigError: If `size` is below 1.

    Example:
        >>> parts, seen = windows(jnp.array([[[1.0], [2.0], [3.0]]]), jnp.ones((1, 3), bool), 2)
        >>> parts[0, :, :, 0].tolist(), seen.tolist()
        ([[1.0, 2.0], [3.0, 0.0]], [[[True, True], [True, False]]])
    """
    if size < 1:
        raise ConfigError(f"a window has {size} frames; give at least 1")
    batch, time, dim = x.shape
    number = -(-time // size)  # rounded up; of this form, JAX can tell lengths apart that are symbols
    missing = number * size - time
    x = jnp.pad(jnp.where(mask[..., None], x, 0), ((0, 0), (0, missing), (0, 0)))
    mask = jnp.pad(mask, ((0, 0), (0, missing)))
    return x.reshape(batch, number, size, dim), mask.reshape(batch, number, size)


def halved(
    x: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"]
) -> tuple[Float[Array, "batch half dim"], Bool[Array, "batch half"]]:
    """Averages each two frames, or takes the one of them that is valid.

    Example:
        >>> x, mask = halved(jnp.array([[[1.0], [3.0], [5.0]]]), jnp.ones((1, 3), bool))
        >>> x[..., 0].tolist(), mask.tolist()
        ([[2.0, 5.0]], [[True, True]])
    """
    parts, seen = windows(x, mask, 2)
    return parts.sum(axis=2) / jnp.maximum(seen.sum(axis=2), 1)[..., None], seen.any(axis=2)


def doubled(x: Float[Array, "batch half dim"], time: Length) -> Float[Array, "batch time dim"]:
    """Says each frame twice, up to a number of frames.

    Example:
        >>> doubled(jnp.array([[[1.0], [2.0]]]), 3)[..., 0].tolist()
        [[1.0, 1.0, 2.0]]
    """
    return jnp.repeat(x, 2, axis=1)[:, :time]
