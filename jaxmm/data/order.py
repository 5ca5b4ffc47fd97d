"""In which order training meets its examples."""

from collections import Counter
from collections.abc import Sequence

import grain
import numpy as np


def training_order(captions: Sequence[Sequence[str]], *, seed: int, balance: float) -> grain.MapDataset:
    """Returns places of examples, as many as there are and in another order every epoch, by random access.

    Args:
        captions: The captions of each example.
        seed: Seed of the order, >= 0.
        balance: 0 takes every example once an epoch. Above, examples are drawn with a probability in proportion to the
            mean over their captions of n ** -balance, where n examples have the caption.

    Example:
        >>> order = training_order([["a walk"], ["a walk"], ["a jump"]], seed=0, balance=0.0)
        >>> sorted(order[place] for place in range(3))
        [0, 1, 2]
        >>> even = training_order([["a walk"], ["a walk"], ["a jump"]], seed=0, balance=1.0)
        >>> round(sum(even[place] == 2 for place in range(3000)) / 3000, 1)
        0.5
    """
    places = grain.MapDataset.range(len(captions)).seed(seed)
    if balance == 0:
        return places.shuffle()
    counts = Counter(text for own in captions for text in set(own))
    weights = np.array([np.mean([counts[text] ** -balance for text in own]) for own in captions])
    ends = np.cumsum(weights / weights.sum())
    return places.random_map(lambda _, rng: int(np.searchsorted(ends[:-1], rng.random(), side="right")))
