"""How far generated motion is from real motion, frame by frame."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def smooth_l1(difference: Float[Array, "*shape"], *, beta: float = 1.0) -> Float[Array, "*shape"]:
    """Returns half the square of small differences, and of those beyond `beta` their size, less a constant.

    Args:
        difference: Prediction less target.
        beta: Where the square ends, > 0.

    Example:
        >>> smooth_l1(jnp.array([0.5, -3.0])).tolist()
        [0.125, 2.5]

    Reference: arXiv:1504.08083; torch's `smooth_l1_loss`.
    """
    size = jnp.abs(difference)
    return jnp.where(size < beta, 0.5 * difference**2 / beta, size - 0.5 * beta)


def change(
    values: Float[Array, "batch time dim"], mask: Bool[Array, "batch time dim"]
) -> tuple[Float[Array, "batch earlier dim"], Bool[Array, "batch earlier dim"]]:
    """Returns how values change from each frame to the next, and where both of them are valid (D5).

    Example:
        >>> values = jnp.array([1.0, 4.0, 9.0, 50.0]).reshape(1, 4, 1)
        >>> mask = jnp.array([True, True, True, False]).reshape(1, 4, 1)
        >>> change(values, mask)[0][0, :, 0].tolist(), change(values, mask)[1][0, :, 0].tolist()
        ([3.0, 5.0, 0.0], [True, True, False])
    """
    both = mask[:, 1:] & mask[:, :-1]
    return jnp.where(both, values[:, 1:] - values[:, :-1], 0), both


def motion_errors(
    made: Float[Array, "batch time dim"],
    real: Float[Array, "batch time dim"],
    mask: Bool[Array, "batch time dim"],
) -> tuple[tuple[Float[Array, "batch _steps"], Bool[Array, "batch _steps"]], ...]:
    """Compares positions, velocities and accelerations; the motion's loss is the sum of the three means.

    Args:
        made: Generated frames.
        real: Real frames.
        mask: True where a number of a frame is known; behind it both may hold anything.

    Returns:
        For each of the three, the mean smooth-L1 error of each frame over its known numbers, and where it has any.

    Example:
        >>> real, mask = jnp.zeros((1, 4, 2)), jnp.ones((1, 4, 2), bool)
        >>> [errors.tolist() for errors, _ in motion_errors(real + 1.0, real, mask)]
        [[[0.5, 0.5, 0.5, 0.5]], [[0.0, 0.0, 0.0]], [[0.0, 0.0]]]

    Reference: seed 004, `recon_losses`.
    """
    difference = jnp.where(mask, made - real, 0)
    found = []
    for _ in range(3):
        counts = mask.sum(axis=-1)
        errors = jnp.where(mask, smooth_l1(difference), 0).sum(axis=-1) / jnp.maximum(counts, 1)
        found.append((errors, counts > 0))
        difference, mask = change(difference, mask)
    return tuple(found)
