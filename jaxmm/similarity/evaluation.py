"""How well runs tell which videos of a split are alike."""

import csv
import dataclasses
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int, Shaped

from jaxmm.data.action_videos import PackedClip
from jaxmm.data.similar_videos import SimilarVideosData
from jaxmm.errors import ConfigError
from jaxmm.evaluate.retrieval import retrieval_by_label
from jaxmm.evaluate.sweep import Sweep
from jaxmm.evaluate.verification import scores_by_kind, verification_scores
from jaxmm.evaluate.verification_plots import plot_curves, plot_scores
from jaxmm.files import write_text
from jaxmm.model import Model
from jaxmm.typing import Batch

THRESHOLD = 0.5
"""Probability from which on two videos are told to be alike."""

Ready = Callable[[Model, SimilarVideosData], Callable[[Batch], Batch]]
"""Takes a run and its data."""

_SOURCE = "source"  # tag that tells what a clip was cut from


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ScoredPairs:
    """Pairs of a split, and what a run says of them.

    Attributes:
        scores: Probability that a pair belongs together.
        same: Whether it does.
        kinds: How its videos are related.
        units: What each of the two videos was cut from, by number.
        names: Keys of the two videos.
        similarity: Of each video of the split to each; None where a list tells of pairs alone.
        labels: What the videos are compared by; None there.
        cut_from: What each video was cut from, by number, as in `units`; None there.

    Example:
        >>> pairs = ScoredPairs(scores=np.array([0.9, 0.2], np.float32), same=np.array([True, False]),
        ...                     kinds=np.array(["logo", "unrelated"]), units=np.array([[0, 0], [0, 1]]),
        ...                     names=[("a", "b"), ("a", "c")])
        >>> pairs.metrics()["roc_auc"]
        1.0
    """

    scores: Float32[np.ndarray, "pairs"]
    same: Bool[np.ndarray, "pairs"]
    kinds: Shaped[np.ndarray, "pairs"]
    units: Int[np.ndarray, "pairs 2"]
    names: Sequence[tuple[str, str]]
    similarity: Float32[np.ndarray, "videos videos"] | None = None
    labels: Int[np.ndarray, "videos"] | None = None
    cut_from: Int[np.ndarray, "videos"] | None = None

    def metrics(self, *, num_resamples: int = 0) -> dict[str, float]:
        """Returns `verification_scores` over all pairs, `scores_by_kind`, and `retrieval/<score>` of a search of each.

        Args:
            num_resamples: Bootstrap draws over what videos were cut from, for 95% intervals; 0 has none.
        """
        settings = {"threshold": THRESHOLD, "num_resamples": num_resamples, "units": self.units}
        found = verification_scores(self.scores, self.same, **settings)
        found |= scores_by_kind(self.scores, self.same, self.kinds, **settings)
        if self.similarity is None or self.labels is None:
            return found
        searched = retrieval_by_label(self.similarity, self.labels, num_resamples=num_resamples, units=self.cut_from)
        return found | {f"retrieval/{name}": value for name, value in searched.items()}


def evaluate_similarity(
    models: Sequence[Model],
    *,
    split: str,
    root: str | None = None,
    num_resamples: int = 0,
    pictures: Path | None = None,
) -> dict[str, float]:
    """Compares the pairs of a split with what is known of them.

    Args:
        models: A run, or several whose probabilities are averaged, on the same videos.
        split: `train`, `val` or `test`.
        root: Folder of the data; the first run's own by default.
        num_resamples: Bootstrap draws; 0 has none.
        pictures: Folder to write `curves.png`, `scores.png` and `pairs.csv` to.

    Returns:
        `<split>/<score>` of `ScoredPairs.metrics`.

    Raises:
        ConfigError: If a run is of another system, or there is no such split.
        DataError: If the data cannot be read or have no pairs, or the folder not be written.
        MissingExtraError: If pictures are asked for, and matplotlib is not installed.
    """
    pairs = scored_pairs(models, split=split, root=root)
    if pictures is not None:
        draw_pairs(pictures, pairs, name=models[0].run.name)
    return {f"{split}/{name}": value for name, value in pairs.metrics(num_resamples=num_resamples).items()}


def scored_pairs(
    models: Sequence[Model],
    *,
    split: str,
    root: str | None = None,
    ready: Ready = lambda model, data: lambda batch: batch,
) -> ScoredPairs:
    """Returns the pairs of a split with the mean of what runs say of them.

    Args:
        models: As above, like `split` and `root`.
        split: As above.
        root: As above.
        ready: Returns what is done to each batch of a run's data before, such as putting features in place of frames.
    """
    data = models[0].open_similar(root=root)
    clips = list(data.clips(split))
    places = {clip.index: place for place, clip in enumerate(clips)}
    listed = data.pairs(split)
    pairs = np.array([(places[pair.a], places[pair.b]) for pair in listed])
    every = np.stack(np.meshgrid(*[np.arange(len(clips))] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    found, similarities = [], []
    for model in models:
        own = data if model is models[0] else model.open_similar(root=data.settings.root if root is None else root)
        if [clip.key for clip in own.clips(split)] != [clip.key for clip in clips]:
            raise ConfigError(f"{model.run}: compares other videos than {models[0].run}; choose runs on the same data")
        embeddings = embeddings_of(model, own, split, ready=ready(model, own))
        found.append(model.similarity.compare(model.params, embeddings, pairs))
        if data.labels is not None:
            similarities.append(model.similarity.compare(model.params, embeddings, every))
    numbers = {name: number for number, name in enumerate(dict.fromkeys(map(_cut_from, clips)))}
    units = np.array([numbers[_cut_from(clip)] for clip in clips])
    return ScoredPairs(
        scores=np.mean(found, axis=0),
        same=np.array([pair.same for pair in listed]),
        kinds=np.array([pair.kind for pair in listed]),
        units=units[pairs],
        names=[(clips[a].key, clips[b].key) for a, b in pairs],
        similarity=np.mean(similarities, axis=0).reshape(len(clips), -1) if similarities else None,
        labels=None if data.labels is None else data.labels[[clip.index for clip in clips]],
        cut_from=units if similarities else None,
    )


def embeddings_of(
    model: Model,
    data: SimilarVideosData,
    split: str,
    *,
    ready: Callable[[Batch], Batch] = lambda batch: batch,
) -> Float32[np.ndarray, "videos embedding"]:
    """Returns the embeddings of the videos of a split, in order."""
    return model.similarity.split(model.params, model.collections, data, split, ready=ready)


def draw_pairs(folder: Path, pairs: ScoredPairs, *, name: str) -> None:
    """Writes the curves and the scores of pairs as pictures, and each pair as a row of a table.

    Raises:
        DataError: If the pairs are all the same or all different.
        MissingExtraError: If matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("a", "b", "label", "kind", "score"))
    for names, same, kind, score in zip(pairs.names, pairs.same, pairs.kinds, pairs.scores, strict=True):
        rows.writerow((*names, int(same), kind, f"{score:.6f}"))
    write_text(folder / "pairs.csv", table.getvalue())
    plot_curves(folder / "curves.png", {name: Sweep.of(pairs.scores, pairs.same)})
    plot_scores(folder / "scores.png", pairs.scores, pairs.same, threshold=THRESHOLD)


def _cut_from(clip: PackedClip) -> str:
    return clip.tags.get(_SOURCE, clip.key)
