"""The Frechet distance between two sets of features, each taken as a normal distribution."""

import numpy as np
from jaxtyping import Float, Float64

from jaxmm.errors import DataError


def frechet_distance(one: Float[np.ndarray, "rows dim"], other: Float[np.ndarray, "other_rows dim"]) -> float:
    """Returns the squared distance of the means, and how far the covariances are apart.

    Args:
        one: Features, a row each; more rows than numbers, so that their covariance is known in every direction.
        other: Features to compare with.

    Returns:
        |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), 0 where the two are alike.

    Raises:
        DataError: If there are too few rows, or a feature is not finite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> rows = rng.normal(size=(100, 2))
        >>> round(frechet_distance(rows, rows + np.array([3.0, 4.0])), 6)
        25.0

    Reference: Heusel et al., arXiv:1706.08500; with the codes of a motion autoencoder, Yoon et al., arXiv:2009.02119.
    """
    for rows in (one, other):
        if len(rows) <= rows.shape[1]:
            raise DataError(
                f"{len(rows)} codes of {rows.shape[1]} numbers do not tell a distribution; "
                "compare more clips, or train an autoencoder of shorter codes"
            )
        if not np.isfinite(rows).all():
            raise DataError("a code is not finite; the autoencoder diverged, or a clip is damaged")
    one, other = one.astype(np.float64), other.astype(np.float64)
    shift = one.mean(axis=0) - other.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (one, other))
    root = _root(first)
    # The product of two covariances is not symmetric; root C2 root is, and has the same eigenvalues.
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return max(0.0, float(shift @ shift + np.trace(first) + np.trace(second) - 2 * shared))


def _root(matrix: Float64[np.ndarray, "dim dim"]) -> Float64[np.ndarray, "dim dim"]:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
