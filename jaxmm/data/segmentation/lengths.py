"""The few lengths that batches of videos are padded to, so that few programs are compiled."""

import math

SHORTEST = 64
"""The least of them, in frames."""

_GROWTH = 1.25


def padded_length(num_frames: int) -> int:
    """Returns the length that a batch is padded to, one of few: each is 1.25 times the one before, from 64 frames on.

    They are rounded up to multiples of 8. A program is compiled for each, so there are at most
    2 + log(longest / shortest) / log(1.25) of them.

    Example:
        >>> [padded_length(num_frames) for num_frames in (1, 64, 65, 330, 552)]
        [64, 64, 80, 352, 552]
    """
    length = SHORTEST
    while length < num_frames:
        length = 8 * math.ceil(_GROWTH * length / 8)
    return length
