"""The training loop: steps, logging, evaluation and saving, in that order, from any step to the end."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
from jax.sharding import Mesh

from jaxmm.errors import ConfigError
from jaxmm.state import TrainState
from jaxmm.tasks.base import Task
from jaxmm.train.step import compile_train_step, place_batch
from jaxmm.train.throttle import Throttle
from jaxmm.typing import Batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop:
    """How long to train, and how often to report and save.

    Attributes:
        epochs: Passes over the training split, >= 1.
        log_every: Steps between records of the training scalars, >= 1.
        evaluate_every: Epochs between evaluations on the validation split, if there is one; 0 never evaluates.
        save_every: Epochs between checkpoints, >= 1; the end is always saved.
        keep: Number of newest checkpoints to keep, >= 1.
        best_metric: Validation metric whose largest value marks one more checkpoint to keep; None keeps none.

    Raises:
        ConfigError: If a number is out of its range, or a best metric has no evaluation to come from.

    Example:
        >>> Loop(epochs=3).log_every
        20
    """

    epochs: int = 50
    log_every: int = 20
    evaluate_every: int = 5
    save_every: int = 5
    keep: int = 1
    best_metric: str | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "log_every", "save_every", "keep"):
            if getattr(self, name) < 1:
                raise ConfigError(f"loop.{name} is {getattr(self, name)}; give 1 or more")
        if self.evaluate_every < 0:
            raise ConfigError(f"loop.evaluate_every is {self.evaluate_every}; give 0 or more epochs")
        if self.best_metric is not None and (not self.evaluate_every or self.save_every % self.evaluate_every):
            raise ConfigError(
                f"loop.best_metric is {self.best_metric!r}, so every checkpoint needs an evaluation; "
                f"make save_every ({self.save_every}) a multiple of evaluate_every ({self.evaluate_every})"
            )


def fit(
    task: Task,
    loop: Loop,
    state: TrainState,
    batches: Iterator[Batch],
    mesh: Mesh,
    *,
    evaluate: Callable[[TrainState], Mapping[str, float]] | None,
    save: Callable[[TrainState, Mapping[str, float]], None],
    report: Callable[[int, Mapping[str, float]], None],
) -> TrainState:
    """Trains from `state.step` to the end of the state's horizon.

    Args:
        task: What to learn.
        loop: How often to do what.
        state: Where to start; its memory is reused.
        batches: Batches from the state's step on.
        mesh: Devices.
        evaluate: Scores a state on the validation split; None when there is none.
        save: Saves a state with its latest scores.
        report: Takes scalars by step.

    Returns:
        The state after the last step.
    """
    step_fn = compile_train_step(task, mesh)
    throttle = Throttle()
    steps_per_epoch, num_steps = state.horizon.steps_per_epoch, state.horizon.num_steps
    clock = _Clock(report, every=loop.log_every, start=int(state.step))
    scores: Mapping[str, float] = {}
    for step in range(int(state.step) + 1, num_steps + 1):
        state, metrics = step_fn(state, place_batch(next(batches), mesh))
        finished = throttle.add((step, metrics))
        if finished is not None:
            clock.tick(*finished)
        epoch, within = divmod(step, steps_per_epoch)
        ends = step == num_steps
        if within and not ends:
            continue
        if evaluate is not None and loop.evaluate_every and (epoch % loop.evaluate_every == 0 or ends):
            clock.flush(throttle)
            scores = evaluate(state)
            report(step, scores)
            clock.skip(step)
        if epoch % loop.save_every == 0 or ends:
            clock.flush(throttle)
            save(state, scores)
            clock.skip(step)
    clock.flush(throttle)
    return state


class _Clock:
    """Reports training scalars with the rate of steps, leaving out the time of evaluation and saving."""

    def __init__(self, report: Callable[[int, Mapping[str, float]], None], *, every: int, start: int) -> None:
        self._report, self._every = report, every
        self._since, self._last = time.perf_counter(), start

    def tick(self, step: int, metrics: Mapping[str, Any]) -> None:
        if step % self._every:
            return
        now = time.perf_counter()
        rate = (step - self._last) / max(now - self._since, 1e-9)
        values = {f"train/{name}": float(value) for name, value in jax.device_get(metrics).items()}
        self._report(step, {**values, "train/steps_per_second": rate})
        self._since, self._last = now, step

    def flush(self, throttle: Throttle) -> None:
        for finished in throttle.drain():
            self.tick(*finished)

    def skip(self, step: int) -> None:
        self._since, self._last = time.perf_counter(), step
