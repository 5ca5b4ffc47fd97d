"""How long a motion will be: lengths in bins, and the head that chooses among them."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxmm.encoders.layers import uniform_dense
from jaxmm.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class LengthBins:
    """Evenly spaced lengths in frames; a length and its bin are never taken for each other (D2).

    Attributes:
        shortest: Length of the first bin, >= 1.
        longest: Length of the last bin.
        step: Frames from one bin to the next, >= 1.

    Raises:
        ConfigError: If the bins do not reach from the shortest to the longest in whole steps.

    Example:
        >>> bins = LengthBins()
        >>> bins.count, bins.nearest(jnp.array([3, 10, 13, 500])).tolist()
        (96, [0, 0, 1, 95])
        >>> bins.frames(jnp.array([0, 2])).tolist()
        [10, 14]

    Reference: seed 004, `LENGTH_BINS`.
    """

    shortest: int = 10
    longest: int = 200
    step: int = 2

    def __post_init__(self) -> None:
        if self.shortest < 1 or self.step < 1 or self.longest < self.shortest:
            raise ConfigError(
                f"length bins from {self.shortest} to {self.longest} in steps of {self.step}; give 1 <= shortest <= "
                "longest and a step of 1 or more"
            )
        if (self.longest - self.shortest) % self.step:
            raise ConfigError(f"length bins from {self.shortest} never meet {self.longest} in steps of {self.step}")

    @property
    def count(self) -> int:
        """Number of bins."""
        return (self.longest - self.shortest) // self.step + 1

    def nearest(self, num_frames: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
        """Returns the bin nearest to a length, the shorter of two equally near."""
        return jnp.clip((num_frames - self.shortest + (self.step - 1) // 2) // self.step, 0, self.count - 1)

    def frames(self, bin_index: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
        """Returns the length of a bin in frames."""
        return self.shortest + self.step * bin_index

    def reachable(self, logits: Float[Array, "*batch bins"], *, max_frames: int) -> Float[Array, "*batch bins"]:
        """Takes away the bins that are longer than a motion may be (D3).

        Args:
            logits: Preference for each bin.
            max_frames: Longest motion.

        Raises:
            ConfigError: If no bin is that short.

        Example:
            >>> bins = LengthBins(shortest=10, longest=14)
            >>> bins.reachable(jnp.zeros(3), max_frames=12).tolist()
            [0.0, 0.0, -inf]
        """
        if max_frames < self.shortest:
            raise ConfigError(f"no length bin is {max_frames} frames or less; the shortest is {self.shortest}")
        short = jnp.broadcast_to(self.frames(jnp.arange(self.count)) <= max_frames, logits.shape)
        return jnp.where(short, logits, -jnp.inf)


class LengthHead(nn.Module):
    """Dense, ReLU, Dense: from a text's vector to a preference for each length.

    Attributes:
        num_bins: Lengths to choose from.

    Example:
        >>> LengthHead(num_bins=96).init_with_output(jax.random.key(0), jnp.ones((2, 256)))[0].shape
        (2, 96)

    Reference: seed 004, `LengthPredictor`.
    """

    num_bins: int

    @nn.compact
    def __call__(self, pooled: Float[Array, "batch dim"]) -> Float[Array, "batch bins"]:
        """Returns logits over the bins."""
        width = pooled.shape[-1]
        hidden = jax.nn.relu(uniform_dense(width, fan_in=width, name="hidden")(pooled))
        return uniform_dense(self.num_bins, fan_in=width, name="out")(hidden)
