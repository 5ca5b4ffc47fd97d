"""What the margin of an objective changes: one run for each, and what it reaches."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxmm.errors import ConfigError
from jaxmm.evaluate.figures import check_figures
from jaxmm.evaluate.study_plots import plot_margins
from jaxmm.experiment import Experiment
from jaxmm.files import write_text
from jaxmm.objectives.metric_settings import PairContrastive, Triplet
from jaxmm.run import Report
from jaxmm.similarity.compare import architectures_of, scored, trained
from jaxmm.similarity.evaluation import scored_pairs
from jaxmm.similarity.features import kept_features
from jaxmm.tasks.video_similarity import VideoSimilarityTask

_SCORES = ("roc_auc", "eer")


def study_margins(
    experiment: Experiment,
    workdir: Path,
    *,
    margins: Sequence[float],
    architecture: str | None = None,
    num_resamples: int = 1000,
    report: Report = lambda *_: None,
) -> dict[str, float]:
    """Trains once for each margin, and draws the area under the ROC curve and the equal error rate of the test split.

    Everything is a run in the working folder, so the same call goes on where another ended.

    Args:
        experiment: An experiment on compared videos whose objective has a margin.
        workdir: Folder of the runs `margin_<margin>`, of `margins.csv` and `margins.png`.
        margins: The margins, > 0.
        architecture: One of `jaxmm.similarity.architectures.ARCHITECTURES` to train by; None is the experiment's own.
        num_resamples: Bootstrap draws over what videos were cut from, >= 1.
        report: Called with scalars as runs are trained.

    Returns:
        `test/<margin>/roc_auc` and `test/<margin>/eer`, with their 95% intervals.

    Raises:
        ConfigError: If the objective has no margin, or a number is out of its range, or a folder holds another run.
        DataError: If the data cannot be read, or all pairs are the same or all different.
        MissingExtraError: If matplotlib is not installed.

    Example:
        >>> from jaxmm import SimilarVideos, Triplet
        >>> experiment = Experiment(task=VideoSimilarityTask(objective=Triplet()), data=SimilarVideos())
        >>> study_margins(experiment, Path("margins"), margins=[0.0])
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: objective.margin is 0.0; give a value above zero

    Reference: seed 003, exercise 2.
    """
    check_figures()
    if num_resamples < 1:
        raise ConfigError(f"bootstrap is {num_resamples}; give 1 draw or more, as margins are compared by intervals")
    if architecture is not None:
        experiment = architectures_of(experiment, [architecture])[architecture]
    margins = sorted(dict.fromkeys(margins))
    candidates = [_with_margin(experiment, margin) for margin in margins]
    if not candidates:
        raise ConfigError("margins: there is none; give one or more")
    found = []
    for margin, own in zip(margins, candidates, strict=True):
        model = trained(own, workdir / f"margin_{margin:g}", report=report)
        pairs = scored_pairs([model], split="test", ready=functools.partial(kept_features, split="test"))
        scores = scored(pairs, num_resamples)
        found.append({f"{name}{end}": scores[f"{name}{end}"] for name in _SCORES for end in ("", "/low", "/high")})
    told = list(zip(margins, found, strict=True))
    rows = [",".join(f"{value:.6g}" for value in (margin, *own.values())) for margin, own in told]
    write_text(workdir / "margins.csv", "\n".join([",".join(["margin", *found[0]]), *rows, ""]))
    columns = {name: np.array([own[name] for own in found]) for name in found[0]}
    plot_margins(workdir / "margins.png", np.array(margins), columns)
    return {f"test/{margin:g}/{name}": value for margin, own in told for name, value in own.items()}


def _with_margin(experiment: Experiment, margin: float) -> Experiment:
    """Returns an experiment of another margin."""
    task = experiment.task
    if not isinstance(task, VideoSimilarityTask):
        raise ConfigError(f"{type(task).__name__} compares no videos; choose a config of VideoSimilarityTask")
    if not isinstance(task.objective, PairContrastive | Triplet):
        raise ConfigError(
            f"task.objective is {type(task.objective).__name__}, which has no margin; add --architecture siamese or "
            "--architecture triplet, or set PairContrastive or Triplet"
        )
    changed = dataclasses.replace(task, objective=dataclasses.replace(task.objective, margin=margin))
    return dataclasses.replace(experiment, task=changed)
