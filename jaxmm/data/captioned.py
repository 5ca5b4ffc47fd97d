"""What all data of captioned clips share: tokens, splits, the order of training, and batches by random access."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import grain
import numpy as np
from jaxtyping import Bool, Int32, Int64

from jaxmm.data.check import Report
from jaxmm.data.fingerprint import fingerprint
from jaxmm.data.order import training_order
from jaxmm.data.splits import Split
from jaxmm.data.store import Stored
from jaxmm.data.text import TOKENIZER_FILE, CaptionTokenizer
from jaxmm.errors import ConfigError
from jaxmm.hub import find_checkpoint
from jaxmm.typing import Batch

WORDS = "words"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Captioned:
    """Settings of data whose every clip has one text or more.

    Attributes:
        root: Folder of the source's files; None for a source that has none.
        tokenizer: "words" builds a vocabulary from the captions; anything else names a checkpoint as
            `jaxmm.hub.find_checkpoint` does.
        revision: Revision of a hub checkpoint to pin; None takes the newest.
        max_tokens: Longest caption in tokens; longer ones are cut.
        balance: How much oftener training draws clips whose captions are rare, in [0, 1]: a clip of a caption that
            n training clips have is drawn with a probability in proportion to n ** -balance; of several captions,
            the mean counts. At 0 every clip is taken once an epoch.
        batch_size: Clips in a global batch.
        num_threads: Threads that read ahead.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> Captioned(batch_size=0)
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: data.batch_size is 0; give a value above zero
    """

    asset_files: ClassVar[tuple[str, ...]] = (TOKENIZER_FILE,)
    """What `open` writes into a run."""

    root: str | None = None
    tokenizer: str = WORDS
    revision: str | None = None
    max_tokens: int = 64
    balance: float = 0.0
    batch_size: int = 32
    num_threads: int = 2

    def __post_init__(self) -> None:
        for name in ("max_tokens", "batch_size", "num_threads"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"data.{name} is {getattr(self, name)}; give a value above zero")
        if not 0 <= self.balance <= 1:
            raise ConfigError(f"data.balance is {self.balance}; give a number from 0 to 1")

    def open(self, assets: Path) -> "CaptionedData[Any]":
        """Opens the data; the first time for a run, what it brings along is written into `assets`.

        Raises:
            JaxmmError: If the data cannot be read, or are not those seen first.
        """
        raise TypeError(f"{type(self).__name__} must define open")

    def check(self, root: Path | None) -> Report:
        """Reads all recordings and returns every problem, where `open` would stop at the first.

        Args:
            root: Folder of the source's files; None for a source that has none.

        Raises:
            JaxmmError: If `root` is no folder, or the settings themselves are wrong.
        """
        raise TypeError(f"{type(self).__name__} must define check")

    def blank_batch(self, *, num_joints: int | None = None) -> Batch:
        """Returns a batch of one row of zeros: the longest clip and the longest text.

        Args:
            num_joints: Joints of the skeleton, where data may be of any; None takes a usual number.

        Raises:
            ConfigError: If a number of joints is given for data that have none.
        """
        raise TypeError(f"{type(self).__name__} must define blank_batch")

    def blank_texts(self) -> Batch:
        """Returns the part of `blank_batch` that holds the text.

        Example:
            >>> Captioned(max_tokens=5).blank_texts()["token_ids"].shape
            (1, 5)
        """
        token_ids = np.zeros((1, self.max_tokens), np.int32)
        return {"token_ids": token_ids, "token_mask": token_ids > 0, "example_mask": np.zeros(1, bool)}

    def saved_tokenizer(self, assets: Path) -> CaptionTokenizer:
        """Returns the tokenizer that `open` wrote for a run."""
        return CaptionTokenizer.read(assets, max_tokens=self.max_tokens)

    def new_tokenizer(self, texts: Iterable[str]) -> CaptionTokenizer:
        """Returns the tokenizer that the settings name, or one of the words of the texts.

        Raises:
            WeightsError: If the tokenizer's checkpoint cannot be found.
        """
        if self.tokenizer != WORDS:
            folder = find_checkpoint(self.tokenizer, revision=self.revision)
            return CaptionTokenizer.read(folder, max_tokens=self.max_tokens)
        return CaptionTokenizer.of_words(texts, max_tokens=self.max_tokens)


Settings = TypeVar("Settings", bound=Captioned)


class CaptionedData(Generic[Settings]):
    """Opened data; a kind of data says what batches hold by `_train_batch` and `sample_batch`.

    Args:
        settings: The settings it was opened with.
        stored: All clips of the source.
        texts: What is said of each clip.
        assigned: Split of each clip by key; a clip without one is left out.
        tokenizer: The run's tokenizer.
        further_texts: Texts that augmentation makes of those.
    """

    def __init__(
        self,
        settings: Settings,
        stored: Stored,
        texts: Sequence[tuple[str, ...]],
        assigned: Mapping[str, Split],
        tokenizer: CaptionTokenizer,
        further_texts: Iterable[str] = (),
    ) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        self._stored = stored
        self._texts = texts
        self._splits: dict[str, list[int]] = {"train": [], "val": [], "test": []}
        for index, key in enumerate(stored.keys):
            if key in assigned:
                self._splits[assigned[key]].append(index)
        self._all_texts = sorted({text for own in texts for text in own} | set(further_texts))
        self._num_tokens = tokenizer.num_tokens(self._all_texts)

    def _train_batch(self, step: int, picks: Int64[np.ndarray, "batch"], rows: range, seed: int) -> Batch:
        """Returns some rows of the batch of a step; `picks` are places in the training split, one for every row."""
        raise TypeError(f"{type(self).__name__} must define _train_batch")

    def sample_batch(self) -> Batch:
        """Returns a batch of the shapes and types that training uses: the first clips and captions of its split."""
        raise TypeError(f"{type(self).__name__} must define sample_batch")

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training split.

        Raises:
            ConfigError: If the split is smaller than one batch.
        """
        size, batch_size = len(self._splits["train"]), self.settings.batch_size
        if size < batch_size:
            raise ConfigError(
                f"data.batch_size is {batch_size}, but the training split has {size} clips; set it to {size} or less"
            )
        return size // batch_size

    def split(self, name: str) -> list[int]:
        """Returns the clips of a split, as indices into all clips.

        Raises:
            ConfigError: If there is no such split, or it is empty.
        """
        indices = self._splits.get(name)
        if not indices:
            held = ", ".join(f"{split} ({len(own)})" for split, own in self._splits.items() if own)
            raise ConfigError(f"split: there is no {name!r} in the data; choose among {held}")
        return indices

    def has_split(self, name: str) -> bool:
        """Tells whether a split holds any clip."""
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
        captions = [self._texts[index] for index in self._splits["train"]]
        return training_order(captions, seed=seed, balance=self.settings.balance)

    def fingerprint(self, *, seed: int, num_processes: int = 1) -> dict[str, Any]:
        """Returns what batches are made of, as JSON values that differ where batches would.

        A position in the data is a mere number: over other clips, captions or settings it would go on silently with
        other batches. What changes no batch is left out, such as where the files lie.

        Args:
            seed: Seed of the order and the augmentation.
            num_processes: Processes that share a batch.
        """
        order = self._order(seed)
        tokens, _ = self._tokens(self._all_texts)
        return fingerprint(
            self.settings,
            self._stored,
            self._splits,
            texts=self._texts,
            order=np.array([order[place] for place in range(len(order))], np.int64),
            tokens=tokens,
            seed=seed,
            num_processes=num_processes,
        )

    def training_texts(self) -> Iterator[Batch]:
        """Yields the tokens of every caption that training batches can hold, once each and in a fixed order."""
        ordered, size = sorted(self._trained_texts()), self.settings.batch_size
        for start in range(0, len(ordered), size):
            yield self._token_rows(ordered[start : start + size], num_rows=size)

    def _trained_texts(self) -> set[str]:
        return {text for index in self._splits["train"] for text in self._texts[index]}

    def _token_rows(self, texts: Sequence[str], *, num_rows: int) -> Batch:
        """Returns the tokens of texts, filled up with empty ones."""
        token_ids, token_mask = self._tokens([*texts, *[""] * (num_rows - len(texts))])
        return {"token_ids": token_ids, "token_mask": token_mask}

    def _tokens(
        self, texts: Sequence[str]
    ) -> tuple[Int32[np.ndarray, "texts tokens"], Bool[np.ndarray, "texts tokens"]]:
        return self.tokenizer(texts, num_tokens=self._num_tokens)
