"""A search page: queries and the motions or sentences they retrieve, moving, in one offline HTML file."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from jaxmm.data.motion import Skeleton
from jaxmm.errors import DataError
from jaxmm.page.body import Body
from jaxmm.page.document import encode_positions, write_document

__all__ = ["Body", "Figure", "Query", "write_search_page"]

# Steps of one millimetre, of which 16 bits hold so many, keep the rounding error at half a millimetre.
_FURTHEST = np.iinfo(np.int16).max / 1000


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """One motion that a query can retrieve, or that is a query itself.

    Attributes:
        key: Name within the gallery.
        captions: True descriptions; may be empty.
        fps: Frames per second, > 0.
        positions: World positions in metres, y up; a figure at rest faces +z.

    Raises:
        DataError: If there is no frame, a value is not finite, or the rate is not above zero.

    Example:
        >>> Figure(key="still", captions=("a person stands",), fps=2.0, positions=np.zeros((4, 1, 3))).seconds
        2.0
    """

    key: str
    captions: tuple[str, ...]
    fps: float
    positions: Float[np.ndarray, "time joints 3"]

    def __post_init__(self) -> None:
        if not self.positions.size:
            raise DataError(f"{self.key}: positions have shape {self.positions.shape}; give at least one frame")
        if not np.isfinite(self.positions).all():
            frame = int(np.argwhere(~np.isfinite(self.positions))[0][0])
            raise DataError(f"{self.key}: frame {frame} holds a value that is not finite; repair or drop the motion")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise DataError(f"{self.key}: fps is {self.fps}; give a frame rate above zero")

    @property
    def seconds(self) -> float:
        """Duration, number of frames / fps."""
        return len(self.positions) / self.fps


@dataclasses.dataclass(frozen=True, kw_only=True)
class Query:
    """One query and what it retrieves: motions in `results`, sentences in `texts`.

    Attributes:
        text: The sentence, or a label such as `motion: walk_03` where the query is a motion.
        results: Index into the figures and score of each retrieved motion, best first.
        relevant: Figures that truly answer the query, shown or not; empty when unknown.
        texts: Each retrieved sentence and its score, best first.
        relevant_texts: Sentences that truly answer the query, shown or not; empty when unknown.
        figure: Index of the figure that is the query, `None` for a sentence.

    Raises:
        DataError: If nothing is retrieved or a score is not finite.

    Example:
        >>> Query(text="a person bows", results=((3, 0.8), (0, 0.4)), relevant=frozenset({0})).results[0]
        (3, 0.8)
    """

    text: str
    results: tuple[tuple[int, float], ...] = ()
    relevant: frozenset[int] = frozenset()
    texts: tuple[tuple[str, float], ...] = ()
    relevant_texts: frozenset[str] = frozenset()
    figure: int | None = None

    def __post_init__(self) -> None:
        if not self.results and not self.texts:
            raise DataError(f"query {self.text!r}: nothing is retrieved; give results or texts")
        if not np.isfinite([score for _, score in (*self.results, *self.texts)]).all():
            raise DataError(f"query {self.text!r}: a score is not finite; check the embeddings")

    def shown(self) -> frozenset[int]:
        """Returns the indices of the figures that the page draws for this query."""
        own = () if self.figure is None else (self.figure,)
        return frozenset((*own, *(index for index, _ in self.results)))


def write_search_page(
    path: str | os.PathLike[str],
    *,
    title: str,
    parents: Sequence[int],
    joint_names: Sequence[str],
    figures: Sequence[Figure],
    queries: Sequence[Query],
    facts: Mapping[str, str],
) -> None:
    """Writes one HTML file that shows what each query retrieves as moving figures; it needs no network.

    Only figures that some query shows are embedded, rounded to less than half a millimetre.
    A browser opens query `n`, counted from 0, at `page.html#q=n`.

    Args:
        path: File to write; its folder is created.
        title: Heading of the page.
        parents: Index of each joint's parent, -1 for the root, which comes first.
        joint_names: Distinct names; sides are told by `left`/`right` or an `l`/`r` affix.
        figures: The gallery that queries index into; every figure has the joints named above.
        queries: At least one.
        facts: What a reader must know about the run, such as gallery size and protocol, in order.

    Raises:
        DataError: If a query points beyond the figures, a figure does not fit the skeleton or
            travels too far for metres, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> still = Figure(key="still", captions=("a person stands",), fps=2.0, positions=np.zeros((4, 1, 3)))
        >>> query = Query(text="standing", results=((0, 0.9),), relevant=frozenset({0}))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = Path(folder) / "search.html"
        ...     write_search_page(page, title="Search", parents=(-1,), joint_names=("Hips",),
        ...                       figures=[still], queries=[query], facts={"gallery": "1 motion"})
        ...     page.read_text().startswith("<!doctype html>")
        True
    """
    if not queries:
        raise DataError("search page: there are no queries; give at least one")
    skeleton = Skeleton(joint_names=tuple(joint_names), parents=tuple(parents))
    last = len(figures) - 1
    for query in queries:
        for index in query.shown():
            if not 0 <= index <= last:
                raise DataError(f"query {query.text!r}: shows figure {index}; there are figures 0 to {last}")
    shown = sorted(frozenset().union(*(query.shown() for query in queries)))
    place = {index: position for position, index in enumerate(shown)}
    embedded = [figures[index] for index in shown]
    for figure in embedded:
        if figure.positions.shape[1] != skeleton.num_joints:
            raise DataError(f"{figure.key}: {figure.positions.shape[1]} joints; the skeleton has {skeleton.num_joints}")
    data = {
        "body": dataclasses.asdict(Body.of(skeleton, [figure.positions for figure in embedded])) if embedded else None,
        "facts": list(facts.items()),
        "figures": [_encode_figure(figure) for figure in embedded],
        "queries": [_encode_query(query, place) for query in queries],
    }
    write_document(
        path,
        title=title,
        content="search.html",
        styles=("base.css", "search.css"),
        scripts=("motion.js", "paint.js", "stage.js", "orbit.js", "player.js", "search.js"),
        data=data,
    )


def _encode_figure(figure: Figure) -> dict[str, object]:
    span = float(np.ptp(figure.positions.astype(np.float64), axis=(0, 1)).max())
    if span / 2 > _FURTHEST:
        raise DataError(f"{figure.key}: spans {span:.0f} metres; convert the positions to metres or cut the motion")
    return {
        "key": figure.key,
        "captions": figure.captions,
        "fps": figure.fps,
        "frames": len(figure.positions),
        **encode_positions(figure.positions),
    }


def _encode_query(query: Query, place: Mapping[int, int]) -> dict[str, object]:
    """Lists what is retrieved as (figure or sentence, score, is it true), the last one null when unknown."""
    return {
        "text": query.text,
        "figure": None if query.figure is None else place[query.figure],
        "results": _ranked(((place[index], index, score) for index, score in query.results), query.relevant),
        "texts": _ranked(((text, text, score) for text, score in query.texts), query.relevant_texts),
        "relevant": len(query.relevant),
        "relevantTexts": len(query.relevant_texts),
    }


def _ranked(items: Iterable[tuple[object, object, float]], relevant: frozenset) -> list[list[object]]:
    """Rounds the scores and marks the items whose identity is among the relevant ones."""
    return [
        [item, round(float(score), 6), identity in relevant if relevant else None] for item, identity, score in items
    ]
