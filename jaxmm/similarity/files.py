"""How alike video files are, galleries of them, and what is found there."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from jaxmm.data.similar_videos import SimilarVideos
from jaxmm.data.video.copies import CopiedVideos
from jaxmm.data.video.named import named_videos, read_named
from jaxmm.data.video.reader import VideoReader
from jaxmm.data.video.windows import Windows
from jaxmm.errors import ConfigError, DataError
from jaxmm.model import Model
from jaxmm.similarity.index import VideoHit, VideoIndex


@dataclasses.dataclass(frozen=True, kw_only=True)
class Likeness:
    """Two files, and how alike they are.

    Attributes:
        a: One file.
        b: The other.
        probability: How likely they belong together, 0 to 1.

    Example:
        >>> Likeness(a=Path("a.mp4"), b=Path("b.mp4"), probability=0.9).probability
        0.9
    """

    a: Path
    b: Path
    probability: float


def similar_files(models: Sequence[Model], paths: Sequence[Path]) -> list[Likeness]:
    """Compares every file with every other, each as a whole.

    Args:
        models: A run that compares videos, or several whose probabilities are averaged.
        paths: Videos or pictures, and folders of them; two files or more.

    Returns:
        All pairs, in order.

    Raises:
        ConfigError: If a run is of another system, or there are fewer than two files.
        DataError: If a file cannot be read.
        MissingExtraError: If the extra `video` is not installed.

    Example:
        >>> import jaxmm
        >>> similar_files([jaxmm.load("no/such/run")], [Path("a.mp4"), Path("b.mp4")])
        Traceback (most recent call last):
        jaxmm.errors.CheckpointError: no/such/run: is not a run; give the folder that jaxmm train wrote
    """
    files = list(named_videos(paths))
    if len(files) < 2:
        raise ConfigError("one video has no other to be compared with; name two or more, or a folder of them")
    pairs = np.array(list(itertools.combinations(range(len(files)), 2)))
    found = []
    for model in models:
        embeddings = np.stack(list(model.similarity(model.params, model.collections, _frames(model, files))))
        found.append(model.similarity.compare(model.params, embeddings, pairs))
    return [
        Likeness(a=files[a], b=files[b], probability=float(probability))
        for (a, b), probability in zip(pairs, np.mean(found, axis=0), strict=True)
    ]


def index_files(
    model: Model,
    folder: Path,
    *,
    seconds: float | None = None,
    hop: float | None = None,
    report: Callable[[DataError], None],
) -> VideoIndex:
    """Embeds overlapping windows of all videos of a folder as a gallery to search.

    Args:
        model: A run that compares videos.
        folder: The videos, at any depth.
        seconds: How long a window lasts; by default as long as what the run learnt of, see `usual_seconds`.
        hop: Seconds from one window to the next; by default half of a window.
        report: Is told why a file cannot be read, which is left out.

    Raises:
        ConfigError: If the run is of another system, or a number is out of its range.
        DataError: If there is no file that can be read.
        MissingExtraError: If the extra `video` is not installed.

    Example:
        >>> import jaxmm
        >>> index_files(jaxmm.load("no/such/run"), Path("videos"), report=print)
        Traceback (most recent call last):
        jaxmm.errors.CheckpointError: no/such/run: is not a run; give the folder that jaxmm train wrote
    """
    files = named_videos([folder])
    seconds = usual_seconds(model) if seconds is None else seconds
    windows = Windows(seconds=seconds, hop=seconds / 2 if hop is None else hop)
    data = model.similarity.data
    names, embeddings, places, spans = [], [], [], []
    with data.reader(time_limit_s=data.time_limit_s) as reader:
        for path, name in files.items():
            try:
                own, where = _embedded(model, path, reader, windows)
            except DataError as error:
                report(error)
                continue
            embeddings.append(own)
            spans.append(where)
            places += [len(names)] * len(own)
            names.append(name.as_posix())
    if not names:
        raise DataError(f"{folder}: none of {len(files)} videos can be read, so there is nothing to search")
    return VideoIndex(
        embeddings=np.concatenate(embeddings),
        places=np.array(places, np.int64),
        spans=np.concatenate(spans),
        names=tuple(names),
        seconds=windows.seconds,
        hop=windows.hop,
        digest=model.digest,
    )


def search_files(
    model: Model, paths: Sequence[Path], index: VideoIndex, *, k: int = 5
) -> Iterator[tuple[Path, tuple[VideoHit, ...] | DataError]]:
    """Yields which videos of a gallery show what each file shows; of one that cannot be read, why.

    A file is cut into windows as those of the gallery were, and the one that fits best counts.

    Args:
        model: The run that made the gallery.
        paths: Videos or pictures, and folders of them.
        index: The gallery.
        k: Most videos to find for each, >= 1.

    Raises:
        CheckpointError: If another checkpoint made the index.
        ConfigError: If the run is of another system, or `k` is below 1.
        DataError: If a path is neither a file nor a folder, or a folder holds no file.
        MissingExtraError: If the extra `video` is not installed.

    Example:
        >>> import jaxmm
        >>> list(search_files(jaxmm.load("no/such/run"), [Path("a.mp4")], jaxmm.VideoIndex.read(Path("g"))))
        Traceback (most recent call last):
        jaxmm.errors.CheckpointError: no/such/run: is not a run; give the folder that jaxmm train wrote
    """
    if k < 1:
        raise ConfigError(f"-k is {k}; ask for 1 answer or more")
    index.check_made_by(model.digest)
    data, windows = model.similarity.data, Windows(seconds=index.seconds, hop=index.hop)
    with data.reader(time_limit_s=data.time_limit_s) as reader:
        for path in named_videos(paths):
            try:
                clips = (window.frames for window in windows.read(path, reader, data))
                yield path, model.search(clips, index, k=k)
            except DataError as error:
                yield path, error


def usual_seconds(model: Model) -> float:
    """Returns how long the videos last that a run learnt of: as its excerpts do, or as the median of its videos does.

    Raises:
        ConfigError: If the run is of another system.
        DataError: If this cannot be known without its data, and these cannot be read.
    """
    data: SimilarVideos = model.similarity.data
    if isinstance(data.source, CopiedVideos):
        return data.source.seconds
    try:
        lengths = [len(clip.frames) / clip.fps for clip in model.open_similar().clips("train")]
    except DataError as error:
        raise DataError(f"how long the run's videos last is not known ({error}); give --window SECONDS") from error
    return float(np.median(lengths))


def _frames(model: Model, files: Sequence[Path]) -> Iterator[UInt8[np.ndarray, "_time size size 3"]]:
    """Yields what a run keeps of files, and raises why one cannot be read."""
    for _, frames in read_named(files, model.similarity.data):
        if isinstance(frames, DataError):
            raise frames
        yield frames.pixels


def _embedded(
    model: Model, path: Path, reader: VideoReader, windows: Windows
) -> tuple[Float32[np.ndarray, "windows embedding"], Float32[np.ndarray, "windows 2"]]:
    """Returns the embeddings of the windows of a file, and when each begins and ends."""
    spans = []

    def clips() -> Iterator[UInt8[np.ndarray, "_time size size 3"]]:
        for window in windows.read(path, reader, model.similarity.data):
            spans.append((window.start, window.end))
            yield window.frames

    embeddings = list(model.similarity(model.params, model.collections, clips()))
    return np.stack(embeddings), np.array(spans, np.float32)
