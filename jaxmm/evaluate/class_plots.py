"""A picture of which classes are taken for which."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from jaxmm.evaluate.figures import blank_figure

_LARGEST_CELL, _SMALLEST_CELL, _WIDEST = 0.45, 0.12, 18.0  # inches
_POINTS = 72  # an inch
_DARK = 0.55


def plot_confusion(path: Path, counts: Int64[np.ndarray, "classes classes"], names: Sequence[str]) -> None:
    """Draws the counts of a confusion matrix, each on a colour for its share of its row.

    Args:
        path: Image to write; its suffix chooses the format.
        counts: What `jaxmm.evaluate.classification.confusion` returns; counts of 0 are left blank.
        names: The classes.

    Raises:
        MissingExtraError: If matplotlib is not installed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "confusion.png"
        >>> plot_confusion(path, np.array([[3, 1], [0, 2]]), ("walk", "run"))
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    num_classes, longest = len(names), max(map(len, names))
    cell = float(np.clip(_WIDEST / num_classes, _SMALLEST_CELL, _LARGEST_CELL))
    size = 0.36 * cell * _POINTS
    margin = 0.62 * size * longest / _POINTS
    side = cell * num_classes
    figure = blank_figure(width=side + margin + 2.2, height=side + margin + 1.0)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts):
        colour = "white" if shares[row, column] > _DARK else "black"
        most = min(size, 1.6 * cell * _POINTS / len(str(counts[row, column])))
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=most)
    axes.set_xticks(range(num_classes), names, rotation=90, fontsize=size)
    axes.set_yticks(range(num_classes), names, fontsize=size)
    axes.set(xlabel="told", ylabel="class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, shrink=0.5, aspect=15, label="share of the class's clips")
    figure.savefig(path, dpi=120)
