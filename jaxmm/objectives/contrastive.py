"""Contrastive losses between two modalities of a batch.

Row i of one modality pairs with row i of the other. Where further pairs belong together, `positives` says so: they
are left out, neither positives nor negatives, or with `multi_positive` they are targets as the pairs themselves are.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmm.errors import ConfigError
from jaxmm.objectives.pieces import join_rows, split_rows

_EXCLUDED = -1e30  # finite, so that a wholly masked row has no NaN in its gradient


def symmetric_infonce(
    a: Float[Array, "batch dim"],
    b: Float[Array, "batch dim"],
    *,
    temperature: float | Float[Array, ""],
    example_mask: Bool[Array, "batch"] | None = None,
    positives: Bool[Array, "batch batch"] | None = None,
    multi_positive: bool = False,
    chunk_size: int | None = None,
) -> Float[Array, "batch"]:
    """Averages both directions of in-batch cross-entropy; row i pairs with row i.

    With `multi_positive` a direction's loss is the mean over a row's positives P of their negative log-probabilities,
    `-1/|P| sum_p log softmax(logits)_p`, which is SupCon's L_out.

    Args:
        a: Unit-norm embeddings; norms are not checked.
        b: Unit-norm embeddings, in the order of `a`.
        temperature: Softmax temperature, > 0.
        example_mask: False for rows that only fill the batch; they are nobody's negatives. All valid when None.
        positives: True where row i of `a` and row j of `b` also belong together; the diagonal always does.
        multi_positive: Whether `positives` are targets; otherwise they are left out.
        chunk_size: Rows of the batch x batch similarities that exist at a time, in either direction of
            differentiation; must divide the batch. None holds them all. `positives` are one byte a pair besides.

    Returns:
        One non-negative loss per pair, zero for masked rows; callers reduce.

    Raises:
        ConfigError: If `temperature` is not positive.
        ConfigError: If `chunk_size` does not divide the batch.

    Example:
        >>> symmetric_infonce(jnp.eye(2), jnp.eye(2), temperature=0.07).shape
        (2,)

    Reference: CLIP, arXiv:2103.00020; SupCon, arXiv:2004.11362, equation 2; seed 000, `compute_loss`.
    """
    _check(temperature)
    valid = jnp.ones(len(a), bool) if example_mask is None else example_mask
    rows = _Rows(a, jnp.arange(len(a)), valid, positives)

    def compare(some: _Rows) -> tuple[_Direction, _Direction]:
        """Returns both directions of the similarities of some rows of `a` to all of `b`."""
        logits = some.embeddings @ b.T / temperature
        own = some.places[:, None] == rows.places[None, :]
        targets, compared = _roles(own, some.positives, multi_positive)
        over_b, over_a = valid[None, :], some.valid[:, None]
        return (
            _Direction.along(logits, targets & over_b, compared & over_b, axis=1),
            _Direction.along(logits, targets & over_a, compared & over_a, axis=0),
        )

    dtype = jnp.result_type(a, b, temperature)
    over_b, over_a = compare(rows) if chunk_size is None else _in_chunks(compare, rows, chunk_size, dtype)
    attraction = over_b.attraction()
    if multi_positive:
        attraction = (attraction + over_a.attraction()) / 2
    return jnp.where(valid, (over_b.normalizer + over_a.normalizer) / 2 - attraction, 0.0)


def nt_xent(
    a: Float[Array, "batch dim"],
    b: Float[Array, "batch dim"],
    *,
    temperature: float | Float[Array, ""],
    example_mask: Bool[Array, "batch"] | None = None,
    positives: Bool[Array, "batch batch"] | None = None,
    multi_positive: bool = False,
) -> Float[Array, "batch"]:
    """Averages the cross-entropies of both rows of a pair among the rows of both modalities, their own among them.

    Each of the 2 x batch embeddings is told from all others, itself left out, so that negatives are intra-modal too.
    With `multi_positive` the targets of a row are all rows, of either modality, that belong to it, as in SupCon.

    Args:
        a: Unit-norm embeddings; norms are not checked.
        b: Unit-norm embeddings, in the order of `a`.
        temperature: Softmax temperature, > 0.
        example_mask: False for rows that only fill the batch; they are nobody's negatives. All valid when None.
        positives: True where rows i and j belong together, whatever their modality; symmetric.
        multi_positive: Whether `positives` are targets; otherwise they are left out.

    Returns:
        One non-negative loss per pair, zero for masked rows; callers reduce.

    Raises:
        ConfigError: If `temperature` is not positive.

    Example:
        >>> [f"{loss:.4f}" for loss in nt_xent(jnp.eye(2), jnp.eye(2), temperature=0.5)]
        ['0.2395', '0.2395']

    Reference: SimCLR, arXiv:2002.05709; SupCon, arXiv:2004.11362, equation 2.
    """
    _check(temperature)
    num_pairs = len(a)
    valid = jnp.ones(num_pairs, bool) if example_mask is None else example_mask
    embeddings = jnp.concatenate([a, b])
    logits = embeddings @ embeddings.T / temperature
    others = ~jnp.eye(2 * num_pairs, dtype=bool) & jnp.tile(valid, 2)[None, :]
    own = jnp.roll(jnp.eye(2 * num_pairs, dtype=bool), num_pairs, axis=1)
    targets, compared = _roles(own, None if positives is None else jnp.tile(positives, (2, 2)), multi_positive)
    direction = _Direction.along(logits, targets & others, compared & others, axis=1)
    losses = (direction.normalizer - direction.attraction()).reshape(2, num_pairs)
    return jnp.where(valid, losses.mean(axis=0), 0.0)


def pairwise_sigmoid(
    a: Float[Array, "batch dim"],
    b: Float[Array, "batch dim"],
    *,
    temperature: float | Float[Array, ""],
    bias: float | Float[Array, ""],
    example_mask: Bool[Array, "batch"] | None = None,
    positives: Bool[Array, "batch batch"] | None = None,
    multi_positive: bool = False,
) -> Float[Array, "batch"]:
    """Tells for every pair of the batch on its own whether it belongs together.

    Args:
        a: Unit-norm embeddings; norms are not checked.
        b: Unit-norm embeddings, in the order of `a`.
        temperature: Divides the similarities, > 0; the inverse of SigLIP's t.
        bias: Added to the similarities; negative where most pairs do not belong together.
        example_mask: False for rows that only fill the batch; they are in no pair. All valid when None.
        positives: True where row i of `a` and row j of `b` also belong together; the diagonal always does.
        multi_positive: Whether `positives` are labelled as such; otherwise they are left out.

    Returns:
        Half the sum of the losses of the pairs that a row is in with either of its embeddings, zero for masked rows.
        The mean over rows is SigLIP's loss.

    Raises:
        ConfigError: If `temperature` is not positive.

    Example:
        >>> [f"{loss:.4f}" for loss in pairwise_sigmoid(jnp.eye(2), jnp.eye(2), temperature=0.1, bias=-5.0)]
        ['0.0134', '0.0134']

    Reference: SigLIP, arXiv:2303.15343, algorithm 1.
    """
    _check(temperature)
    valid = jnp.ones(len(a), bool) if example_mask is None else example_mask
    logits = a @ b.T / temperature + bias
    targets, compared = _roles(jnp.eye(len(a), dtype=bool), positives, multi_positive)
    losses = -jax.nn.log_sigmoid(jnp.where(targets, logits, -logits))
    losses = jnp.where(compared & valid[:, None] & valid[None, :], losses, 0.0)
    return (losses.sum(axis=1) + losses.sum(axis=0)) / 2


class _Rows(NamedTuple):
    """Rows of one modality, with where they stand in the batch and what they belong to."""

    embeddings: Float[Array, "*pieces rows dim"]
    places: Int[Array, "*pieces rows"]
    valid: Bool[Array, "*pieces rows"]
    positives: Bool[Array, "*pieces rows batch"] | None


class _Direction(NamedTuple):
    """What one direction of cross-entropy keeps of the similarities of each row."""

    target_sum: Float[Array, "*pieces rows"]
    num_targets: Int[Array, "*pieces rows"]
    normalizer: Float[Array, "*pieces rows"]

    @classmethod
    def empty(cls, num_rows: int, dtype: jnp.dtype) -> "_Direction":
        zeros = jnp.zeros(num_rows, dtype)
        return cls(zeros, jnp.zeros(num_rows, jnp.int32), zeros + _EXCLUDED)

    @classmethod
    def along(
        cls,
        logits: Float[Array, "rows columns"],
        targets: Bool[Array, "rows columns"],
        compared: Bool[Array, "rows columns"],
        *,
        axis: int,
    ) -> "_Direction":
        return cls(
            jnp.where(targets, logits, 0.0).sum(axis=axis),
            targets.sum(axis=axis, dtype=jnp.int32),
            jax.nn.logsumexp(jnp.where(compared, logits, _EXCLUDED), axis=axis),
        )

    def joined(self, more: "_Direction") -> "_Direction":
        return _Direction(
            self.target_sum + more.target_sum,
            self.num_targets + more.num_targets,
            jnp.logaddexp(self.normalizer, more.normalizer),
        )

    def attraction(self) -> Float[Array, "rows"]:
        return self.target_sum / jnp.maximum(self.num_targets, 1)


def _in_chunks(
    compare: Callable[[_Rows], tuple[_Direction, _Direction]], rows: _Rows, chunk_size: int, dtype: jnp.dtype
) -> tuple[_Direction, _Direction]:
    """Returns what `compare` does of all rows, but holds the similarities of one chunk at a time."""

    def add(over_a: _Direction, chunk: _Rows) -> tuple[_Direction, _Direction]:
        over_b, more = compare(chunk)
        return over_a.joined(more), over_b

    num_rows = len(rows.places)
    if chunk_size < 1 or num_rows % chunk_size:
        raise ConfigError(f"chunk_size is {chunk_size}; give a number that divides the batch of {num_rows} rows")
    pieces = split_rows(rows, num_rows // chunk_size)
    over_a, over_b = jax.lax.scan(jax.checkpoint(add, prevent_cse=False), _Direction.empty(num_rows, dtype), pieces)
    return join_rows(over_b), over_a


def _roles(
    own: Bool[Array, "rows columns"], positives: Bool[Array, "rows columns"] | None, multi_positive: bool
) -> tuple[Bool[Array, "rows columns"], Bool[Array, "rows columns"]]:
    """Returns which pairs are targets, and which are compared at all."""
    if positives is None:
        return own, jnp.ones_like(own)
    if multi_positive:
        return own | positives, jnp.ones_like(own)
    return own, own | ~positives


def _check(temperature: float | Float[Array, ""]) -> None:
    # A learnt one is an array that may be traced; the settings keep it in its range.
    if isinstance(temperature, int | float) and temperature <= 0:
        raise ConfigError(f"temperature is {temperature}; give a value above zero")
