"""The losses of MS-TCN: the right label for each frame, and few changes from frame to frame."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from jaxmm.objectives.reduce import mean_over_time

_MOST_CHANGE = 16.0  # squared change of a log-probability beyond which it no longer counts


def segmentation_losses(
    logits: Float[Array, "batch time labels"],
    labels: Int[Array, "batch time"],
    mask: Bool[Array, "batch time"],
    *,
    smoothing: float = 0.15,
) -> Float[Array, "batch"]:
    """Returns the loss of each video: the mean surprise at its frames' labels, and how abruptly probabilities change.

    Args:
        logits: Of every label.
        labels: The right ones.
        mask: True where a frame counts.
        smoothing: How much the mean squared change of log-probabilities from frame to frame counts; there is no
            gradient through the earlier frame.

    Example:
        >>> logits, mask = jnp.zeros((1, 3, 2)), jnp.ones((1, 3), bool)
        >>> segmentation_losses(logits, jnp.zeros((1, 3), int), mask).round(3).tolist()
        [0.6930000185966492]

    Reference: arXiv:1903.01945, equations 5 to 8.
    """
    surprise = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    log_probabilities = jax.nn.log_softmax(logits, axis=-1)
    step = log_probabilities[:, 1:] - jax.lax.stop_gradient(log_probabilities[:, :-1])
    abrupt = jnp.minimum(jnp.square(step), _MOST_CHANGE).mean(axis=-1)
    pairs = mask[:, 1:] & mask[:, :-1]
    return mean_over_time(surprise, mask) + smoothing * mean_over_time(abrupt, pairs)
