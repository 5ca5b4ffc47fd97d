"""Empty figures to draw on, which need the extra `plots`."""

import importlib.util
from typing import Any

from jaxmm.errors import MissingExtraError


def check_figures() -> None:
    """Refuses to go on, before any work is done, where figures cannot be drawn.

    Raises:
        MissingExtraError: If matplotlib is not installed.

    Example:
        >>> check_figures()
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError.of("matplotlib", extra="plots")


def blank_figure(*, width: float, height: float) -> Any:
    """Returns an empty matplotlib figure that fits its parts in by itself.

    Args:
        width: In inches, > 0.
        height: In inches, > 0.

    Raises:
        MissingExtraError: If matplotlib is not installed.

    Example:
        >>> blank_figure(width=8, height=4.5).get_size_inches().tolist()
        [8.0, 4.5]
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of(error.name or "matplotlib", extra="plots") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
