"""Early stopping: when validation has not become better for a while, and what of that is saved with a run."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal, TypeAlias

Better: TypeAlias = Literal["larger", "smaller"]
"""Which of two scores is the better one."""

_BEST, _WAITED = "stopping/best", "stopping/waited"


def rank(score: float, better: Better) -> float:
    """Returns a number that is larger for better scores.

    Example:
        >>> rank(0.2, "smaller") > rank(0.3, "smaller")
        True
    """
    return score if better == "larger" else -score


@dataclasses.dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """What is remembered of the evaluations so far.

    Attributes:
        metric: Score that is watched; None watches nothing.
        better: Which of two scores is the better one.
        patience: Evaluations without a better score after which training ends, >= 1; None never ends it.
        best: Best score so far; NaN before the first.
        waited: Evaluations since the best.

    Example:
        >>> stopping = EarlyStopping(metric="val/loss", better="smaller", patience=2)
        >>> for loss in (0.5, 0.6, 0.7):
        ...     stopping = stopping.after({"val/loss": loss})
        >>> stopping.best, stopping.waited, stopping.exhausted
        (0.5, 2, True)
    """

    metric: str | None = None
    better: Better = "larger"
    patience: int | None = None
    best: float = math.nan
    waited: int = 0

    @property
    def exhausted(self) -> bool:
        """Whether training is to end."""
        return self.patience is not None and self.waited >= self.patience

    def after(self, scores: Mapping[str, float]) -> "EarlyStopping":
        """Returns what is remembered after one more evaluation; a score that is no number is no better than any."""
        if self.metric is None or self.metric not in scores:
            return self
        score = scores[self.metric]
        if math.isnan(self.best) or rank(score, self.better) > rank(self.best, self.better):
            return dataclasses.replace(self, best=score, waited=0 if score == score else self.waited + 1)
        return dataclasses.replace(self, waited=self.waited + 1)

    def saved(self) -> dict[str, float]:
        """Returns what is saved with a checkpoint."""
        best = {} if math.isnan(self.best) else {_BEST: self.best}
        return {} if self.metric is None else {**best, _WAITED: float(self.waited)}

    def resumed(self, saved: Mapping[str, float]) -> "EarlyStopping":
        """Returns what was remembered when a checkpoint was saved; the inverse of `saved`.

        Example:
            >>> stopping = EarlyStopping(metric="val/loss", better="smaller").after({"val/loss": 0.5})
            >>> EarlyStopping(metric="val/loss", better="smaller").resumed(stopping.saved()) == stopping
            True
        """
        return dataclasses.replace(self, best=saved.get(_BEST, math.nan), waited=int(saved.get(_WAITED, 0)))
