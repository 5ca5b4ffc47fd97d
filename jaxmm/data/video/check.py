"""What is wrong with videos labelled with actions: every problem, file by file."""

import dataclasses
import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxmm.data.check import Findings, Report, first_of, read_on
from jaxmm.data.inventory import Inventory, Problem, Recording
from jaxmm.data.splits import FileSplit, HashSplit, Split, TagSplit
from jaxmm.data.video.cache import content_digest
from jaxmm.data.video.clip import ActionVideo, FrameView, MadeVideo
from jaxmm.data.video.copies import AlteredVideo
from jaxmm.data.video.info import VideoInfo
from jaxmm.data.video.reader import VideoReader
from jaxmm.data.video.sources import ActionSource
from jaxmm.errors import DataError

_GROUP = "group"
_SMALL = FrameView(fps=None, frame_size=32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScannedVideo:
    """A video that was decoded to its end.

    Attributes:
        key: Name within its source.
        label: Label of its class.
        tags: What else is known.
        num_frames: Number of frames.
        fps: Frames per second.
        content: What tells its content from others: a digest, and the times of a stretch.

    Example:
        >>> ScannedVideo(key="a.mp4", label="jump", tags={}, num_frames=50, fps=25.0, content="e3b0c442").num_frames
        50
    """

    key: str
    label: str
    tags: Mapping[str, str]
    num_frames: int
    fps: float
    content: str


def check_videos(
    source: ActionSource,
    root: Path | None,
    *,
    split: HashSplit | FileSplit | TagSplit | None = None,
    time_limit_s: float = 60.0,
) -> Report:
    """Decodes all videos of a source to their ends, and goes on where something is wrong.

    Args:
        source: The source.
        root: Folder of the source's files; None for the procedural source.
        split: How videos are assigned, to find the same one in two splits; None compares without.
        time_limit_s: Longest time that a file may take, in seconds.

    Raises:
        DataError: If `root` is no folder.
        MissingExtraError: If the extra `video` is needed and not installed.

    Example:
        >>> import tempfile
        >>> from jaxmm.data.video.sources import ClassFolders
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "jump").mkdir()
        >>> (root / "jump" / "a.mp4").touch()
        >>> check_videos(ClassFolders(), root).problems[0].message
        '.../jump/a.mp4: is damaged, or no video; copy or encode it anew, or drop it'
    """
    inventory = source.inventory(root)
    findings = VideoFindings()
    with VideoReader(time_limit_s=time_limit_s) as reader:
        scan = functools.cache(lambda path: (reader.scan(path), content_digest(path)))

        def scanned(recording: Recording[ActionVideo]) -> Recording[ScannedVideo]:
            return Recording(key=recording.key, read=lambda: (_scanned(video, scan) for video in recording.read()))

        readable = Inventory(recordings=tuple(map(scanned, inventory.recordings)), problems=inventory.problems)
        report = read_on(readable, findings, split=split)
    return Report(counts=report.counts, problems=(*report.problems, *findings.summary(split)))


def _scanned(video: ActionVideo, scan: Callable[[Path], tuple[VideoInfo, str]]) -> ScannedVideo:
    """Decodes a video.

    Raises:
        DataError: If it cannot be decoded, or ends before its stretch does.
    """
    if isinstance(video, MadeVideo):
        frames = video.frames(None, _SMALL)
        num_frames, fps, content = len(frames.pixels), frames.fps, hashlib.sha256(frames.pixels.tobytes()).hexdigest()
    else:
        info, content = scan(video.path)
        end = info.seconds if video.end is None else video.end
        if info.seconds < video.start or info.seconds < end - 1:
            raise DataError(
                f"{video.path}: lasts {info.seconds:.1f} s, but {video.key} is said to be from {video.start:g} s to "
                f"{end:g} s; correct its times"
            )
        num_frames, fps = info.num_frames, info.fps
        if video.start or video.end is not None:
            num_frames, content = round((end - video.start) * fps), f"{content} {video.start} {video.end}"
        if isinstance(video, AlteredVideo):
            content += f" {video.alteration}"
    return ScannedVideo(
        key=video.key, label=video.label, tags=video.tags, num_frames=num_frames, fps=fps, content=content
    )


class VideoFindings(Findings[ScannedVideo]):
    """What has been read of labelled videos."""

    noun = "videos"

    def __init__(self) -> None:
        super().__init__()
        self._labels: dict[str, str] = {}

    def counts(self) -> dict[str, float]:
        """Returns the numbers of what was read."""
        return {**super().counts(), "classes": len(set(self._labels.values()))}

    def summary(self, split: HashSplit | FileSplit | TagSplit | None) -> Iterator[Problem]:
        """Yields what is wrong with the classes and the groups of all videos together."""
        try:
            assigned = {} if split is None or not self._tags else split.assign(self._tags)
        except DataError:  # which is a problem already
            return
        trained = Counter(self._labels[key] for key, own in assigned.items() if own == "train")
        untrained = [label for label in dict.fromkeys(self._labels.values()) if assigned and not trained[label]]
        if untrained:
            message = f"{first_of(untrained)}: no video of {len(untrained)} classes is one of training; add some"
            yield Problem(kind="labels", message=message)
        groups: dict[str, dict[Split, str]] = {}
        for key, own in assigned.items():
            if _GROUP in self._tags[key]:
                groups.setdefault(f"{self._labels[key]} {self._tags[key][_GROUP]}", {}).setdefault(own, key)
        for parts in groups.values():
            if len(parts) > 1:
                names = first_of(list(parts.values()))
                message = f"{names}: one group is in {' and '.join(sorted(parts))}; keep it in one"
                yield Problem(kind="leakage", message=message)

    def _content(self, clip: ScannedVideo) -> Float32[np.ndarray, "32"]:
        return np.frombuffer(hashlib.sha256(clip.content.encode()).digest(), np.uint8).astype(np.float32)

    def _suspicions(self, clip: ScannedVideo) -> Iterator[Problem]:
        self._labels[clip.key] = clip.label
        return iter(())
