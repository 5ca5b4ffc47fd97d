"""What a comparison of architectures says, in words that follow from what was measured."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxmm.errors import DataError
from jaxmm.evaluate.verification import Gains, roc_auc_gains
from jaxmm.similarity.costs import Costs
from jaxmm.similarity.evaluation import ScoredPairs

_CHANCE = 0.5  # of the area under the ROC curve

_QUESTIONS = (
    ("Siamese or triplet?", ("siamese",), "triplet"),
    ("Siamese or triplet, both with batch normalisation?", ("siamese_batch_norm",), "triplet"),
    ("What does attention change, against the mean over frames?", ("siamese_batch_norm", "siamese"), "attention"),
)
"""What is asked, with what architecture (the first of these that there is), of which other."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """An architecture, as it was measured.

    Attributes:
        name: Its name.
        costs: What it costs.
        pairs: What it says of the pairs of the test split.
        scores: `pairs.metrics()`, with intervals.
        val_roc_auc: Area under the ROC curve of the validation split; None without one.

    Example:
        >>> Compared.__name__
        'Compared'
    """

    name: str
    costs: Costs
    pairs: ScoredPairs
    scores: Mapping[str, float]
    val_roc_auc: float | None = None

    @property
    def roc_auc(self) -> float:
        """Area under the ROC curve of all pairs."""
        return self.scores["roc_auc"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """A question and its answer.

    Attributes:
        question: The question.
        answer: The answer, in words.
        numbers: What it follows from, by name, as JSON values.

    Example:
        >>> Finding(question="Siamese or triplet?", answer="triplet", numbers={"difference": 0.1}).answer
        'triplet'
    """

    question: str
    answer: str
    numbers: Mapping[str, Any]


def findings(rows: Sequence[Compared], ensemble: Compared | None, *, num_resamples: int) -> list[Finding]:
    """Answers the questions of the design report as far as there are architectures for them.

    Args:
        rows: The architectures, one or more, on the same pairs.
        ensemble: Several of them together.
        num_resamples: Draws of the paired bootstrap over what videos were cut from, >= 1.

    Raises:
        ConfigError: If there is no draw.
        DataError: If the pairs are all the same or all different.
    """
    everyone = [*rows, *([] if ensemble is None else [ensemble])]
    gains = gains_of(everyone, np.ones(len(rows[0].pairs.same), bool), num_resamples=num_resamples)
    places = {row.name: place for place, row in enumerate(rows)}
    found = [best_of_all(rows, gains), *at_chance(rows)]
    for question, baselines, name in _QUESTIONS:
        baseline = next((own for own in baselines if own in places), None)
        if baseline is not None and name in places:
            found.append(better_of(question, everyone, gains, baseline=places[baseline], other=places[name]))
    if ensemble is not None:
        best = max(places.values(), key=lambda place: rows[place].roc_auc)
        found.append(better_of("Does an ensemble help?", everyone, gains, baseline=best, other=len(rows)))
    return [*found, *best_by_kind(rows, num_resamples=num_resamples), smallest(rows), real_time(rows)]


def gains_of(rows: Sequence[Compared], chosen: np.ndarray, *, num_resamples: int) -> Gains:
    """Returns how architectures differ on some of their pairs, given by a mask."""
    pairs = rows[0].pairs
    same = pairs.same[chosen]
    if same.all() or not same.any():
        raise DataError("all pairs of the test split are the same or all are different; bring videos of both")
    scores = np.stack([row.pairs.scores[chosen] for row in rows])
    return roc_auc_gains(scores, same, num_resamples=num_resamples, units=pairs.units[chosen])


def best_of_all(rows: Sequence[Compared], gains: Gains) -> Finding:
    """Tells which architecture has the largest area, and which others the data cannot tell from it."""
    best = int(np.argmax(gains.roc_auc[: len(rows)]))
    row = rows[best]
    return Finding(
        question="Which architecture is best?",
        answer=f"{row.name}, with {_area(row.scores)}; {_rivals(rows, gains, best)}.",
        numbers={"best": row.name, "tied": [rows[place].name for place in _tied(rows, gains, best)]},
    )


def at_chance(rows: Sequence[Compared]) -> list[Finding]:
    """Warns of architectures that are not told from chance, of which comparisons say little but that."""
    names = [row.name for row in rows if row.scores["roc_auc/low"] <= _CHANCE]
    if not names:
        return []
    told = "its interval reaches" if len(names) == 1 else "their intervals reach"
    answer = f"{', '.join(names)}: {told} {_CHANCE}, which is chance; train longer or otherwise before comparing."
    return [
        Finding(question="Which has learnt nothing that the data can tell?", answer=answer, numbers={"names": names})
    ]


def better_of(question: str, rows: Sequence[Compared], gains: Gains, *, baseline: int, other: int) -> Finding:
    """Tells which of two architectures is better and by how much, or that the data cannot tell."""
    difference = float(gains.roc_auc[other] - gains.roc_auc[baseline])
    low, high = float(gains.low[other, baseline]), float(gains.high[other, baseline])
    areas = ", ".join(f"{rows[place].name} {gains.roc_auc[place]:.3f}" for place in (baseline, other))
    interval = f"95% interval of the difference {low:+.3f} to {high:+.3f}"
    winner = next((own for own, over in ((other, baseline), (baseline, other)) if gains.tells(own, over)), None)
    if winner is None:
        answer = f"No difference that the data can tell: ROC-AUC of {areas}; {interval}, which holds zero."
    else:
        answer = f"{rows[winner].name}, by {abs(difference):.3f} of ROC-AUC ({areas}; {interval})."
    return Finding(
        question=question,
        answer=answer,
        numbers={
            "baseline": rows[baseline].name,
            "other": rows[other].name,
            "difference": difference,
            "low": low,
            "high": high,
            "better": None if winner is None else rows[winner].name,
        },
    )


def best_by_kind(rows: Sequence[Compared], *, num_resamples: int) -> list[Finding]:
    """Tells for each kind of same pairs, and of different ones, which architecture is best, where there are several."""
    pairs, found = rows[0].pairs, []
    for word, own in (("same", pairs.same), ("different", ~pairs.same)):
        kinds = [str(kind) for kind in np.unique(pairs.kinds[own])]
        for kind in kinds if len(kinds) > 1 else []:
            gains = gains_of(rows, (own & (pairs.kinds == kind)) | ~own, num_resamples=num_resamples)
            best = int(np.argmax(gains.roc_auc))
            told = f"{rows[best].name}, with ROC-AUC {gains.roc_auc[best]:.3f}"
            found.append(
                Finding(
                    question=f"Which for {word} pairs of the kind {kind or 'unnamed'}?",
                    answer=f"{told}; {_rivals(rows, gains, best)}.",
                    numbers={
                        "kind": f"{word}/{kind}",
                        "best": rows[best].name,
                        "tied": [rows[place].name for place in _tied(rows, gains, best)],
                        "roc_auc": {row.name: float(own) for row, own in zip(rows, gains.roc_auc, strict=True)},
                    },
                )
            )
    return found


def smallest(rows: Sequence[Compared]) -> Finding:
    """Tells which architecture of the fewest parameters lies within the interval of the best."""
    best = max(rows, key=lambda row: row.roc_auc)
    low = best.scores["roc_auc/low"]
    found = min((row for row in rows if row.roc_auc >= low), key=lambda row: row.costs.parameters)
    if found is best:
        answer = f"{best.name}, which is the best itself, with {best.costs.parameters:,} parameters."
    else:
        share = found.costs.parameters / best.costs.parameters
        answer = (
            f"{found.name}: ROC-AUC {found.roc_auc:.3f} with {found.costs.parameters:,} parameters, {share:.0%} of "
            f"those of {best.name} ({_area(best.scores)})."
        )
    numbers = {"smallest": found.name, "parameters": found.costs.parameters, "best": best.name, "low": low}
    return Finding(question="Which is the smallest within the interval of the best?", answer=answer, numbers=numbers)


def real_time(rows: Sequence[Compared]) -> Finding:
    """Tells how many frames and pairs a second the fastest architecture answers that is good enough."""
    best = max(rows, key=lambda row: row.roc_auc)
    good = [row for row in rows if row.roc_auc >= best.scores["roc_auc/low"]]
    fast = max(good, key=lambda row: row.costs.frames_per_second)
    costs, rate = fast.costs, fast.costs.frames_per_second
    parts = [
        f"{fast.name} is the fastest within the interval of the best: {rate:,.0f} frames a second, or a video of "
        f"{costs.frames} frames in {costs.video_ms:.3g} ms, of which the backbone takes {_seen(costs):.0%}; then "
        f"{costs.pairs_per_second:,.0f} pairs a second, one after another"
    ]
    if costs.fps is not None:
        streams = int(rate // costs.fps)
        parts.append(
            f"it keeps up with {streams:,} stream{'s' if streams > 1 else ''} of {costs.fps:g} frames a second"
            if streams
            else f"it does not keep up with a stream of {costs.fps:g} frames a second"
        )
    slow = min(rows, key=lambda row: row.costs.frames_per_second)
    if slow.costs.frames_per_second < rate:
        parts.append(f"{slow.name}, the slowest, has {slow.costs.frames_per_second:,.0f} frames a second")
    return Finding(
        question="Which in real time?",
        answer="; ".join(parts) + ".",
        numbers={
            "fastest": fast.name,
            "frames_per_second": {row.name: row.costs.frames_per_second for row in rows},
            "pairs_per_second": {row.name: row.costs.pairs_per_second for row in rows},
        },
    )


def _tied(rows: Sequence[Compared], gains: Gains, best: int) -> list[int]:
    """Returns the architectures that the best is not told from, the better ones first."""
    others = [place for place in range(len(rows)) if place != best and not gains.tells(best, place)]
    return sorted(others, key=lambda place: -gains.roc_auc[place])


def _rivals(rows: Sequence[Compared], gains: Gains, best: int) -> str:
    tied = [rows[place].name for place in _tied(rows, gains, best)]
    if len(rows) == 1:
        return "there is no other"
    if not tied:
        return "it is better than all others"
    if len(tied) == len(rows) - 1 and len(tied) > 1:
        return "but the data can tell it from none of the others"
    return f"the data cannot tell it from {', '.join(tied)}"


def _area(scores: Mapping[str, float]) -> str:
    return f"ROC-AUC {scores['roc_auc']:.3f} ({scores['roc_auc/low']:.3f} to {scores['roc_auc/high']:.3f})"


def _seen(costs: Costs) -> float:
    return costs.frames * costs.see_ms / costs.video_ms
