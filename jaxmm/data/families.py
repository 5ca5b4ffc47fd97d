"""Batches of some families with some members of each, drawn evenly and by random access."""

import functools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from jaxmm.data.procedural.chance import take_generator


class FamilySampler:
    """Draws P families for each batch and K members of each.

    No family is twice in a batch. Families are drawn in rounds, each in another order, so that after any number of
    batches one was drawn at most once more often than another. No member repeats in a batch where there are K of its
    family; where there are fewer, all come equally often, up to one. What is drawn depends on the seed and the step
    alone.

    Args:
        families: Members of each family, as any numbers; there must be P families or more, none of them empty.
        num_families: Families in a batch, P.
        num_members: Members of each in a batch, K.
        seed: Seed of what is drawn, >= 0.

    Example:
        >>> sampler = FamilySampler([[0, 1, 2], [3, 4, 5], [6]], num_families=2, num_members=2, seed=0)
        >>> drawn = [sampler.draw(step) for step in range(3)]
        >>> [sum(member in own for batch in drawn for member in batch) for own in ([0, 1, 2], [3, 4, 5], [6])]
        [4, 4, 4]
    """

    def __init__(self, families: Sequence[Sequence[int]], *, num_families: int, num_members: int, seed: int) -> None:
        self._families, self._num_members, self._seed = families, num_members, seed
        self._shape = (len(families) // math.gcd(len(families), num_families), num_families)
        self._rounds = functools.lru_cache(maxsize=4)(self._draw_rounds)  # several threads may read ahead
        self._recent = functools.lru_cache(maxsize=64)(self._draw)

    def draw(self, step: int) -> Sequence[int]:
        """Returns the members in the batch of a step, those of one family side by side."""
        return self._recent(step)

    def _draw(self, step: int) -> tuple[int, ...]:
        block, place = divmod(step, self._shape[0])
        rng = take_generator("members", seed=self._seed, take=step)
        drawn = list[int]()
        for number in self._rounds(block)[place]:
            family = self._families[number]
            turns = [rng.permutation(family) for _ in range(math.ceil(self._num_members / len(family)))]
            drawn += np.concatenate(turns)[: self._num_members].tolist()
        return tuple(drawn)

    def _draw_rounds(self, block: int) -> Int64[np.ndarray, "batches families"]:
        """Returns the families of as many batches as full rounds of all families fill."""
        rng = take_generator("families", seed=self._seed, take=block)
        count, width = len(self._families), self._shape[1]
        drawn = np.zeros(0, np.int64)
        while drawn.size < math.prod(self._shape):
            begun = drawn[len(drawn) - len(drawn) % width :]
            order = rng.permutation(count)
            # What the last round left in a batch that this one fills up waits until that batch is full.
            waits = np.isin(order, begun)
            fresh, needed = order[~waits], (width - len(begun)) % width
            rest = rng.permutation(np.concatenate([fresh[needed:], order[waits]]))
            drawn = np.concatenate([drawn, fresh[:needed], rest])
        return drawn.reshape(self._shape)
