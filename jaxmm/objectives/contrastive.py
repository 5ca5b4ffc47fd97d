"""Contrastive losses between two modalities of a batch."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def symmetric_infonce(
    a: Float[Array, "batch dim"],
    b: Float[Array, "batch dim"],
    *,
    temperature: float,
    example_mask: Bool[Array, "batch"] | None = None,
) -> Float[Array, "batch"]:
    """Averages both directions of in-batch cross-entropy; row i pairs with row i.

    Args:
        a: Unit-norm embeddings; norms are not checked.
        b: Unit-norm embeddings, in the order of `a`.
        temperature: Softmax temperature, > 0.
        example_mask: False for rows that only fill the batch; they are nobody's negatives. All valid when None.

    Returns:
        One non-negative loss per pair, zero for masked rows; callers reduce.

    Raises:
        ValueError: If `temperature` is not positive.

    Example:
        >>> symmetric_infonce(jnp.eye(2), jnp.eye(2), temperature=0.07).shape
        (2,)

    Reference: CLIP, arXiv:2103.00020; seed 000, `compute_loss`.
    """
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; give a value above zero")
    logits = a @ b.T / temperature
    if example_mask is None:
        example_mask = jnp.ones(len(a), bool)
    excluded = -1e30  # finite, so that a wholly masked row has no NaN in its gradient
    positive = jnp.diagonal(logits)
    over_b = jax.nn.logsumexp(jnp.where(example_mask[None, :], logits, excluded), axis=1)
    over_a = jax.nn.logsumexp(jnp.where(example_mask[:, None], logits, excluded), axis=0)
    return jnp.where(example_mask, (over_b + over_a) / 2 - positive, 0.0)
