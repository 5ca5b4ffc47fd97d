"""How videos are compared: by their classes, or as copies of one excerpt; `jaxmm.data.listed_pairs` has lists."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int8, Int32, Int64

from jaxmm.data.procedural.chance import take_generator
from jaxmm.data.video.copied_pairs import copied_pairs
from jaxmm.errors import ConfigError, brief

_TRIES = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimilarPair:
    """Two videos whose relation is known.

    Attributes:
        a: Number of one, as batches give it under `clip`.
        b: Number of the other.
        same: Whether they belong together.
        kind: How they are related, such as `same_class`, `cropped` or `unrelated`; empty where a list does not say.

    Example:
        >>> SimilarPair(a=0, b=7, same=True, kind="cropped").same
        True
    """

    a: int
    b: int
    same: bool
    kind: str


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ComparedVideos:
    """What ways of comparing know of opened videos.

    Attributes:
        keys: Name of each.
        classes: Number of the class of each.
        tags: What else is known of each.
        splits: Videos of each split, by their numbers.
        bad: Names of further videos, which cannot be read.
        folder: Folder of the source's files; None for a source that has none.

    Example:
        >>> ComparedVideos(keys=["a"], classes=np.zeros(1, np.int32), tags=[{}], splits={"train": [0]}).folder
    """

    keys: Sequence[str]
    classes: Int32[np.ndarray, "videos"]
    tags: Sequence[Mapping[str, str]]
    splits: Mapping[str, Sequence[int]]
    bad: Sequence[str] = ()
    folder: Path | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """How opened videos are compared.

    Attributes:
        labels: Label of each video; those of one belong together. 0 without labels.
        groups: Group of each video: those of different labels are told apart only where their groups differ.
        families: Training videos that are drawn together: those of one label, or a listed pair.
        noun: What a family is called in messages.
        relation: Tells of videos and others, by their numbers: 1 where they belong together, -1 where they do not, 0
            where they are not compared. What it says of a video and itself does not count.
        pairs: Returns the pairs of a split for evaluation.
        has_labels: Whether labels and groups alone never tell two training videos apart that are not to be.

    Example:
        >>> videos = ComparedVideos(keys=["a", "b"], classes=np.arange(2, dtype=np.int32), tags=[{}, {}],
        ...                         splits={"train": [0, 1]})
        >>> LabelPairs().open(videos).relation(np.array([0]), np.array([0, 1])).tolist()
        [[1, -1]]
    """

    labels: Int32[np.ndarray, "videos"]
    groups: Int32[np.ndarray, "videos"]
    families: Sequence[Sequence[int]]
    noun: str
    relation: Callable[[Int64[np.ndarray, "rows"], Int64[np.ndarray, "columns"]], Int8[np.ndarray, "rows columns"]]
    pairs: Callable[[str], list[SimilarPair]]
    has_labels: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelPairs:
    """Compares videos by their classes.

    A training batch holds P classes and K videos of each (arXiv:1703.07737). A class of fewer videos fills its K with
    further draws of them, whose frames and augmentation are drawn anew.

    Attributes:
        classes_per_batch: Classes in a batch, P, >= 2.
        clips_per_class: Videos of each in a batch, K, >= 2.
        max_pairs: Most pairs of an evaluation, >= 2: at most half are of one class, all if there are so few, and as
            many of different ones.
        pairs_seed: Seed of the pairs of an evaluation, >= 0.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> LabelPairs(classes_per_batch=4, clips_per_class=2).rows(8)
        (4, 2)
    """

    classes_per_batch: int = 8
    clips_per_class: int = 4
    max_pairs: int = 20000
    pairs_seed: int = 0

    def __post_init__(self) -> None:
        _check_counts(self, ("classes_per_batch", "clips_per_class", "max_pairs"), ("pairs_seed",))

    def rows(self, batch_size: int) -> tuple[int, int]:
        """Returns how many classes are in a batch and how many videos of each.

        Raises:
            ConfigError: If these do not fill the batch.
        """
        return _product(self, batch_size, ("classes_per_batch", "clips_per_class"))

    def open(self, videos: ComparedVideos) -> Comparison:
        """Returns how videos are compared."""
        classes = videos.classes
        return Comparison(
            labels=classes,
            groups=classes,
            families=_families(classes, videos.splits["train"]),
            noun="classes",
            relation=lambda rows, columns: _signs(classes[rows, None] == classes[None, columns]),
            pairs=lambda split: self._pairs(classes, videos.splits[split], split),
        )

    def _pairs(self, classes: Int32[np.ndarray, "videos"], own: Sequence[int], split: str) -> list[SimilarPair]:
        rng = take_generator(f"{split} classes", seed=self.pairs_seed, take=0)
        families = _families(classes, own)
        ends = np.cumsum([math.comb(len(family), 2) for family in families])
        count = min(int(ends[-1]), self.max_pairs // 2)
        same = list[tuple[int, int]]()
        for number in np.sort(rng.choice(int(ends[-1]), count, replace=False)).tolist():
            place = int(np.searchsorted(ends, number, side="right"))
            number -= int(ends[place - 1]) if place else 0
            later = (1 + math.isqrt(1 + 8 * number)) // 2  # pairs (0, 1), (0, 2), (1, 2), (0, 3) ... of a class
            same.append((families[place][number - math.comb(later, 2)], families[place][later]))
        different = dict[tuple[int, int], None]()
        for _ in range(_TRIES * count):
            if len(different) == count:
                break
            a, b = sorted(own[place] for place in rng.integers(len(own), size=2).tolist())
            if classes[a] != classes[b]:
                different[a, b] = None
        return [
            *(SimilarPair(a=a, b=b, same=True, kind="same_class") for a, b in same),
            *(SimilarPair(a=a, b=b, same=False, kind="different_class") for a, b in different),
        ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CopyPairs:
    """Compares the clips of `CopiedVideos`: those of one excerpt belong together, those of different videos do not.

    Excerpts of one video are not compared in training. Nor is a spliced clip with those of the other video that it
    shows: `relation` says so, but a memory, which compares by one group alone, cannot know of two. Training therefore
    draws no spliced clips unless it is told to, and then data have no labels for a memory; evaluation always has them.

    Attributes:
        excerpts_per_batch: Excerpts in a batch, >= 2.
        copies_per_excerpt: Clips of each in a batch, >= 2, the original among them or not.
        spliced: Whether training draws spliced clips.
        unrelated: Pairs of different videos for each pair of copies in an evaluation, >= 0.
        same_video: Pairs of excerpts of one video for each pair of copies in an evaluation, >= 0.
        same_video_differs: Whether an evaluation takes the latter for different; by default it leaves them out.
        max_pairs: Most pairs of an evaluation, >= 2, drawn of all.
        pairs_seed: Seed of the pairs of an evaluation, >= 0.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> CopyPairs(excerpts_per_batch=4, copies_per_excerpt=2).rows(8)
        (4, 2)
    """

    excerpts_per_batch: int = 8
    copies_per_excerpt: int = 4
    spliced: bool = False
    unrelated: float = 1.0
    same_video: float = 0.5
    same_video_differs: bool = False
    max_pairs: int = 20000
    pairs_seed: int = 0

    def __post_init__(self) -> None:
        numbers = ("unrelated", "same_video", "pairs_seed")
        _check_counts(self, ("excerpts_per_batch", "copies_per_excerpt", "max_pairs"), numbers)

    def rows(self, batch_size: int) -> tuple[int, int]:
        """Returns how many excerpts are in a batch and how many clips of each.

        Raises:
            ConfigError: If these do not fill the batch.
        """
        return _product(self, batch_size, ("excerpts_per_batch", "copies_per_excerpt"))

    def open(self, videos: ComparedVideos) -> Comparison:
        """Returns how videos are compared.

        Raises:
            ConfigError: If they are no clips of `CopiedVideos`.
        """
        for key, own in zip(videos.keys, videos.tags, strict=True):
            if lacking := [name for name in ("source", "excerpt", "kind", "start", "end") if name not in own]:
                raise ConfigError(
                    f"data.comparing is CopyPairs, but {brief(key)} has no tag {lacking[0]!r}; set data.source to "
                    "CopiedVideos, or data.comparing to LabelPairs or ListedPairs"
                )
        excerpts = _numbers([own["excerpt"] for own in videos.tags])
        shown = _numbers(
            [own[name] for own in videos.tags for name in ("source", "others" if "others" in own else "source")]
        )
        shown = shown.reshape(-1, 2)
        train = [index for index in videos.splits["train"] if self.spliced or "others" not in videos.tags[index]]

        def relation(
            rows: Int64[np.ndarray, "rows"], columns: Int64[np.ndarray, "columns"]
        ) -> Int8[np.ndarray, "rows columns"]:
            same = excerpts[rows, None] == excerpts[None, columns]
            shared = (shown[rows, None, :, None] == shown[None, columns, None, :]).any(axis=(2, 3))
            return np.where(same, 1, np.where(shared, 0, -1)).astype(np.int8)

        return Comparison(
            labels=excerpts,
            groups=shown[:, 0],
            families=_families(excerpts, train),
            noun="excerpts",
            relation=relation,
            pairs=lambda split: self._pairs(videos, split),
            has_labels=not any("others" in videos.tags[index] for index in train),
        )

    def _pairs(self, videos: ComparedVideos, split: str) -> list[SimilarPair]:
        numbers = {videos.keys[index]: index for index in videos.splits[split]}
        pairs = copied_pairs(
            {key: {**videos.tags[index], "split": split} for key, index in numbers.items()},
            seed=self.pairs_seed,
            unrelated=self.unrelated,
            same_video=self.same_video,
            same_video_differs=self.same_video_differs,
        )
        known = [
            SimilarPair(a=numbers[pair.a], b=numbers[pair.b], same=pair.label == 1, kind=pair.kind)
            for pair in pairs
            if pair.label is not None
        ]
        rng = take_generator(f"{split} copies", seed=self.pairs_seed, take=0)
        kept = rng.permutation(len(known))[: self.max_pairs]
        return [known[place] for place in np.sort(kept).tolist()]


def _check_counts(settings: LabelPairs | CopyPairs, counts: Sequence[str], numbers: Sequence[str]) -> None:
    for names, least in ((counts, 2), (numbers, 0)):
        for name in names:
            value = getattr(settings, name)
            if not least <= value < math.inf:
                raise ConfigError(f"data.comparing.{name} is {value}; give {least} or more")


def _product(settings: LabelPairs | CopyPairs, batch_size: int, names: tuple[str, str]) -> tuple[int, int]:
    families, members = (getattr(settings, name) for name in names)
    if families * members != batch_size:
        raise ConfigError(
            f"data.batch_size is {batch_size}, but data.comparing.{names[0]} * data.comparing.{names[1]} is "
            f"{families} * {members} = {families * members}; make them equal"
        )
    return families, members


def _signs(same: np.ndarray) -> Int8[np.ndarray, "rows columns"]:
    return np.where(same, 1, -1).astype(np.int8)


def _numbers(names: Sequence[str]) -> Int32[np.ndarray, "names"]:
    """Returns a number for each name, the same for the same."""
    return np.unique(np.array(names, str), return_inverse=True)[1].reshape(-1).astype(np.int32)


def _families(labels: Int32[np.ndarray, "videos"], indices: Sequence[int]) -> list[list[int]]:
    """Returns some videos, those of one label together, by their labels."""
    families = dict[int, list[int]]()
    for index in indices:
        families.setdefault(int(labels[index]), []).append(index)
    return [families[label] for label in sorted(families)]
