"""Untrained systems of the size of their configs, on the little data that opens them, for scripts/bench_export.py."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from jaxmm import (
    Experiment,
    ProceduralMotions,
    ProceduralSegments,
    ProceduralSigns,
    ProceduralVideos,
    Semantics,
)
from jaxmm.experiment import read_config
from jaxmm.model import ASSETS_FOLDER, Model
from jaxmm.train.step import make_mesh, place_whole

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@dataclasses.dataclass(frozen=True)
class Case:
    """A system to export.

    Attributes:
        config: Its experiment, by the name of its file in `configs`.
        localise: Returns that experiment without checkpoints and with synthetic data of the same shapes.
        batch: Examples of the larger of the two batches that are timed.
        length: Frames, or tokens, of an example.
    """

    config: str
    localise: Callable[[Experiment], Experiment]
    batch: int
    length: int


def _motions(experiment: Experiment) -> Experiment:
    source = ProceduralMotions(takes=1, held_out_takes=1)
    return _changed(experiment, {"text_weights": None}, {"source": source, "tokenizer": "words"})


def _signs(experiment: Experiment) -> Experiment:
    source = ProceduralSigns(takes=1, num_sentences=40, num_held_out=10)
    return _changed(experiment, {"text_weights": None}, {"source": source, "tokenizer": "words"})


def _segments(experiment: Experiment) -> Experiment:
    (dim,) = experiment.data.source.dim
    return _changed(experiment, {}, {"source": ProceduralSegments(num_train=2, num_val=1, num_test=1, dim=dim)})


def _aligned(experiment: Experiment) -> Experiment:
    return _changed(_segments(experiment), {"semantics": Semantics(source="words")}, {})


def _actions(experiment: Experiment) -> Experiment:
    """The classes' prompts are sums of words' random vectors, where features are, or in the space that is learnt."""
    task = experiment.task
    source = ProceduralVideos(looks=("red_bar",), moves=("left", "right"), num_train=2, num_val=1, num_test=1)
    semantics = Semantics(source="words", words_dim=task.prompt_dim)
    frames = dataclasses.replace(task.frames, weights=None)
    return _changed(experiment, {"frames": frames, "semantics": semantics}, {"source": source})


def _changed(experiment: Experiment, task: dict[str, object], data: dict[str, object]) -> Experiment:
    return dataclasses.replace(
        experiment,
        task=dataclasses.replace(experiment.task, **task),
        data=dataclasses.replace(experiment.data, **data),
    )


CASES = {
    "dance_text": Case("dance_text/base", _motions, 32, 60),
    "text2sign": Case("text2sign/base", _signs, 16, 64),
    "segmentation": Case("segmentation/base", _segments, 8, 1000),
    "semantic_alignment": Case("semantic_alignment/base", _aligned, 8, 1000),
    "clip_har": Case("clip_har/base", _actions, 8, 8),
    "clip_har_small": Case("clip_har/tiny", _actions, 8, 8),
    "clip_har_lite0": Case("clip_har/rendered", _actions, 8, 16),
}


def untrained(case: Case, run: Path) -> Model:
    """Returns a system with random parameters, and what its data bring along in the folder of a run."""
    experiment = case.localise(read_config(CONFIGS / f"{case.config}.py"))
    data = experiment.data.open(run / ASSETS_FOLDER)
    batch = place_whole(data.sample_batch(), make_mesh())
    variables = jax.jit(experiment.task.init_variables)(jax.random.key(0), batch)
    variables = experiment.task.load_pretrained(*variables, data)  # embeddings of labels and prompts
    return Model(run, experiment, *jax.tree.map(np.asarray, variables), step=0)
