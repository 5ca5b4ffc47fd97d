"""How well a run finds the motions of captions, and the captions of motions, of a split."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxmm.errors import ConfigError
from jaxmm.evaluate.protocols import BY_SIMILARITY, Protocol
from jaxmm.evaluate.retrieval import evaluate_retrieval
from jaxmm.experiment import Experiment
from jaxmm.model import Model
from jaxmm.tasks.sentences import SentenceEncoder


def evaluate_motions(
    model: Model,
    *,
    split: str,
    root: str | None = None,
    protocol: Protocol = "all",
    graded: bool = False,
    sentences: str | Callable[[Sequence[str]], Float[np.ndarray, "texts dim"]] | None = None,
    num_resamples: int = 0,
) -> dict[str, float]:
    """Embeds the motions and captions of a split and searches each among the other.

    Args:
        model: A retrieval run.
        split: `train`, `val` or `test`.
        root: Folder of the data; the run's own by default.
        protocol: What queries are searched in.
        graded: Whether to add nDCG by the similarity of captions.
        sentences: What the similarity of captions comes from: a checkpoint, or a function from texts to unit-norm
            vectors; by default the checkpoint that the run's text backbone started from, as it was before training.
        num_resamples: Bootstrap draws over the queries for 95% intervals; 0 has none.

    Returns:
        `<split>/<direction>/<metric>`, what `evaluate_retrieval` compares, and `protocol/<protocol>`, which is 1.

    Raises:
        ConfigError: If the run is of another system, there is no such split, or captions must be compared, and neither
            the run nor `sentences` names a pretrained model.
        DataError: If the data cannot be read, or the split is too small for the protocol.
        WeightsError: If the model that compares captions cannot be read.
    """
    compares = graded or protocol in BY_SIMILARITY
    gallery, motion, text = model.embedder.split(model.params, model.collections, model.open_data(root=root), split)
    embed = _sentence_encoder(model.experiment, sentences) if compares else None
    scores = evaluate_retrieval(
        motion,
        text,
        gallery.relevant,
        protocol=protocol,
        sentences=None if embed is None else embed(gallery.captions),
        graded=graded,
        num_resamples=num_resamples,
    )
    return {f"protocol/{protocol}": 1.0, **{f"{split}/{name}": value for name, value in scores.items()}}


def _sentence_encoder(
    experiment: Experiment, sentences: str | Callable[[Sequence[str]], Any] | None
) -> Callable[[Sequence[str]], Any]:
    """Returns what tells how near captions are in meaning."""
    if sentences is not None:
        return SentenceEncoder.read(sentences) if isinstance(sentences, str) else sentences
    weights = getattr(experiment.task, "text_weights", None)
    if weights is None:
        raise ConfigError(
            "comparing captions by meaning needs a pretrained text model, and this run's text tower started from "
            "scratch; name one with --sentences CHECKPOINT, such as sentence-transformers/all-MiniLM-L6-v2"
        )
    return SentenceEncoder.read(weights, revision=getattr(experiment.task, "text_revision", None))
