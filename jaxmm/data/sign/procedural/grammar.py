"""Sentences of signs: their order, their glosses, their English, and their split."""

import dataclasses
import itertools

from jaxmm.data.procedural.chance import hashed_split, stable_hash
from jaxmm.data.sign.procedural.lexicon import LEXICON, Category, Sign, lexicon
from jaxmm.data.splits import Split
from jaxmm.errors import ConfigError

_ORDERS: tuple[tuple[Category, ...], ...] = (
    ("object", "verb"),
    ("subject", "object", "verb"),
    ("time", "subject", "object", "verb"),
)
_TEST_RATE, _VAL_RATE = 0.12, 0.08
# One of the values for which each split has sentences even with the smallest lexicon.
_SPLIT_SALT = 127


@dataclasses.dataclass(frozen=True)
class Sentence:
    """One sign alone, or signs in the order time, subject, object, verb, of which the first may be missing.

    Attributes:
        signs: In order.

    Example:
        >>> named = {sign.gloss: sign for sign in LEXICON}
        >>> sentence = Sentence((named["TOMORROW"], named["FRIEND"], named["HOUSE"], named["BUILD"]))
        >>> sentence.gloss, sentence.english
        ('TOMORROW FRIEND HOUSE BUILD', 'Tomorrow a friend builds a house.')
    """

    signs: tuple[Sign, ...]

    @property
    def gloss(self) -> str:
        """The glosses in order, which name the sentence."""
        return " ".join(sign.gloss for sign in self.signs)

    @property
    def english(self) -> str:
        """What it says in English.

        Example:
            >>> [sentence.english for sentence in all_sentences(num_glosses=8)[::15]]
            ['Build!', 'A friend sees a house.', 'Tomorrow a friend sees a boat.']
        """
        phrases = {sign.category: sign.words for sign in self.signs}
        if len(self.signs) == 1:
            (sign,) = self.signs
            words = [sign.words[0]]
        else:
            words = [phrases[part][0] for part in ("time", "subject") if part in phrases]
            words += [self._verb(phrases["verb"]), phrases["object"][0]]
        text = " ".join(words)
        mark = "!" if len(self.signs) == 1 and "verb" in phrases else "."
        return f"{text[0].upper()}{text[1:]}{mark}"

    @property
    def split(self) -> Split:
        """Its split by a hash of its gloss, the same in every process; a sign alone is always in training.

        Example:
            >>> Sentence(LEXICON[:1]).split
            'train'
        """
        if len(self.signs) == 1:
            return "train"
        return hashed_split(_salted(self), test_rate=_TEST_RATE, val_rate=_VAL_RATE)

    def _verb(self, forms: tuple[str, ...]) -> str:
        """Returns the form of the verb that agrees with the subject and the time."""
        base, third, past = forms
        glosses = {sign.gloss for sign in self.signs}
        if "YESTERDAY" in glosses:
            return past
        commands = all(sign.category != "subject" for sign in self.signs)
        return base if commands or glosses & {"I", "YOU"} else third


def all_sentences(*, num_glosses: int = len(LEXICON)) -> tuple[Sentence, ...]:
    """Returns every sentence of a lexicon in a fixed order: each sign alone, then two, three and four signs.

    Args:
        num_glosses: Size of the lexicon, from 8 to 40.

    Raises:
        ConfigError: If it is out of range.

    Example:
        >>> len(all_sentences()), all_sentences()[0].gloss
        (10264, 'BUILD')
    """
    signs = lexicon(num_glosses)
    return tuple(
        itertools.chain(
            (Sentence((sign,)) for sign in signs),
            *(
                map(Sentence, itertools.product(*([sign for sign in signs if sign.category == part] for part in order)))
                for order in _ORDERS
            ),
        )
    )


def sentences(split: str, *, num_glosses: int = len(LEXICON), num_sentences: int | None = None) -> tuple[Sentence, ...]:
    """Returns sentences of a split: signs alone first, then sentences of two, three and four signs by turns.

    Sentences of `val` and `test` never occur in `train`, while each of their glosses does.

    Args:
        split: `train`, `val` or `test`.
        num_glosses: Size of the lexicon, from 8 to 40.
        num_sentences: How many; None for all. In training no fewer than there are glosses.

    Raises:
        ConfigError: If the split does not exist, or a number is out of range.

    Example:
        >>> [sentence.gloss for sentence in sentences("train", num_glosses=8, num_sentences=10)[8:]]
        ['BOAT SEE', 'FRIEND BOAT BUILD']
    """
    if split not in ("train", "val", "test"):
        raise ConfigError(f"procedural signing: split={split!r}; give train, val or test")
    chosen = [sentence for sentence in all_sentences(num_glosses=num_glosses) if sentence.split == split]
    fewest = num_glosses if split == "train" else 1
    if num_sentences is None:
        num_sentences = len(chosen)
    if not fewest <= num_sentences <= len(chosen):
        raise ConfigError(
            f"procedural signing: num_sentences={num_sentences}; with num_glosses={num_glosses} the {split} split "
            f"takes from {fewest}, and has {len(chosen)}"
        )
    return tuple(sorted(chosen, key=_turns(chosen).__getitem__)[:num_sentences])


def _turns(chosen: list[Sentence]) -> dict[Sentence, tuple[int, int]]:
    """Ranks sentences of each length by their hash, so that lengths take turns; signs alone stay in front."""
    turns: dict[Sentence, tuple[int, int]] = {}
    for length, group in itertools.groupby(chosen, key=lambda sentence: len(sentence.signs)):
        if length == 1:
            turns |= {sentence: (-1, rank) for rank, sentence in enumerate(group)}
        else:
            turns |= {sentence: (rank, length) for rank, sentence in enumerate(sorted(group, key=_rank))}
    return turns


def _rank(sentence: Sentence) -> int:
    return stable_hash(_salted(sentence))


def _salted(sentence: Sentence) -> str:
    return f"{_SPLIT_SALT}:{sentence.gloss}"
