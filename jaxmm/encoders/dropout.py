"""Dropout whose mask is a hash of each element's place: no random bits are drawn, and none are stored."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt32

from jaxmm.errors import ConfigError

_MAX_ELEMENTS = 2**32  # places are counted in 32 bits


class Dropout(nn.Module):
    """Zeroes elements at random and scales the others up, so that the expectation stays.

    Takes the place of `nn.Dropout`, whose random bits cost more on a CPU than the layers around it. The mask depends on
    the key and on the place in the whole array, and so not on how devices share it.

    Attributes:
        rate: Probability of a zero, in [0, 1).

    Raises:
        ConfigError: If the rate is out of its range, or the array has more than 2**32 elements.

    Example:
        >>> x = jnp.ones(1000)
        >>> dropped = Dropout(0.2).apply({}, x, deterministic=False, rngs={"dropout": jax.random.key(0)})
        >>> sorted(set(dropped.tolist())), bool(jnp.abs(dropped.mean() - 1) < 0.1)
        ([0.0, 1.25], True)

    Reference: Dropout, JMLR 15:1929-1958 (2014).
    """

    rate: float

    @nn.compact
    def __call__(self, x: Float[Array, "*shape"], *, deterministic: bool) -> Float[Array, "*shape"]:
        """Drops elements by the key `dropout`; returns the input itself when deterministic, or at a rate of zero."""
        if not 0 <= self.rate < 1:
            raise ConfigError(f"dropout_rate is {self.rate}; give a probability from 0 to below 1")
        if deterministic or self.rate == 0:
            return x
        kept = keep_mask(self.make_rng("dropout"), rate=self.rate, shape=x.shape)
        return jnp.where(kept, x / (1 - self.rate), 0)


def keep_mask(key: PRNGKeyArray, *, rate: float, shape: tuple[int, ...]) -> Bool[Array, "..."]:
    """Returns a random mask that is False with probability `rate`, to within 2**-32.

    Args:
        key: Decides the mask together with an element's place in row-major order.
        rate: Probability of False, in [0, 1).
        shape: Shape of the mask.

    Raises:
        ConfigError: If the shape has more than 2**32 elements.

    Example:
        >>> round(float(keep_mask(jax.random.key(0), rate=0.3, shape=(100, 100)).mean()), 1)
        0.7

    Reference: counter-based random numbers, Salmon et al., SC 2011, https://doi.org/10.1145/2063384.2063405.
    """
    size = 1
    place = jnp.zeros(shape, jnp.uint32)
    for axis in reversed(range(len(shape))):
        place = place + jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * jnp.uint32(size % _MAX_ELEMENTS)
        size *= shape[axis]
    if size > _MAX_ELEMENTS:
        raise ConfigError(f"dropout of an array of shape {shape}: it has more than 2**32 elements; use smaller batches")
    before, between = jax.random.bits(key, (2,), jnp.uint32)
    return _hash(place, before, between) >= jnp.uint32(min(round(rate * 2**32), 2**32 - 1))


def _hash(x: UInt32[Array, "*shape"], before: UInt32[Array, ""], between: UInt32[Array, ""]) -> UInt32[Array, "*shape"]:
    # The finaliser lowbias32, https://nullprogram.com/blog/2018/07/31/. A key word before it alone would make all masks
    # reorderings of each other, place i of one being place i ^ c of another; the word between its rounds prevents that.
    x = x ^ before
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15) ^ between) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
