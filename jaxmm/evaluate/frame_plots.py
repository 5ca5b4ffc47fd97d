"""Pictures of what runs say of frames: timelines of videos, and how near features are to their descriptions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from jaxmm.evaluate.figures import blank_figure

_TYPE_COLOURS = {"actions": "#2a6fbb", "null": "0.6", "wrong": "#d1495b"}


def plot_timeline(
    path: Path,
    rows: Mapping[str, Int[np.ndarray, "time"]],
    names: Sequence[str],
    *,
    title: str = "",
    fps: float = 1.0,
) -> None:
    """Draws the labels of a video's frames as bars of colours, one below the other.

    Args:
        path: Image to write; its suffix chooses the format.
        rows: The number of each frame's label, by whose word it is, such as `truth`.
        names: The labels by number; those that occur are in the legend.
        title: Name of the video.
        fps: Frames per second.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    shown = np.unique(np.concatenate(list(rows.values())))
    figure = blank_figure(width=12, height=0.6 * len(rows) + 1.4 + 0.2 * -(-len(shown) // 5))
    axes = figure.add_subplot()
    colours = {int(number): _colour(place, len(shown)) for place, number in enumerate(shown)}
    for row, (name, labels) in enumerate(rows.items()):
        starts = np.flatnonzero(np.diff(labels, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(labels)], strict=True):
            axes.barh(row, (end - start) / fps, left=start / fps, height=0.8, color=colours[int(labels[start])])
        axes.text(-0.01, row, name, transform=axes.get_yaxis_transform(), ha="right", va="center")
    axes.set(yticks=[], xlabel="seconds", title=title, xlim=(0, max(map(len, rows.values())) / fps))
    axes.invert_yaxis()
    handles = [axes.barh(0, 0, color=colours[int(number)]) for number in shown]
    figure.legend(handles, [names[number] for number in shown], loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(path, dpi=120)


def plot_similarities(path: Path, by_type: Mapping[str, Float[np.ndarray, "_frames"]]) -> None:
    """Draws how similar frames are to their descriptions, as one histogram for each type of label.

    Args:
        path: Image to write; its suffix chooses the format.
        by_type: Cosine similarities of the frames of each type; types without frames are left out.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    figure = blank_figure(width=8, height=4.5)
    axes = figure.add_subplot()
    edges = np.linspace(min(0.0, *(own.min() for own in by_type.values() if len(own))), 1, 61)
    for name, own in by_type.items():
        if len(own):
            label = f"{name}: {len(own)} frames, mean {own.mean():.2f}"
            axes.hist(own, bins=list(edges), density=True, histtype="step", color=_TYPE_COLOURS.get(name), label=label)
    axes.set(xlabel="cosine similarity to the frame's description", ylabel="density")
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=150)


def plot_labels(path: Path, by_label: Mapping[str, Float[np.ndarray, "_frames"]]) -> None:
    """Draws the mean similarity of each label's frames to its description, the least first, with their deviation.

    Args:
        path: Image to write; its suffix chooses the format.
        by_label: Cosine similarities of the frames of each label; labels without frames are left out.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    found = sorted(((own.mean(), own.std(), name) for name, own in by_label.items() if len(own)), reverse=True)
    means, deviations, names = zip(*found, strict=True)
    figure = blank_figure(width=8, height=1 + 0.25 * len(names))
    axes = figure.add_subplot()
    axes.barh(names, means, xerr=deviations, color="#2a6fbb", error_kw={"ecolor": "0.5", "elinewidth": 1})
    axes.set(xlabel="mean cosine similarity to its description (bars: standard deviation)")
    figure.savefig(path, dpi=150)


def _colour(place: int, count: int) -> tuple[float, float, float]:
    """Returns one of many colours, of which neighbours differ in lightness too."""
    from matplotlib.colors import hsv_to_rgb

    red, green, blue = hsv_to_rgb((place / count, 0.65 - 0.25 * (place % 2), 0.95 - 0.25 * (place % 3)))
    return float(red), float(green), float(blue)
