"""What a critic and the one it judges want of its scores: two functions (D6), and a penalty on steep critics."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def hinge_critic(real: Float[Array, "batch"], made: Float[Array, "batch"]) -> Float[Array, "batch"]:
    """Returns what the critic minimises: real scores above one and generated ones below minus one cost nothing.

    Example:
        >>> hinge_critic(jnp.array([2.0, 0.5]), jnp.array([-3.0, 0.0])).tolist()
        [0.0, 1.5]

    Reference: arXiv:1705.02894; seed 004, `gan_losses`.
    """
    return jax.nn.relu(1 - real) + jax.nn.relu(1 + made)


def hinge_generator(made: Float[Array, "batch"]) -> Float[Array, "batch"]:
    """Returns what the generator minimises: the scores of what it made, turned round.

    Example:
        >>> hinge_generator(jnp.array([-3.0, 0.5])).tolist()
        [3.0, -0.5]

    Reference: arXiv:1705.02894; seed 004, `gan_losses`.
    """
    return -made


def gradient_penalty(
    score: Callable[[Float[Array, "batch time dim"]], Float[Array, "batch"]], real: Float[Array, "batch time dim"]
) -> Float[Array, "batch"]:
    """Returns half the squared norm of the gradient of each real clip's score by its frames.

    Args:
        score: The critic, as a function of frames alone, in which no clip's score depends on another clip.
        real: Real frames.

    Example:
        >>> gradient_penalty(lambda frames: 3 * frames.sum(axis=(1, 2)), jnp.ones((1, 2, 1))).tolist()
        [9.0]

    Reference: R1, arXiv:1801.04406.
    """
    slopes = jax.grad(lambda frames: score(frames).sum())(real)
    return 0.5 * jnp.square(slopes).sum(axis=(1, 2))
