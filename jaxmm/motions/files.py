"""What a search leaves behind: a page of moving figures, and embeddings as files."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxmm.data.motion import Motion
from jaxmm.errors import DataError
from jaxmm.evaluate.plots import plot_embeddings
from jaxmm.model import Model
from jaxmm.motions.index import Index
from jaxmm.page import Figure, Query, write_search_page


def write_page(
    path: Path, model: Model, index: Index, *, texts: Sequence[str] = (), motions: Sequence[Motion] = (), k: int = 8
) -> int:
    """Writes a self-contained HTML page of precomputed queries.

    Args:
        path: File to write.
        model: The run that answers.
        index: A gallery made by this checkpoint.
        texts: Sentences to search with; with neither texts nor motions, the gallery's own captions.
        motions: Motions to search sentences with.
        k: Answers a query.

    Returns:
        Number of queries on the page.

    Raises:
        CheckpointError: If the index was made by another checkpoint.
        DataError: If the page cannot be written.
    """
    index.check_made_by(model.digest)
    if not texts and not motions:
        texts = index.captions
    figures = [
        Figure(key=key, captions=index.captions_of(place), fps=index.fps, positions=index.positions(place))
        for place, key in enumerate(index.keys)
    ]
    queries = _text_queries(model, index, texts, k) if texts else []
    if motions:
        queries += _motion_queries(model, index, motions, k, first_figure=len(figures))
        figures += [
            Figure(key=motion.key, captions=motion.captions, fps=motion.fps, positions=motion.positions)
            for motion in motions
        ]
    write_search_page(
        path,
        title="Motion search",
        parents=index.skeleton.parents,
        joint_names=index.skeleton.joint_names,
        figures=figures,
        queries=queries,
        facts={
            "gallery": f"{len(index.keys)} motions, {len(index.captions)} captions",
            "split": index.split,
            "run": f"{model.run.name}, step {model.step}",
        },
    )
    return len(queries)


def _text_queries(model: Model, index: Index, texts: Sequence[str], k: int) -> list[Query]:
    columns = {caption: column for column, caption in enumerate(index.captions)}
    hits = index.find_motions(model.embed_text(texts), k=k)
    return [
        Query(
            text=text,
            results=tuple((hit.place, hit.score) for hit in found),
            relevant=frozenset(np.flatnonzero(index.relevant[:, columns[text]]).tolist() if text in columns else ()),
        )
        for text, found in zip(texts, hits, strict=True)
    ]


def _motion_queries(model: Model, index: Index, motions: Sequence[Motion], k: int, *, first_figure: int) -> list[Query]:
    hits = index.find_captions(model.embed_motion(motions), k=k)
    return [
        Query(
            text=f"motion: {motion.key}", texts=tuple((hit.name, hit.score) for hit in found), figure=first_figure + row
        )
        for row, (motion, found) in enumerate(zip(motions, hits, strict=True))
    ]


def write_embeddings(folder: Path, index: Index, *, tsne: bool = False, umap: bool = False) -> None:
    """Writes the embeddings of a gallery as arrays, with one JSON line a row.

    Args:
        folder: Folder to write: `motion.npy` and `motions.jsonl`, `text.npy` and `captions.jsonl`.
        index: The gallery.
        tsne: Whether to draw `tsne.png` besides.
        umap: Whether to draw `umap.png` besides.

    Raises:
        DataError: If the folder cannot be written.
        MissingExtraError: If a picture is asked for and its extra is not installed.
    """
    motions = [{"key": key, "captions": index.captions_of(place)} for place, key in enumerate(index.keys)]
    captions = [{"caption": caption} for caption in index.captions]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "motion.npy", index.motion)
        np.save(folder / "text.npy", index.text)
        for name, rows in (("motions", motions), ("captions", captions)):
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}); choose another place") from error
    if tsne:
        plot_embeddings(folder / "tsne.png", index.motion, index.text, index.relevant, projection="tsne")
    if umap:
        plot_embeddings(folder / "umap.png", index.motion, index.text, index.relevant, projection="umap")
