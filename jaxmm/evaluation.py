"""The evaluation of a run of any system on a split of its data."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxmm.actions.answers import By
from jaxmm.actions.evaluation import evaluate_actions
from jaxmm.errors import ConfigError
from jaxmm.evaluate.figures import check_figures
from jaxmm.evaluate.protocols import BY_SIMILARITY, Protocol
from jaxmm.frames.evaluation import evaluate_frames
from jaxmm.frames.pictures import draw_answers
from jaxmm.model import Model, load
from jaxmm.motions.evaluation import evaluate_motions
from jaxmm.signs.evaluation import evaluate_reconstruction, evaluate_signing
from jaxmm.similarity.evaluation import evaluate_similarity
from jaxmm.tasks.abilities import AnswersFrames, Classifies, Compares, Encodes, Generates


def evaluate(
    run: str | Path,
    *,
    root: str | None = None,
    split: str = "test",
    checkpoint: str = "last",
    bootstrap: int = 0,
    protocol: Protocol | None = None,
    graded: bool = False,
    sentences: str | Callable[[Sequence[str]], Float[np.ndarray, "texts dim"]] | None = None,
    back_translation: str | Path | None = None,
    autoencoder: str | Path | None = None,
    by: By | None = None,
    ensemble: Sequence[str | Path] = (),
    pictures: str | Path | None = None,
) -> dict[str, float]:
    """Evaluates a run on a split of its data, or of the data at another root.

    Args:
        run: The run's folder.
        root: Folder of the data; the run's own by default.
        split: `train`, `val` or `test`.
        checkpoint: `last`, `best`, or a step.
        bootstrap: Draws for 95% intervals over queries, clips or videos; 0 has none.
        protocol: Of a retrieval run, what queries are searched in; by default all.
        graded: Of a retrieval run, whether to add nDCG by the similarity of captions.
        sentences: What the similarity of captions comes from: a checkpoint, or a function from texts to unit-norm
            vectors; by default the checkpoint that the run's text backbone started from, as it was before training.
        back_translation: Of a text-to-sign run, the folder of the retrieval run that tells what generated clips sign.
        autoencoder: Of a text-to-sign run, the folder of the autoencoder by whose codes they are compared with real.
        by: Of a run that classifies videos, who answers: the `head` (by default) or the `prompts`.
        ensemble: Of such a run, or one that compares videos, further ones whose probabilities are averaged with its
            own.
        pictures: Of a run on videos, folder to write pictures to: of one that answers frames what
            `jaxmm.frames.pictures.draw_answers` draws, of one that classifies videos what
            `jaxmm.actions.tables.write_confusion` writes, of one that compares them what
            `jaxmm.similarity.evaluation.draw_pairs` does.

    Returns:
        The step, and scores by name, with the ends of intervals `.../low` and `.../high`: of a retrieval run what
        `evaluate_motions` returns; of a run that generates signing what `evaluate_signing` does; of a signing
        autoencoder what `evaluate_reconstruction` does; of one that answers frames of videos what `evaluate_frames`
        does; of one that classifies videos what `evaluate_actions` does; of one that compares them what
        `evaluate_similarity` does.

    Raises:
        ConfigError: If an argument has no use for the run; or captions must be compared, and neither the run nor
            `sentences` names a pretrained model.
        JaxmmError: If the run or the data cannot be read, or there is no such split.
        MissingExtraError: If pictures are asked for, and matplotlib is not installed.

    Example:
        >>> evaluate("no/such/run")
        Traceback (most recent call last):
        jaxmm.errors.CheckpointError: no/such/run: is not a run; give the folder that jaxmm train wrote
    """
    if sentences is not None and not (graded or protocol in BY_SIMILARITY):
        raise ConfigError(
            f"protocol {protocol or 'all'!r} compares no captions, so sentences has no use; "
            f"add --ndcg, or choose a protocol among {', '.join(BY_SIMILARITY)}"
        )
    if pictures is not None:
        check_figures()
    of_retrieval = {"protocol": protocol, "ndcg": graded or None, "sentences": sentences}
    of_signing = {"back_translation": back_translation, "autoencoder": autoencoder}
    model = load(run, checkpoint=checkpoint)
    if not isinstance(model.experiment.task, Classifies):
        _refuse({"by": by}, model, "classifies no videos")
    if not isinstance(model.experiment.task, Classifies | Compares):
        _refuse({"ensemble": ensemble or None}, model, "neither classifies nor compares videos")
    if not isinstance(model.experiment.task, Classifies | Compares | AnswersFrames):
        _refuse({"pictures": pictures}, model, "is of no videos")
    out = None if pictures is None else Path(pictures)
    if isinstance(model.experiment.task, Generates):
        _refuse(of_retrieval, model, "generates signing")
        judges: dict[str, Any] = {name: None if judge is None else load(judge) for name, judge in of_signing.items()}
        scores = evaluate_signing(model, split=split, root=root, num_resamples=bootstrap, **judges)
    elif isinstance(model.experiment.task, AnswersFrames):
        _refuse(of_retrieval | of_signing, model, "answers frames of videos")
        scores = evaluate_frames(model, split=split, root=root, num_resamples=bootstrap)
        if out is not None:
            draw_answers(model, out, split=split, root=root)
    elif isinstance(model.experiment.task, Encodes):
        _refuse(of_retrieval | of_signing, model, "is an autoencoder of signing")
        scores = evaluate_reconstruction(model, split=split, root=root, num_resamples=bootstrap)
    elif isinstance(model.experiment.task, Compares):
        _refuse(of_retrieval | of_signing, model, "compares videos")
        models = [model, *(load(other, checkpoint=checkpoint) for other in ensemble)]
        scores = evaluate_similarity(models, split=split, root=root, num_resamples=bootstrap, pictures=out)
    elif isinstance(model.experiment.task, Classifies):
        _refuse(of_retrieval | of_signing, model, "classifies videos")
        models = [model, *(load(other, checkpoint=checkpoint) for other in ensemble)]
        scores = evaluate_actions(
            models, split=split, root=root, by=by or "head", num_resamples=bootstrap, pictures=out
        )
    else:
        _refuse(of_signing, model, "retrieves")
        scores = evaluate_motions(
            model,
            split=split,
            root=root,
            protocol=protocol or "all",
            graded=graded,
            sentences=sentences,
            num_resamples=bootstrap,
        )
    return {"step": float(model.step), **scores}


def _refuse(given: Mapping[str, Any], model: Model, what: str) -> None:
    """Raises a ConfigError where any of the arguments is given."""
    useless = [name for name, value in given.items() if value is not None]
    if useless:
        raise ConfigError(f"{model.run} {what}, so {' and '.join(useless)} cannot be used; leave them out")
