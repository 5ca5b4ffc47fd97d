"""Altered copies of real videos, made as they are read, for verification and search of near-duplicates."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from jaxmm.data.inventory import Inventory, Problem, Recording, existing_folder
from jaxmm.data.procedural.chance import stable_hash, take_generator
from jaxmm.data.segmentation.vocabulary import Vocabulary, checked_label
from jaxmm.data.splits import Split
from jaxmm.data.video.alterations import ALTERATION_KINDS, Alteration, AlterationKind, fitted
from jaxmm.data.video.clip import ActionVideo, FrameView, VideoFile
from jaxmm.data.video.info import VIDEO_ENDINGS
from jaxmm.data.video.listing import is_text, outside, unnamable
from jaxmm.data.video.lists import label_of
from jaxmm.data.video.reader import Frames, VideoReader
from jaxmm.errors import ConfigError, DataError

ORIGINAL = "original"
"""The kind of an excerpt that nothing is done to."""

_SPLITS: tuple[Split, ...] = get_args(Split)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlteredVideo(VideoFile):
    """A stretch of a file, altered as it is read; the whole picture is, before its centre is cut out.

    Attributes:
        alteration: What is done to it.
        others: The stretch of another file whose frames a spliced copy shows too; None for other kinds.

    Example:
        >>> faster = Alteration(kind="retimed", speed=2.0)
        >>> AlteredVideo(key="a/faster", path=Path("a.mp4"), label="a", alteration=faster, end=4.0).others
    """

    alteration: Alteration
    others: VideoFile | None = None

    def frames(self, reader: VideoReader, view: FrameView) -> Frames:
        """Reads and alters what is kept of it; arguments and errors are those of `VideoFile.frames`.

        Raises:
            ConfigError: If it is to be spliced without others, or cannot be encoded anew.
            DataError: If a file cannot be read.
            MissingExtraError: If the extra `video` is not installed.
        """

        def read(file: VideoFile) -> Frames:
            return reader.read_clip(
                file.path, fps=view.fps, start=file.start, end=file.end, max_frames=view.max_frames, square=False
            )

        own = read(self)
        altered = self.alteration(own.pixels, None if self.others is None else read(self.others).pixels)
        kept = altered[: view.max_frames]
        cut = own.cut or len(kept) < len(altered)
        return Frames(pixels=fitted(kept, view.frame_size, view.frame_size), fps=own.fps, cut=cut)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Film:
    """A video that excerpts are taken of."""

    name: str
    path: Path
    split: Split


@dataclasses.dataclass(frozen=True, kw_only=True)
class CopiedVideos:
    """Excerpts of the videos of a folder, each with altered copies, which are made as they are read.

    The label of a clip is its excerpt: clips of one label show the same. Its tags say the same and more: `excerpt`;
    `source`, the video that it is of, and `group`, which is the same; `kind`, that of the alteration or `original`;
    `start` and `end` of the excerpt in the video, in seconds; `split`, which no two clips of one video differ in; and
    `others`, the video that a spliced one shows too, which is of the same split. What a clip is depends on its name,
    the seed and the files of its split alone. `jaxmm.data.video.copied_pairs` makes pairs of them.

    Attributes:
        videos: Folder of the videos, which may lie at any depth: one of the root, or another where it is absolute.
        seed: Seed of the excerpts, their alterations and the splits, >= 0.
        seconds: How long an excerpt lasts, in seconds, > 0; a video that is shorter is one excerpt.
        stride: Seconds from the beginning of one excerpt to that of the next at least, > 0; those of less than
            `seconds` overlap.
        max_excerpts: Most excerpts of a video, >= 1, spread over all of it.
        copies: Altered copies of an excerpt, >= 1, of as many kinds as there are.
        kinds: Kinds of alterations.
        num_val: Videos for validation, >= 0.
        num_test: Videos for testing, >= 0.

    Raises:
        ConfigError: If a number is out of its range, or there is no such kind.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in "abc":
        ...     (root / f"{name}.mp4").touch()
        >>> source = CopiedVideos(num_val=1, num_test=1, kinds=("cropped", "logo"))
        >>> [recording.key for recording in source.inventory(root).recordings]
        ['a.mp4', 'b.mp4', 'c.mp4']

    Reference: copies as in Self-Supervised Video Similarity Learning, arXiv:2304.03378.
    """

    videos: str = "."
    seed: int = 0
    seconds: float = 4.0
    stride: float = 4.0
    max_excerpts: int = 64
    copies: int = 4
    kinds: tuple[AlterationKind, ...] = tuple(kind for kind in ALTERATION_KINDS if kind != "mirrored")
    num_val: int = 2
    num_test: int = 2

    def __post_init__(self) -> None:
        for name in ("seconds", "stride"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"data.source.{name} is {getattr(self, name)}; give seconds, above zero")
        for name in ("max_excerpts", "copies"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.source.{name} is {getattr(self, name)}; give 1 or more")
        for name in ("seed", "num_val", "num_test"):
            if getattr(self, name) < 0:
                raise ConfigError(f"data.source.{name} is {getattr(self, name)}; give a number from 0 on")
        if not self.kinds or len(set(self.kinds)) < len(self.kinds) or not set(self.kinds) <= set(ALTERATION_KINDS):
            raise ConfigError(
                f"data.source.kinds is {self.kinds}; choose one or more, each once, of {', '.join(ALTERATION_KINDS)}"
            )

    def inventory(self, root: Path | None) -> Inventory[ActionVideo]:
        """Lists the videos, each as one recording of all clips that are made of it.

        Raises:
            DataError: If `root` is missing or not a folder.
        """
        films, problems = self._films(root)
        mates = {split: [film for film in films if film.split == split] for split in _SPLITS}
        length = self._lengths()

        def recording(film: _Film) -> Recording[ActionVideo]:
            return Recording(key=film.name, read=lambda: self._clips(film, mates[film.split], length))

        return Inventory(recordings=tuple(map(recording, films)), problems=tuple(problems))

    def vocabulary(self, root: Path | None) -> Vocabulary:
        """Returns the excerpts, in the order of the videos' names.

        Raises:
            DataError: If there is none, or a name cannot be a label.
        """
        films, problems = self._films(root)
        if problems:
            raise DataError(problems[0].message)
        length = self._lengths()
        labels = [_excerpt(film, number) for film in films for number in range(len(self._starts(film, length)))]
        return Vocabulary.of(labels)

    def outside(self, root: Path | None) -> tuple[Path, ...]:
        """Returns the folder of the videos where it is not below the root."""
        return outside(root, (self.videos,))

    def _films(self, root: Path | None) -> tuple[list[_Film], list[Problem]]:
        """Returns the videos by their names, and what is wrong with them together."""
        folder = existing_folder(root, "videos") / self.videos
        paths = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in VIDEO_ENDINGS and not path.name.startswith(".")
        }
        problems = list(unnamable(paths))
        paths = {name: path for name, path in paths.items() if is_text(name)}
        order = sorted(paths, key=lambda name: stable_hash(f"{self.seed}:{name}"))
        splits: dict[str, Split] = dict.fromkeys(order, "train")
        splits |= dict.fromkeys(order[: self.num_test], "test")
        splits |= dict.fromkeys(order[self.num_test : self.num_test + self.num_val], "val")
        films = [_Film(name=name, path=path, split=splits[name]) for name, path in paths.items()]
        return films, problems + [Problem(kind="lists", message=f"{folder}: {own}") for own in self._wrong(films)]

    def _wrong(self, films: Sequence[_Film]) -> Iterator[str]:
        """Yields why there are too few videos, or which ones labels would not tell apart."""
        if not films:
            yield "holds no video; add some"
        elif len(films) <= self.num_val + self.num_test:
            yield (
                f"holds {len(films)} videos, of which {self.num_val} + {self.num_test} are to be held out; lower "
                "data.source.num_val or data.source.num_test, or add videos"
            )
        named: dict[str, str] = {}
        for film in films:
            if (first := named.setdefault(label_of(film.name), film.name)) != film.name:
                yield f"{first!r} and {film.name!r} are the same but for spaces, which labels do not have; rename one"
        counts = [sum(film.split == split for film in films) for split in _SPLITS]
        if "spliced" in self.kinds and 1 in counts:
            yield (
                f"one split ({_SPLITS[counts.index(1)]}) has a single video, which cannot be spliced with others of "
                "it; leave 'spliced' out of data.source.kinds, or give each split two videos or none"
            )

    def _lengths(self) -> Callable[[Path], float]:
        """Returns what tells how long a file lasts, in seconds."""
        reader = VideoReader()

        @functools.cache
        def length(path: Path) -> float:
            try:
                return reader.info(path).seconds
            except DataError:  # it is listed, so that whoever reads its clips says why, or leaves them out
                return self.seconds

        return length

    def _starts(self, film: _Film, length: Callable[[Path], float]) -> list[float]:
        """Returns where excerpts begin: as many as fit, somewhere in the video, or spread over all of it."""
        spare = max(0.0, length(film.path) - self.seconds)
        count = min(self.max_excerpts, math.floor(spare / self.stride) + 1)
        step = max(self.stride, spare / count)
        shift = take_generator(film.name, seed=self.seed, take=0).random() * (spare - (count - 1) * step)
        return [shift + number * step for number in range(count)]

    def _clips(self, film: _Film, mates: Sequence[_Film], length: Callable[[Path], float]) -> Iterator[ActionVideo]:
        """Yields the excerpts of a video, and after each its copies."""
        for number, start in enumerate(self._starts(film, length)):
            excerpt, end = _excerpt(film, number), min(start + self.seconds, length(film.path))
            tags = {"split": film.split, "group": film.name, "source": film.name, "excerpt": excerpt}
            tags |= {"kind": ORIGINAL, "start": f"{start:.3f}", "end": f"{end:.3f}"}
            original = VideoFile(
                key=f"{excerpt}/{ORIGINAL}", path=film.path, label=excerpt, tags=tags, start=start, end=end
            )
            yield original
            kinds = take_generator(excerpt, seed=self.seed, take=0).permutation(self.kinds).tolist()
            for copy in range(self.copies):
                rng = take_generator(excerpt, seed=self.seed, take=1 + copy)
                yield self._copy(original, copy, kinds[copy % len(kinds)], rng, mates, length)

    def _copy(
        self,
        original: VideoFile,
        number: int,
        kind: AlterationKind,
        rng: np.random.Generator,
        mates: Sequence[_Film],
        length: Callable[[Path], float],
    ) -> AlteredVideo:
        alteration, others, tags = Alteration.drawn(rng, kind=kind), None, {**original.tags, "kind": kind}
        if alteration.splice is not None:
            strangers = [film for film in mates if film.path != original.path]
            film = strangers[rng.integers(len(strangers))]
            start = rng.random() * max(0.0, length(film.path) - self.seconds)
            others = VideoFile(
                key=film.name, path=film.path, label=original.label, start=start, end=start + self.seconds
            )
            tags["others"] = film.name
        return AlteredVideo(
            key=f"{original.label}/{number}-{kind}",
            path=original.path,
            label=original.label,
            tags=tags,
            start=original.start,
            end=original.end,
            alteration=alteration,
            others=others,
        )


def _excerpt(film: _Film, number: int) -> str:
    return checked_label(label_of(f"{film.name}#{number:03d}"), film.name)
