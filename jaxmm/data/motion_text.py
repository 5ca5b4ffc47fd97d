"""The motion-text pipeline: settings, training batches, and the galleries that evaluation searches."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float32, Int64

from jaxmm.data.captioned import Captioned, CaptionedData
from jaxmm.data.check import Report, check_source
from jaxmm.data.motion import Skeleton
from jaxmm.data.packed import PackedMotions
from jaxmm.data.sign.check import check_signs
from jaxmm.data.sources import MotionSource, ProceduralMotions, SignMotions, packed_source
from jaxmm.data.splits import FileSplit, HashSplit, Split, TagSplit
from jaxmm.data.text import CaptionTokenizer
from jaxmm.data.transforms import Augmentation, mirror_caption
from jaxmm.data.view import MotionView
from jaxmm.errors import ConfigError, DataError, reason
from jaxmm.files import read_json, write_text
from jaxmm.typing import Batch

_SKELETON = "skeleton.json"
_USUAL_JOINTS = 25


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionText(MotionView, Captioned):
    """Motions and their captions, as the model sees them (D10: all of it is saved with a run).

    How a motion is seen is inherited from `jaxmm.data.view.MotionView`; where files lie, tokens and batches from
    `jaxmm.data.captioned.Captioned`.

    Attributes:
        source: Where motions come from.
        split: How motions are assigned to train, val and test.
        augmentation: Random changes of training motions.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> MotionText(batch_size=16).num_frames
        60
    """

    asset_files: ClassVar[tuple[str, ...]] = (*Captioned.asset_files, _SKELETON)

    source: MotionSource = dataclasses.field(default_factory=ProceduralMotions)
    split: HashSplit | FileSplit | TagSplit = dataclasses.field(default_factory=TagSplit)
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        MotionView.__post_init__(self)
        Captioned.__post_init__(self)

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
            known = (own for key, own in zip(packed.keys, packed.captions, strict=True) if assigned[key] == "train")
            self.new_tokenizer(text for own in known for text in own).write(assets)
            write_text(assets / _SKELETON, json.dumps(dataclasses.asdict(packed.skeleton)))
        if packed.skeleton != self.saved_skeleton(assets):
            raise DataError(f"data.root: {self.root} has another skeleton than the run was trained on")
        if self.augmentation.mirror_rate and not packed.skeleton.tells_sides():
            raise ConfigError(
                "data.augmentation.mirror_rate is set, but the joints' names tell no left from right "
                f"({', '.join(packed.skeleton.joint_names[:4])}, ...); name them as LeftHand, RightHand, or set it to 0"
            )
        return MotionTextData(self, packed, assigned, self.saved_tokenizer(assets))

    def check(self, root: Path | None) -> Report:
        """Reads all motions and returns every problem, as `check_source` does, or of signing as `check_signs` does."""
        if isinstance(self.source, SignMotions):
            return check_signs(self.source.signs, root, split=self.split, text=self.source.text, normalize=False)
        return check_source(self.source, root, split=self.split)

    def blank_batch(self, *, num_joints: int | None = None) -> Batch:
        """Returns a batch of one row of zeros: the longest motion, by default of 25 joints, and the longest text.

        Raises:
            ConfigError: If there are no joints.
        """
        num_joints = _USUAL_JOINTS if num_joints is None else num_joints
        if num_joints < 1:
            raise ConfigError(f"num_joints is {num_joints}; give 1 or more")
        still = np.zeros((self.num_frames, num_joints, 3), np.float32)
        return {**self.blank_texts(), **self.stack([still], num_rows=1)}

    def saved_skeleton(self, assets: Path) -> Skeleton:
        """Returns the skeleton of the motions that `open` saw first."""
        try:
            fields = read_json(assets / _SKELETON)
            fields = {name: tuple(fields[name]) for name in ("joint_names", "parents")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{assets / _SKELETON}: cannot be read ({reason(error)}); the run is incomplete") from error
        return Skeleton(**fields)


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


class MotionTextData(CaptionedData[MotionText]):
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
        self.packed = packed
        mirrored = (mirror_caption(text) for own in packed.captions for text in own)
        super().__init__(settings, packed.stored, packed.captions, assigned, tokenizer, further_texts=mirrored)

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

    def _trained_texts(self) -> set[str]:
        texts = super()._trained_texts()
        return texts | {mirror_caption(text) for text in texts} if self.settings.augmentation.mirror_rate > 0 else texts

    def sample_batch(self) -> Batch:
        """Returns a batch of the shapes and types that training uses: the first motions and captions of its split."""
        return self._first(self.split("train")[: self.settings.batch_size])

    def batches(self, split: str) -> Iterator[Batch]:
        """Yields the motions of a split in order, as many at once as in training, by their first windows and captions.

        Raises:
            ConfigError: If there is no such split.
        """
        indices, size = self.split(split), self.settings.batch_size
        return (self._first(indices[start : start + size]) for start in range(0, len(indices), size))

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

    def _first(self, indices: Sequence[int]) -> Batch:
        motions = [self.settings.windows(self.packed.motion(index), self.packed.skeleton)[0] for index in indices]
        captions = [self.packed.captions[index][0] for index in indices]
        return self._batch(motions, captions, num_rows=self.settings.batch_size)

    def _batch(self, motions: Sequence[np.ndarray], captions: Sequence[str], *, num_rows: int) -> Batch:
        return {**self.settings.stack(motions, num_rows=num_rows), **self._token_rows(captions, num_rows=num_rows)}
