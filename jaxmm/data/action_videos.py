"""The pipeline of videos labelled with actions: settings, batches of sampled frames, and what a split holds."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int64, UInt8

from jaxmm.data.check import Report
from jaxmm.data.dataset import Dataset, DataSettings
from jaxmm.data.segmentation.folds import hold_out
from jaxmm.data.segmentation.packed import vocabulary_of
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.splits import FileSplit, HashSplit, Split, TagSplit, few_shots
from jaxmm.data.store import Stored
from jaxmm.data.video.augmentation import ClipAugmentation, ClipChange
from jaxmm.data.video.check import check_videos
from jaxmm.data.video.clip import FrameView
from jaxmm.data.video.packed import OnBad, Packing, packed_actions
from jaxmm.data.video.sampling import FrameSampling, SegmentFrames
from jaxmm.data.video.sources import ActionSource, ProceduralVideos
from jaxmm.errors import ConfigError, DataError, brief, reason
from jaxmm.files import read_json, write_text
from jaxmm.typing import Batch

_LABELS = "labels.json"
_GROUP = "group"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActionVideos(FrameView, DataSettings):
    """Videos of which each shows one action; its classes are saved with a run.

    Videos are decoded once, and what is kept of them is packed below `$JAXMM_CACHE`: a frame takes
    3 * frame_size ** 2 bytes. What is kept is inherited from `jaxmm.data.video.clip.FrameView`; where files lie and the
    size of batches from `jaxmm.data.dataset.DataSettings`.

    Attributes:
        source: Where videos come from.
        split: How videos are assigned to train, val and test.
        val_fraction: Share of the training videos that are held out for validation where there are none, in [0, 1);
            which ones depends on their names alone, or on their tag `group`, whose videos stay together.
        unseen_labels: Classes whose videos neither train nor validate, as if there were none: prompts alone name them.
        shots: Most training videos of a class; None takes all.
        shots_seed: Chooses them.
        frames_per_clip: Frames that a model sees of a video.
        sampling: Which of its frames they are.
        augmentation: Random changes of training clips.
        on_bad: Whether a video that cannot be read is an error, or is named and left out.
        time_limit_s: Longest time that a file may take to decode, in seconds; then it counts as one that cannot.
        packed_gib: Most GiB of the disk that packed frames may take.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> ActionVideos(frame_size=32, frames_per_clip=4).blank_batch()["frames"].shape
        (1, 4, 32, 32, 3)
    """

    asset_files: ClassVar[tuple[str, ...]] = (_LABELS,)

    source: ActionSource = dataclasses.field(default_factory=ProceduralVideos)
    split: HashSplit | FileSplit | TagSplit = dataclasses.field(default_factory=TagSplit)
    val_fraction: float = 0.0
    unseen_labels: tuple[str, ...] = ()
    shots: int | None = None
    shots_seed: int = 0
    frames_per_clip: int = 8
    sampling: FrameSampling = dataclasses.field(default_factory=SegmentFrames)
    augmentation: ClipAugmentation = dataclasses.field(default_factory=ClipAugmentation)
    on_bad: OnBad = "fail"
    time_limit_s: float = 60.0
    packed_gib: float = 64.0

    def __post_init__(self) -> None:
        FrameView.__post_init__(self)
        DataSettings.__post_init__(self)
        for name in ("frames_per_clip", "time_limit_s", "packed_gib"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"data.{name} is {getattr(self, name)}; give a value above zero")
        if self.shots is not None and self.shots < 1:
            raise ConfigError(f"data.shots is {self.shots}; give 1 or more, or None")
        if not 0 <= self.val_fraction < 1:
            raise ConfigError(f"data.val_fraction is {self.val_fraction}; give 0 or more, below 1")

    def open(self, assets: Path) -> "ActionVideosData":
        """Opens the data; the first time for a run, its classes are written into `assets`.

        Args:
            assets: Folder of the run for what the data brings along.

        Raises:
            ConfigError: If packed frames take more of the disk than they may, or an unseen label is none of the source.
            DataError: If the source or the split cannot be read, or the classes are not those seen first.
            MissingExtraError: If the extra `video` is needed and not installed.
        """
        stored = self._packed(assets)
        return ActionVideosData(self, stored, self._assigned(stored), assets)

    def _packed(self, assets: Path) -> Stored:
        """Returns all videos of the source, whose classes are those that `assets` holds, or written there."""
        packing = Packing(
            view=FrameView(fps=self.fps, frame_size=self.frame_size, max_frames=self.max_frames),
            on_bad=self.on_bad,
            time_limit_s=self.time_limit_s,
            packed_gib=self.packed_gib,
            num_workers=self.num_threads,
        )
        stored = packed_actions(self.source, self.folder, packing)
        vocabulary = vocabulary_of(stored.about)
        for label in self.unseen_labels:
            if label not in vocabulary.labels:
                raise ConfigError(
                    f"data.unseen_labels: no label {label!r}; choose among {', '.join(vocabulary.labels)}"
                )
        if not (assets / _LABELS).is_file():
            assets.mkdir(parents=True, exist_ok=True)
            write_text(assets / _LABELS, json.dumps(dataclasses.asdict(vocabulary)))
        self._check_classes(vocabulary, self.saved_vocabulary(assets))
        return stored

    def _check_classes(self, vocabulary: Vocabulary, saved: Vocabulary) -> None:
        """Raises a DataError where data have other classes than those of training."""
        if saved.labels != vocabulary.labels:
            other = next(iter(set(saved.labels) ^ set(vocabulary.labels)), "the same in another order")
            raise DataError(
                f"data.root: {self.root} has {vocabulary.num_labels} classes where the run was trained on "
                f"{saved.num_labels}, or others ({brief(other)}); give data like those of training"
            )

    def _assigned(self, stored: Stored) -> dict[str, Split]:
        """Returns the split of every video that takes part."""
        notes = dict(zip(stored.keys, stored.notes, strict=True))
        tags = {key: note["tags"] for key, note in notes.items()}
        bad = {key: own["tags"] for key, own in stored.about["bad"].items()}
        assigned = self.split.assign({**tags, **bad})  # a list of keys may name those that cannot be read
        assigned = self._held_out(assigned, tags)
        labels = vocabulary_of(stored.about).labels
        classes = {key: labels[note["label"]] for key, note in notes.items()}
        seen: dict[str, Split] = {
            key: split for key, split in assigned.items() if split == "test" or classes[key] not in self.unseen_labels
        }
        if self.shots is None:
            return seen
        return few_shots(seen, classes, shots=self.shots, seed=self.shots_seed)

    def _held_out(self, assigned: Mapping[str, Split], tags: Mapping[str, Mapping[str, str]]) -> dict[str, Split]:
        """Returns the split of each video with tags, some of training held out for validation."""
        groups = {key: own[_GROUP] for key, own in tags.items() if _GROUP in own}
        known: dict[str, Split] = {key: assigned[key] for key in tags}
        return hold_out(known, val_fraction=self.val_fraction, groups=groups)

    def check(self, root: Path | None) -> Report:
        """Decodes all videos and returns every problem, as `jaxmm.data.video.check.check_videos` does."""
        return check_videos(self.source, root, split=self.split, time_limit_s=self.time_limit_s)

    def saved_vocabulary(self, assets: Path) -> Vocabulary:
        """Returns the classes that `open` saw first, with their descriptions."""
        try:
            fields = read_json(assets / _LABELS)
            if not isinstance(fields, dict):
                raise TypeError("it holds no fields")
            return vocabulary_of(fields)
        except (OSError, ValueError, KeyError, TypeError, DataError) as error:
            raise DataError(f"{assets / _LABELS}: cannot be read ({reason(error)}); the run is incomplete") from error

    def blank_batch(self, *, num_joints: int | None = None) -> Batch:
        """Returns a batch of one row of black frames.

        Raises:
            ConfigError: If a number of joints is given.
        """
        if num_joints is not None:
            raise ConfigError("the data are frames of videos, which have no joints; leave it out")
        black = np.zeros((self.frames_per_clip, self.frame_size, self.frame_size, 3), np.uint8)
        label = {
            "label": np.zeros(1, np.int32),
            **_places([(0, np.arange(self.frames_per_clip))], self.frames_per_clip),
        }
        return {**self.stack([black], num_rows=1), **label}

    def stack(self, clips: Sequence[UInt8[np.ndarray, "_time size size 3"]], *, num_rows: int) -> Batch:
        """Pads sampled frames of videos to one batch with `frames`, `frame_mask` and `example_mask`.

        Args:
            clips: One video or more, each as at most `frames_per_clip` frames of `frame_size`.
            num_rows: Rows of the batch.

        Example:
            >>> batch = ActionVideos(frame_size=8, frames_per_clip=3).stack(
            ...     [np.ones((2, 8, 8, 3), np.uint8)], num_rows=2)
            >>> batch["frame_mask"].tolist(), batch["frames"].shape
            ([[True, True, False], [False, False, False]], (2, 3, 8, 8, 3))
        """
        frames = np.zeros((num_rows, self.frames_per_clip, self.frame_size, self.frame_size, 3), np.uint8)
        frame_mask = np.zeros(frames.shape[:2], bool)
        for row, own in enumerate(clips):
            frames[row, : len(own)], frame_mask[row, : len(own)] = own, True
        return {"frames": frames, "frame_mask": frame_mask, "example_mask": np.arange(num_rows) < len(clips)}


def _places(picked: Sequence[tuple[int, Int64[np.ndarray, "_time"]]], num_frames: int) -> Batch:
    """Returns which clips rows hold, and which of their frames; 0 where a row has none."""
    indices = np.zeros((len(picked), num_frames), np.int32)
    for row, (_, own) in enumerate(picked):
        indices[row, : len(own)] = own
    return {"clip": np.array([index for index, _ in picked], np.int32), "frame_index": indices}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PackedClip:
    """What is kept of one video.

    Attributes:
        key: Name of the video within its source.
        label: Number of its class.
        frames: Its frames, memory-mapped.
        fps: Frames per second.
        index: Its number among all videos, as batches give it under `clip`.
        tags: What else is known of it.

    Example:
        >>> PackedClip(key="a.mp4", label=3, frames=np.zeros((16, 8, 8, 3), np.uint8), fps=8.0, index=0).label
        3
    """

    key: str
    label: int
    frames: UInt8[np.ndarray, "time size size 3"]
    fps: float
    index: int
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)


class ActionVideosData(Dataset[ActionVideos]):
    """Opened videos; made by `ActionVideos.open`.

    Batches have `frames` (batch, time, size, size, 3) of uint8 RGB and their `frame_mask`, the `label` of each video,
    and where the frames come from: `clip`, the number of the video, and `frame_index`, 0 where the mask is False.
    With a table of something computed for all packed frames in order, its rows are
    `clip_starts[clip][:, None] + frame_index`.

    Args:
        settings: The settings it was opened with.
        stored: All videos of the source.
        assigned: Split of each video by key; one without is left out.
        assets: Folder of the run with the classes.
    """

    def __init__(self, settings: ActionVideos, stored: Stored, assigned: Mapping[str, Split], assets: Path) -> None:
        super().__init__(settings, stored, assigned)
        self.assets = assets
        self.vocabulary = settings.saved_vocabulary(assets)

    @property
    def clip_starts(self) -> Int64[np.ndarray, "clips"]:
        """Where the frames of each video begin among those of all."""
        return self._stored.offsets[:-1]

    @property
    def bad(self) -> dict[str, str]:
        """Why each video that is left out cannot be read, by its name."""
        return {key: own["reason"] for key, own in self._stored.about["bad"].items()}

    def clips(self, split: str) -> Iterator[PackedClip]:
        """Yields the videos of a split in order, with all frames that are kept of them.

        Raises:
            ConfigError: If there is no such split.
        """
        return (self._clip(index) for index in self.split(split))

    def batches(self, split: str) -> Iterator[Batch]:
        """Yields the videos of a split in order, as many at once as in training, sampled in the middle and unchanged.

        Raises:
            ConfigError: If there is no such split.
        """
        indices, size = self.split(split), self.settings.batch_size
        for start in range(0, len(indices), size):
            yield self._batch([self._middle(index) for index in indices[start : start + size]], num_rows=size)

    def sample_batch(self) -> Batch:
        """Returns a batch of the shapes and types that training uses: the first videos of its split."""
        size = self.settings.batch_size
        return self._batch([self._middle(index) for index in self.split("train")[:size]], num_rows=size)

    def fingerprint(self, *, seed: int, num_processes: int = 1) -> dict[str, Any]:
        """Returns what batches are made of, as JSON values that differ where batches would: also the labels."""
        printed = super().fingerprint(seed=seed, num_processes=num_processes)
        about = printed["data"]["about"]
        printed["data"]["about"] = {name: value for name, value in about.items() if name != "bad"}
        for key, note in zip(self._stored.keys, self._stored.notes, strict=True):
            if key in printed["data"]["clips"]:
                printed["data"]["clips"][key]["label"] = note["label"]
        return printed

    def _clip(self, index: int) -> PackedClip:
        note = self._stored.notes[index]
        return PackedClip(
            key=self._stored.keys[index],
            label=note["label"],
            frames=self._stored.clip(index),
            fps=note["fps"],
            index=index,
            tags=note["tags"],
        )

    def _middle(self, index: int) -> tuple[int, Int64[np.ndarray, "time"], ClipChange]:
        """Returns a video, which of its frames stand for it, and that nothing is changed."""
        picked = self.settings.sampling.pick(len(self._stored.clip(index)), self.settings.frames_per_clip)
        return index, picked, ClipChange()

    def _train_batch(self, step: int, picks: Int64[np.ndarray, "batch"], rows: range, seed: int) -> Batch:
        settings, drawn = self.settings, []
        for row in rows:
            index = self._splits["train"][int(picks[row])]
            rng = np.random.default_rng((seed, step, row))
            change = settings.augmentation.draw(rng)
            picked = settings.sampling.pick(len(self._stored.clip(index)), settings.frames_per_clip, rng)
            drawn.append((index, picked, change))
        return self._batch(drawn, num_rows=len(rows))

    def _batch(self, drawn: Sequence[tuple[int, Int64[np.ndarray, "_time"], ClipChange]], *, num_rows: int) -> Batch:
        """Returns some frames of videos, each given by its number and changed, as a batch."""
        clips = [change(np.asarray(self._stored.clip(index)[picked])) for index, picked, change in drawn]
        places = [(index, picked) for index, picked, _ in drawn] + [(0, np.arange(0))] * (num_rows - len(drawn))
        labels = [self._stored.notes[index]["label"] for index, _, _ in drawn] + [0] * (num_rows - len(drawn))
        return {
            **self.settings.stack(clips, num_rows=num_rows),
            **_places(places, self.settings.frames_per_clip),
            "label": np.array(labels, np.int32),
        }
