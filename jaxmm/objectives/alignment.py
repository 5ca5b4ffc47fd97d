"""How far features of frames are from the embeddings of what their labels mean."""

from typing import Literal, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmm.objectives.regression import smooth_l1

AlignmentLoss: TypeAlias = Literal["adaptive", "mse", "cosine", "smooth_l1"]
"""Direction and size together, or one of three others."""


def alignment_losses(
    features: Float[Array, "*batch dim"],
    targets: Float[Array, "*batch dim"],
    *,
    loss: AlignmentLoss = "adaptive",
    alpha: float = 0.7,
) -> Float[Array, "*batch"]:
    """Returns the loss of every frame.

    Args:
        features: Aligned features.
        targets: Embeddings of the frames' descriptions.
        loss: `adaptive` is alpha * (1 - cosine) + (1 - alpha) * mse; mse and smooth_l1 are means over the features.
        alpha: Share of the direction in `adaptive`, in [0, 1].

    Example:
        >>> features, targets = jnp.array([[3.0, 0.0]]), jnp.array([[1.0, 0.0]])
        >>> [round(alignment_losses(features, targets, loss=loss).item(), 4) for loss in ("mse", "cosine", "adaptive")]
        [2.0, 0.0, 0.6]

    Reference: seed 002, "Loss Functions".
    """
    if loss == "smooth_l1":
        return smooth_l1(features - targets).mean(axis=-1)
    if loss == "mse":
        return jnp.square(features - targets).mean(axis=-1)
    directions = 1 - cosine(features, targets)
    if loss == "cosine":
        return directions
    return alpha * directions + (1 - alpha) * jnp.square(features - targets).mean(axis=-1)


def cosine(one: Float[Array, "*batch dim"], other: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
    """Returns the cosine of the angle between vectors; of a zero vector it is 0, with a finite gradient.

    Example:
        >>> cosine(jnp.array([1.0, 0.0]), jnp.array([2.0, 0.0])).item()
        1.0
    """
    squares = (one * one).sum(axis=-1), (other * other).sum(axis=-1)
    scale = jnp.maximum(squares[0], 1e-16) * jnp.maximum(squares[1], 1e-16)
    return (one * other).sum(axis=-1) / jnp.sqrt(scale)
