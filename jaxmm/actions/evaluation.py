"""How well a run tells the actions of a split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int32

from jaxmm.actions.answers import ActionAnswers, By
from jaxmm.actions.tables import write_confusion
from jaxmm.data.action_videos import ActionVideosData
from jaxmm.errors import ConfigError
from jaxmm.evaluate.classification import classification_scores, mean_answers
from jaxmm.model import ASSETS_FOLDER, Model

HELD_OUT = "held_out"
"""Tag that says why a video is held out, such as `take` or `style`; scores are also told for each of its values."""


def evaluate_actions(
    models: Sequence[Model],
    *,
    split: str,
    root: str | None = None,
    by: By = "head",
    average: str = "probabilities",
    weights: Sequence[float] | None = None,
    num_resamples: int = 0,
    pictures: Path | None = None,
) -> dict[str, float]:
    """Classifies the videos of a split and compares the answers with their classes.

    Args:
        models: A run, or several whose answers are averaged, on the same videos.
        split: `train`, `val` or `test`.
        root: Folder of the data; the first run's own by default.
        by: Who answers, the head or the prompts.
        average: What is averaged of several, `logits` or `probabilities`.
        weights: How much each run counts; all alike by default.
        num_resamples: Bootstrap draws over the videos for 95% intervals; 0 has none.
        pictures: Folder to write a picture and tables of what is taken for what to; see
            `jaxmm.actions.tables.write_confusion`.

    Returns:
        `<split>/<score>` of `classification_scores`; where videos have the tag `held_out`, `<split>/<value>/<score>` of
        those with each of its values; where training left out `data.unseen_labels`, `<split>/unseen/<score>` of their
        videos, told apart among these labels alone.

    Raises:
        ConfigError: If a run is of another system, other classes or other videos, or there is no such split.
        DataError: If the data cannot be read, or the folder not be written.
        MissingExtraError: If pictures are asked for, and matplotlib is not installed.
    """
    data, answers, labels = answers_of(models, split=split, root=root, by=by, average=average, weights=weights)
    if pictures is not None:
        write_confusion(pictures, answers, labels, data.vocabulary.labels)
    scores = classification_scores(answers, labels, num_resamples=num_resamples)
    found = {f"{split}/{name}": value for name, value in scores.items()}
    reasons = np.array([clip.tags.get(HELD_OUT, "") for clip in data.clips(split)])
    for reason in sorted(set(reasons) - {""}):
        own = reasons == reason
        scores = classification_scores(answers[own], labels[own], num_resamples=num_resamples)
        found |= {f"{split}/{reason}/{name}": value for name, value in scores.items()}
    unseen = [data.vocabulary.labels.index(label) for label in data.settings.unseen_labels]
    own = np.isin(labels, unseen)
    if own.any():
        among = np.array([unseen.index(label) for label in labels[own].tolist()], np.int32)
        scores = classification_scores(answers[own][:, unseen], among, num_resamples=num_resamples)
        found |= {f"{split}/unseen/{name}": value for name, value in scores.items()}
    return found


def answers_of(
    models: Sequence[Model],
    *,
    split: str,
    root: str | None = None,
    by: By = "head",
    average: str = "probabilities",
    weights: Sequence[float] | None = None,
) -> tuple[ActionVideosData, Float[np.ndarray, "videos classes"], Int32[np.ndarray, "videos"]]:
    """Returns the data, what runs say of each video of a split, and the right classes.

    Arguments are those of `evaluate_actions`.

    Raises:
        ConfigError: If a run is of another system, other classes or other videos, or there is no such split.
        DataError: If the data cannot be read.
    """
    first = models[0]
    data = first.open_actions(root=root)
    keys, found = [clip.key for clip in data.clips(split)], []
    for model in models:
        answers = ActionAnswers(model.experiment.task, model.experiment.data, model.run / ASSETS_FOLDER, by=by)
        if answers.vocabulary.labels != data.vocabulary.labels:
            raise ConfigError(f"{model.run}: tells other classes than {first.run}; choose runs on the same data")
        own = data if model is first else model.open_actions(root=data.settings.root if root is None else root)
        if [clip.key for clip in own.clips(split)] != keys:
            raise ConfigError(
                f"{model.run}: its {split} split holds other videos than that of {first.run}; choose runs with the "
                "same data.split, data.val_fraction and data.unseen_labels"
            )
        found.append(answers.split(model.params, model.collections, own, split))
    labels = np.array([clip.label for clip in data.clips(split)], np.int32)
    alone = len(found) == 1 and weights is None
    return data, found[0] if alone else mean_answers(found, of=average, weights=weights), labels
