"""What all data share: where they lie, splits, the order of training, and batches by random access."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import grain
import numpy as np
from jaxtyping import Int64

from jaxmm.data.check import Report
from jaxmm.data.fingerprint import fingerprint
from jaxmm.data.splits import Split
from jaxmm.data.store import Stored
from jaxmm.errors import ConfigError
from jaxmm.typing import Batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Settings of data of any kind.

    Attributes:
        root: Folder of the source's files; None for a source that has none.
        batch_size: Clips in a global batch.
        num_threads: Threads that read ahead.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> DataSettings(batch_size=0)
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: data.batch_size is 0; give a value above zero
    """

    asset_files: ClassVar[tuple[str, ...]] = ()
    """What `open` writes into a run."""

    root: str | None = None
    batch_size: int = 32
    num_threads: int = 2

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_threads"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"data.{name} is {getattr(self, name)}; give a value above zero")

    @property
    def folder(self) -> Path | None:
        """The folder of the source's files."""
        return None if self.root is None else Path(self.root)

    def open(self, assets: Path) -> "Dataset[Any]":
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
        """Returns a batch of one row of zeros, of the longest clip.

        Args:
            num_joints: Joints of the skeleton, where data may be of any; None takes a usual number.

        Raises:
            ConfigError: If a number of joints is given for data that have none.
        """
        raise TypeError(f"{type(self).__name__} must define blank_batch")


Settings = TypeVar("Settings", bound=DataSettings)


class Dataset(Generic[Settings]):
    """Opened data; a kind of data says what batches hold by `_train_batch` and `sample_batch`.

    Args:
        settings: The settings it was opened with.
        stored: All clips of the source.
        assigned: Split of each clip by key; a clip without one is left out.
    """

    def __init__(self, settings: Settings, stored: Stored, assigned: Mapping[str, Split]) -> None:
        self.settings = settings
        self._stored = stored
        self._splits: dict[str, list[int]] = {"train": [], "val": [], "test": []}
        for index, key in enumerate(stored.keys):
            if key in assigned:
                self._splits[assigned[key]].append(index)

    def _train_batch(self, step: int, picks: Int64[np.ndarray, "batch"], rows: range, seed: int) -> Batch:
        """Returns some rows of the batch of a step; `picks` are places in the training split, one for every row."""
        raise TypeError(f"{type(self).__name__} must define _train_batch")

    def sample_batch(self) -> Batch:
        """Returns a batch of the shapes and types that training uses: the first clips of its split."""
        raise TypeError(f"{type(self).__name__} must define sample_batch")

    def batches(self, split: str) -> Iterator[Batch]:
        """Yields the clips of a split in order, as many at once as in training, unchanged.

        Raises:
            ConfigError: If there is no such split.
        """
        raise TypeError(f"{type(self).__name__} must define batches")

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training split.

        Raises:
            ConfigError: If the split is empty, or smaller than one batch.
        """
        size, batch_size = len(self._splits["train"]), self.settings.batch_size
        if not size:
            raise ConfigError("the training split holds no clip; bring some, or split the data in another way")
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

    def fingerprint(self, *, seed: int, num_processes: int = 1) -> dict[str, Any]:
        """Returns what batches are made of, as JSON values that differ where batches would.

        A position in the data is a mere number: over other clips, labels or settings it would go on silently with
        other batches. What changes no batch is left out, such as where the files lie.

        Args:
            seed: Seed of the order and the augmentation.
            num_processes: Processes that share a batch.
        """
        order = self._order(seed)
        return fingerprint(
            self.settings,
            self._stored,
            self._splits,
            order=np.array([order[place] for place in range(len(order))], np.int64),
            seed=seed,
            num_processes=num_processes,
        )

    def _order(self, seed: int) -> grain.MapDataset:
        """Returns places in the training split, as many as there are and in another order every epoch."""
        return grain.MapDataset.range(len(self._splits["train"])).seed(seed).shuffle()
