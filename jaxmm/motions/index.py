"""A searchable gallery: embeddings of motions and captions, with what is needed to show them."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float16, Float32, Int64

from jaxmm.data.motion import Skeleton
from jaxmm.errors import DataError, brief
from jaxmm.index_file import check_made_by, check_shapes, read_index, write_index
from jaxmm.search import Search, SearchKind, make_search

_ARRAYS = ("motion", "text", "relevant", "frames", "offsets")
_FORMAT = "jaxmm-index-1"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hit:
    """One answer to a query.

    Attributes:
        place: Index of the motion or caption within the gallery.
        name: Key of the motion, or the caption.
        score: Cosine similarity, -1 to 1.
        captions: Captions of the motion; empty where the answer is a caption itself.

    Example:
        >>> Hit(place=0, name="walk_01", score=0.9, captions=("a person walks",)).name
        'walk_01'
    """

    place: int
    name: str
    score: float
    captions: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Index:
    """A gallery embedded by one checkpoint (D5).

    Attributes:
        motion: Unit-norm embeddings of the motions.
        text: Unit-norm embeddings of the distinct captions.
        relevant: True where a caption belongs to a motion.
        frames: World positions of all motions in metres, one after another.
        offsets: Motion i holds frames `offsets[i]` to `offsets[i + 1]`.
        keys: Name of each motion.
        captions: The distinct captions.
        split: Part of the data that the gallery is.
        fps: Frames per second.
        skeleton: Names and parents of the joints.
        digest: SHA-256 of the parameters that made the embeddings.
        search: How queries are answered: "exact", or "faiss", which is approximate and pays beyond 200,000 items.

    Raises:
        DataError: If the gallery is empty (D6).

    Example:
        >>> skeleton = Skeleton(joint_names=("Hips",), parents=(-1,))
        >>> index = Index(motion=np.eye(2, dtype=np.float32), text=np.eye(2, dtype=np.float32),
        ...     relevant=np.eye(2, dtype=bool), frames=np.zeros((5, 1, 3), np.float16), offsets=np.array([0, 3, 5]),
        ...     keys=("walk", "run"), captions=("a walk", "a run"), split="test", fps=20.0, skeleton=skeleton,
        ...     digest="")
        >>> index.find_motions(np.array([[0.2, 0.9]], np.float32), k=1)[0][0].name
        'run'
    """

    motion: Float32[np.ndarray, "motions dim"]
    text: Float32[np.ndarray, "captions dim"]
    relevant: Bool[np.ndarray, "motions captions"]
    frames: Float16[np.ndarray, "frames joints 3"]
    offsets: Int64[np.ndarray, "motions_plus_one"]
    keys: tuple[str, ...]
    captions: tuple[str, ...]
    split: str
    fps: float
    skeleton: Skeleton
    digest: str
    search: SearchKind = "exact"

    def __post_init__(self) -> None:
        if not self.keys or not self.captions:
            raise DataError("the gallery is empty; index a split that holds motions")

    def positions(self, place: int) -> Float32[np.ndarray, "time joints 3"]:
        """Returns the frames of a motion."""
        return self.frames[self.offsets[place] : self.offsets[place + 1]].astype(np.float32)

    def captions_of(self, place: int) -> tuple[str, ...]:
        """Returns the captions of a motion."""
        return tuple(self.captions[column] for column in np.flatnonzero(self.relevant[place]))

    def find_motions(self, queries: Float[np.ndarray, "queries dim"], *, k: int) -> list[tuple[Hit, ...]]:
        """Returns the `k` motions nearest to each query, best first; ties go to the lower place."""
        answers = _hits(self._motion_search, queries, self.keys, k)
        return [
            tuple(dataclasses.replace(hit, captions=self.captions_of(hit.place)) for hit in hits) for hits in answers
        ]

    def find_captions(self, queries: Float[np.ndarray, "queries dim"], *, k: int) -> list[tuple[Hit, ...]]:
        """Returns the `k` captions nearest to each query, best first; ties go to the lower place."""
        return _hits(self._text_search, queries, self.captions, k)

    @functools.cached_property
    def _motion_search(self) -> Search:
        return make_search(self.search, self.motion)

    @functools.cached_property
    def _text_search(self) -> Search:
        return make_search(self.search, self.text)

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
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in (*_ARRAYS, "skeleton", "search")
        }
        values["skeleton"] = dataclasses.asdict(self.skeleton)
        write_index(path, {name: getattr(self, name) for name in _ARRAYS}, values, form=_FORMAT)

    @classmethod
    def read(cls, path: Path) -> "Index":
        """Opens what `write` wrote; the arrays are mapped from the file and read as they are used.

        Raises:
            DataError: If the file is missing or no index.
        """
        arrays, text = read_index(path, _ARRAYS, form=_FORMAT)
        try:
            values = json.loads(text or "")
            skeleton = {name: tuple(own) for name, own in values.pop("skeleton").items()}
            names = {name: tuple(values.pop(name)) for name in ("keys", "captions")}
            _check_parts(arrays, names, values, skeleton)
            return cls(**arrays, **names, **values, skeleton=Skeleton(**skeleton))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise DataError(
                f"{path}: is damaged ({brief(error, 200)}); make the index anew with jaxmm index"
            ) from error


def _check_parts(
    arrays: Mapping[str, np.ndarray],
    names: Mapping[str, tuple[Any, ...]],
    values: Mapping[str, Any],
    skeleton: Mapping[str, tuple[Any, ...]],
) -> None:
    """Raises a ValueError where the parts of a file do not fit together."""
    num_motions, num_captions, num_joints = len(names["keys"]), len(names["captions"]), len(skeleton["joint_names"])
    dim, num_frames = arrays["motion"].shape[-1:], arrays["frames"].shape[:1]
    expected = {
        "motion": (np.float32, (num_motions, *dim)),
        "text": (np.float32, (num_captions, *dim)),
        "relevant": (np.bool_, (num_motions, num_captions)),
        "frames": (np.float16, (*num_frames, num_joints, 3)),
        "offsets": (np.int64, (num_motions + 1,)),
    }
    check_shapes(arrays, expected)
    offsets = arrays["offsets"]
    if (offsets[0], offsets[-1]) != (0, num_frames[0]) or (np.diff(offsets) < 1).any():
        raise ValueError("offsets do not divide the frames")
    texts = (*names["keys"], *names["captions"], *skeleton["joint_names"], values["split"], values["digest"])
    numbers = (values["fps"], *skeleton["parents"])
    if not all(isinstance(text, str) for text in texts) or not all(type(number) in (int, float) for number in numbers):
        raise ValueError("a value is of another type")


def _hits(
    search: Search, queries: Float[np.ndarray, "queries dim"], names: tuple[str, ...], k: int
) -> list[tuple[Hit, ...]]:
    places, values = search(queries, k)
    return [
        tuple(Hit(place=int(place), name=names[place], score=float(value)) for place, value in zip(*row, strict=True))
        for row in zip(places, values, strict=True)
    ]
