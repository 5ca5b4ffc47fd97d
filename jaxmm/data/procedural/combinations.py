"""Combinations of factors: what one synthetic motion shows, its sentences, and its split."""

import dataclasses
import functools

from jaxmm.data.procedural.chance import hashed_split
from jaxmm.data.procedural.grammar import SHORT_CLAUSES, SINGLE_CLAUSES, Clause
from jaxmm.data.procedural.wording import sequence_sentences, single_sentences
from jaxmm.data.splits import Split

_TEST_RATE = 0.23
_VAL_RATE = 0.10
# One of the values for which every action meets each of its sides, directions, speeds and counts in training.
_SPLIT_SALT = 1509


@dataclasses.dataclass(frozen=True, kw_only=True)
class Combination:
    """One clause, or two in order, which together fill one clip of synthetic motion.

    Attributes:
        first: What happens first.
        second: What happens next; None where one clause fills the clip.

    Example:
        >>> turn = Combination(first=Clause(action="walk", direction="forward"), second=Clause(action="bow"))
        >>> turn.key, turn.sentence
        ('walk-forward+bow', 'a person walks forward, then bows')
    """

    first: Clause
    second: Clause | None = None

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """The clauses in order."""
        return (self.first,) if self.second is None else (self.first, self.second)

    @property
    def key(self) -> str:
        """Name of the combination, unique among all."""
        return "+".join(clause.key for clause in self.clauses).replace(" ", "-")

    @property
    def sentence(self) -> str:
        """The canonical sentence."""
        return self._sentences()[0]

    @property
    def split(self) -> Split:
        """The split that `split_of` assigns."""
        return split_of(self)

    def paraphrases(self) -> tuple[str, ...]:
        """Returns further sentences for the same motion; no other combination shares any of them.

        Example:
            >>> Combination(first=Clause(action="bow", count=2)).paraphrases()[0]
            'someone takes a bow two times'
        """
        return self._sentences()[1:]

    def mirrored(self) -> "Combination":
        """Returns the combination with left and right exchanged.

        Example:
            >>> Combination(first=Clause(action="hop", side="left")).mirrored().key
            'hop-right'
        """
        second = None if self.second is None else self.second.mirrored()
        return Combination(first=self.first.mirrored(), second=second)

    def _sentences(self) -> tuple[str, ...]:
        return single_sentences(self.first) if self.second is None else sequence_sentences(self.first, self.second)


@functools.cache
def all_combinations() -> tuple[Combination, ...]:
    """Returns every combination in a fixed order: single clauses, then ordered pairs of different actions.

    Example:
        >>> [combination.key for combination in all_combinations()[:3]]
        ['walk-forward-slow', 'walk-forward', 'walk-forward-quick']
    """
    singles = [Combination(first=clause) for clause in SINGLE_CLAUSES]
    pairs = [
        Combination(first=first, second=second)
        for first in SHORT_CLAUSES
        for second in SHORT_CLAUSES
        if first.action != second.action
    ]
    return (*singles, *pairs)


def split_of(combination: Combination) -> Split:
    """Assigns a combination to a split by a hash of its key, the same in every process.

    A combination of `val` or `test` never occurs in `train`, while each of its factors and words does.

    Example:
        >>> split_of(Combination(first=Clause(action="walk", direction="forward")))
        'train'
    """
    return hashed_split(f"{_SPLIT_SALT}:{combination.key}", test_rate=_TEST_RATE, val_rate=_VAL_RATE)


def is_held_out(combination: Combination) -> bool:
    """Tells whether training never sees the combination, which is then of `val` or `test`.

    Example:
        >>> is_held_out(Combination(first=Clause(action="walk", direction="forward")))
        False
    """
    return split_of(combination) != "train"
