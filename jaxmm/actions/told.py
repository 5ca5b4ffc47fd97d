"""What is told of videos: of a file, or at a moment of a stream."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Told:
    """What a run says of one file.

    Attributes:
        path: The file.
        classes: The most likely classes, the likeliest first.
        probabilities: How likely each is.

    Example:
        >>> Told(Path("a.mp4"), ("walk", "run"), (0.9, 0.1)).classes[0]
        'walk'
    """

    path: Path
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Glance:
    """What a run says at one moment of a stream.

    Attributes:
        frame: Number of frames that came so far.
        seconds: When the last of them is shown.
        window_s: How far back the first that the answer looks at lies, in seconds.
        latency_ms: Time from when the last frame was there to the answer, in milliseconds.
        classes: The most likely classes, the likeliest first.
        probabilities: How likely each is.

    Example:
        >>> glance = Glance(frame=9, seconds=1.0, window_s=0.875, latency_ms=4.2, classes=("walk",),
        ...                 probabilities=(1.0,))
        >>> glance.classes[0]
        'walk'
    """

    frame: int
    seconds: float
    window_s: float
    latency_ms: float
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


def likeliest(
    logits: Float[np.ndarray, "classes"], labels: Sequence[str], *, top: int
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Returns the most likely classes, the likeliest first, and how likely each is among all of them.

    Example:
        >>> likeliest(np.log(np.array([1.0, 3.0])), ("walk", "run"), top=1)
        (('run',), (0.75,))
    """
    powers = np.exp(logits.astype(np.float64) - logits.max())
    probabilities = powers / powers.sum()
    best = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(str(labels[place]) for place in best), tuple(float(probabilities[place]) for place in best)
