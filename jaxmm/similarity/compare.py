"""Which architecture of video similarity is best, and what it costs: trained, measured and told in a report."""

import dataclasses
import functools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.figures import check_figures
from jaxmm.evaluate.sweep import Sweep
from jaxmm.experiment import Experiment
from jaxmm.model import Model, load
from jaxmm.run import Report, train
from jaxmm.similarity.architectures import ARCHITECTURES, with_architecture
from jaxmm.similarity.costs import costs_of, costs_together
from jaxmm.similarity.evaluation import ScoredPairs, scored_pairs
from jaxmm.similarity.features import kept_features
from jaxmm.similarity.findings import Compared, findings
from jaxmm.similarity.report import SCORES, write_report
from jaxmm.tasks.video_similarity import VideoSimilarityTask

ENSEMBLE = "ensemble"
"""Name of the row of several architectures together."""

_MEMBERS = 3
_LOG = logging.getLogger(__name__)


def architectures_of(experiment: Experiment, names: Sequence[str] = ()) -> dict[str, Experiment]:
    """Returns an experiment with each architecture in turn.

    Args:
        experiment: An experiment on compared videos.
        names: Some of `ARCHITECTURES`; all by default.

    Raises:
        ConfigError: If the experiment is of another system, or there is no such architecture.

    Example:
        >>> from jaxmm import SimilarVideos
        >>> experiment = Experiment(task=VideoSimilarityTask(), data=SimilarVideos())
        >>> list(architectures_of(experiment, ["siamese", "triplet"]))
        ['siamese', 'triplet']
    """
    task = _checked(experiment)
    return {
        name: dataclasses.replace(experiment, task=with_architecture(task, name))
        for name in dict.fromkeys(names or ARCHITECTURES)
    }


def compare_architectures(
    candidates: Mapping[str, Experiment | Path],
    workdir: Path,
    *,
    root: str | None = None,
    num_resamples: int = 1000,
    report: Report = lambda *_: None,
) -> dict[str, float]:
    """Trains what is not trained yet, measures all on the same pairs of the test split, and writes a report.

    Everything is a run in the working folder, so the same call goes on where another ended.

    Args:
        candidates: Experiments, each of which is a run in the working folder by its name, and runs.
        workdir: Folder to write `report.html`, `report.json` and figures to.
        root: Folder of the data that all are measured on; their own by default.
        num_resamples: Bootstrap draws over what videos were cut from, for intervals, >= 1.
        report: Called with scalars as runs are trained.

    Returns:
        `test/<name>/<score>`: `parameters`, `flops` and times in milliseconds, and of `ScoredPairs.metrics` the scores
        that the report shows, also of the ensemble of the best three, which are those of validation where there is
        such a split. The other scores are in `report.json`.

    Raises:
        ConfigError: If one is of another system or named `ensemble`, or compares other videos, or a folder holds
            another run.
        DataError: If the data cannot be read, or all pairs are the same or all different.
        MissingExtraError: If matplotlib is not installed.

    Example:
        >>> compare_architectures({"a": Path("no/such/run")}, Path("compared"))
        Traceback (most recent call last):
        jaxmm.errors.CheckpointError: no/such/run: is not a run; give the folder that jaxmm train wrote
    """
    check_figures()
    if num_resamples < 1:
        raise ConfigError(f"bootstrap is {num_resamples}; give 1 draw or more, as differences are told by intervals")
    if ENSEMBLE in candidates:
        raise ConfigError(f"one of what is compared is named {ENSEMBLE}, as the best together are; rename it")
    for own in candidates.values():
        if isinstance(own, Experiment):
            _checked(own)
    rows, facts, see_ms = list[Compared](), dict[str, str](), dict[Any, float]()
    for name, own in candidates.items():
        model = trained(own, workdir / name, report=report) if isinstance(own, Experiment) else _loaded(own)
        looks = (_checked(model.experiment).frames, model.similarity.data.blank_batch()["frames"].shape)
        rows.append(_measured(name, model, root, num_resamples, see_ms=see_ms.get(looks)))
        see_ms[looks] = rows[-1].costs.see_ms
        if rows[-1].pairs.names != rows[0].pairs.names:
            raise ConfigError(f"{name} compares other videos than {rows[0].name}; choose runs on the same data")
        facts = facts or _facts(model, rows[0], num_resamples)
        _LOG.info("%s: ROC-AUC %.3f", name, rows[-1].roc_auc)
    about = {row.name: ARCHITECTURES[row.name].about for row in rows if row.name in ARCHITECTURES}
    ensemble = _ensemble(rows, num_resamples) if len(rows) > 1 else None
    if ensemble is not None:
        about[ENSEMBLE] = _about_ensemble(rows)
    found = findings(rows, ensemble, num_resamples=num_resamples)
    workdir.mkdir(parents=True, exist_ok=True)
    write_report(workdir, rows, found, facts=facts, about=about, ensemble=ensemble)
    return {
        f"test/{row.name}/{score}": value
        for row in [*rows, *([] if ensemble is None else [ensemble])]
        for score, value in {**_costs(row), **_shown(row)}.items()
    }


def trained(experiment: Experiment, run: Path, *, report: Report = lambda *_: None) -> Model:
    """Trains in a folder, or goes on where training ended there, and returns the best checkpoint, or else the last.

    Raises:
        JaxmmError: As `jaxmm.run.train`.
    """
    train(experiment, run, report=report)
    return _loaded(run)


def _loaded(run: Path) -> Model:
    model = load(run)
    _checked(model.experiment)
    return model if model.experiment.loop.best_metric is None else load(run, checkpoint="best")


def _checked(experiment: Experiment) -> VideoSimilarityTask:
    task = experiment.task
    if not isinstance(task, VideoSimilarityTask):
        raise ConfigError(f"{type(task).__name__} compares no videos; choose configs or runs of VideoSimilarityTask")
    return task


def _measured(name: str, model: Model, root: str | None, num_resamples: int, *, see_ms: float | None) -> Compared:
    """Returns what an architecture says of the test split, and what it costs."""
    ready = functools.partial(kept_features, split="test")
    pairs = scored_pairs([model], split="test", root=root, ready=ready)
    return Compared(
        name=name,
        costs=costs_of(model, see_ms=see_ms),
        pairs=pairs,
        scores=scored(pairs, num_resamples),
        val_roc_auc=_val_roc_auc(model, root),
    )


def scored(pairs: ScoredPairs, num_resamples: int) -> dict[str, float]:
    """Returns scores with their intervals.

    Raises:
        DataError: If the pairs are all the same or all different.
    """
    Sweep.of(pairs.scores, pairs.same).roc_auc()  # raises where there is none, which metrics only warns of
    return pairs.metrics(num_resamples=num_resamples)


def _val_roc_auc(model: Model, root: str | None) -> float | None:
    if not model.open_similar(root=root).has_split("val"):
        return None
    try:
        pairs = scored_pairs([model], split="val", root=root, ready=functools.partial(kept_features, split="val"))
    except DataError:  # there are too few videos to have pairs
        return None
    sweep = Sweep.of(pairs.scores, pairs.same)
    return sweep.roc_auc() if sweep.has_both else None


def _validated(rows: Sequence[Compared]) -> bool:
    """Whether validation tells which architectures are best."""
    return all(row.val_roc_auc is not None for row in rows)


def _members(rows: Sequence[Compared]) -> list[Compared]:
    """Returns the best three, by validation where all have it."""
    validated = _validated(rows)
    ranked = sorted(rows, key=lambda row: -(row.val_roc_auc or 0.0) if validated else -row.roc_auc)
    return ranked[:_MEMBERS]


def _about_ensemble(rows: Sequence[Compared]) -> str:
    how = "validation" if _validated(rows) else "these very pairs, which flatters it"
    return f"the mean probability of {', '.join(row.name for row in _members(rows))}, the best by {how}"


def _ensemble(rows: Sequence[Compared], num_resamples: int) -> Compared:
    """Returns what the best architectures say together, one after another."""
    members = _members(rows)
    similarities = [row.pairs.similarity for row in members if row.pairs.similarity is not None]
    pairs = dataclasses.replace(
        members[0].pairs,
        scores=np.mean([row.pairs.scores for row in members], axis=0),
        similarity=np.mean(similarities, axis=0) if similarities else None,
    )
    costs = costs_together([row.costs for row in members])
    return Compared(name=ENSEMBLE, costs=costs, pairs=pairs, scores=scored(pairs, num_resamples))


def _shown(row: Compared) -> dict[str, float]:
    return {
        name: value for name, value in row.scores.items() if name.removesuffix("/low").removesuffix("/high") in SCORES
    }


def _costs(row: Compared) -> dict[str, float]:
    costs = row.costs
    return {
        "parameters": float(costs.parameters),
        "flops": costs.flops,
        "embed_ms": costs.embed_ms,
        "pair_ms": costs.pair_ms,
        "see_ms": costs.see_ms,
    }


def _facts(model: Model, row: Compared, num_resamples: int) -> dict[str, str]:
    """Returns what was compared, on what."""
    task, pairs = _checked(model.experiment), row.pairs
    device, backbone = jax.devices()[0], jax.tree.leaves(model.params["visual"])
    rests = not task.trains_backbone(model.params, model.experiment.loop.horizon())
    num_videos = len({key for pair in pairs.names for key in pair})
    return {
        "test videos": f"{num_videos:,} of {len(np.unique(pairs.units)):,} sources",
        "pairs": f"{int(pairs.same.sum()):,} same, {int((~pairs.same).sum()):,} different",
        "frames": f"{row.costs.frames} of {model.similarity.data.frame_size} pixels a video",
        "backbone": f"{type(task.frames.backbone).__name__}, {sum(leaf.size for leaf in backbone):,} parameters, "
        + ("at rest, seen once for all" if rests else "trained with each"),
        "a frame takes": f"{row.costs.see_ms:.3g} ms",
        "device": f"{device.device_kind} ({device.platform})",
        "bootstrap": f"{num_resamples:,} draws",
    }
