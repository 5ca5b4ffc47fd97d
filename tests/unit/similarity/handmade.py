"""Measured architectures that were never trained, with scores by hand."""

import numpy as np

from jaxmm.similarity.costs import Costs
from jaxmm.similarity.evaluation import ScoredPairs
from jaxmm.similarity.findings import Compared

NUM_PAIRS = 60
SAME = np.arange(NUM_PAIRS) % 2 == 0
KINDS = np.where(SAME, np.where(np.arange(NUM_PAIRS) % 4 == 0, "logo", "cropped"), "unrelated")


def costs(*, parameters=1000, embed_ms=1.0, see_ms=0.5, frames=8, fps=8.0) -> Costs:
    return Costs(
        parameters=parameters,
        flops=2.0 * parameters,
        embed_ms=embed_ms,
        pair_ms=0.5,
        see_ms=see_ms,
        frames=frames,
        fps=fps,
    )


def scores_with(wrong: int) -> np.ndarray:
    """Scores that tell pairs without error, but for so many same ones that are below all others."""
    scores = np.where(SAME, 0.9, 0.1) + 0.001 * np.arange(NUM_PAIRS)
    scores[np.flatnonzero(SAME)[:wrong]] = 0.01
    return scores.astype(np.float32)


def compared(name: str, scores: np.ndarray, *, kinds=KINDS, val_roc_auc=None, **settings) -> Compared:
    pairs = ScoredPairs(
        scores=scores.astype(np.float32),
        same=SAME,
        kinds=kinds,
        units=np.arange(2 * NUM_PAIRS).reshape(-1, 2) // 4,
        names=[(f"a{place}", f"b{place}") for place in range(NUM_PAIRS)],
    )
    return Compared(
        name=name,
        costs=costs(**settings),
        pairs=pairs,
        scores=pairs.metrics(num_resamples=50),
        val_roc_auc=val_roc_auc,
    )
