"""The pipeline of signing and its texts: settings, training batches, and what a split holds."""

import dataclasses
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32, Int64

from jaxmm.data.cache import packed_folder
from jaxmm.data.captioned import Captioned, CaptionedData
from jaxmm.data.check import Report
from jaxmm.data.motion import FASTEST_FPS, SLOWEST_FPS
from jaxmm.data.sign.check import check_signs
from jaxmm.data.sign.clip import SignClip, TextKind
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.prepare import resample_signs
from jaxmm.data.sign.sources import ProceduralSigns, SignSource
from jaxmm.data.sign.statistics import STATISTICS, Statistics
from jaxmm.data.splits import FileSplit, HashSplit, Split, TagSplit
from jaxmm.data.store import Stored, open_stored, store, unreadable
from jaxmm.errors import ConfigError, DataError, reason
from jaxmm.files import read_json, write_text
from jaxmm.typing import Batch

_SIGNERS = "signers.json"
_UNKNOWN = -1
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignText(Captioned):
    """Signing and what it says, as the model sees them; statistics and signers are saved with a run.

    Where files lie, tokens and batches are inherited from `jaxmm.data.captioned.Captioned`.

    Attributes:
        source: Where clips come from.
        split: How clips are assigned to train, val and test.
        text: Which text of a clip the model reads (D10); clips without it are left out.
        fps: Frame rate that clips are resampled to.
        max_frames: Longest clip; of longer ones the centre is taken, shorter ones are padded and masked.
        normalize: Whether frames are normalised by mean and deviation: those of the source, or of its training split.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> SignText(batch_size=16).max_frames
        128
    """

    asset_files: ClassVar[tuple[str, ...]] = (*Captioned.asset_files, STATISTICS, _SIGNERS)

    source: SignSource = dataclasses.field(default_factory=ProceduralSigns)
    split: HashSplit | FileSplit | TagSplit = dataclasses.field(default_factory=TagSplit)
    text: TextKind = "gloss"
    fps: float = 25.0
    max_frames: int = 128
    normalize: bool = True
    batch_size: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.max_frames > 0:
            raise ConfigError(f"data.max_frames is {self.max_frames}; give a value above zero")
        if not SLOWEST_FPS <= self.fps <= FASTEST_FPS:
            raise ConfigError(f"data.fps is {self.fps}; give a frame rate from {SLOWEST_FPS} to {FASTEST_FPS}")

    def open(self, assets: Path) -> "SignTextData":
        """Opens the data; the first time for a run, tokenizer, statistics and signers are written into `assets`.

        Args:
            assets: Folder of the run for what the data brings along.

        Raises:
            DataError: If the source or the split cannot be read, or no clip of training has the text.
            WeightsError: If the tokenizer's checkpoint cannot be found.
        """
        root = Path(self.root) if self.root is not None else None
        packed = packed_signs(self.source, root, fps=self.fps)
        texts = tuple(() if note[self.text] is None else (note[self.text],) for note in packed.notes)
        told = {key for key, own in zip(packed.keys, texts, strict=True) if own}
        if not told:
            raise DataError(f"data.text is {self.text!r}, but no clip of the source has one; choose the other")
        if len(told) < len(packed):
            _LOG.info("%d of %d clips have no %s and are left out", len(packed) - len(told), len(packed), self.text)
        # A split is one of all recordings: which text is read moves none, and one file serves both.
        tags = {key: note["tags"] for key, note in zip(packed.keys, packed.notes, strict=True)}
        assigned: dict[str, Split] = {key: split for key, split in self.split.assign(tags).items() if key in told}
        if not (assets / _SIGNERS).is_file():
            known = [place for place, key in enumerate(packed.keys) if assigned.get(key) == "train"]
            if not known:
                raise DataError(f"split: no clip with a {self.text} is one of training; change data.split")
            self.new_tokenizer(text for place in known for text in texts[place]).write(assets)
            self._new_statistics(packed, known, root).write(assets / STATISTICS)
            signers = sorted({packed.notes[place]["signer"] for place in known})
            write_text(assets / _SIGNERS, json.dumps(signers))
        return SignTextData(self, packed, texts, assigned, assets)

    def check(self, root: Path | None) -> Report:
        """Reads all clips and returns every problem, as `jaxmm.data.sign.check.check_signs` does."""
        return check_signs(self.source, root, split=self.split, text=self.text, normalize=self.normalize)

    def _new_statistics(self, packed: Stored, known: Iterable[int], root: Path | None) -> Statistics:
        if not self.normalize:
            return Statistics.neutral()
        brought = self.source.statistics(root)
        return brought or Statistics.of(_read_clip(packed, place) for place in known)

    def saved_statistics(self, assets: Path) -> Statistics:
        """Returns the statistics that `open` wrote for a run."""
        return Statistics.read(assets / STATISTICS)

    def saved_signers(self, assets: Path) -> tuple[str, ...]:
        """Returns the signers that `open` saw first, in the order of their numbers.

        Raises:
            DataError: If they cannot be read.
        """
        try:
            names = read_json(assets / _SIGNERS)
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise ValueError("not a list of names")
        except (OSError, ValueError) as error:
            raise DataError(f"{assets / _SIGNERS}: cannot be read ({reason(error)}); the run is incomplete") from error
        return tuple(names)

    def blank_batch(self, *, num_joints: int | None = None) -> Batch:
        """Returns a batch of one row of zeros: the longest clip and the longest text.

        Raises:
            ConfigError: If a number of joints is given: the landmarks of signing are fixed.
        """
        if num_joints is not None:
            raise ConfigError(
                f"the data are signing, whose {len(HOLISTIC.landmarks)} landmarks are fixed; leave it out"
            )
        clip = np.zeros((self.max_frames, HOLISTIC.dim), np.float32)
        stacked = self.stack([clip], Statistics.neutral(), num_rows=1)
        return {**self.blank_texts(), **stacked, "signer": np.zeros(1, np.int32)}

    def stack(
        self, clips: Sequence[Float32[np.ndarray, "_time dim"]], statistics: Statistics, *, num_rows: int
    ) -> Batch:
        """Normalises clips and then pads them to one batch, so that padding is zero in what the model sees (D5).

        Args:
            clips: One or more clips of at most `max_frames` in original units.
            statistics: What they are normalised by; each row carries them as `mean` and `std`.
            num_rows: Rows of the batch.

        Example:
            >>> clip = np.ones((2, 540), np.float32)
            >>> batch = SignText(max_frames=3).stack([clip], Statistics.neutral(), num_rows=2)
            >>> batch["frame_mask"].tolist(), batch["landmark_mask"].shape
            ([[True, True, False], [False, False, False]], (2, 3, 169))
        """
        frames = np.zeros((num_rows, self.max_frames, HOLISTIC.dim), np.float32)
        frame_mask = np.zeros(frames.shape[:2], bool)
        landmark_mask = np.zeros((*frame_mask.shape, len(HOLISTIC.landmarks)), bool)
        for row, clip in enumerate(clips):
            frames[row, : len(clip)], frame_mask[row, : len(clip)] = statistics.normalise(clip), True
            landmark_mask[row, : len(clip)] = HOLISTIC.detected(clip)
        return {
            "frames": frames,
            "frame_mask": frame_mask,
            "landmark_mask": landmark_mask,
            "mean": np.broadcast_to(statistics.mean, (num_rows, HOLISTIC.dim)),
            "std": np.broadcast_to(statistics.deviation, (num_rows, HOLISTIC.dim)),
            "example_mask": np.arange(num_rows) < len(clips),
        }


def packed_signs(source: SignSource, root: Path | None, *, fps: float) -> Stored:
    """Opens the packed form of a source, packing it first when its files or settings are new.

    Args:
        source: The source.
        root: Folder of the source's files; None for the procedural source.
        fps: Frame rate to pack at, > 0.

    Returns:
        The clips; the note of each has `gloss`, `sentence`, `signer` and `tags`.

    Raises:
        DataError: If the source cannot be read, or its packed form is damaged.
    """
    folder = packed_folder("signs", source, root, fps=fps)
    if not folder.is_dir():
        _LOG.info("packing %s at %g frames a second, once, into %s", type(source).__name__, fps, folder)
        clips = (_row(clip, fps) for clip in source.inventory(root).items())
        store(clips, folder, fps=fps, about=lambda: {"landmarks": HOLISTIC.landmarks})
    stored = open_stored(folder, shape=lambda about: (HOLISTIC.dim,))
    if stored.about.get("landmarks") != list(HOLISTIC.landmarks):
        raise DataError(f"{folder}: holds another layout; delete the folder to have it packed anew")
    try:
        for note in stored.notes:
            _check_note(**note)
    except (TypeError, ValueError) as error:
        raise unreadable(folder, error) from error
    return stored


def _check_note(*, gloss: Any, sentence: Any, signer: Any, tags: Any) -> None:
    """Raises a TypeError or ValueError where a note is not one that `_row` writes."""
    texts = [text for text in (gloss, sentence) if text is not None]
    if not isinstance(tags, dict) or not all(isinstance(text, str) for text in (*texts, signer, *tags.values())):
        raise ValueError("a text is of another type")


def _row(clip: SignClip, fps: float) -> tuple[str, np.ndarray, Mapping[str, Any]]:
    try:
        frames = resample_signs(clip.frames, source_fps=clip.fps, target_fps=fps)
    except DataError as error:
        raise DataError(f"{clip.key}: {error}") from error
    note = {"gloss": clip.gloss, "sentence": clip.sentence, "signer": clip.signer, "tags": dict(clip.tags)}
    return clip.key, frames, note


def _read_clip(packed: Stored, index: int, *, max_frames: int | None = None) -> SignClip:
    """Returns a stored clip, or its centre where it is longer than `max_frames`."""
    frames, note = packed.clip(index), packed.notes[index]
    start = 0 if max_frames is None else max(0, len(frames) - max_frames) // 2
    return SignClip(
        key=packed.keys[index],
        frames=np.asarray(frames[start : None if max_frames is None else start + max_frames]),
        fps=packed.fps,
        **note,
    )


class SignTextData(CaptionedData[SignText]):
    """Opened signing; made by `SignText.open`.

    Args:
        settings: The settings it was opened with.
        stored: All clips of the source.
        texts: The text of each clip; none where it has none.
        assigned: Split of each clip that has a text, by key.
        assets: Folder of the run with tokenizer, statistics and signers.
    """

    def __init__(
        self,
        settings: SignText,
        stored: Stored,
        texts: Sequence[tuple[str, ...]],
        assigned: Mapping[str, Split],
        assets: Path,
    ) -> None:
        super().__init__(settings, stored, texts, assigned, settings.saved_tokenizer(assets))
        self.assets = assets
        self.statistics = settings.saved_statistics(assets)
        self.signers = settings.saved_signers(assets)

    def clips(self, split: str) -> list[SignClip]:
        """Returns the clips of a split in order, in original units and cut as the model sees them."""
        return [self._clip(index) for index in self.split(split)]

    def sample_batch(self) -> Batch:
        """Returns a batch of the shapes and types that training uses: the first clips of its split."""
        return self.batch(self.split("train")[: self.settings.batch_size], num_rows=self.settings.batch_size)

    def batches(self, split: str) -> Iterator[Batch]:
        """Yields the clips of a split in order, as many at once as in training.

        Raises:
            ConfigError: If there is no such split.
        """
        indices, size = self.split(split), self.settings.batch_size
        return (self.batch(indices[start : start + size], num_rows=size) for start in range(0, len(indices), size))

    def batch(self, indices: Sequence[int], *, num_rows: int) -> Batch:
        """Returns clips, by their places among all clips, as a batch.

        Returns:
            What `SignText.stack` returns, `token_ids`, `token_mask`, and `signer`: its number, or -1 for one that
            training has not seen.
        """
        clips = [self._clip(index) for index in indices]
        signer = np.full(num_rows, _UNKNOWN, np.int32)
        signer[: len(clips)] = [
            self.signers.index(clip.signer) if clip.signer in self.signers else _UNKNOWN for clip in clips
        ]
        return {
            **self.settings.stack([clip.frames for clip in clips], self.statistics, num_rows=num_rows),
            **self._token_rows([self._texts[index][0] for index in indices], num_rows=num_rows),
            "signer": signer,
        }

    def fingerprint(self, *, seed: int, num_processes: int = 1) -> dict[str, Any]:
        """Returns what batches are made of, as JSON values that differ where batches would: also who signs."""
        printed = super().fingerprint(seed=seed, num_processes=num_processes)
        clips = printed["data"]["clips"]
        for key, note in zip(self._stored.keys, self._stored.notes, strict=True):
            if key in clips:
                clips[key]["signer"] = note["signer"]
        return printed

    def _train_batch(self, step: int, picks: Int64[np.ndarray, "batch"], rows: range, seed: int) -> Batch:
        del step, seed  # clips are not changed at random
        return self.batch([self._splits["train"][int(picks[row])] for row in rows], num_rows=len(rows))

    def _clip(self, index: int) -> SignClip:
        return _read_clip(self._stored, index, max_frames=self.settings.max_frames)
