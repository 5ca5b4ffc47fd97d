"""What a pure function over a part of the batch must exchange with the other devices, under `jax.pmap`.

Under `jax.jit` a program is written for the whole batch, and XLA inserts the exchange; there, all of these change
nothing. Under `jax.pmap` a program sees its own rows, and these are where it meets the others: losses look at all
rows, batch statistics and gradients are those of the whole batch.
"""

from typing import TypeVar

import jax
import jax.numpy as jnp

from jaxmm.typing import Array

AXIS = "devices"
"""Name of the mapped axis."""

Tree = TypeVar("Tree")


def is_mapped() -> bool:
    """Tells whether the caller is traced for one of several devices, under `jax.pmap` with `AXIS`.

    Example:
        >>> is_mapped()
        False
    """
    try:
        jax.lax.axis_size(AXIS)
    except NameError:
        return False
    return True


def all_rows(tree: Tree) -> Tree:
    """Returns the rows of all devices, in their order.

    Example:
        >>> all_rows({"x": jnp.ones((2, 3))})["x"].shape
        (2, 3)
    """
    return jax.lax.all_gather(tree, AXIS, tiled=True) if is_mapped() else tree


def own_rows(tree: Tree) -> Tree:
    """Returns this device's rows of those of all devices; the inverse of `all_rows`.

    Example:
        >>> own_rows(jnp.ones((2, 3))).shape
        (2, 3)
    """
    if not is_mapped():
        return tree

    def own(rows: Array) -> Array:
        size = len(rows) // jax.lax.axis_size(AXIS)
        return jax.lax.dynamic_slice_in_dim(rows, jax.lax.axis_index(AXIS) * size, size)

    return jax.tree.map(own, tree)


def total(tree: Tree) -> Tree:
    """Adds the values of all devices.

    Example:
        >>> total(jnp.float32(2)).item()
        2.0
    """
    return jax.lax.psum(tree, AXIS) if is_mapped() else tree


def mean(tree: Tree) -> Tree:
    """Averages the values of all devices.

    The gradient of a total is the mean of the devices' gradients: each differentiates the same total, and what it
    gives the others through `all_rows` and `total` comes back to it as often as there are devices.

    Example:
        >>> mean(jnp.float32(2)).item()
        2.0
    """
    return jax.lax.pmean(tree, AXIS) if is_mapped() else tree


def largest(values: Array) -> Array:
    """Returns the largest value of all devices.

    Example:
        >>> largest(jnp.array([0, 15])).item()
        15
    """
    own = jnp.max(values)
    return jax.lax.pmax(own, AXIS) if is_mapped() else own


def own_key(key: Array) -> Array:
    """Returns a key of this device's own.

    Example:
        >>> key = jax.random.key(0)
        >>> bool(own_key(key) == key)
        True
    """
    return jax.random.fold_in(key, jax.lax.axis_index(AXIS)) if is_mapped() else key
