"""Runs: training that starts or continues a folder, and its verification."""

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather, sync_global_devices
from jax.sharding import Mesh
from jaxtyping import PRNGKeyArray

from jaxmm.checkpoint import FOLDER, LOCK, Checkpoints
from jaxmm.config import decode, differences, encode
from jaxmm.data.dataset import Dataset
from jaxmm.errors import CheckpointError, ConfigError, Interrupted
from jaxmm.experiment import Experiment, read_experiment, write_experiment
from jaxmm.horizon import Horizon
from jaxmm.model import ASSETS_FOLDER, CONFIG_FILE
from jaxmm.rows import embedder
from jaxmm.state import TrainState
from jaxmm.tasks.base import Task
from jaxmm.train.loop import Hooks, fit
from jaxmm.train.saver import Saver
from jaxmm.train.signals import StopRequests
from jaxmm.train.step import (
    Devices,
    TrainStep,
    compile_train_step,
    make_mesh,
    place_whole,
    state_shardings,
)
from jaxmm.train.writers import MetricWriter
from jaxmm.typing import Batch
from jaxmm.validation import validation

Report = Callable[[int, int, Mapping[str, float]], None]
"""Takes the step, the number of steps of the run, and scalars."""

_LOG = logging.getLogger(__name__)


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
        CheckpointError: If the run's checkpoints cannot be restored, or its end cannot be saved.
        TrainingError: If loss or gradients stay bad.
        Interrupted: If SIGTERM, SIGINT or SIGUSR1 arrived; the state is saved, the same call continues from there.

    Example:
        >>> import tempfile
        >>> from jaxmm import DanceTextTask, MotionFolder, MotionText
        >>> experiment = Experiment(task=DanceTextTask(), data=MotionText(source=MotionFolder(), root="no/such"))
        >>> train(experiment, Path(tempfile.mkdtemp()) / "run")
        Traceback (most recent call last):
        jaxmm.errors.DataError: data.root: no/such is not a folder; give the folder that holds captions.jsonl
    """
    with StopRequests() as requests:
        return _train(experiment, Path(workdir), report, requests)


def _train(experiment: Experiment, run: Path, report: Report, requests: StopRequests) -> dict[str, float]:
    started = time.perf_counter()
    if leads():  # alone, since it writes what the others read
        _check_free(run, experiment)
        experiment.data.open(run / ASSETS_FOLDER)
    sync_global_devices("opened")
    data = experiment.data.open(run / ASSETS_FOLDER)
    experiment.task.check_data(data)
    horizon = experiment.loop.horizon(steps_per_epoch=data.steps_per_epoch)
    task, mesh = experiment.task, make_mesh(experiment.devices)
    batches = data.train_batches(seed=experiment.seed, process=jax.process_index(), num_processes=jax.process_count())
    with Checkpoints(
        run,
        keep=experiment.loop.keep,
        keep_every=experiment.loop.keep_every * horizon.steps_per_epoch,
        best_metric=experiment.loop.best_metric,
        best_is=experiment.loop.best_is,
        fingerprint=data.fingerprint(seed=experiment.seed, num_processes=jax.process_count()),
    ) as checkpoints:
        start = jax.random.key(experiment.seed), place_whole(data.sample_batch(), mesh), horizon
        like = _with_places(jax.eval_shape(lambda: task.init(*start)), mesh)
        fresh = functools.partial(_pretrained, task, data, start, like)
        score = validation(experiment, data, mesh)
        state = checkpoints.resume(like, batches) if checkpoints.steps() else fresh()
        if leads():
            write_experiment(experiment, run / CONFIG_FILE)
        scores: dict[str, float] = {}
        open_metrics = functools.partial(MetricWriter, run, from_step=int(state.step)) if leads() else nullcontext
        with requests.deferred(), open_metrics() as writer:

            def record(step: int, values: Mapping[str, float]) -> None:
                scores.update({name: value for name, value in values.items() if name.startswith("val/")})
                if writer is not None:
                    writer.write(step, values)
                    report(step, horizon.num_steps, values)

            def roll_back() -> TrainState:
                return checkpoints.resume(like, None) if checkpoints.steps() else fresh()

            def begin(state: TrainState) -> tuple[TrainStep, Iterator[Batch]]:
                embed = embedder(task, state, mesh)
                with requests.deferred(deferring=False):  # the state is the first one, or saved
                    _heed(requests, int(state.step))
                    ready = task.precompute(state.params, data, embed, state.horizon)
                of_stage = dataclasses.replace(like, horizon=state.horizon)
                step_fn = compile_train_step(task, of_stage, mesh, mode=experiment.devices.mode)
                _LOG.info("training from step %d of %d; its program is compiled first", state.step, horizon.num_steps)
                return step_fn, map(ready, batches)

            hooks = Hooks(
                begin=begin,
                evaluate=score,
                save=Saver(checkpoints, batches, alert=record),
                saved=checkpoints.scores,
                roll_back=roll_back,
                report=record,
                stop=lambda: requests.received,
            )
            state = fit(experiment.loop, task.numerics, state, hooks)
        _heed(requests, int(state.step))  # came with the last evaluation or save; who trains more runs begins none
    return {"step": float(state.step), "seconds": time.perf_counter() - started, **scores}


def _heed(requests: StopRequests, step: int) -> None:
    """Stops all processes where one was asked to while a step was saved; before the first step, none is yet."""
    number = int(np.max(process_allgather(np.int32(requests.received or 0))))
    if number and step:
        raise Interrupted(number, saved_step=step)


def leads() -> bool:
    """Tells whether this process speaks for all processes of the run.

    Example:
        >>> leads()
        True
    """
    return jax.process_index() == 0


def verify(run: str | Path) -> dict[str, object]:
    """Compares every file of every checkpoint of a run with its manifest, and restores the last one.

    Returns:
        `step` and `state_sha256` of the last checkpoint (None when it cannot be read), `ok`, and, when not ok,
        `problem`: one line for each damaged file.

    Raises:
        CheckpointError: If the folder is no run, or holds no checkpoint.
    """
    run = Path(run)
    if not (run / CONFIG_FILE).is_file():
        raise CheckpointError(f"{run}: is not a run; give the folder that jaxmm train wrote")
    checkpoints = Checkpoints(run, writable=False)
    steps = checkpoints.steps()
    if not steps:
        raise CheckpointError(f"{run}: holds no checkpoint yet; train the run first")
    damaged = {step: checkpoints.damage(step) for step in steps}
    problems, sha256 = [problem for own in damaged.values() for problem in own], None
    if not damaged[steps[-1]]:
        try:
            sha256 = checkpoints.verify(steps[-1])
        except CheckpointError as error:
            problems.append(str(error))
    found = {"step": steps[-1], "state_sha256": sha256, "ok": not problems}
    return {**found, "problem": "\n".join(problems)} if problems else found


def _check_free(run: Path, experiment: Experiment) -> None:
    """Checks that the folder is a run of the experiment, or may become one."""
    decode(encode(experiment))  # refuses before training what config.json could not be read back from
    path = run / CONFIG_FILE
    if path.is_file():
        changed = differences(_learnt(read_experiment(path)), _learnt(experiment))
        if changed:
            raise ConfigError(
                f"{run}: holds a run of another config; choose another --workdir, or undo:\n  " + "\n  ".join(changed)
            )
    elif run.exists() and (not run.is_dir() or _foreign(run)):
        raise ConfigError(f"{run}: is not empty and holds no run; choose another --workdir")
    else:
        for name in experiment.data.asset_files:  # left by a start that failed before its first step
            (run / ASSETS_FOLDER / name).unlink(missing_ok=True)


def _learnt(experiment: Experiment) -> object:
    """Returns the settings on which depends what is learnt, not where it is computed, read from or reported.

    The data themselves are compared with those of the checkpoint, wherever they lie.
    """
    data = dataclasses.replace(experiment.data, root=None, num_threads=1)
    loop = dataclasses.replace(experiment.loop, log_every=1, keep=1, keep_every=0)
    devices = Devices(mode=experiment.devices.mode)  # under pmap each device draws dropout of its own
    return encode(dataclasses.replace(experiment, data=data, loop=loop, devices=devices))


def _foreign(run: Path) -> set[str]:
    """Returns what a start of ours, killed at any moment, cannot have left in a folder without a config."""
    mine = {ASSETS_FOLDER, FOLDER, LOCK}
    return {entry.name for entry in run.iterdir() if not entry.name.startswith(f".{CONFIG_FILE}.")} - mine


def _with_places(shapes: TrainState, mesh: Mesh) -> TrainState:
    """Adds to the shapes of a state where each array lives."""
    return jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
        shapes,
        state_shardings(shapes, mesh),
    )


def _pretrained(
    task: Task, data: Dataset[Any], start: tuple[PRNGKeyArray, Batch, Horizon], like: TrainState
) -> TrainState:
    """Returns the state before the first step, with what is not learnt here, laid out as `like`."""
    places = jax.tree.map(lambda leaf: leaf.sharding, like)
    # Runs once, and holds a generator of random numbers for every parameter, whose optimization takes seconds.
    options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    state = jax.jit(task.init, static_argnums=2, out_shardings=places, compiler_options=options)(*start)
    params, collections = task.load_pretrained(state.params, state.collections, data)
    return state.replace(
        params=jax.device_put(params, places.params), collections=jax.device_put(collections, places.collections)
    )
