"""Large batches in little memory: towers run over micro-batches, the loss over the whole batch (GradCache)."""

from collections.abc import Callable
from typing import TypeVar

import jax
from jaxtyping import PRNGKeyArray

from jaxmm.objectives.pieces import join_rows, split_rows
from jaxmm.typing import Batch, Collections, Params

Embeddings = TypeVar("Embeddings")


def embed_in_micro_batches(
    embed: Callable[[Params, Collections, Batch, PRNGKeyArray], tuple[Embeddings, Collections]],
    params: Params,
    collections: Collections,
    batch: Batch,
    key: PRNGKeyArray,
    *,
    num_micro_batches: int,
) -> tuple[Embeddings, Collections]:
    """Embeds a batch piece after piece, and keeps no activations for the gradient.

    A loss over the whole batch's embeddings has the gradient it would have without pieces, in the memory of one: its
    cotangents are computed for all embeddings at once, then each piece is run again with its own. This costs one more
    forward pass. What pieces do not share is the statistics of batch normalisation, which are those of a piece, and
    the running ones move once a piece; each piece has its own dropout too.

    Args:
        embed: Towers; takes parameters, collections, rows and a key, returns a tree of one row an example, and the
            collections after it. With one piece it is given the batch and the key as they are.
        params: Parameters.
        collections: Collections before the first piece.
        batch: Arrays that share their first axis.
        key: Randomness of all pieces.
        num_micro_batches: Number of pieces, >= 1; must divide the batch.

    Returns:
        The embeddings in the order of the batch, and the collections after the last piece.

    Raises:
        ConfigError: If the batch cannot be shared equally.

    Example:
        >>> import jax.numpy as jnp
        >>> def embed(params, collections, batch, key):
        ...     return params["scale"] * batch["x"], {"pieces": collections["pieces"] + 1}
        >>> params, batch = {"scale": jnp.float32(2)}, {"x": jnp.arange(4.0)}
        >>> rows, after = embed_in_micro_batches(
        ...     embed, params, {"pieces": 0}, batch, jax.random.key(0), num_micro_batches=2)
        >>> rows.tolist(), int(after["pieces"])
        ([0.0, 2.0, 4.0, 6.0], 2)

    Reference: GradCache, arXiv:2101.06983.
    """
    if num_micro_batches == 1:
        return embed(params, collections, batch, key)

    def run(collections: Collections, piece: tuple[Batch, PRNGKeyArray]) -> tuple[Collections, Embeddings]:
        embeddings, collections = embed(params, collections, *piece)
        return collections, embeddings

    pieces = (split_rows(batch, num_micro_batches), jax.random.split(key, num_micro_batches))
    # A scan over checkpointed pieces is GradCache: autodiff keeps their inputs only and runs each again.
    collections, embeddings = jax.lax.scan(jax.checkpoint(run, prevent_cse=False), collections, pieces)
    return join_rows(embeddings), collections
