"""A collection of labelled videos, rendered from real motion: which are made, how they are split, and their list."""

import csv
import dataclasses
import hashlib
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from jaxmm.data.inventory import Inventory
from jaxmm.data.motion import Motion, at_times
from jaxmm.data.splits import HashSplit, Split
from jaxmm.errors import ConfigError, DataError, reason
from jaxmm.files import write_text
from jaxmm.rendering.actions import BANDAI, Action, Actions, Span, spans
from jaxmm.rendering.film import ORIGIN, write_mp4
from jaxmm.rendering.scene import Scene

LIST, README = "videos.csv", "README.md"
"""Files of a collection."""

HeldOut: TypeAlias = Literal["", "take", "style"]
"""What training has not seen with a label: nothing, the recording alone, or the style."""

_SHORTEST = 0.4  # seconds
_LONGEST_NAME = 80  # bytes, so that no folder or file has a name too long


@dataclasses.dataclass(frozen=True, kw_only=True)
class Video:
    """A video of a collection, and a row of its list.

    Attributes:
        path: Of the file below the folder.
        label: What is seen.
        split: `train`, `val` or `test`.
        held_out: What training has not seen with this label: the `style`, or the `take` alone; empty in training.
        group: What is never divided between splits: the recording.
        style: How or by whom it is done.
        take: The recording.
        start: First second of the recording that is shown.
        end: Second after the last.
        reversed: 1 where it runs backwards, and the label says what is seen then.
        variant: Number of the scene among those of the same seconds.
        origin: How it was made.

    Example:
        >>> Video(path="bow/a_0_0.mp4", label="bow", split="test", held_out="take", group="a", style="", take="a",
        ...       start=0.0, end=2.0, reversed=0, variant=0).origin
        'rendered from real motion'
    """

    path: str
    label: str
    split: Split
    held_out: HeldOut
    group: str
    style: str
    take: str
    start: float
    end: float
    reversed: int
    variant: int
    origin: str = ORIGIN


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rendering:
    """How a collection is made of recordings.

    Attributes:
        actions: What the recordings show: `bandai` for the Bandai-Namco-Research dataset; `captions` takes a recording
            whole as what its first caption says, or its busiest seconds.
        size: Edge of the pictures in pixels, even.
        fps: Frames a second.
        seconds: Longest video.
        facing: Largest angle from where a figure faces at first to the camera, in degrees.
        train: Videos a label to train with, at most.
        val: To validate with.
        test: To test with; half of them of held-out styles, if there are any.
        variants: Scenes of the same seconds, at most.
        split: Which recordings are held out among those of the other styles; of an action and style with one recording
            alone, that stays in training.
        seed: Of all scenes.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> Rendering(size=63)
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: rendering: size is 63; give an even number of pixels from 16 to 1024
    """

    actions: Literal["bandai", "captions"] = "captions"
    size: int = 128
    fps: float = 15.0
    seconds: float = 4.0
    facing: float = 60.0
    train: int = 80
    val: int = 16
    test: int = 40
    variants: int = 8
    split: HashSplit = dataclasses.field(default_factory=lambda: HashSplit(test=(0,), val=(1,)))
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size % 2 or not 16 <= self.size <= 1024:
            raise ConfigError(f"rendering: size is {self.size}; give an even number of pixels from 16 to 1024")
        if not (0 < self.fps <= 120 and _SHORTEST <= self.seconds <= 600):
            raise ConfigError(
                f"rendering: fps is {self.fps} and seconds {self.seconds}; give up to 120 frames a second, and "
                f"{_SHORTEST} to 600 seconds"
            )
        if min(self.train, self.val, self.test) < 0 or self.variants < 1:
            raise ConfigError("rendering: train, val and test are numbers of videos, and variants at least 1")

    def render(self, motions: Inventory[Motion], out: Path) -> Iterator[Video]:
        """Renders a collection, and writes its list once all videos are there.

        Args:
            motions: The recordings; they are read twice.
            out: Folder to write: a folder of videos a label, `videos.csv` and `README.md`.

        Yields:
            Every video once it is written; the same videos, to the bit of their frames, for the same settings.

        Raises:
            DataError: If there is a list already, no recording shows an action, or a file cannot be written.
            MissingExtraError: If the extra `video` is not installed.
        """
        if (out / LIST).exists():
            raise DataError(f"{out / LIST}: is there already; choose another folder")
        videos = self.plan(motions.items())
        of_take: dict[str, list[Video]] = defaultdict(list)
        for video in videos:
            of_take[video.take].append(video)
        for motion in motions.items():
            for video in of_take[motion.key]:
                write_mp4(out / video.path, self.frames(motion, video), fps=self.fps)
                yield video
        _write_list(out, videos)

    def plan(self, motions: Iterable[Motion]) -> list[Video]:
        """Returns the videos that are made of recordings.

        Raises:
            DataError: If none shows an action.
        """
        known = BANDAI if self.actions == "bandai" else None
        takes: dict[str, tuple[str, str]] = {}
        cuts: list[_Cut] = []
        for motion in motions:
            content, style = (
                (motion.tags.get(tag, "") for tag in (known.content_tag, known.style_tag)) if known else ("", "")
            )
            takes[motion.key] = content, style
            cuts += (
                _Cut(action=action, take=motion.key, style=style, span=span, fps=motion.fps)
                for action in _actions_of(motion, known)
                for span in spans(motion, action.cut, seconds=self.seconds)
                if span[1] - span[0] >= _SHORTEST * motion.fps
            )
        if not cuts:
            raise DataError(f"no recording shows an action of '{self.actions}'; choose other actions or recordings")
        return self._choose(cuts, self._splits(takes, known))

    def frames(self, motion: Motion, video: Video) -> Iterator[np.ndarray]:
        """Yields the pictures of a video that was planned of this recording."""
        count = max(1, round((video.end - video.start) * self.fps))
        times = video.start * motion.fps + np.arange(count) * (motion.fps / self.fps)
        positions = at_times(motion.positions, times)
        if video.reversed:
            positions = positions[::-1].copy()
        rng = np.random.default_rng([self.seed, *video.path.encode()])
        scene = Scene.drawn(rng, facing=self.facing)
        return scene.frames(dataclasses.replace(motion, positions=positions, fps=self.fps), size=self.size)

    def _splits(self, takes: Mapping[str, tuple[str, str]], known: Actions | None) -> dict[str, Split]:
        """Returns the split of every recording, told by its content and style."""
        splits = self.split.assign({key: {} for key in takes})
        alone = Counter(takes.values())
        for key, kind in takes.items():
            if known and kind[1] in known.test_styles:
                splits[key] = "test"
            elif known and kind[1] in known.val_styles:
                splits[key] = "val"
            elif known and alone[kind] == 1:
                splits[key] = "train"
        return splits

    def _choose(self, cuts: Sequence["_Cut"], splits: Mapping[str, Split]) -> list[Video]:
        """Returns as many videos of each label and split as are wanted."""
        by_label: dict[str, list[_Cut]] = defaultdict(list)
        for cut in cuts:
            by_label[cut.action.label].append(cut)
        videos: list[Video] = []
        for label in sorted(by_label):
            own = by_label[label]
            seen = {cut.style for cut in own if splits[cut.take] == "train"}
            cells: dict[tuple[Split, HeldOut], list[_Cut]] = defaultdict(list)
            for cut in own:
                split, other = splits[cut.take], "take" if cut.style in seen else "style"
                cells[split, "" if split == "train" else other].append(cut)
            for (split, held_out), members in sorted(cells.items()):
                wanted = {"train": self.train, "val": self.val, "test": self.test}[split]
                kinds = sum(other == split for other, _ in cells)
                chosen = _in_turn(members)
                for place in range(min(wanted // kinds, self.variants * len(chosen))):
                    variant, number = divmod(place, len(chosen))
                    videos.append(chosen[number].video(split, held_out, variant))
        path, count = Counter(video.path for video in videos).most_common(1)[0]
        if count > 1:
            raise DataError(f"{path}: recordings whose keys differ by signs alone would write one file; rename one")
        return videos


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Cut:
    """Frames of a recording in which an action is seen."""

    action: Action
    take: str
    style: str
    span: Span
    fps: float

    def video(self, split: Split, held_out: HeldOut, variant: int) -> Video:
        folder, name = map(_file_name, (self.action.label, self.take))
        return Video(
            path=f"{folder}/{name}_{self.span[0]}_{variant}.mp4",
            label=self.action.label,
            split=split,
            held_out=held_out,
            group=self.take,
            style=self.style,
            take=self.take,
            start=round(self.span[0] / self.fps, 3),
            end=round(self.span[1] / self.fps, 3),
            reversed=int(self.action.reversed),
            variant=variant,
        )


def _file_name(text: str) -> str:
    return re.sub(r"[^\w-]+", "_", text).encode()[:_LONGEST_NAME].decode(errors="ignore")


def _actions_of(motion: Motion, known: Actions | None) -> list[Action]:
    if known is None:
        return [Action(content="", label=motion.captions[0], cut="busiest")]
    return [action for action in known.actions if action.content == motion.tags.get(known.content_tag)]


def _in_turn(cuts: Sequence[_Cut]) -> list[_Cut]:
    """Returns the cuts in an order of which any beginning has all styles alike, and few from one recording.

    What runs backwards comes last: it is seen where recordings do not show enough of an action.
    """
    styles = {cut.take: cut.style for cut in cuts}
    places, ranks, numbers = {}, Counter[str](), Counter[str]()
    for take in sorted(styles, key=lambda key: hashlib.md5(key.encode(), usedforsecurity=False).digest()):
        places[take] = ranks[styles[take]]
        ranks[styles[take]] += 1
    turns = []
    for cut in cuts:
        turns.append((cut.action.reversed, numbers[cut.take], places[cut.take], cut.style))
        numbers[cut.take] += 1
    return [cuts[number] for number in sorted(range(len(cuts)), key=turns.__getitem__)]


def _write_list(out: Path, videos: Sequence[Video]) -> None:
    counts = Counter((video.split, video.held_out) for video in videos)
    lines = [
        f"- {split}{f', held out by {held_out}' if held_out else ''}: {count}"
        for (split, held_out), count in sorted(counts.items())
    ]
    labels = ", ".join(sorted({video.label for video in videos}))
    readme = (
        f"# Videos {ORIGIN}\n\nFigures that move as people moved in recordings of motion; no camera filmed them. "
        f"What may be done with the recordings may be done with these.\n\n{LIST} lists them; `reversed` is 1 where a "
        "recording runs backwards and the label says what is seen then, and `held_out` says what training has not seen "
        f"with the label.\n\nLabels: {labels}.\n\n" + "\n".join(lines) + "\n"
    )
    table = io.StringIO()
    writer = csv.DictWriter(table, [field.name for field in dataclasses.fields(Video)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(video) for video in videos)
    try:
        write_text(out / README, readme)
        write_text(out / LIST, table.getvalue())
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({reason(error)}); choose another folder") from error
