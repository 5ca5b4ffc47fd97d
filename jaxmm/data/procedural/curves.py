"""Curves over time: easing, keyed values, the progress of travel, and smooth noise."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

WAVE_HERTZ = np.array([0.25, 0.6, 1.2])
"""Frequencies of the waves that make smooth noise; each is drawn up to 30% faster or slower."""


def ease(time: Float[np.ndarray, "time"], start: float, end: float) -> Float[np.ndarray, "time"]:
    """Rises from 0 to 1 between two times with zero velocity and acceleration at both.

    Example:
        >>> ease(np.array([0.0, 1.0, 2.0, 3.0]), 1.0, 3.0).tolist()
        [0.0, 0.0, 0.5, 1.0]
    """
    part = np.clip((time - start) / (end - start), 0.0, 1.0)
    return part**3 * (part * (6.0 * part - 15.0) + 10.0)


def plateau(
    time: Float[np.ndarray, "time"], start: float, rise: float, fall: float, end: float
) -> Float[np.ndarray, "time"]:
    """Eases from 0 to 1 over `start..rise`, stays, and eases back over `fall..end`.

    Example:
        >>> plateau(np.array([0.0, 1.0, 2.0, 3.0]), 0.0, 1.0, 2.0, 3.0).tolist()
        [0.0, 1.0, 1.0, 0.0]
    """
    return ease(time, start, rise) * (1.0 - ease(time, fall, end))


def glide(part: Float[np.ndarray, "time"], ramp: float) -> Float[np.ndarray, "time"]:
    """Maps time to distance, both from 0 to 1, at constant speed between two linear ramps of the speed.

    Args:
        part: Share of the duration that has passed; clipped to 0..1.
        ramp: Share of the duration that each ramp takes, in (0, 0.5].

    Example:
        >>> glide(np.array([0.0, 0.5, 1.0]), 0.2).tolist()
        [0.0, 0.5, 1.0]
    """
    part = np.clip(part, 0.0, 1.0)
    mirrored = np.minimum(part, 1.0 - part)
    near = np.where(mirrored < ramp, mirrored**2 / (2.0 * ramp), mirrored - ramp / 2.0) / (1.0 - ramp)
    return np.where(part <= 0.5, near, 1.0 - near)


def keyed(
    time: Float[np.ndarray, "time"], key_times: Sequence[float], key_values: Float[np.ndarray, "keys channels"]
) -> Float[np.ndarray, "time channels"]:
    """Interpolates keyed values by monotone cubics: no overshoot, at rest at the extremes and both ends.

    Args:
        time: Float[np.ndarray, "time"] to read; the end values hold beyond the ends.
        key_times: Increasing times, at least two.
        key_values: The values of every channel at each key.

    Example:
        >>> keyed(np.array([0.0, 0.5, 1.0, 9.0]), (0.0, 1.0), np.array([[0.0], [2.0]]))[:, 0].tolist()
        [0.0, 1.0, 2.0, 2.0]

    Reference: Fritsch and Butland, "A method for constructing local monotone piecewise cubic interpolants", 1984.
    """
    knots, values = np.asarray(key_times, np.float64), key_values
    width = np.diff(knots)[:, None]
    slope = np.diff(values, axis=0) / width
    tangent = np.zeros_like(values)
    product = slope[:-1] * slope[1:]
    weight = (width[:-1] + 2.0 * width[1:]) / (3.0 * (width[:-1] + width[1:]))
    blend = weight * slope[1:] + (1.0 - weight) * slope[:-1]
    same_sign = product > 0
    tangent[1:-1] = np.where(same_sign, product / np.where(same_sign, blend, 1.0), 0.0)
    time = np.clip(time, knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, time, side="right") - 1, 0, len(knots) - 2)
    span = width[left]
    part = (time - knots[left])[:, None] / span
    rest = 1.0 - part
    return rest**2 * ((1.0 + 2.0 * part) * values[left] + span * part * tangent[left]) + part**2 * (
        (3.0 - 2.0 * part) * values[left + 1] - span * rest * tangent[left + 1]
    )


def smooth_noise(
    time: Float[np.ndarray, "time"], waves: Float[np.ndarray, "3 channels waves"]
) -> Float[np.ndarray, "time channels"]:
    """Adds up waves.

    Args:
        time: Times in seconds.
        waves: Amplitude, frequency in Hz and phase of each wave of each channel.

    Example:
        >>> smooth_noise(np.array([0.0, 0.25]), np.array([[[2.0]], [[1.0]], [[0.0]]])).tolist()
        [[0.0], [2.0]]
    """
    amplitude, hertz, phase = waves
    return (amplitude * np.sin(2.0 * np.pi * hertz * time[:, None, None] + phase)).sum(axis=-1)
