"""How well a run answers the frames of a split: nearness to descriptions, labels, and segments."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float32, Int32

from jaxmm.data.segmented import SegmentedData
from jaxmm.evaluate.alignment import alignment_scores, similarities
from jaxmm.evaluate.segments import Ratios, scores_of, segment_ratios
from jaxmm.model import Model
from jaxmm.tasks.abilities import Aligns


def evaluate_frames(model: Model, *, split: str, root: str | None = None, num_resamples: int = 0) -> dict[str, float]:
    """Answers the videos of a split and compares the answers with their labels.

    Args:
        model: A run of semantic alignment or of segmentation.
        split: `train`, `val` or `test`.
        root: Folder of the data; the run's own by default.
        num_resamples: Bootstrap draws over the videos for 95% intervals of the segments' scores; 0 has none.

    Returns:
        `<split>/segments/<metric>`, what `segment_ratios` compares; of alignment, whose labels are those of the nearest
        description, also `<split>/<type>/<metric>` of `alignment_scores`, for the types of labels.

    Raises:
        ConfigError: If the run is of another system, or there is no such split.
        DataError: If the data cannot be read.
    """
    data, embeddings = model.open_segmented(root=root), embeddings_of(model)
    videos = data.videos(split)
    answers = list(model.frames(model.params, model.collections, [video.features for video in videos]))
    labels = [video.labels for video in videos]
    scores = compare_answers(answers, labels, embeddings, types=label_types(data), num_resamples=num_resamples)
    return {f"{split}/{name}": value for name, value in scores.items()}


def compare_answers(
    answers: Sequence[Float[np.ndarray, "_time out"]],
    labels: Sequence[Int32[np.ndarray, "_time"]],
    embeddings: Float[np.ndarray, "labels out"] | None,
    *,
    types: Mapping[str, Sequence[int]],
    num_resamples: int = 0,
) -> dict[str, float]:
    """Compares answers with labels.

    Args:
        answers: Features, or preferences for labels, of every video.
        labels: The true ones.
        embeddings: Of the labels' descriptions; None where answers are preferences.
        types: Labels of each type.
        num_resamples: As in `evaluate_frames`.

    Returns:
        What `evaluate_frames` returns, without the split.
    """
    scores = scores_of(segment_ratios_of(answers, labels, embeddings), num_resamples=num_resamples)
    found = {f"segments/{name}": value for name, value in scores.items()}
    if embeddings is not None:
        found |= alignment_scores(answers, labels, embeddings, types=types)
    return found


def embeddings_of(model: Model) -> Float32[np.ndarray, "labels out"] | None:
    """Returns what a run's answers are compared with to find labels; None where they are preferences."""
    task = model.frames.task
    return np.asarray(task.embeddings(model.collections)) if isinstance(task, Aligns) else None


def labels_of(
    answers: Float[np.ndarray, "time out"], embeddings: Float[np.ndarray, "labels out"] | None
) -> Int32[np.ndarray, "time"]:
    """Returns the number of each frame's label: that of the nearest embedding, or the preferred one.

    Args:
        answers: Features, or preferences for labels.
        embeddings: Of the labels' descriptions, which may be others than those of training; None where answers are
            preferences.

    Example:
        >>> labels_of(np.array([[0.0, 2.0]]), None).tolist(), labels_of(np.array([[0.0, 2.0]]), np.eye(2)).tolist()
        ([1], [1])
    """
    return (answers if embeddings is None else similarities(answers, embeddings)).argmax(axis=1).astype(np.int32)


def segment_ratios_of(
    answers: Sequence[Float[np.ndarray, "_time out"]],
    labels: Sequence[Int32[np.ndarray, "_time"]],
    embeddings: Float[np.ndarray, "labels out"] | None,
) -> Ratios:
    """Compares the labels that answers give with the true ones."""
    return segment_ratios([labels_of(own, embeddings) for own in answers], labels)


def label_types(data: SegmentedData) -> dict[str, list[int]]:
    """Returns the numbers of the labels of each type: actions, null, wrong, and those that training never named."""
    types: dict[str, list[int]] = {"actions": [], "null": [], "wrong": [], "unseen": []}
    for number, label in enumerate(data.vocabulary.labels):
        types[data.settings.type_of(label)].append(number)
        if label in data.settings.unseen_labels:
            types["unseen"].append(number)
    return types
