"""Pictures of how well models tell pairs: their curves, their scores, and what they cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from jaxmm.evaluate.figures import blank_figure
from jaxmm.evaluate.sweep import Sweep

_COLOURS = ("#2a6fbb", "#d1495b", "#2e8b57", "#e08e29", "#7b4fa3", "#4d4d4d")
_DASHES = ("-", "--", ":", "-.")
_SAME, _DIFFERENT = _COLOURS[:2]
_MOST_INSIDE = 5  # models whose names cover no curve
_LARGEST_BUBBLE, _SMALLEST_BUBBLE = 900.0, 30.0  # square points


def plot_curves(path: Path, by_model: Mapping[str, Sweep]) -> None:
    """Draws the ROC curves and the precision-recall curves of models, with the areas below them, and what chance has.

    Args:
        path: Image to write; its suffix chooses the format.
        by_model: What pairs are told to be, by the model's name.

    Raises:
        DataError: If the pairs of a model are all the same or all different.
        MissingExtraError: If matplotlib is not installed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "curves.png"
        >>> plot_curves(path, {"siamese": Sweep.of(np.array([0.9, 0.2, 0.4]), np.array([True, False, True]))})
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    below = 0.0 if len(by_model) <= _MOST_INSIDE else 0.1 * len(by_model)
    figure = blank_figure(width=12, height=5.5 + below)
    roc, recall = figure.subplots(1, 2)
    for place, (name, sweep) in enumerate(by_model.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        dashes = _DASHES[place // len(_COLOURS) % len(_DASHES)]
        roc.plot(*sweep.roc(), dashes, color=colour, label=f"{name}: AUC {sweep.roc_auc():.3f}")
        precision, recalled = sweep.precision_recall()
        # Between two thresholds precision does not change linearly, and average precision sums steps.
        label = f"{name}: AP {sweep.average_precision():.3f}"
        recall.plot(recalled, precision, dashes, color=colour, drawstyle="steps-pre", label=label)
    roc.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, zorder=0, label="chance")
    for share in sorted({sweep.num_same / (sweep.num_same + sweep.num_different) for sweep in by_model.values()}):
        recall.axhline(share, color="0.7", linewidth=0.8, zorder=0, label=f"chance: {share:.3f}")
    roc.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    recall.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    for axes, corner in ((roc, "lower right"), (recall, "lower left")):
        axes.set_aspect("equal")
        if len(by_model) > _MOST_INSIDE:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize=8, frameon=False)
        else:
            axes.legend(loc=corner, fontsize=9)
    figure.savefig(path, dpi=150)


def plot_scores(
    path: Path,
    scores: Float[np.ndarray, "pairs"],
    same: Bool[np.ndarray, "pairs"],
    *,
    threshold: float | None = None,
    title: str = "",
) -> None:
    """Draws how often same and different pairs have each score, as two histograms of the same area.

    Args:
        path: Image to write; its suffix chooses the format.
        scores: Finite; the higher, the more alike.
        same: True where a pair is the same; a kind without pairs is left out.
        threshold: Score from which on pairs are told the same, drawn as a line.
        title: Name of the model.

    Raises:
        DataError: If there is no pair, or a score is not finite.
        MissingExtraError: If matplotlib is not installed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "scores.png"
        >>> plot_scores(path, np.array([0.9, 0.2, 0.4]), np.array([True, False, True]), threshold=0.3)
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    marks = Sweep.of(scores, same).thresholds
    edges = np.histogram_bin_edges(marks[1:], bins=50)
    figure = blank_figure(width=8, height=4.5)
    axes = figure.add_subplot()
    for name, colour, own in (("different", _DIFFERENT, scores[~same]), ("same", _SAME, scores[same])):
        if len(own):
            label = f"{name}: {len(own)} pairs, mean {own.mean():.2f}"
            axes.hist(own, bins=list(edges), density=True, histtype="stepfilled", alpha=0.45, color=colour, label=label)
    if threshold is not None:
        axes.axvline(threshold, color="0.2", linewidth=1, linestyle="--", label=f"threshold {threshold:.3g}")
    axes.set(xlabel="score", ylabel="density", title=title)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def plot_complexity(
    path: Path,
    names: Sequence[str],
    costs: Float[np.ndarray, "models"],
    latencies_ms: Float[np.ndarray, "models"],
    values: Float[np.ndarray, "models"],
    *,
    cost: str = "parameters",
    metric: str = "ROC-AUC",
) -> None:
    """Draws what models reach against what they cost; the larger a bubble, the longer an answer takes.

    Args:
        path: Image to write; its suffix chooses the format.
        names: Of the models.
        costs: Such as parameters or FLOPs, > 0; on a logarithmic axis.
        latencies_ms: How long an answer takes, in milliseconds, > 0; it is the bubble's area.
        values: What each model reaches.
        cost: What the costs are.
        metric: What the values are.

    Raises:
        MissingExtraError: If matplotlib is not installed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "complexity.png"
        >>> plot_complexity(path, ["siamese"], np.array([1.25e6]), np.array([3.1]), np.array([0.94]))
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    figure = blank_figure(width=8, height=5)
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    axes = figure.add_subplot()
    areas = np.maximum(_LARGEST_BUBBLE * latencies_ms / latencies_ms.max(), _SMALLEST_BUBBLE)
    bubbles = []
    for place, (name, own, value, latency, area) in enumerate(
        zip(names, costs, values, latencies_ms, areas, strict=True), 1
    ):
        colour = _COLOURS[(place - 1) % len(_COLOURS)]
        bubbles.append(axes.scatter(own, value, s=area, color=colour, alpha=0.4, linewidths=0))
        bubbles[-1].set_label(f"{place}  {name}, {latency:.3g} ms")
        axes.annotate(str(place), (own, value), ha="center", va="center", fontsize=8)
    # Names beside the bubbles of many models would cover each other.
    legend = axes.legend(handles=bubbles, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
    for handle in legend.legend_handles:
        handle.set_sizes([_SMALLEST_BUBBLE])
    axes.set(xscale="log", xlabel=cost, ylabel=metric)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.2, y=0.25)
    axes.grid(alpha=0.25)
    figure.savefig(path, dpi=150)
