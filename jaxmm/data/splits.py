"""How recordings are assigned to train, val and test; the same on every machine and in every run."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from jaxmm.errors import DataError, brief, reason
from jaxmm.files import read_json

Split: TypeAlias = Literal["train", "val", "test"]
"""The part of the data that a recording belongs to."""

_SPLITS: tuple[Split, ...] = get_args(Split)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HashSplit:
    """Assigns by `int(md5(key)) mod num_buckets`, so that adding recordings moves none of the others.

    Attributes:
        num_buckets: Number of equal parts, >= 2.
        test: Buckets held out for testing.
        val: Buckets held out for choosing between checkpoints; may be empty.

    Raises:
        DataError: If a bucket is outside 0 to num_buckets - 1, is in both, or none is left for training.

    Example:
        >>> HashSplit(num_buckets=10, test=(0,), val=(1,)).assign({"walk": {}, "run": {}, "jump": {}})
        {'walk': 'train', 'run': 'train', 'jump': 'val'}
    """

    num_buckets: int = 10
    test: tuple[int, ...] = (0,)
    val: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        held_out = self.test + self.val
        if len(set(held_out)) != len(held_out) or not set(held_out) < set(range(self.num_buckets)):
            raise DataError(
                f"split: test {self.test} and val {self.val} must be different buckets among 0 to "
                f"{self.num_buckets - 1}, and leave one for training"
            )

    def assign(self, tags: Mapping[str, Mapping[str, str]]) -> dict[str, Split]:
        """Returns the split of every key of `tags`."""

        def bucket_split(key: str) -> Split:
            bucket = int(hashlib.md5(key.encode(), usedforsecurity=False).hexdigest(), 16) % self.num_buckets
            return "test" if bucket in self.test else "val" if bucket in self.val else "train"

        return {key: bucket_split(key) for key in tags}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileSplit:
    """Assigns by a JSON file of lists: `{"train": [key, ...], "val": [...], "test": [...]}`.

    Attributes:
        path: The file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "split.json"
        >>> _ = path.write_text('{"train": ["walk"], "test": ["run"]}')
        >>> FileSplit(path=str(path)).assign({"walk": {}, "run": {}})
        {'walk': 'train', 'run': 'test'}
    """

    path: str

    def assign(self, tags: Mapping[str, Mapping[str, str]]) -> dict[str, Split]:
        """Returns the split of every key of `tags`.

        Raises:
            DataError: If the file cannot be read, names an unknown key or split, or misses or repeats a key.
        """
        try:
            lists = read_json(Path(self.path))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self.path}: cannot be read as JSON ({reason(error)}); write lists of keys by split"
            ) from error
        if not isinstance(lists, dict) or not set(lists) <= set(_SPLITS) or not all(map(_is_texts, lists.values())):
            raise DataError(f"{self.path}: expected an object with the lists {', '.join(_SPLITS)}")
        assigned: dict[str, Split] = {}
        for split, keys in lists.items():
            for key in keys:
                if key in assigned:
                    raise DataError(f"{self.path}: {brief(key)} stands in {assigned[key]!r} and in {split!r}; keep one")
                assigned[key] = split
        _same_keys(self.path, assigned, tags)
        return assigned


@dataclasses.dataclass(frozen=True, kw_only=True)
class TagSplit:
    """Assigns by a tag that the source itself gives, such as the procedural source's held-out combinations.

    Attributes:
        tag: Name of the tag whose value is the split.

    Example:
        >>> TagSplit(tag="split").assign({"walk": {"split": "val"}})
        {'walk': 'val'}
    """

    tag: str = "split"

    def assign(self, tags: Mapping[str, Mapping[str, str]]) -> dict[str, Split]:
        """Returns the split of every key of `tags`.

        Raises:
            DataError: If a recording lacks the tag, or its value is not a split.
        """
        assigned: dict[str, Split] = {}
        for key, own in tags.items():
            value = own.get(self.tag)
            if value not in _SPLITS:
                raise DataError(
                    f"{key}: tag {self.tag!r} is {brief(value)}, not train, val or test; "
                    "choose a HashSplit or a FileSplit"
                )
            assigned[key] = value
        return assigned


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _same_keys(path: str, assigned: Iterable[str], present: Iterable[str]) -> None:
    unknown, missing = sorted(set(assigned) - set(present)), sorted(set(present) - set(assigned))
    if unknown:
        raise DataError(f"{path}: {brief(unknown[0])} and {len(unknown) - 1} more are not in the data; remove them")
    if missing:
        raise DataError(f"{path}: {brief(missing[0])} and {len(missing) - 1} more of the data have no split; add them")
