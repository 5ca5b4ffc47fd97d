"""Which pairs of a batch belong together although they are not each other's: false negatives (D7)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def same_texts(
    token_ids: Int[Array, "batch tokens"], token_mask: Bool[Array, "batch tokens"]
) -> Bool[Array, "batch batch"]:
    """Tells which texts have equal valid tokens.

    Example:
        >>> same_texts(jnp.array([[5, 7], [5, 9], [5, 0]]), jnp.array([[True, True], [True, False], [True, False]]))
        Array([[ True, False, False],
               [False,  True,  True],
               [False,  True,  True]], dtype=bool)
    """
    valid = jnp.where(token_mask, token_ids, -1)
    return (valid[:, None, :] == valid[None, :, :]).all(axis=-1)


def similar_rows(features: Float[Array, "batch features"], threshold: float) -> Bool[Array, "batch batch"]:
    """Tells which rows have a cosine of at least a threshold; no gradient passes.

    Example:
        >>> similar_rows(jnp.array([[1.0, 0.0], [5.0, 1.0], [0.0, 1.0]]), 0.8)
        Array([[ True,  True, False],
               [ True,  True, False],
               [False, False,  True]], dtype=bool)
    """
    features = jax.lax.stop_gradient(features)
    unit = features / jnp.maximum(jnp.linalg.norm(features, axis=-1, keepdims=True), 1e-12)
    return unit @ unit.T >= threshold
