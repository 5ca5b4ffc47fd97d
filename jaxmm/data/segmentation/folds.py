"""Which videos are held out of training: for validation, and part by part for cross-fitting."""

import hashlib
import math
from collections.abc import Iterable, Mapping

from jaxmm.data.splits import Split
from jaxmm.errors import ConfigError


def hold_out(
    assigned: Mapping[str, Split],
    *,
    fold: tuple[int, int] | None = None,
    val_fraction: float = 0.0,
    groups: Mapping[str, str] | None = None,
) -> dict[str, Split]:
    """Returns the split of every video that takes part, by the names of the videos alone.

    Args:
        assigned: Split of every video, as its source has it.
        fold: None, or (k, K): of K equal parts of what is not test the k-th becomes test, and the source's own test
            videos are left out (D8).
        val_fraction: Share of the training videos that become validation where there is none, in [0, 1); one at least
            is left to train on (D7).
        groups: Groups of videos that are held out for validation together; one without a group is its own.

    Raises:
        ConfigError: If there are fewer videos than parts.

    Example:
        >>> hold_out({"a": "train", "b": "train", "c": "test"}, fold=(0, 2))
        {'b': 'test', 'a': 'train'}
    """
    splits: dict[str, Split] = dict(assigned)
    if fold is not None:
        part, parts = fold
        own = _shuffled(key for key, split in splits.items() if split != "test")
        if len(own) < parts:
            raise ConfigError(f"data.fold is {fold}, but there are {len(own)} videos to train on; use fewer parts")
        splits = {key: splits[key] for key in own}
        splits.update((key, "test") for key in own[part::parts])
    if "val" not in splits.values():
        of = {key: (groups or {}).get(key, key) for key, split in splits.items() if split == "train"}
        train = _shuffled(set(of.values()))
        held_out = set(train[: min(math.ceil(val_fraction * len(train)), len(train) - 1)])
        splits.update((key, "val") for key, group in of.items() if group in held_out)
    return splits


def _shuffled(keys: Iterable[str]) -> list[str]:
    """Returns names in an order that depends on nothing but them."""
    return sorted(keys, key=lambda key: hashlib.sha256(key.encode()).hexdigest())
