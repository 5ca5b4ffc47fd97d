"""What is drawn for synthetic recordings by their names and a seed: the same in every process and on every machine."""

import hashlib

import numpy as np

from jaxmm.data.splits import Split


def stable_hash(text: str) -> int:
    """Returns a number from 0 to 2**64 - 1.

    Example:
        >>> stable_hash("HOUSE")
        4504568479051000801
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def hashed_split(text: str, *, test_rate: float, val_rate: float) -> Split:
    """Assigns a text to a split by its hash.

    Args:
        text: What names the recordings, and before it what sets this split apart from others of the same names.
        test_rate: Share of texts that are held out for testing.
        val_rate: Share of texts that are held out for validation.

    Example:
        >>> [hashed_split(f"1:{word}", test_rate=0.3, val_rate=0.2) for word in "abcde"]
        ['test', 'val', 'train', 'test', 'val']
    """
    place = stable_hash(text) / 2**64
    if place < test_rate:
        return "test"
    return "val" if place < test_rate + val_rate else "train"


def take_generator(name: str, *, seed: int, take: int) -> np.random.Generator:
    """Returns the source of what sets one take of something apart from its other takes.

    Args:
        name: What is shown.
        seed: Seed of the data source, >= 0.
        take: Number of the take, >= 0.

    Example:
        >>> round(take_generator("HOUSE", seed=0, take=1).random(), 6)
        0.750662
    """
    return np.random.Generator(np.random.PCG64([seed, take, stable_hash(name)]))
