"""The lexicon: forty glosses with invented signs, which belong to no sign language, and their English words."""

import dataclasses
from typing import Literal, TypeAlias

from jaxmm.errors import ConfigError

Category: TypeAlias = Literal["time", "subject", "object", "verb"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sign:
    """One invented sign.

    Attributes:
        gloss: Its name.
        category: Its place in a sentence.
        words: Its English: of a verb the base form, the third person and the past, else one phrase.
        shape: Hand shape.
        place: Where it is made.
        movement: How the hand moves there.
        num_hands: 1, or 2 that mirror each other.
        num_openings: How often the mouth opens with it.

    Example:
        >>> LEXICON[1].gloss, LEXICON[1].words
        ('HOUSE', ('a house',))
    """

    gloss: str
    category: Category
    words: tuple[str, ...]
    shape: str
    place: str
    movement: str
    num_hands: int = 1
    num_openings: int = 0


# Gloss, English, hand shape, place, movement, hands, openings of the mouth.
_ROWS: dict[Category, tuple[tuple[str, str, str, str, str, int, int], ...]] = {
    "verb": (
        ("BUILD", "build builds built", "fist", "centre", "shake", 2, 0),
        ("SEE", "see sees saw", "vee", "cheek", "arc", 1, 1),
        ("BUY", "buy buys bought", "pinch", "low", "tap", 1, 0),
        ("DRAW", "draw draws drew", "point", "centre", "circle", 1, 0),
        ("WANT", "want wants wanted", "claw", "centre", "drop", 2, 1),
        ("FIND", "find finds found", "pinch", "side", "swipe", 1, 1),
        ("LIKE", "like likes liked", "flat", "chest", "circle", 1, 0),
        ("SELL", "sell sells sold", "flat", "chest", "tap", 2, 0),
        ("PAINT", "paint paints painted", "spread", "side", "shake", 1, 0),
        ("LOSE", "lose loses lost", "spread", "low", "drop", 2, 2),
        ("SHOW", "show shows showed", "ell", "centre", "swipe", 1, 1),
        ("REPAIR", "repair repairs repaired", "fist", "low", "twist", 1, 0),
    ),
    "object": (
        ("HOUSE", "a house", "flat", "centre", "arc", 2, 1),
        ("BOAT", "a boat", "vee", "low", "shake", 1, 0),
        ("TABLE", "a table", "flat", "low", "hold", 2, 0),
        ("CLOCK", "a clock", "point", "low", "tap", 1, 1),
        ("DOOR", "a door", "flat", "side", "twist", 1, 0),
        ("TOWER", "a tower", "ell", "side", "drop", 2, 0),
        ("CHAIR", "a chair", "vee", "centre", "tap", 2, 1),
        ("BRIDGE", "a bridge", "vee", "centre", "arc", 1, 0),
        ("LAMP", "a lamp", "claw", "side", "hold", 1, 0),
        ("WALL", "a wall", "spread", "centre", "hold", 2, 1),
        ("BOX", "a box", "claw", "low", "tap", 2, 1),
        ("CART", "a cart", "fist", "side", "circle", 2, 0),
    ),
    "subject": (
        ("FRIEND", "a friend", "ell", "chest", "tap", 1, 1),
        ("I", "I", "point", "chest", "hold", 1, 0),
        ("MOTHER", "mother", "spread", "chin", "tap", 1, 1),
        ("CHILD", "a child", "flat", "side", "tap", 1, 1),
        ("YOU", "you", "point", "side", "hold", 1, 0),
        ("FATHER", "father", "fist", "forehead", "tap", 1, 1),
        ("TEACHER", "the teacher", "pinch", "forehead", "shake", 2, 2),
        ("DOCTOR", "the doctor", "vee", "chest", "hold", 2, 1),
        ("FARMER", "the farmer", "claw", "chin", "swipe", 1, 2),
        ("NEIGHBOR", "a neighbor", "ell", "cheek", "twist", 1, 2),
    ),
    "time": (
        ("TOMORROW", "tomorrow", "fist", "cheek", "arc", 1, 2),
        ("YESTERDAY", "yesterday", "ell", "chin", "circle", 1, 2),
        ("NOW", "now", "flat", "centre", "drop", 2, 0),
        ("TODAY", "today", "claw", "chest", "shake", 2, 1),
        ("SOON", "soon", "vee", "chin", "twist", 1, 1),
        ("OFTEN", "often", "point", "forehead", "circle", 1, 1),
    ),
}


def _lexicon() -> tuple[Sign, ...]:
    """Orders the signs so that each beginning of the lexicon holds all categories in about the same proportions."""
    ranked: list[tuple[float, Sign]] = []
    for category, rows in _ROWS.items():
        for rank, (gloss, english, shape, place, movement, num_hands, num_openings) in enumerate(rows):
            sign = Sign(
                gloss=gloss,
                category=category,
                words=tuple(english.split()) if category == "verb" else (english,),
                shape=shape,
                place=place,
                movement=movement,
                num_hands=num_hands,
                num_openings=num_openings,
            )
            ranked.append(((rank + 0.5) / len(rows), sign))
    return tuple(sign for _, sign in sorted(ranked, key=lambda pair: pair[0]))


LEXICON = _lexicon()
"""All forty signs; the first of them make a smaller lexicon."""

FEWEST_GLOSSES = 8
"""The smallest lexicon that still makes sentences for each split."""


def lexicon(num_glosses: int) -> tuple[Sign, ...]:
    """Returns the first signs of the lexicon, which hold times, subjects, objects and verbs.

    Args:
        num_glosses: From 8 to 40.

    Raises:
        ConfigError: If there are not that many glosses, or they would be too few.

    Example:
        >>> [sign.gloss for sign in lexicon(8)]
        ['BUILD', 'HOUSE', 'FRIEND', 'TOMORROW', 'SEE', 'BOAT', 'I', 'BUY']
    """
    if not FEWEST_GLOSSES <= num_glosses <= len(LEXICON):
        raise ConfigError(
            f"procedural signing: num_glosses={num_glosses}; give a number from {FEWEST_GLOSSES} to {len(LEXICON)}"
        )
    return LEXICON[:num_glosses]
