"""How far every row of one matrix is from every row of another."""

import jax.numpy as jnp
from jaxtyping import Array, Float

_SHIFT = 1e-6  # added to differences, as torch's pairwise_distance does (D6)


def distances(a: Float[Array, "rows dim"], b: Float[Array, "columns dim"]) -> Float[Array, "rows columns"]:
    """Returns Euclidean distances of rows, 1e-6 added to each difference; of equal rows the gradient is finite (D6).

    Example:
        >>> distances(jnp.array([[3.0, 4.0]]), jnp.array([[0.0, 0.0], [3.0, 4.0]])).round(4).tolist()
        [[5.0, 0.0]]

    Reference: seed 003, `F.pairwise_distance`.
    """
    # Differences, not |a|^2 + |b|^2 - 2ab: in float32 the latter knows distances of near rows to a thousandth only.
    squares = jnp.square(a[:, None, :] - b[None, :, :] + _SHIFT).sum(axis=-1)
    return jnp.sqrt(jnp.maximum(squares, 1e-24))


def unit_rows(x: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
    """Divides rows by their norms; a row of zeros stays one, with a finite gradient.

    Example:
        >>> (unit_rows(jnp.array([[3.0, 4.0], [0.0, 0.0]])) * 5).round().tolist()
        [[3.0, 4.0], [0.0, 0.0]]
    """
    return x / jnp.sqrt(jnp.maximum(jnp.square(x).sum(axis=-1, keepdims=True), 1e-16))


def cosines(a: Float[Array, "rows dim"], b: Float[Array, "columns dim"]) -> Float[Array, "rows columns"]:
    """Returns cosines of the angles between rows; those of a row of zeros are 0.

    Example:
        >>> cosines(jnp.array([[2.0, 0.0]]), jnp.array([[3.0, 0.0], [0.0, 1.0]])).tolist()
        [[1.0, 0.0]]
    """
    return unit_rows(a) @ unit_rows(b).T
