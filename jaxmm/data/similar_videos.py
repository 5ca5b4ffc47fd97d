"""The pipeline of videos that are compared: batches of clips with their relations, and pairs to evaluate by."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np
from jaxtyping import Int8, Int32, Int64

from jaxmm.data.action_videos import ActionVideos, ActionVideosData
from jaxmm.data.check import Report
from jaxmm.data.comparing import ComparedVideos, CopyPairs, LabelPairs, SimilarPair
from jaxmm.data.families import FamilySampler
from jaxmm.data.fingerprint import digest
from jaxmm.data.listed_pairs import ListedPairs
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.splits import Split
from jaxmm.data.store import Stored
from jaxmm.data.video.augmentation import ClipChange
from jaxmm.errors import ConfigError, DataError
from jaxmm.typing import Batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimilarVideos(ActionVideos):
    """Videos of which it is known which belong together; further settings are those of `ActionVideos`.

    Attributes:
        comparing: Which videos belong together, and how batches are drawn of them.

    Raises:
        ConfigError: If a number is out of its range, or `batch_size` is not what is drawn for a batch.

    Example:
        >>> data = SimilarVideos(batch_size=8, comparing=LabelPairs(classes_per_batch=2, clips_per_class=4))
        >>> data.blank_batch()["relation"]
        array([[0]], dtype=int8)
    """

    comparing: LabelPairs | CopyPairs | ListedPairs = dataclasses.field(default_factory=LabelPairs)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.comparing.rows(self.batch_size)

    def open(self, assets: Path) -> "SimilarVideosData":
        """Opens the data, as `ActionVideos.open` does.

        Raises:
            ConfigError: If videos cannot be compared so, or as `ActionVideos.open` does.
            DataError: If a list of pairs is wrong, or as `ActionVideos.open` does.
            MissingExtraError: If the extra `video` is needed and not installed.
        """
        stored = self._packed(assets)
        return SimilarVideosData(self, stored, self._assigned(stored), assets)

    def _check_classes(self, vocabulary: Vocabulary, saved: Vocabulary) -> None:
        """Takes data of any classes: those of training have no part in how videos are compared."""

    def check(self, root: Path | None) -> Report:
        """Decodes all videos and returns every problem, also those of a list of pairs."""
        report = super().check(root)
        if not isinstance(self.comparing, ListedPairs):
            return report
        tags, read = dict[str, Mapping[str, str]](), self.source.inventory(root)
        for recording in read.recordings:
            try:
                tags |= {video.key: video.tags for video in recording.read()}
            except DataError:  # which is a problem already
                continue
        try:
            assigned = self._held_out(self.split.assign(tags), tags) if tags else {}
        except DataError:  # so is this
            assigned = {}
        others = [key for key in tags if key not in assigned]
        _, problems = self.comparing.listed(root, assigned, others=others)
        return Report(counts=report.counts, problems=(*report.problems, *problems))

    def blank_batch(self, *, num_joints: int | None = None) -> Batch:
        """Returns a batch of one row of black frames, which is compared with none.

        Raises:
            ConfigError: If a number of joints is given.
        """
        compared = {"group": np.zeros(1, np.int32), "relation": np.zeros((1, 1), np.int8)}
        return {**super().blank_batch(num_joints=num_joints), **compared}


class SimilarVideosData(ActionVideosData):
    """Opened videos that are compared; made by `SimilarVideos.open`.

    Batches are those of `ActionVideosData`, whose `label` is what `comparing` compares by, and also have the `group` of
    each row and `relation`, of int8: of each row to every row of the global batch 1 where they belong together, -1
    where they do not, 0 where they are not compared. Where a process reads some rows of a batch, it has all columns of
    these.

    Args:
        settings: The settings it was opened with.
        stored: All videos of the source.
        assigned: Split of each video by key; one without is left out.
        assets: Folder of the run with the classes.

    Raises:
        ConfigError: If videos cannot be compared so.
        DataError: If a list of pairs is wrong.
    """

    settings: SimilarVideos

    def __init__(self, settings: SimilarVideos, stored: Stored, assigned: Mapping[str, Split], assets: Path) -> None:
        super().__init__(settings, stored, assigned, assets)
        self._comparison = settings.comparing.open(
            ComparedVideos(
                keys=stored.keys,
                classes=np.array([note["label"] for note in stored.notes], np.int32),
                tags=[note["tags"] for note in stored.notes],
                splits=self._splits,
                bad=tuple(self.bad),
                folder=settings.folder,
            )
        )

    @property
    def has_labels(self) -> bool:
        """Whether `label` and `group` alone tell how training clips are related, also to those of other batches."""
        return self._comparison.has_labels

    @property
    def labels(self) -> Int32[np.ndarray, "videos"] | None:
        """What videos are compared by, of each video by its number; None where a list tells of pairs alone."""
        return None if isinstance(self.settings.comparing, ListedPairs) else self._comparison.labels

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show as many clips as training draws from, or one.

        Raises:
            ConfigError: If there are too few families for a batch.
        """
        families, (needed, _) = self._comparison.families, self.settings.comparing.rows(self.settings.batch_size)
        if len(families) < needed:
            raise ConfigError(
                f"data.batch_size is {self.settings.batch_size} with {needed} {self._comparison.noun}, but the "
                f"training split has {len(families)}; draw fewer at once, or bring more"
            )
        return max(1, sum(map(len, families)) // self.settings.batch_size)

    def pairs(self, split: str) -> list[SimilarPair]:
        """Returns pairs of a split whose relation is known, the same every time.

        Raises:
            ConfigError: If there is no such split.
            DataError: If it has no such pair.
        """
        self.split(split)
        pairs = self._comparison.pairs(split)
        if not pairs:
            raise DataError(
                f"the split {split!r} has no pair of videos that belong together or not; bring some "
                f"{self._comparison.noun} of two videos or more"
            )
        return pairs

    def fingerprint(self, *, seed: int, num_processes: int = 1) -> dict[str, Any]:
        """Returns what batches are made of, as JSON values that differ where batches would: also the relations."""
        printed = super().fingerprint(seed=seed, num_processes=num_processes)
        train = [self._stored.keys[index] for index in self._splits["train"]]
        pairs = [
            [self._stored.keys[own] for own in family]
            + self._comparison.relation(np.array(family[:1]), np.array(family)).tolist()
            for family in self._comparison.families
        ]
        groups = self._comparison.groups[self._splits["train"]].tolist()
        printed["data"]["compared"] = digest([train, groups, pairs])
        return printed

    def _order(self, seed: int) -> grain.MapDataset:
        """Returns places in the training split, those of each batch in turn, as `comparing` draws them."""
        size = self.settings.batch_size
        places = {index: place for place, index in enumerate(self._splits["train"])}
        num_families, num_members = self.settings.comparing.rows(size)
        num_steps = self.steps_per_epoch
        sampler = FamilySampler(
            [[places[index] for index in family] for family in self._comparison.families],
            num_families=num_families,
            num_members=num_members,
            seed=seed,
        )
        rows = grain.MapDataset.range(num_steps * size)
        return rows.map_with_index(lambda row, _: sampler.draw(int(row) // size)[int(row) % size])

    def _train_batch(self, step: int, picks: Int64[np.ndarray, "batch"], rows: range, seed: int) -> Batch:
        batch = super()._train_batch(step, picks, rows, seed)
        columns = np.array(self._splits["train"], np.int64)[picks]
        return {**batch, "relation": self._relation(columns, rows)}

    def _batch(self, drawn: Sequence[tuple[int, Int64[np.ndarray, "_time"], ClipChange]], *, num_rows: int) -> Batch:
        batch = super()._batch(drawn, num_rows=num_rows)
        clips, blank = np.array([index for index, _, _ in drawn], np.int64), num_rows - len(drawn)
        return {
            **batch,
            "label": np.pad(self._comparison.labels[clips], (0, blank)),
            "group": np.pad(self._comparison.groups[clips], (0, blank)),
            "relation": np.pad(self._relation(clips, range(len(clips))), (0, blank)),
        }

    def _relation(self, clips: Int64[np.ndarray, "batch"], rows: range) -> Int8[np.ndarray, "rows batch"]:
        """Returns how some rows of a batch are related to all of it; a row is not compared with itself."""
        relation = self._comparison.relation(clips[rows.start : rows.stop], clips)
        relation[np.arange(len(rows)), np.arange(rows.start, rows.stop)] = 0
        return relation
