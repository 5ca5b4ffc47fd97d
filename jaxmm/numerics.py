"""How numbers are computed, and steps that change nothing because their numbers are bad."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from jaxmm.errors import ConfigError
from jaxmm.typing import Array

Tree = TypeVar("Tree")

_SETTLED = 100  # accepted steps before a norm can be called a spike: early norms are large and vary


@dataclasses.dataclass(frozen=True, kw_only=True)
class Numerics:
    """Precision of training, and what is done about steps whose numbers are bad.

    A step whose loss, gradient or collections are not finite changes nothing but the count of steps.

    Attributes:
        compute_dtype: Type in which towers compute in training; parameters, the optimizer's state, batch statistics,
            losses and evaluation stay float32. bfloat16 pays on accelerators, not on CPUs.
        matmul_precision: Precision of float32 products, as `jax.default_matmul_precision` names it; on CPUs all
            are "highest".
        spike_factor: A gradient whose norm is above this multiple of its running mean is bad too, > 1; None takes any
            finite one.
        rollback_after: Bad steps in a row after which training goes back to the last checkpoint, >= 1.
        max_rollbacks: Returns to one checkpoint after which the run stops with an error, >= 0.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> Numerics(spike_factor=10.0).rollback_after
        10
    """

    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    matmul_precision: Literal["default", "high", "highest"] = "highest"
    spike_factor: float | None = None
    rollback_after: int = 10
    max_rollbacks: int = 3

    def __post_init__(self) -> None:
        if self.spike_factor is not None and not self.spike_factor > 1:
            raise ConfigError(f"numerics.spike_factor is {self.spike_factor}; give a factor above one, or None")
        for name, least in {"rollback_after": 1, "max_rollbacks": 0}.items():
            if getattr(self, name) < least:
                raise ConfigError(f"numerics.{name} is {getattr(self, name)}; give {least} or more")

    def cast(self, tree: Tree) -> Tree:
        """Returns a tree with its floating-point arrays in the compute type; scalars, such as temperatures, stay.

        Example:
            >>> Numerics(compute_dtype="bfloat16").cast({"x": jnp.ones(2), "n": jnp.ones(2, int)})["x"].dtype
            dtype(bfloat16)
        """

        def to_compute(leaf: Array) -> Array:
            return leaf.astype(self.compute_dtype) if leaf.ndim and jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

        return jax.tree.map(to_compute, tree)


@flax.struct.dataclass
class Guard:
    """What is remembered of the steps of one optimizer, to tell bad ones.

    Attributes:
        skipped: Bad steps so far, int32.
        in_row: Bad steps since the last good one, int32.
        accepted: Good steps so far, int32.
        mean_norm: Running mean of the gradient norms of good steps, float32.

    Example:
        >>> old, scalars = {"w": jnp.zeros(1)}, {"loss": jnp.float32(jnp.nan), "grad_norm": jnp.float32(1)}
        >>> kept, guard = Guard.fresh().choose(Numerics(), old, lambda: {"w": jnp.ones(1)}, **scalars)
        >>> float(kept["w"][0]), int(guard.skipped)
        (0.0, 1)
    """

    skipped: Array
    in_row: Array
    accepted: Array
    mean_norm: Array

    @classmethod
    def fresh(cls) -> "Guard":
        """Returns the guard before the first step."""
        return cls(skipped=jnp.int32(0), in_row=jnp.int32(0), accepted=jnp.int32(0), mean_norm=jnp.float32(0))

    def choose(
        self,
        numerics: Numerics,
        old: Tree,
        update: Callable[[], Tree],
        *,
        loss: Float[Array, ""],
        grad_norm: Float[Array, ""],
        watched: Any = (),
    ) -> tuple[Tree, "Guard"]:
        """Returns what `update` makes, or `old` bit for bit after a bad step, and the guard after it.

        A finite gradient norm bounds the moments and the update of the optimizers here, so neither is read again.

        Args:
            numerics: What counts as bad.
            old: Any tree before the step.
            update: Makes the same tree after it.
            loss: The step's loss.
            grad_norm: Global norm of its gradient.
            watched: Further arrays that must be finite.
        """
        good = self._is_good(numerics, loss, grad_norm, watched)
        # The mean of all norms at first, later one that forgets; a spike is judged by the norms before it.
        share = 1 / jnp.minimum(self.accepted + 1, _SETTLED)
        mean_norm = self.mean_norm + share * (jnp.where(good, grad_norm, self.mean_norm) - self.mean_norm)
        after = Guard(
            skipped=self.skipped + ~good,
            in_row=jnp.where(good, 0, self.in_row + 1),
            accepted=self.accepted + good,
            mean_norm=mean_norm.astype(jnp.float32),
        )
        # A branch, since choosing number by number would copy what the update overwrites.
        return jax.lax.cond(good, update, lambda: old), after

    def _is_good(self, numerics: Numerics, loss: Array, grad_norm: Array, watched: Any) -> Bool[Array, ""]:
        finite = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((loss, grad_norm, watched))]
        good = jnp.stack(finite).all()
        if numerics.spike_factor is None:
            return good
        settled = self.accepted >= _SETTLED
        return good & ~(settled & (grad_norm > numerics.spike_factor * self.mean_norm))
