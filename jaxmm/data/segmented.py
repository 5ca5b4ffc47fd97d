"""The pipeline of labelled videos: settings, batches padded to few lengths, and what a split holds."""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from jaxmm.data.check import Report
from jaxmm.data.dataset import Dataset, DataSettings
from jaxmm.data.fingerprint import digest
from jaxmm.data.segmentation.check import check_segments
from jaxmm.data.segmentation.folds import hold_out
from jaxmm.data.segmentation.lengths import SHORTEST, padded_length
from jaxmm.data.segmentation.packed import packed_videos, vocabulary_of
from jaxmm.data.segmentation.scale import Scale
from jaxmm.data.segmentation.sources import ProceduralSegments, SegmentationSource
from jaxmm.data.segmentation.video import LabelledVideo
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.splits import Split, TagSplit
from jaxmm.data.store import Stored
from jaxmm.errors import ConfigError, DataError, reason
from jaxmm.files import read_json, write_text
from jaxmm.typing import Batch

LabelType: TypeAlias = Literal["actions", "null", "wrong"]
"""What a label stands for: an action, none, or a mistake."""

_VIDEOS = "videos.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentedVideos(DataSettings):
    """Videos as features of frames, every frame with a label; labels and statistics are saved with a run.

    Where files lie and the size of batches are inherited from `jaxmm.data.dataset.DataSettings`.

    Attributes:
        source: Where videos come from.
        val_fraction: Share of the training videos that are held out for validation where the source has none, in
            [0, 1); which ones depends on their names alone (D7).
        fold: None, or (k, K): of K equal parts of the training and validation videos the k-th, from 0 on, is held out
            for testing, and the source's own test videos are left out.
        null_labels: Labels that stand for no action (D4).
        wrong_labels: Labels that stand for mistakes (D4).
        unseen_labels: Labels whose frames count in no loss of training, and no score of validation, as if nobody had
            named them.
        standardize: Whether features are scaled by the mean and deviation of the training frames.
        most_speed: How many times faster or slower training plays a video, at random, >= 1; at 1 it is as recorded.
        max_frames: Longest stretch of a video that training sees at once, cut at random; None sees all of it.

    Raises:
        ConfigError: If a number is out of its range, or a label stands for two things.

    Example:
        >>> SegmentedVideos(null_labels=("null",)).type_of("null")
        'null'
    """

    asset_files: ClassVar[tuple[str, ...]] = (_VIDEOS,)

    source: SegmentationSource = dataclasses.field(default_factory=ProceduralSegments)
    val_fraction: float = 0.1
    fold: tuple[int, int] | None = None
    null_labels: tuple[str, ...] = ()
    wrong_labels: tuple[str, ...] = ()
    unseen_labels: tuple[str, ...] = ()
    standardize: bool = True
    most_speed: float = 1.0
    max_frames: int | None = None
    batch_size: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.val_fraction < 1:
            raise ConfigError(f"data.val_fraction is {self.val_fraction}; give 0 or more, below 1")
        if self.fold is not None and not 0 <= self.fold[0] < self.fold[1] > 1:
            raise ConfigError(
                f"data.fold is {self.fold}; give (k, K) with K of 2 or more and k from 0 to K - 1, or None"
            )
        if not 1 <= self.most_speed < math.inf:
            raise ConfigError(f"data.most_speed is {self.most_speed}; give a factor of 1 or more")
        if self.max_frames is not None and self.max_frames < 1:
            raise ConfigError(f"data.max_frames is {self.max_frames}; give 1 or more, or None")
        if both := set(self.null_labels) & set(self.wrong_labels):
            raise ConfigError(f"data.null_labels and data.wrong_labels both hold {', '.join(sorted(both))}; keep one")

    def type_of(self, label: str) -> LabelType:
        """Returns what a label stands for."""
        return "null" if label in self.null_labels else "wrong" if label in self.wrong_labels else "actions"

    def open(self, assets: Path) -> "SegmentedData":
        """Opens the data; the first time for a run, labels and statistics are written into `assets`.

        Args:
            assets: Folder of the run for what the data brings along.

        Raises:
            ConfigError: If a named label is none of the source.
            DataError: If the source cannot be read, or its labels or features are not those seen first.
        """
        packed = packed_videos(self.source, self.folder)
        vocabulary = vocabulary_of(packed.about)
        for field in ("null_labels", "wrong_labels", "unseen_labels"):
            for label in getattr(self, field):
                if label not in vocabulary.labels:
                    raise ConfigError(f"data.{field}: no label {label!r}; choose among {', '.join(vocabulary.labels)}")
        tags = {key: note["tags"] for key, note in zip(packed.keys, packed.notes, strict=True)}
        assigned = hold_out(TagSplit().assign(tags), fold=self.fold, val_fraction=self.val_fraction)
        if not (assets / _VIDEOS).is_file():
            known = [place for place, key in enumerate(packed.keys) if assigned.get(key) == "train"]
            if not known:
                raise DataError("data.source: no video is one of training; name some in its bundle of train")
            scale = Scale.of(packed.clip(place) for place in known) if self.standardize else Scale.none(_dim(packed))
            assets.mkdir(parents=True, exist_ok=True)
            write_text(assets / _VIDEOS, json.dumps({**dataclasses.asdict(vocabulary), **scale.as_json()}))
        data = SegmentedData(self, packed, assigned, assets)
        if (data.vocabulary.labels, data.scale.dim) != (vocabulary.labels, _dim(packed)):
            raise DataError(
                f"data.root: {self.root} has {vocabulary.num_labels} labels and {_dim(packed)} features a frame, but "
                f"the run was trained on {data.vocabulary.num_labels} and {data.scale.dim}, or on labels of other "
                "names; give data like those of training"
            )
        return data

    def check(self, root: Path | None) -> Report:
        """Reads all videos and returns every problem, as `jaxmm.data.segmentation.check.check_segments` does."""
        return check_segments(self.source, root)

    def saved_vocabulary(self, assets: Path) -> Vocabulary:
        """Returns the labels that `open` saw first, with their descriptions."""
        return _read_assets(assets)[0]

    def saved_scale(self, assets: Path) -> Scale:
        """Returns the statistics that `open` wrote for a run."""
        return _read_assets(assets)[1]

    def blank_batch(self, *, num_joints: int | None = None) -> Batch:
        """Returns a batch of one row of zeros, of the shortest padded length.

        Raises:
            ConfigError: If a number of joints is given, or only the files tell the number of features.
        """
        if num_joints is not None:
            raise ConfigError("the data are features of videos, which have no joints; leave it out")
        dim = self.source.dim if isinstance(self.source.dim, int) else sum(self.source.dim)
        if not dim:
            raise ConfigError("data.source.dim is empty, so only the files tell the number of features; name it")
        return self.stack([np.zeros((SHORTEST, dim), np.float32)], [np.zeros(SHORTEST, np.int32)], num_rows=1)

    def stack(
        self,
        features: Sequence[Float32[np.ndarray, "_time dim"]],
        labels: Sequence[Int32[np.ndarray, "_time"]],
        *,
        num_rows: int,
        num_frames: int | None = None,
        counts: Bool[np.ndarray, "labels"] | None = None,
    ) -> Batch:
        """Pads videos to one batch.

        Args:
            features: One or more videos, scaled.
            labels: The numbers of their frames' labels.
            num_rows: Rows of the batch.
            num_frames: Length to pad to; by default that of the longest, rounded up by `padded_length`.
            counts: True for the labels whose frames count; by default all do.

        Example:
            >>> two = [np.ones((3, 2), np.float32), np.ones((1, 2), np.float32)]
            >>> labels = [np.zeros(3, np.int32), np.ones(1, np.int32)]
            >>> batch = SegmentedVideos().stack(two, labels, num_rows=2, num_frames=4)
            >>> batch["frame_mask"].tolist(), batch["features"].shape
            ([[True, True, True, False], [True, False, False, False]], (2, 4, 2))
        """
        num_frames = num_frames or padded_length(max(map(len, features)))
        rows = np.zeros((num_rows, num_frames, features[0].shape[1]), np.float32)
        numbers = np.zeros((num_rows, num_frames), np.int32)
        frame_mask = np.zeros((num_rows, num_frames), bool)
        for row, (own, named) in enumerate(zip(features, labels, strict=True)):
            rows[row, : len(own)], numbers[row, : len(own)], frame_mask[row, : len(own)] = own, named, True
        return {
            "features": rows,
            "labels": numbers,
            "frame_mask": frame_mask,
            "label_mask": frame_mask if counts is None else frame_mask & counts[numbers],
            "example_mask": np.arange(num_rows) < len(features),
        }


def _read_assets(assets: Path) -> tuple[Vocabulary, Scale]:
    try:
        fields = read_json(assets / _VIDEOS)
        if not isinstance(fields, dict):
            raise TypeError("it holds no fields")
        return vocabulary_of(fields), Scale.of_json(fields)
    except (OSError, ValueError, KeyError, TypeError, DataError) as error:
        raise DataError(f"{assets / _VIDEOS}: cannot be read ({reason(error)}); the run is incomplete") from error


def _dim(packed: Stored) -> int:
    return packed.frames.shape[1]


class SegmentedData(Dataset[SegmentedVideos]):
    """Opened labelled videos; made by `SegmentedVideos.open`.

    Args:
        settings: The settings it was opened with.
        stored: All videos of the source.
        assigned: Split of each video by key.
        assets: Folder of the run with labels and statistics.

    Attributes:
        named: True for the labels that are not unseen.
    """

    def __init__(self, settings: SegmentedVideos, stored: Stored, assigned: Mapping[str, Split], assets: Path) -> None:
        super().__init__(settings, stored, assigned)
        self.assets = assets
        self.vocabulary = settings.saved_vocabulary(assets)
        self.scale = settings.saved_scale(assets)
        self.named = np.array([label not in settings.unseen_labels for label in self.vocabulary.labels])

    def videos(self, split: str) -> list[LabelledVideo]:
        """Returns the videos of a split in order, their features as they were stored."""
        return [self._video(index) for index in self.split(split)]

    def batches(self, split: str) -> Iterator[Batch]:
        """Yields the videos of a split in order, as many at once as in training, whose frames count as there."""
        videos, size = self.videos(split), self.settings.batch_size
        for start in range(0, len(videos), size):
            some = videos[start : start + size]
            features, labels = [self.scale(video.features) for video in some], [video.labels for video in some]
            yield self.settings.stack(features, labels, num_rows=size, counts=self.named)

    def sample_batch(self) -> Batch:
        """Returns a batch of the types that training uses, of the first videos of its split."""
        first = self.split("train")[: self.settings.batch_size]
        return self._batch([(index, np.arange(self._length(index))[: self.settings.max_frames]) for index in first])

    def fingerprint(self, *, seed: int, num_processes: int = 1) -> dict[str, Any]:
        """Returns what batches are made of, as JSON values that differ where batches would: also labels and scale."""
        printed = super().fingerprint(seed=seed, num_processes=num_processes)
        printed["data"]["scale"] = digest([self.scale.mean.tolist(), self.scale.std.tolist()])
        for key, note in zip(self._stored.keys, self._stored.notes, strict=True):
            if key in printed["data"]["clips"]:
                printed["data"]["clips"][key]["labels"] = digest(note["runs"])
        return printed

    def _video(self, index: int) -> LabelledVideo:
        note = self._stored.notes[index]
        return LabelledVideo(
            key=self._stored.keys[index],
            features=np.asarray(self._stored.clip(index)),
            labels=self._labels(index),
            fps=self._stored.fps,
            tags=note["tags"],
        )

    def _labels(self, index: int) -> Int32[np.ndarray, "time"]:
        numbers, counts = zip(*self._stored.notes[index]["runs"], strict=True)
        return np.repeat(np.array(numbers, np.int32), counts)

    def _length(self, index: int) -> int:
        return int(self._stored.offsets[index + 1] - self._stored.offsets[index])

    def _frames_seen(self, index: int, rng: np.random.Generator) -> Int64[np.ndarray, "time"]:
        """Returns the frames of a video that training sees: at some speed, and a stretch of them where it is long."""
        settings, length = self.settings, self._length(index)
        speed = settings.most_speed ** rng.uniform(-1, 1)
        frames = np.minimum(np.arange(max(1, round(length / speed))) * speed, length - 1).astype(np.int64)
        longest = len(frames) if settings.max_frames is None else min(len(frames), settings.max_frames)
        start = int(rng.integers(len(frames) - longest + 1))
        return frames[start : start + longest]

    def _train_batch(self, step: int, picks: Int64[np.ndarray, "batch"], rows: range, seed: int) -> Batch:
        chosen = [self._splits["train"][int(pick)] for pick in picks]
        seen = [
            (index, self._frames_seen(index, np.random.default_rng((seed, step, row))))
            for row, index in enumerate(chosen)
        ]
        # Of the whole batch: all processes must compile one shape.
        num_frames = padded_length(max(len(frames) for _, frames in seen))
        return self._batch(seen[rows.start : rows.stop], num_frames=num_frames)

    def _batch(self, seen: Sequence[tuple[int, Int64[np.ndarray, "_time"]]], *, num_frames: int | None = None) -> Batch:
        """Returns some frames of videos, each given by its number, as a batch."""
        return self.settings.stack(
            [self.scale(self._stored.clip(index)[frames]) for index, frames in seen],
            [self._labels(index)[frames] for index, frames in seen],
            num_rows=len(seen),
            num_frames=num_frames,
            counts=self.named,
        )
