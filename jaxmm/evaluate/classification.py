"""How well classes are told: accuracy among the k most likely, and precision, recall and F1 of each class."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int, Int64

from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.intervals import percentile_intervals

RANKS = (1, 5)
"""Numbers of most likely classes among which the right one is looked for."""


def classification_scores(
    logits: Float[np.ndarray, "rows classes"],
    labels: Int[np.ndarray, "clips"],
    *,
    num_resamples: int = 0,
    seed: int = 0,
) -> dict[str, float]:
    """Returns scores over clips.

    Args:
        logits: Of every class, or anything else that grows with its probability.
        labels: The right classes.
        num_resamples: Bootstrap draws over the clips for 95% intervals `<name>/low` and `<name>/high`; 0 has none.
        seed: Seed of the draws.

    Returns:
        `top<k>`, the share of clips fewer than k of whose classes are more likely than the right one, equal ones
        counting as more likely; `chance<k>`, k by the number of classes; `macro_precision`, `macro_recall` and
        `macro_f1`, the means over the classes that are right or told of any clip; `clips`.

    Raises:
        ConfigError: If `num_resamples` is negative.
        DataError: If there is no clip, or a label is none of the classes.

    Example:
        >>> scores = classification_scores(np.eye(4)[[0, 1, 2, 2]], np.array([0, 1, 2, 3]))
        >>> scores["top1"], round(scores["macro_f1"], 3), scores["chance1"]
        (0.75, 0.667, 0.25)
    """
    if num_resamples < 0:
        raise ConfigError(f"bootstrap is {num_resamples}; give a number of draws, or 0 for no intervals")
    ranks, told, num_classes = _ranks(logits, labels), np.asarray(logits).argmax(axis=1), logits.shape[1]
    scores = _scores(ranks, told, labels, num_classes)
    found = {**scores, **{f"chance{rank}": min(1.0, rank / num_classes) for rank in RANKS}, "clips": float(len(labels))}
    if num_resamples:

        def drawn(counts: Int[np.ndarray, "clips"]) -> Float[np.ndarray, "scores"]:
            of = np.repeat(np.arange(len(labels)), counts)
            return np.array(list(_scores(ranks[of], told[of], labels[of], num_classes).values()))

        low, high = percentile_intervals(drawn, num_units=len(labels), num_resamples=num_resamples, seed=seed)
        for place, name in enumerate(scores):
            found |= {f"{name}/low": float(low[place]), f"{name}/high": float(high[place])}
    return found


def confusion(
    told: Int[np.ndarray, "clips"], labels: Int[np.ndarray, "clips"], *, num_classes: int
) -> Int64[np.ndarray, "classes classes"]:
    """Counts clips by their class, the row, and by the class that they were told to be, the column.

    Example:
        >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), num_classes=2).tolist()
        [[1, 1], [0, 1]]
    """
    counts = np.bincount(np.asarray(labels) * num_classes + told, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def class_scores(counts: Int64[np.ndarray, "classes classes"]) -> Mapping[str, Float[np.ndarray, "classes"]]:
    """Returns precision, recall (the accuracy of a class), F1 and the number of clips of each class.

    Of a class that is never told the precision is 0, and of one without clips the recall.

    Args:
        counts: What `confusion` returns.

    Example:
        >>> class_scores(np.array([[1, 1], [0, 2]]))["f1"].round(2).tolist()
        [0.67, 0.8]
    """
    right, clips, told = np.diag(counts).astype(float), counts.sum(axis=1), counts.sum(axis=0)
    return {
        "precision": right / np.maximum(told, 1),
        "recall": right / np.maximum(clips, 1),
        "f1": 2 * right / np.maximum(told + clips, 1),
        "clips": clips.astype(float),
    }


def class_shares(
    logits: Float[np.ndarray, "rows classes"], labels: Int[np.ndarray, "clips"]
) -> Mapping[str, Float[np.ndarray, "classes"]]:
    """Returns `top<k>` of each class, as `classification_scores` has it of all clips: 0 of a class without clips.

    Args:
        logits: Of every class, or anything else that grows with its probability.
        labels: The right classes.

    Raises:
        DataError: If there is no clip, or a label is none of the classes.

    Example:
        >>> class_shares(np.eye(3)[[0, 1, 1]], np.array([0, 0, 1]))["top1"].tolist()
        [0.5, 1.0, 0.0]
    """
    ranks, num_classes = _ranks(logits, labels), logits.shape[1]
    clips = np.bincount(labels, minlength=num_classes)
    found = {f"top{rank}": np.bincount(labels[ranks <= rank], minlength=num_classes) for rank in RANKS}
    return {name: counts / np.maximum(clips, 1) for name, counts in found.items()}


def _ranks(logits: Float[np.ndarray, "rows classes"], labels: Int[np.ndarray, "clips"]) -> Int[np.ndarray, "clips"]:
    """Returns how many classes are as likely as the right one or more, itself among them."""
    if not len(labels) or len(logits) != len(labels):
        raise DataError(f"{len(logits)} answers and {len(labels)} labels; give one or more of each, and as many")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise DataError(f"labels are {labels.min()} to {labels.max()}, but there are {logits.shape[1]} classes")
    right = logits[np.arange(len(labels)), labels]
    # Where the right logit is no number, no class is known to be less likely.
    return (~(logits < right[:, None])).sum(axis=1)


def _scores(
    ranks: Int[np.ndarray, "clips"],
    told: Int[np.ndarray, "clips"],
    labels: Int[np.ndarray, "clips"],
    num_classes: int,
) -> dict[str, float]:
    by_class = class_scores(confusion(told, labels, num_classes=num_classes))
    present = np.union1d(told, labels)
    macro = {f"macro_{name}": float(by_class[name][present].mean()) for name in ("precision", "recall", "f1")}
    return {**{f"top{rank}": float((ranks <= rank).mean()) for rank in RANKS}, **macro}


def mean_answers(
    logits: Sequence[Float[np.ndarray, "clips classes"]],
    *,
    of: str = "probabilities",
    weights: Sequence[float] | None = None,
) -> Float[np.ndarray, "clips classes"]:
    """Returns what several classifiers say together: logits, or logarithms of mean probabilities.

    Args:
        logits: Of each classifier, for the same clips and classes.
        of: What is averaged, `logits` or `probabilities`.
        weights: How much each classifier counts, >= 0, finite and not all 0; all alike by default.

    Raises:
        ConfigError: If the weights do not fit, or `of` is neither of the two.

    Example:
        >>> sure, unsure = np.array([[9.0, 0.0]]), np.array([[0.0, 1.0]])
        >>> mean_answers([sure, unsure], of="logits").tolist(), mean_answers([sure, unsure], weights=(0, 1)).argmax()
        ([[4.5, 0.5]], np.int64(1))
    """
    shares = np.ones(len(logits)) if weights is None else np.asarray(weights, float)
    if len(shares) != len(logits) or (shares < 0).any() or not 0 < shares.sum() < np.inf:
        raise ConfigError(f"weights are {tuple(shares.tolist())} for {len(logits)} runs; give one a run, of 0 or more")
    shares = shares / shares.sum()
    if of == "logits":
        return np.einsum("m,mck->ck", shares, np.stack(logits))
    if of != "probabilities":
        raise ConfigError(f"an ensemble of {of!r}; choose logits or probabilities")
    logs = np.stack([own - np.logaddexp.reduce(own, axis=1, keepdims=True) for own in logits])
    with np.errstate(divide="ignore"):  # a classifier of weight 0 says nothing
        return np.logaddexp.reduce(logs + np.log(shares)[:, None, None], axis=0)
