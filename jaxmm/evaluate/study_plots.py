"""Pictures of studies of training: the loss around what was learnt, and what each margin reaches."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxmm.errors import DataError
from jaxmm.evaluate.figures import blank_figure

_COLOURS = ("#2a6fbb", "#d1495b")
_LEVELS = 24


def plot_landscape(
    path: Path, steps: Float[np.ndarray, "points"], losses: Float[np.ndarray, "points *second"], *, title: str = ""
) -> None:
    """Draws losses along one direction as a line, or along two as contours, with a mark at what was learnt.

    Args:
        path: Image to write; its suffix chooses the format.
        steps: How far along each direction, rising.
        losses: Loss at each step, or at each step along the first direction and the second; those that are not finite
            are left out.
        title: Name of the run.

    Raises:
        DataError: If no loss is finite.
        MissingExtraError: If matplotlib is not installed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "landscape.png"
        >>> plot_landscape(path, np.array([-1.0, 0.0, 1.0]), np.array([3.0, 1.0, 2.0]))
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    shown = np.ma.masked_invalid(losses)
    if not shown.count():
        raise DataError("no loss of the landscape is finite; take a smaller reach")
    figure = blank_figure(width=7, height=5.5 if losses.ndim == 2 else 4)
    axes = figure.add_subplot()
    if losses.ndim == 1:
        axes.plot(steps, shown, color=_COLOURS[0])
        axes.axvline(0, color="0.6", linewidth=0.8, linestyle="--", label="the run")
        axes.set(xlabel="step along the direction", ylabel="loss", title=title)
        axes.legend(frameon=False)
        axes.grid(alpha=0.25)
    else:
        filled = axes.contourf(steps, steps, shown.T, levels=_LEVELS, cmap="viridis")
        axes.contour(steps, steps, shown.T, levels=_LEVELS, colors="white", linewidths=0.4, alpha=0.6)
        axes.plot(0, 0, "x", color=_COLOURS[1], markersize=9, markeredgewidth=2, label="the run")
        axes.set(xlabel="step along the first direction", ylabel="along the second", title=title, aspect="equal")
        axes.legend(loc="upper right", fontsize=9)
        figure.colorbar(filled, ax=axes, label="loss")
    figure.savefig(path, dpi=150)


def plot_margins(
    path: Path, margins: Float[np.ndarray, "margins"], scores: Mapping[str, Float[np.ndarray, "margins"]]
) -> None:
    """Draws the area under the ROC curve and the equal error rate of each margin, with their intervals.

    Args:
        path: Image to write; its suffix chooses the format.
        margins: The margins, > 0, on a logarithmic axis.
        scores: `roc_auc` and `eer` of each, with `<name>/low` and `<name>/high`.

    Raises:
        MissingExtraError: If matplotlib is not installed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "margins.png"
        >>> values = {name: np.array([0.4, 0.5]) for score in ("roc_auc", "eer") for name in
        ...           (score, f"{score}/low", f"{score}/high")}
        >>> plot_margins(path, np.array([0.1, 0.3]), values)
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    figure = blank_figure(width=10, height=4)
    titles = {"roc_auc": "ROC-AUC", "eer": "equal error rate"}
    for axes, colour, (name, title) in zip(figure.subplots(1, 2), _COLOURS, titles.items(), strict=True):
        value, low, high = (scores[key] for key in (name, f"{name}/low", f"{name}/high"))
        # An interval of percentiles need not hold the value itself.
        errors = np.maximum([value - low, high - value], 0)
        axes.errorbar(margins, value, yerr=errors, fmt="o-", color=colour, capsize=4)
        axes.set(xscale="log", xlabel="margin", ylabel=title)
        axes.set_xticks(margins, [f"{margin:g}" for margin in margins])
        axes.minorticks_off()
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=150)
