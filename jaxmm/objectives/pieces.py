"""Batches cut into pieces that are worked on one after the other."""

from typing import TypeVar

import jax
import jax.numpy as jnp

from jaxmm.errors import ConfigError

Rows = TypeVar("Rows")


def split_rows(rows: Rows, num_pieces: int) -> Rows:
    """Cuts every array of a tree into pieces of equally many rows, along a new first axis.

    Piece i holds the rows i, i + num_pieces, and so on. A device that holds neighbouring rows thus has its share of
    every piece, where cutting between neighbours would leave all but one device idle.

    Args:
        rows: Arrays that share their first axis.
        num_pieces: Number of pieces, >= 1; must divide the number of rows.

    Raises:
        ConfigError: If the rows cannot be shared equally.

    Example:
        >>> split_rows(jnp.arange(6), 3).tolist()
        [[0, 3], [1, 4], [2, 5]]
    """
    for array in jax.tree.leaves(rows):
        if num_pieces < 1 or len(array) % num_pieces:
            raise ConfigError(f"a batch of {len(array)} rows cannot be cut into {num_pieces} equal pieces")
    return jax.tree.map(lambda x: jnp.swapaxes(x.reshape(-1, num_pieces, *x.shape[1:]), 0, 1), rows)


def join_rows(pieces: Rows) -> Rows:
    """Puts pieces together again; the inverse of `split_rows`.

    Example:
        >>> join_rows(split_rows(jnp.arange(6), 3)).tolist()
        [0, 1, 2, 3, 4, 5]
    """
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1).reshape(-1, *x.shape[2:]), pieces)
