"""A searchable gallery of videos: embeddings of their windows, with where each is."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from jaxmm.errors import DataError, brief
from jaxmm.index_file import check_made_by, check_shapes, read_index, write_index

_ARRAYS = ("embeddings", "places", "spans")
_FORMAT = "jaxmm-video-index-1"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoHit:
    """One video that was found.

    Attributes:
        name: The video, by its place below the folder that was indexed.
        start: Where what was found begins in it, in seconds.
        end: Where it ends.
        probability: How likely it shows what was searched for, 0 to 1.

    Example:
        >>> VideoHit(name="walks/a.mp4", start=2.0, end=6.0, probability=0.9).name
        'walks/a.mp4'
    """

    name: str
    start: float
    end: float
    probability: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class VideoIndex:
    """A gallery of videos, whose windows one checkpoint embedded.

    Attributes:
        embeddings: Of the windows, those of one video after another.
        places: Which video each is of, by its place among the names.
        spans: When each begins and ends in its video, in seconds.
        names: The videos, by their places below the folder that was indexed.
        seconds: How long a window lasts; one of a shorter video is as long as that.
        hop: Seconds from one window to the next.
        digest: SHA-256 of the parameters that made the embeddings.

    Raises:
        DataError: If there is no video.

    Example:
        >>> index = VideoIndex(embeddings=np.zeros((3, 2), np.float32), places=np.array([0, 0, 1]),
        ...                    spans=np.array([[0, 4], [2, 6], [0, 4]], np.float32), names=("a.mp4", "b.mp4"),
        ...                    seconds=4.0, hop=2.0, digest="")
        >>> [(hit.name, hit.start) for hit in index.best(np.array([0.1, 0.9, 0.5], np.float32), k=5)]
        [('a.mp4', 2.0), ('b.mp4', 0.0)]
    """

    embeddings: Float32[np.ndarray, "windows embedding"]
    places: Int64[np.ndarray, "windows"]
    spans: Float32[np.ndarray, "windows 2"]
    names: tuple[str, ...]
    seconds: float
    hop: float
    digest: str

    def __post_init__(self) -> None:
        if not self.names:
            raise DataError("the gallery is empty; index a folder of videos that can be read")

    def best(self, probabilities: Float32[np.ndarray, "windows"], *, k: int) -> tuple[VideoHit, ...]:
        """Returns the likeliest videos, the likeliest first, each by its best window; ties go to the first.

        Args:
            probabilities: Of each window, that it shows what is searched for.
            k: Most videos to return, >= 1.
        """
        order = np.argsort(-probabilities, kind="stable")
        _, first = np.unique(self.places[order], return_index=True)
        return tuple(self._hit(int(window), probabilities) for window in order[np.sort(first)[:k]])

    def _hit(self, window: int, probabilities: Float32[np.ndarray, "windows"]) -> VideoHit:
        start, end = self.spans[window].tolist()
        name = self.names[int(self.places[window])]
        return VideoHit(name=name, start=start, end=end, probability=float(probabilities[window]))

    def check_made_by(self, digest: str) -> None:
        """Refuses to be searched by another checkpoint than the one that made it.

        Raises:
            CheckpointError: If the digests differ.
        """
        check_made_by(self.digest, digest)

    def write(self, path: Path) -> None:
        """Writes a safetensors file that `read` gives back.

        Raises:
            DataError: If the file cannot be written.
        """
        values = {name: getattr(self, name) for name in ("names", "seconds", "hop", "digest")}
        write_index(path, {name: getattr(self, name) for name in _ARRAYS}, values, form=_FORMAT)

    @classmethod
    def read(cls, path: Path) -> "VideoIndex":
        """Opens what `write` wrote; the arrays are mapped from the file and read as they are used.

        Raises:
            DataError: If the file is missing or no index of videos.
        """
        arrays, text = read_index(path, _ARRAYS, form=_FORMAT)
        try:
            values = json.loads(text or "")
            names = tuple(values.pop("names"))
            _check_parts(arrays, names, values)
            return cls(**arrays, names=names, **values)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise DataError(
                f"{path}: is damaged ({brief(error, 200)}); make the index anew with jaxmm index"
            ) from error


def _check_parts(arrays: Mapping[str, np.ndarray], names: Sequence[Any], values: Mapping[str, Any]) -> None:
    """Raises a ValueError where the parts of a file do not fit together."""
    windows, dim = len(arrays["places"]), arrays["embeddings"].shape[-1:]
    expected = {
        "embeddings": (np.float32, (windows, *dim)),
        "places": (np.int64, (windows,)),
        "spans": (np.float32, (windows, 2)),
    }
    check_shapes(arrays, expected)
    if not np.array_equal(np.unique(arrays["places"]), np.arange(len(names))):
        raise ValueError("windows are of other videos than there are")
    if not all(np.isfinite(arrays[name]).all() for name in ("embeddings", "spans")):
        raise ValueError("a number is not finite")
    numbers = (values["seconds"], values["hop"])
    texts = (*names, values["digest"])
    if not all(isinstance(text, str) for text in texts) or not all(type(number) in (int, float) for number in numbers):
        raise ValueError("a value is of another type")
