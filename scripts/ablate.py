"""Trains variants of configs/dance_text/bandai.py, one idea each, and prints their recalls with intervals.

An interval is the 95% bootstrap interval over the queries of the mean over seeds. Runs that are there are continued,
and only scored once they are trained, so that several of these programs can train arms side by side; "one_window"
scores the runs of "config", and belongs into its program.

Usage: python scripts/ablate.py DATA_ROOT OUT [--weights CHECKPOINT] [--seeds 0 1 2] [--arms config one_window ...]
"""

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from jaxmm import Augmentation, Experiment, MotionText, PosePatchVit, PoseTransformer, run
from jaxmm.errors import JaxmmError
from jaxmm.evaluate.intervals import ScoredQueries, bootstrap_intervals
from jaxmm.evaluate.ranks import rank_metrics
from jaxmm.evaluate.retrieval import cosines
from jaxmm.experiment import read_config
from jaxmm.model import ASSETS_FOLDER, load

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "dance_text" / "bandai.py"
CHECKPOINTS = ("task.text_weights", "data.tokenizer")
RESAMPLES, REPORT_EVERY = 2000, 200
WAYS, METRICS = ("motion to text", "text to motion"), ("recall@1", "recall@5")

TRANSFORMER = PoseTransformer(dim=96, num_layers=2, num_heads=4, feedforward_dim=192, frames_per_token=5)
VIT = PosePatchVit(dim=128, num_layers=4, num_heads=4, feedforward_dim=256, frames_per_patch=10)
ARMS: dict[str, Mapping[str, object]] = {
    "config": {},
    "one_window": {"data.window_stride": None},
    "transformer": {"task.motion": TRANSFORMER},
    "vit": {  # made for what attention is good at: eight seconds at once, in patches of one
        "task.motion": VIT,
        "data.num_frames": 80,
        "data.window_stride": 40,
        "data.augmentation.speed_range": (0.85, 1.15),
    },
    "facing": {"data.face_forward": True},
    "not_about_root": {"data.centre": "first_frame"},
    "not_mirrored": {"data.augmentation": Augmentation()},
    "not_balanced": {"data.balance": 0.0},
    "plain": {"data.balance": 0.0, "data.augmentation": Augmentation()},
    "positives": {"task.objective.false_negatives": "multi_positive"},
    "first_token": {"task.pooling": "first"},
}
"""By name, the fields that are changed."""
SCORED_OTHERWISE = {"one_window": "config"}
"""Arms that differ in what is scored alone, and whose run they share."""


def changed(settings: Any, fields: Mapping[str, object]) -> Any:
    """Returns settings with other values at dotted names."""
    for name, value in fields.items():
        first, _, rest = name.partition(".")
        value = changed(getattr(settings, first), {rest: value}) if rest else value
        settings = dataclasses.replace(settings, **{first: value})
    return settings


def score(folder: Path, data: MotionText) -> dict[str, ScoredQueries]:
    """Returns what every query of the test split scores, both ways."""
    model = load(folder)
    opened = data.open(folder / ASSETS_FOLDER)
    gallery, motion, text = model.embedder.split(model.params, model.collections, opened, "test")
    scores = cosines(motion, text)
    ways = {"motion to text": (scores, gallery.relevant), "text to motion": (scores.T, gallery.relevant.T)}
    return {
        way: ScoredQueries(queries=np.arange(len(own)), gallery=own.shape[1], values=rank_metrics(own, relevant))
        for way, (own, relevant) in ways.items()
    }


def row(arm: str, start: Experiment, seeds: list[int], out: Path) -> list[str]:
    """Trains what is missing of an arm, and returns its line of the table."""
    found = []
    for seed in seeds:
        trained = SCORED_OTHERWISE.get(arm, arm)
        folder = out / trained / str(seed)
        run.train(changed(start, {**ARMS[trained], "seed": seed}), folder, report=progress(folder))
        found.append(score(folder, changed(start, ARMS[arm]).data))
    cells = []
    for way in WAYS:
        parts = [scored[way] for scored in found]
        intervals = bootstrap_intervals(parts, num_resamples=RESAMPLES)
        for metric in METRICS:
            means, (low, high) = [part.summary()[metric] for part in parts], intervals[metric]
            cells.append(f"{np.mean(means):.3f} ({low:.3f}-{high:.3f}) {' '.join(f'{mean:.3f}' for mean in means)}")
    return cells


def progress(folder: Path) -> run.Report:
    """Returns what tells of a run now and then."""

    def report(step: int, num_steps: int, values: Mapping[str, float]) -> None:
        if step % REPORT_EVERY == 0 and "train/loss" in values:
            Console(stderr=True).print(f"{folder}: step {step}/{num_steps}, loss {values['train/loss']:.3f}")

    return report


def table(options: argparse.Namespace) -> Table:
    """Returns what every arm scores."""
    start = changed(read_config(CONFIG), {"data.root": options.data_root})
    if options.weights:
        start = changed(start, dict.fromkeys(CHECKPOINTS, options.weights))
    shown = Table("arm", *(f"{way} {metric}" for way in WAYS for metric in METRICS), box=None)
    for arm in options.arms:
        shown.add_row(arm, *row(arm, start, options.seeds, options.out))
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root")
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", help="checkpoint of the text backbone, where the hub cannot be reached")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    options = parser.parse_args()
    try:
        Console(width=200).print(table(options))
    except JaxmmError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
