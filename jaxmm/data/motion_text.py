"""The motion-text pipeline: settings, training batches, and the galleries that evaluation searches."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np
from jaxtyping import Bool, Float32, Int64

from jaxmm.data.fingerprint import fingerprint
from jaxmm.data.motion import Skeleton
from jaxmm.data.order import training_order
from jaxmm.data.packed import PackedMotions
from jaxmm.data.sources import MotionSource, ProceduralMotions, packed_source
from jaxmm.data.splits import FileSplit, HashSplit, Split, TagSplit
from jaxmm.data.text import CaptionTokenizer
from jaxmm.data.transforms import Augmentation, mirror_caption
from jaxmm.data.view import MotionView
from jaxmm.errors import ConfigError, DataError
from jaxmm.files import read_json, write_text
from jaxmm.hub import find_checkpoint
from jaxmm.typing import Batch

WORDS = "words"
_SKELETON = "skeleton.json"
ASSET_FILES = ("tokenizer.json", _SKELETON)
"""What `MotionText.open` writes into a run."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionText(MotionView):
    """Motions and their captions, as the model sees them (D10: all of it is saved with a run).

    How a motion is seen is inherited from `jaxmm.data.view.MotionView`.

    Attributes:
        source: Where motions come from.
        root: Folder of the source's files; None for the procedural source.
        split: How motions are assigned to train, val and test.
        augmentation: Random changes of training motions.
        tokenizer: "words" builds a vocabulary from the captions; anything else names a checkpoint as
            `jaxmm.hub.find_checkpoint` does.
        revision: Revision of a hub checkpoint to pin; None takes the newest.
        max_tokens: Longest caption in tokens; longer ones are cut.
        balance: How much oftener training draws motions whose captions are rare, in [0, 1]: a motion of a caption that
            n training motions have is drawn with a probability in proportion to n ** -balance; of several captions,
            the mean counts. At 0 every motion is taken once an epoch.
        batch_size: Motions in a global batch.
        num_threads: Threads that read ahead.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> MotionText(batch_size=16).num_frames
        60
    """

    source: MotionSource = dataclasses.field(default_factory=ProceduralMotions)
    root: str | None = None
    split: HashSplit | FileSplit | TagSplit = dataclasses.field(default_factory=TagSplit)
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    tokenizer: str = WORDS
    revision: str | None = None
    max_tokens: int = 64
    balance: float = 0.0
    batch_size: int = 32
    num_threads: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_tokens", "batch_size", "num_threads"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"data.{name} is {getattr(self, name)}; give a value above zero")
        if not 0 <= self.balance <= 1:
            raise ConfigError(f"data.balance is {self.balance}; give a number from 0 to 1")

    def open(self, assets: Path) -> "MotionTextData":
        """Opens the data; the first time for a run, its tokenizer and skeleton are written into `assets`.

        Args:
            assets: Folder of the run for what the data brings along.

        Raises:
            ConfigError: If motions are to be mirrored whose joints tell no side.
            DataError: If the source or the split cannot be read, or the skeleton is not the one seen first.
            WeightsError: If the tokenizer's checkpoint cannot be found.
        """
        packed = packed_source(self.source, Path(self.root) if self.root is not None else None, fps=self.fps)
        assigned = self.split.assign(dict(zip(packed.keys, packed.tags, strict=True)))
        if not (assets / _SKELETON).is_file():
            self._new_tokenizer(packed, assigned).write(assets)
            write_text(assets / _SKELETON, json.dumps(dataclasses.asdict(packed.skeleton)))
        if packed.skeleton != self.saved_skeleton(assets):
            raise DataError(f"data.root: {self.root} has another skeleton than the run was trained on")
        if self.augmentation.mirror_rate and not packed.skeleton.tells_sides():
            raise ConfigError(
                "data.augmentation.mirror_rate is set, but the joints' names tell no left from right "
                f"({', '.join(packed.skeleton.joint_names[:4])}, ...); name them as LeftHand, RightHand, or set it to 0"
            )
        return MotionTextData(self, packed, assigned, self.saved_tokenizer(assets))

    def saved_tokenizer(self, assets: Path) -> CaptionTokenizer:
        """Returns the tokenizer that `open` wrote for a run."""
        return CaptionTokenizer.read(assets, max_tokens=self.max_tokens)

    def saved_skeleton(self, assets: Path) -> Skeleton:
        """Returns the skeleton of the motions that `open` saw first."""
        try:
            fields = read_json(assets / _SKELETON)
            fields = {name: tuple(fields[name]) for name in ("joint_names", "parents")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{assets / _SKELETON}: cannot be read ({error}); the run is incomplete") from error
        return Skeleton(**fields)

    def _new_tokenizer(self, packed: PackedMotions, assigned: dict[str, Split]) -> CaptionTokenizer:
        if self.tokenizer != WORDS:
            folder = find_checkpoint(self.tokenizer, revision=self.revision)
            return CaptionTokenizer.read(folder, max_tokens=self.max_tokens)
        known = [texts for key, texts in zip(packed.keys, packed.captions, strict=True) if assigned[key] == "train"]
        return CaptionTokenizer.of_words((text for texts in known for text in texts), max_tokens=self.max_tokens)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Gallery:
    """What a split offers to search: its motions, its distinct captions, and which describes which.

    Attributes:
        indices: Motions of the split, as indices into the packed data.
        captions: Distinct captions, in order of first appearance.
        relevant: True where a caption belongs to a motion.

    Example:
        >>> Gallery(indices=(4, 7), captions=("a walk",), relevant=np.ones((2, 1), bool)).relevant.shape
        (2, 1)
    """

    indices: tuple[int, ...]
    captions: tuple[str, ...]
    relevant: Bool[np.ndarray, "motions captions"]


class MotionTextData:
    """Opened motion-text data; made by `MotionText.open`.

    Args:
        settings: The settings it was opened with.
        packed: All motions of the source.
        assigned: Split of every motion by key.
        tokenizer: The run's tokenizer.
    """

    def __init__(
        self, settings: MotionText, packed: PackedMotions, assigned: dict[str, Split], tokenizer: CaptionTokenizer
    ) -> None:
        self.settings = settings
        self.packed = packed
        self.tokenizer = tokenizer
        self._splits: dict[str, list[int]] = {"train": [], "val": [], "test": []}
        for index, key in enumerate(packed.keys):
            self._splits[assigned[key]].append(index)
        texts = {text for own in packed.captions for text in own}
        self._texts = sorted(texts | {mirror_caption(text) for text in texts})
        self._num_tokens = tokenizer.num_tokens(self._texts)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training split.

        Raises:
            ConfigError: If the split is smaller than one batch.
        """
        size, batch_size = len(self._splits["train"]), self.settings.batch_size
        if size < batch_size:
            raise ConfigError(
                f"data.batch_size is {batch_size}, but the training split has {size} motions; set it to {size} or less"
            )
        return size // batch_size

    def split(self, name: str) -> list[int]:
        """Returns the motions of a split, as indices into `packed`.

        Raises:
            ConfigError: If there is no such split, or it is empty.
        """
        indices = self._splits.get(name)
        if not indices:
            held = ", ".join(f"{split} ({len(own)})" for split, own in self._splits.items() if own)
            raise ConfigError(f"split: there is no {name!r} in the data; choose among {held}")
        return indices

    def has_split(self, name: str) -> bool:
        """Tells whether a split holds any motion."""
        return bool(self._splits.get(name))

    def train_batches(self, *, seed: int, process: int = 0, num_processes: int = 1) -> grain.DatasetIterator:
        """Returns an endless, checkpointable iterator over this process's rows of each global batch.

        The global batch of a step depends on the seed and the step alone, not on threads or processes: each row's
        randomness is seeded by its place in the stream.

        Args:
            seed: Seed of the order and the augmentation, >= 0.
            process: Index of this process.
            num_processes: Processes that share a batch; must divide its size.

        Raises:
            ConfigError: If the batch cannot be shared equally.
        """
        size = self.settings.batch_size
        if size % num_processes:
            raise ConfigError(f"data.batch_size is {size}, which {num_processes} processes cannot share equally")
        _ = self.steps_per_epoch  # raises where the split is too small
        rows = range(process * size // num_processes, (process + 1) * size // num_processes)
        steps = self._order(seed).batch(size, drop_remainder=True).repeat()
        batches = steps.map_with_index(lambda step, picks: self._train_batch(int(step), picks, rows, seed))
        threads = self.settings.num_threads
        return iter(batches.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)))

    def _order(self, seed: int) -> grain.MapDataset:
        captions = [self.packed.captions[index] for index in self._splits["train"]]
        return training_order(captions, seed=seed, balance=self.settings.balance)

    def fingerprint(self, *, seed: int, num_processes: int = 1) -> dict[str, Any]:
        """Returns what batches are made of, as JSON values that differ where batches would.

        A position in the data is a mere number: over other motions, captions or settings it would go on silently with
        other batches. What changes no batch is left out, such as where the files lie.

        Args:
            seed: Seed of the order and the augmentation.
            num_processes: Processes that share a batch.
        """
        order = self._order(seed)
        tokens, _ = self.tokenizer(self._texts, num_tokens=self._num_tokens)
        return fingerprint(
            self.settings,
            self.packed,
            self._splits,
            order=np.array([order[place] for place in range(len(order))], np.int64),
            tokens=tokens,
            seed=seed,
            num_processes=num_processes,
        )

    def _train_batch(self, step: int, picks: Int64[np.ndarray, "batch"], rows: range, seed: int) -> Batch:
        motions, captions = [], []
        for row in rows:
            index = self._splits["train"][int(picks[row])]
            rng = np.random.default_rng((seed, step, row))
            change = self.settings.augmentation.draw(rng)
            texts = self.packed.captions[index]
            captions.append(change.describe(texts[rng.integers(len(texts))]))
            motion = self.packed.motion(index)
            motions.append(self.settings.random_window(motion, self.packed.skeleton, change=change, rng=rng))
        return self._batch(motions, captions, num_rows=len(rows))

    def training_texts(self) -> Iterator[Batch]:
        """Yields the tokens of every caption that training batches can hold, once each and in a fixed order."""
        texts = {text for index in self._splits["train"] for text in self.packed.captions[index]}
        if self.settings.augmentation.mirror_rate > 0:
            texts |= {mirror_caption(text) for text in texts}
        ordered, size = sorted(texts), self.settings.batch_size
        for start in range(0, len(ordered), size):
            chunk = ordered[start : start + size]
            filled = chunk + [""] * (size - len(chunk))
            token_ids, token_mask = self.tokenizer(filled, num_tokens=self._num_tokens)
            yield {"token_ids": token_ids, "token_mask": token_mask}

    def sample_batch(self) -> Batch:
        """Returns a batch of the shapes and types that training uses: the first motions and captions of its split."""
        size = self.settings.batch_size
        chosen = self.split("train")[:size]
        motions = [self.settings.windows(self.packed.motion(index), self.packed.skeleton)[0] for index in chosen]
        return self._batch(motions, [self.packed.captions[index][0] for index in chosen], num_rows=size)

    def windows(self, split: str) -> Iterator[list[Float32[np.ndarray, "_time joints 3"]]]:
        """Yields what each motion of a split is embedded from, in order and not augmented."""
        for index in self.split(split):
            yield self.settings.windows(self.packed.motion(index), self.packed.skeleton)

    def gallery(self, split: str) -> Gallery:
        """Returns what a split offers to search."""
        indices = self.split(split)
        columns: dict[str, int] = {}
        for index in indices:
            for text in self.packed.captions[index]:
                columns.setdefault(text, len(columns))
        relevant = np.zeros((len(indices), len(columns)), bool)
        for row, index in enumerate(indices):
            relevant[row, [columns[text] for text in self.packed.captions[index]]] = True
        return Gallery(indices=tuple(indices), captions=tuple(columns), relevant=relevant)

    def _batch(self, motions: Sequence[np.ndarray], captions: Sequence[str], *, num_rows: int) -> Batch:
        filled = list(captions) + [""] * (num_rows - len(captions))
        token_ids, token_mask = self.tokenizer(filled, num_tokens=self._num_tokens)
        batch = self.settings.stack(motions, num_rows=num_rows)
        return {**batch, "token_ids": token_ids, "token_mask": token_mask}
