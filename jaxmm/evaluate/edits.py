"""How far one sequence is from another."""

import numpy as np
from jaxtyping import Shaped


def edit_distance(one: Shaped[np.ndarray, "n"], other: Shaped[np.ndarray, "m"]) -> int:
    """Returns the Levenshtein distance: how much must be put in, left out or replaced to turn one into the other.

    Args:
        one: Labels or words.
        other: What they are compared with, of the same type.

    Example:
        >>> edit_distance(np.array(["I", "GO", "HOME"]), np.array(["I", "SLEEP"]))
        2

    Reference: Levenshtein, Binary codes capable of correcting deletions, insertions, and reversals, 1966.
    """
    row = np.arange(len(other) + 1)
    for item in one:
        # Insertions are a running minimum, once the growing cost of each place is taken off.
        best = np.minimum(row[1:] + 1, row[:-1] + (other != item))
        costs = np.concatenate([[row[0] + 1], best])
        row = np.minimum.accumulate(costs - np.arange(len(costs))) + np.arange(len(costs))
    return int(row[-1])
