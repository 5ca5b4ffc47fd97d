"""How well the labels of frames, and the segments they form, agree with the true ones."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float64, Int, Int32

from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.edits import edit_distance

Boundary: TypeAlias = Literal["exclusive", "inclusive"]
"""Where a segment ends: at the frame after its last one, or at its last one. Lengths are end - start in both, so that
with inclusive ends a segment of one frame has none."""

BOUNDARIES: tuple[Boundary, ...] = ("exclusive", "inclusive")
OVERLAPS = (10, 25, 50)
"""Shares, in percent, of a common segment that count as the same."""

Ratios: TypeAlias = Mapping[str, Float64[np.ndarray, "_videos 2"]]
"""Scores that are a sum over videos by another; of each video both."""


def segment_ratios(
    predicted: Sequence[Int[np.ndarray, "_time"]],
    true: Sequence[Int[np.ndarray, "_time"]],
    *,
    background: Sequence[int] = (),
) -> Ratios:
    """Compares the labels of videos, so that scores and their intervals can be computed of any of them.

    Args:
        predicted: The number of each frame's label, of every video.
        true: The right numbers.
        background: Labels whose segments count neither as found nor as missed; their frames count in `accuracy`.

    Returns:
        `accuracy` of frames; `edit`, one less the edit distance of the segments' labels by the larger number of
        segments; `f1@<overlap>/<boundary>` for each of both. All in [0, 1]; published figures are percentages.

    Raises:
        DataError: If there is no video, or predicted and true labels differ in length.

    Example:
        >>> ratios = segment_ratios([np.array([0, 0, 1, 1])], [np.array([0, 1, 1, 1])])
        >>> scores_of(ratios)["accuracy"], scores_of(ratios)["f1@50/exclusive"]
        (0.75, 1.0)

    Reference: ED-TCN, arXiv:1611.05267, section 4.1; MS-TCN, arXiv:1903.01945.
    """
    if not predicted or [len(own) for own in predicted] != [len(own) for own in true]:
        raise DataError(f"{len(predicted)} predicted and {len(true)} true videos; give one or more, of equal lengths")
    rows: dict[str, list[tuple[float, float]]] = {}
    for guess, right in zip(predicted, true, strict=True):
        rows.setdefault("accuracy", []).append((float((guess == right).sum()), float(len(right))))
        guessed, wanted = (segments_of(labels, background=background) for labels in (guess, right))
        most = max(len(guessed), len(wanted))
        edit = 1 - edit_distance(guessed[:, 0], wanted[:, 0]) / most if most else 1.0
        rows.setdefault("edit", []).append((edit, 1.0))
        for boundary in BOUNDARIES:
            overlaps = _overlaps(guessed, wanted, boundary)
            for overlap in OVERLAPS:
                found = _found(overlaps, overlap / 100)
                own = (2.0 * found, float(len(guessed) + len(wanted)))
                rows.setdefault(f"f1@{overlap}/{boundary}", []).append(own)
    return {name: np.array(own) for name, own in rows.items()}


def scores_of(*parts: Ratios, num_resamples: int = 0, seed: int = 0) -> dict[str, float]:
    """Returns scores over all videos, and on demand their 95% bootstrap intervals over videos.

    Args:
        parts: What `segment_ratios` returned; of several, such as the test videos of several splits, the means of their
            scores. Of nothing by nothing the score is 1.
        num_resamples: Bootstrap draws; with any, `<name>/low` and `<name>/high` are added.
        seed: Seed of the draws.

    Raises:
        ConfigError: If `num_resamples` is negative.

    Example:
        >>> scores_of({"accuracy": np.array([[1.0, 2.0], [2.0, 2.0]])})
        {'accuracy': 0.75}
    """
    return _with_ends(_mean(parts), _drawn(parts, num_resamples, seed))


def gains_of(
    before: Sequence[Ratios], after: Sequence[Ratios], *, num_resamples: int = 0, seed: int = 0
) -> dict[str, float]:
    """Returns by how much scores grow on the same videos, with 95% bootstrap intervals of the difference.

    Args:
        before: Of one method, the parts of which `scores_of` takes the mean.
        after: Of another, on the same videos in the same order.
        num_resamples: Bootstrap draws of videos, the same for both; with any, `<name>/low` and `/high` are added.
        seed: Seed of the draws.

    Example:
        >>> before, after = ([{"accuracy": np.array([[right, 4.0]])}] for right in (1.0, 3.0))
        >>> gains_of(before, after, num_resamples=10)
        {'accuracy': 0.5, 'accuracy/low': 0.5, 'accuracy/high': 0.5}
    """
    means = [_mean(parts) for parts in (after, before)]
    drawn = [_drawn(parts, num_resamples, seed) for parts in (after, before)]
    return _with_ends(
        {name: float(score - means[1][name]) for name, score in means[0].items()},
        {name: scores - drawn[1][name] for name, scores in drawn[0].items()},
    )


def _mean(parts: Sequence[Ratios]) -> dict[str, float]:
    return {name: float(np.mean([_ratio(part[name].sum(axis=0)) for part in parts])) for name in parts[0]}


def _drawn(parts: Sequence[Ratios], num_resamples: int, seed: int) -> dict[str, Float64[np.ndarray, "draws"]]:
    """Returns the mean scores of drawn videos, by name."""
    if num_resamples < 0:
        raise ConfigError(f"bootstrap is {num_resamples}; give a number of draws, or 0 for no intervals")
    rng = np.random.default_rng(seed)
    sizes = [len(next(iter(part.values()))) for part in parts]
    draws = [rng.integers(size, size=(num_resamples, size)) for size in sizes]
    return {
        name: np.mean([_ratio(part[name][own].sum(axis=1)) for part, own in zip(parts, draws, strict=True)], axis=0)
        for name in parts[0]
    }


def _with_ends(scores: Mapping[str, float], drawn: Mapping[str, Float64[np.ndarray, "draws"]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, score in scores.items():
        found[name] = score
        if len(drawn[name]):
            low, high = np.percentile(drawn[name], [2.5, 97.5])
            found |= {f"{name}/low": float(low), f"{name}/high": float(high)}
    return found


def segments_of(labels: Int[np.ndarray, "time"], *, background: Sequence[int] = ()) -> Int32[np.ndarray, "segments 3"]:
    """Returns the label, first frame and last frame of each run of one label.

    Example:
        >>> segments_of(np.array([4, 4, 7]), background=[7]).tolist()
        [[4, 0, 1]]
    """
    starts = np.flatnonzero(np.concatenate([[True], labels[1:] != labels[:-1]]))
    ends = np.concatenate([starts[1:], [len(labels)]]) - 1
    runs = np.stack([labels[starts], starts, ends], axis=1).astype(np.int32)
    return runs[~np.isin(runs[:, 0], list(background))]


def _ratio(sums: Float64[np.ndarray, "*shape 2"]) -> Float64[np.ndarray, "*shape"]:
    return np.where(sums[..., 1] > 0, sums[..., 0] / np.maximum(sums[..., 1], 1e-12), 1.0)


def _overlaps(
    guessed: Int32[np.ndarray, "n 3"], wanted: Int32[np.ndarray, "m 3"], boundary: Boundary
) -> Float64[np.ndarray, "n m"]:
    """Returns the intersection over union of every two segments; -1 where their labels differ.

    Where neither has a length, it is 1 if they are the same frame and 0 otherwise.
    """
    beyond = 1 if boundary == "exclusive" else 0
    (label, start, end), (labels, starts, ends) = guessed.T[:, :, None], wanted.T[:, None, :]
    shared = np.minimum(end, ends) + beyond - np.maximum(start, starts)
    spanned = np.maximum(end, ends) + beyond - np.minimum(start, starts)
    overlaps = np.where(spanned > 0, np.maximum(shared, 0) / np.maximum(spanned, 1), (start == starts).astype(float))
    return np.where(label == labels, overlaps, -1.0)


def _found(overlaps: Float64[np.ndarray, "n m"], least: float) -> int:
    """Returns how many predicted segments find a true one of their label that no earlier one has found."""
    taken: set[int] = set()
    for own in overlaps if overlaps.size else ():
        best = int(own.argmax())
        if own[best] >= least and best not in taken:
            taken.add(best)
    return len(taken)
