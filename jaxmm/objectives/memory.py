"""A cross-batch memory: the embeddings of the last batches, which later ones are compared with."""

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from jaxmm.typing import Array


@flax.struct.dataclass
class Memory:
    """The embeddings of the last examples, first in first out, as arrays of a fixed size.

    A task keeps it among the collections of its state, so that a step that changes nothing leaves it alone, and a
    checkpoint holds it.

    Attributes:
        embeddings: float32 [size, dim]; no gradient passes into them.
        labels: int32 [size]; examples of one label belong together.
        groups: int32 [size]; examples of one group are not told apart.
        valid: bool [size], False where nothing has been put yet.
        position: int32, place of the oldest example once it is full, where the next one goes.

    Example:
        >>> memory = Memory.empty(3, dim=2)
        >>> memory = memory.enqueue(jnp.ones((2, 2)), jnp.array([7, 8]), jnp.array([7, 8]))
        >>> memory = memory.enqueue(jnp.ones((2, 2)), jnp.array([9, 10]), jnp.array([9, 10]))
        >>> memory.labels.tolist(), int(memory.position)
        ([10, 8, 9], 1)

    Reference: XBM, arXiv:1912.06798.
    """

    embeddings: Array
    labels: Array
    groups: Array
    valid: Array
    position: Array

    @classmethod
    def empty(cls, size: int, *, dim: int) -> "Memory":
        """Returns a memory without any example.

        Args:
            size: Examples that it can hold, >= 1.
            dim: Width of the embeddings.
        """
        return cls(
            embeddings=jnp.zeros((size, dim)),
            labels=jnp.zeros(size, jnp.int32),
            groups=jnp.zeros(size, jnp.int32),
            valid=jnp.zeros(size, bool),
            position=jnp.int32(0),
        )

    def enqueue(
        self,
        embeddings: Float[Array, "batch dim"],
        labels: Int[Array, "batch"],
        groups: Int[Array, "batch"],
        *,
        example_mask: Bool[Array, "batch"] | None = None,
    ) -> "Memory":
        """Returns the memory after a batch, whose rows take the places of the oldest examples.

        Args:
            embeddings: The batch's rows, of all devices (see `jaxmm.parallel.all_rows`).
            labels: Their labels.
            groups: Their groups.
            example_mask: False for rows that only fill the batch, which are not kept. All valid when None.
        """
        size = len(self.labels)
        real = jnp.ones(len(labels), bool) if example_mask is None else example_mask
        count = real.sum(dtype=jnp.int32)
        order = jnp.cumsum(real, dtype=jnp.int32) - 1
        # No two rows may go to one place, where the order of writing is not defined: of a long batch the last stay.
        kept = real & (order >= count - size)
        places = jnp.where(kept, (self.position + order) % size, size)
        return Memory(
            embeddings=self.embeddings.at[places].set(
                jax.lax.stop_gradient(embeddings).astype(self.embeddings.dtype), mode="drop"
            ),
            labels=self.labels.at[places].set(labels.astype(jnp.int32), mode="drop"),
            groups=self.groups.at[places].set(groups.astype(jnp.int32), mode="drop"),
            valid=self.valid.at[places].set(True, mode="drop"),
            position=(self.position + count) % size,
        )
