"""Pictures of embeddings."""

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from jaxmm.errors import DataError, MissingExtraError
from jaxmm.evaluate.figures import blank_figure

Projection: TypeAlias = Literal["tsne", "umap"]
"""How embeddings are laid into a plane."""

_NEIGHBOURS = 15


def plot_embeddings(
    path: Path,
    motion: Float[np.ndarray, "motions dim"],
    text: Float[np.ndarray, "captions dim"],
    relevant: Bool[np.ndarray, "motions captions"],
    *,
    projection: Projection = "tsne",
    seed: int = 0,
) -> None:
    """Draws both modalities in one plane; a thin line joins each motion and its first caption.

    Args:
        path: Image to write; its suffix chooses the format.
        motion: Unit-norm embeddings of the motions.
        text: Unit-norm embeddings of the captions.
        relevant: True where a caption belongs to a motion.
        projection: "tsne", or "umap", which needs an extra of its own.
        seed: Seed of the projection.

    Raises:
        MissingExtraError: If matplotlib, scikit-learn or umap-learn is needed and not installed.
        DataError: If there are fewer than four points.

    Reference: van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008; McInnes et al., UMAP,
    arXiv:1802.03426.
    """
    figure = blank_figure(width=8, height=8)
    from matplotlib.collections import LineCollection

    points = np.concatenate([motion, text])
    if len(points) < 4:
        name = {"tsne": "t-SNE", "umap": "UMAP"}[projection]
        raise DataError(f"{name} needs four points or more, there are {len(points)}; choose a larger split")
    plane = _tsne(points, seed) if projection == "tsne" else _umap(points, seed)
    of_motion, of_text = plane[: len(motion)], plane[len(motion) :]
    axes = figure.add_subplot()
    links = np.stack([of_motion, of_text[relevant.argmax(axis=1)]], axis=1)
    axes.add_collection(LineCollection(list(links), colors="0.8", linewidths=0.5, zorder=0))
    axes.scatter(*of_motion.T, s=14, color="#2a6fbb", label=f"{len(motion)} motions")
    axes.scatter(*of_text.T, s=30, color="#d1495b", marker="^", label=f"{len(text)} captions")
    axes.set_axis_off()
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def _tsne(points: Float[np.ndarray, "points dim"], seed: int) -> Float[np.ndarray, "points 2"]:
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise MissingExtraError.of(error.name or "scikit-learn", extra="plots") from error
    perplexity = min(30.0, (len(points) - 1) / 3)
    return TSNE(perplexity=perplexity, metric="cosine", init="random", random_state=seed).fit_transform(points)


def _umap(points: Float[np.ndarray, "points dim"], seed: int) -> Float[np.ndarray, "points 2"]:
    try:
        from umap import UMAP
    except ImportError as error:
        raise MissingExtraError.of(error.name or "umap-learn", extra="umap") from error
    neighbours = min(_NEIGHBOURS, len(points) - 1)
    # With a seed UMAP runs one job, and warns where it was not told so; its spectral start needs more points.
    layout = UMAP(n_neighbors=neighbours, metric="cosine", init="random", random_state=seed, n_jobs=1)
    return np.asarray(layout.fit_transform(points))
