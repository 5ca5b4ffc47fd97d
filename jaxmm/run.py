"""Runs: training that starts or continues a folder, its evaluation and its verification."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from jaxmm.checkpoint import FOLDER, Checkpoints
from jaxmm.config import decode, differences, encode
from jaxmm.data.motion_text import ASSET_FILES, MotionTextData
from jaxmm.errors import CheckpointError, ConfigError, JaxmmError
from jaxmm.evaluate.protocols import BY_SIMILARITY, Protocol
from jaxmm.evaluate.retrieval import evaluate_retrieval
from jaxmm.experiment import Experiment, read_experiment, write_experiment
from jaxmm.model import ASSETS_FOLDER, CONFIG_FILE, Embedder, load
from jaxmm.optim import Horizon
from jaxmm.sentences import SentenceEncoder
from jaxmm.state import TrainState
from jaxmm.train.loop import fit
from jaxmm.train.step import embed_rows, make_mesh, place_batch, replicated
from jaxmm.train.writers import MetricWriter

Report = Callable[[int, int, Mapping[str, float]], None]
"""Takes the step, the number of steps of the run, and scalars."""


def train(experiment: Experiment, workdir: str | Path, *, report: Report = lambda *_: None) -> dict[str, float]:
    """Trains in a folder: a new one is created, one that holds a run of the same experiment is continued to its end.

    Args:
        experiment: What to learn.
        workdir: The run's folder.
        report: Called with scalars as training goes on.

    Returns:
        Step reached, seconds of this call, and scores on the validation split if there is one.

    Raises:
        ConfigError: If the folder holds a run of another experiment, or the settings do not fit together.
        DataError: If the data cannot be read.
        WeightsError: If pretrained weights cannot be found or do not fit.
        CheckpointError: If the run's checkpoint cannot be restored.

    Example:
        >>> import tempfile
        >>> from jaxmm import DanceTextTask, MotionFolder, MotionText
        >>> experiment = Experiment(task=DanceTextTask(), data=MotionText(source=MotionFolder(), root="no/such"))
        >>> train(experiment, Path(tempfile.mkdtemp()) / "run")
        Traceback (most recent call last):
        jaxmm.errors.DataError: data.root: no/such is not a folder; give the folder that holds captions.jsonl
    """
    started = time.perf_counter()
    run = Path(workdir)
    _check_free(run, experiment)
    data = experiment.data.open(run / ASSETS_FOLDER)
    experiment.task.check_data(data)
    horizon = Horizon(epochs=experiment.loop.epochs, steps_per_epoch=data.steps_per_epoch)
    task, mesh = experiment.task, make_mesh()
    validation = _validation(experiment, data)
    batches = data.train_batches(seed=experiment.seed, process=jax.process_index(), num_processes=jax.process_count())
    with Checkpoints(run, keep=experiment.loop.keep, best_metric=experiment.loop.best_metric) as checkpoints:
        saved = checkpoints.steps()
        state = _start(experiment, data, horizon, mesh, pretrained=not saved)
        if saved:
            state = checkpoints.restore(state, batches, step=saved[-1])
        write_experiment(experiment, run / CONFIG_FILE)
        ready = task.precompute(state.params, data, functools.partial(embed_rows, params=state.params, mesh=mesh))
        scores: dict[str, float] = {}
        with MetricWriter(run, from_step=int(state.step)) as writer:

            def record(step: int, values: Mapping[str, float]) -> None:
                scores.update({name: value for name, value in values.items() if name.startswith("val/")})
                writer.write(step, values)
                report(step, horizon.num_steps, values)

            state = fit(
                task,
                experiment.loop,
                state,
                map(ready, batches),
                mesh,
                evaluate=validation,
                save=lambda state, values: checkpoints.save(state, batches, values),
                report=record,
            )
    return {"step": float(state.step), "seconds": time.perf_counter() - started, **scores}


def evaluate(
    run: str | Path,
    *,
    root: str | None = None,
    split: str = "test",
    protocol: Protocol = "all",
    graded: bool = False,
    bootstrap: int = 0,
    sentences: str | Callable[[Sequence[str]], Float[np.ndarray, "texts dim"]] | None = None,
    checkpoint: str = "last",
) -> dict[str, float]:
    """Evaluates a run on a split of its data, or of the data at another root.

    Args:
        run: The run's folder.
        root: Folder of the data; the run's own by default.
        split: `train`, `val` or `test`.
        protocol: What queries are searched in.
        graded: Whether to add nDCG by the similarity of captions.
        bootstrap: Draws for 95% intervals over the queries; 0 has none.
        sentences: What the similarity of captions comes from: a checkpoint, or a function from texts to unit-norm
            vectors; by default the checkpoint that the run's text backbone started from, as it was before training.
        checkpoint: `last`, `best`, or a step.

    Returns:
        Scores named `<split>/<direction>/<metric>`, the ends of intervals `.../low` and `.../high`, the step, and the
        protocol as the name of a one.

    Raises:
        ConfigError: If captions must be compared, and neither the run nor `sentences` names a pretrained model.
        JaxmmError: If the run or the data cannot be read, or there is no such split.
    """
    model = load(run, checkpoint=checkpoint)
    gallery, motion, text = model.embedder.split(model.params, model.collections, model.open_data(root=root), split)
    embed = _sentence_encoder(model.experiment, sentences) if graded or protocol in BY_SIMILARITY else None
    scores = evaluate_retrieval(
        motion,
        text,
        gallery.relevant,
        protocol=protocol,
        sentences=None if embed is None else embed(gallery.captions),
        graded=graded,
        num_resamples=bootstrap,
    )
    return {
        "step": float(model.step),
        f"protocol/{protocol}": 1.0,
        **{f"{split}/{name}": value for name, value in scores.items()},
    }


def _sentence_encoder(
    experiment: Experiment, sentences: str | Callable[[Sequence[str]], Any] | None
) -> Callable[[Sequence[str]], Any]:
    """Returns what tells how near captions are in meaning."""
    if sentences is not None:
        return SentenceEncoder.read(sentences) if isinstance(sentences, str) else sentences
    weights = getattr(experiment.task, "text_weights", None)
    if weights is None:
        raise ConfigError(
            "comparing captions by meaning needs a pretrained text model, and this run's text tower started from "
            "scratch; name one with --sentences CHECKPOINT, such as sentence-transformers/all-MiniLM-L6-v2"
        )
    return SentenceEncoder.read(weights, revision=getattr(experiment.task, "text_revision", None))


def verify(run: str | Path) -> dict[str, object]:
    """Restores the last checkpoint of a run and compares it with the digest saved beside it.

    Returns:
        `step`, `state_sha256` (None when it cannot be read), `ok`, and `problem` when not ok.

    Raises:
        CheckpointError: If the folder is no run, or holds no checkpoint.
    """
    run = Path(run)
    if not (run / CONFIG_FILE).is_file():
        raise CheckpointError(f"{run}: is not a run; give the folder that jaxmm train wrote")
    with Checkpoints(run, writable=False) as checkpoints:
        step = checkpoints.choose("last")
        try:
            return {"step": step, "state_sha256": checkpoints.verify(step), "ok": True}
        except JaxmmError as error:
            return {"step": step, "state_sha256": None, "ok": False, "problem": str(error)}


def _check_free(run: Path, experiment: Experiment) -> None:
    """Checks that the folder is a run of the experiment, or may become one."""
    decode(encode(experiment))  # refuses before training what config.json could not be read back from
    path = run / CONFIG_FILE
    if path.is_file():
        changed = differences(encode(read_experiment(path)), encode(experiment))
        if changed:
            raise ConfigError(
                f"{run}: holds a run of another config; choose another --workdir, or undo:\n  " + "\n  ".join(changed)
            )
    elif run.exists() and (not run.is_dir() or _foreign(run)):
        raise ConfigError(f"{run}: is not empty and holds no run; choose another --workdir")
    else:
        for name in ASSET_FILES:  # left by a start that failed before its first step
            (run / ASSETS_FOLDER / name).unlink(missing_ok=True)


def _foreign(run: Path) -> set[str]:
    """Returns what a start of ours, killed at any moment, cannot have left in a folder without a config."""
    mine = {ASSETS_FOLDER, FOLDER}
    return {entry.name for entry in run.iterdir() if not entry.name.startswith(f".{CONFIG_FILE}.")} - mine


def _start(
    experiment: Experiment, data: MotionTextData, horizon: Horizon, mesh: Mesh, *, pretrained: bool
) -> TrainState:
    """Returns the state before the first step, with pretrained weights unless a checkpoint will replace them."""
    whole = replicated(mesh)
    batch = place_batch(data.sample_batch(), mesh)
    init = jax.jit(experiment.task.init, static_argnums=2, out_shardings=whole)
    state = init(jax.random.key(experiment.seed), batch, horizon)
    if not pretrained:
        return state
    return state.replace(params=jax.device_put(experiment.task.load_pretrained(state.params), whole))


def _validation(experiment: Experiment, data: MotionTextData) -> Callable[[TrainState], Mapping[str, float]] | None:
    """Returns what scores a state on the validation split, if there is one."""
    loop = experiment.loop
    if not (loop.evaluate_every and data.has_split("val")):
        if loop.best_metric is not None:
            raise ConfigError(
                f"loop.best_metric is {loop.best_metric!r}, but the data have no val split; set it to None"
            )
        return None
    pair = np.eye(2, dtype=np.float32)
    names = [f"val/{name}" for name in evaluate_retrieval(pair, pair, pair > 0)]
    if loop.best_metric is not None and loop.best_metric not in names:
        raise ConfigError(f"loop.best_metric is {loop.best_metric!r}; choose among {', '.join(names)}")
    embedder = Embedder(experiment.task, experiment.data, data.tokenizer)

    def score(state: TrainState) -> Mapping[str, float]:
        gallery, motion, text = embedder.split(state.params, state.collections, data, "val")
        return {f"val/{name}": value for name, value in evaluate_retrieval(motion, text, gallery.relevant).items()}

    return score
