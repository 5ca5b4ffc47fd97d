"""The training loop: steps, logging, evaluation and saving, in that order, from any step to the end."""

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Mapping

import jax

from jaxmm.errors import ConfigError, Interrupted, TrainingError
from jaxmm.horizon import Horizon, Stage
from jaxmm.numerics import Numerics
from jaxmm.state import TrainState
from jaxmm.train.step import TrainStep
from jaxmm.train.stopping import Better, EarlyStopping
from jaxmm.train.throttle import Throttle
from jaxmm.typing import Batch, Metrics

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop:
    """How long to train, and how often to report and save.

    Attributes:
        epochs: Passes over the training split, >= 1.
        log_every: Steps between records of the training scalars, >= 1.
        evaluate_every: Epochs between evaluations on the validation split, if there is one; 0 never evaluates.
        save_every: Epochs between checkpoints, >= 1; the end is always saved.
        keep: Number of newest checkpoints to keep, >= 1.
        keep_every: Epochs between checkpoints that are kept for good, a multiple of `save_every`; 0 keeps none.
        best_metric: Validation metric whose best value marks one more checkpoint to keep; None keeps none.
        best_is: Whether the `larger` or the `smaller` of two values of it is the better one.
        patience: Evaluations without a better value of it after which training ends, >= 1; None trains to the end.
        stages: Parts of the run, in which more and more parameters train; their epochs sum up to `epochs`. The end of
            each is evaluated and saved. Without any, all parameters train from the start.

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
    keep_every: int = 0
    best_metric: str | None = None
    best_is: Better = "larger"
    patience: int | None = None
    stages: tuple[Stage, ...] = ()

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
        if self.keep_every < 0 or self.keep_every % self.save_every:
            raise ConfigError(
                f"loop.keep_every is {self.keep_every}; give a multiple of save_every ({self.save_every}), or 0"
            )
        if self.patience is not None and (self.patience < 1 or self.best_metric is None):
            raise ConfigError(
                f"loop.patience is {self.patience}; give 1 or more, and name what is watched as loop.best_metric"
            )
        lengths = [stage.epochs for stage in self.stages]
        if self.stages and sum(lengths) != self.epochs:
            total = " + ".join(map(str, lengths))
            raise ConfigError(f"loop.stages take {total} epochs, but loop.epochs is {self.epochs}; make them agree")

    def horizon(self, *, steps_per_epoch: int = 1) -> Horizon:
        """Returns how long training is, and what trains when."""
        return Horizon(epochs=self.epochs, steps_per_epoch=steps_per_epoch, stages=self.stages)

    @property
    def stopping(self) -> EarlyStopping:
        """What ends training early, before the first evaluation."""
        return EarlyStopping(metric=self.best_metric, better=self.best_is, patience=self.patience)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the loop asks of the run that it trains.

    Attributes:
        begin: Returns the compiled step of a state's stage, and the batches from its step on; called at the start of
            training and of each stage. After a rollback training goes on with later batches.
        evaluate: Scores a state on the validation split; None when there is none.
        save: Saves a state, with its scores if it was evaluated; called with True before training ends.
        saved: Returns the scores that were saved with a step; none of one that is not saved.
        roll_back: Returns the state that was saved last, or the first one.
        report: Takes scalars by step.
        stop: Tells which signal asks this process to stop; None when none does.
    """

    begin: Callable[[TrainState], tuple[TrainStep, Iterator[Batch]]]
    evaluate: Callable[[TrainState], Mapping[str, float]] | None
    save: Callable[[TrainState, Mapping[str, float], bool], None]
    saved: Callable[[int], Mapping[str, float]]
    roll_back: Callable[[], TrainState]
    report: Callable[[int, Mapping[str, float]], None]
    stop: Callable[[], int | None]


def fit(loop: Loop, numerics: Numerics, state: TrainState, hooks: Hooks) -> TrainState:
    """Trains from `state.step` to the end of the state's horizon, or until validation has become no better for long.

    Args:
        loop: How often to do what.
        numerics: After how many bad steps to go back, and how often.
        state: Where to start; its memory is reused.
        hooks: Steps and batches, evaluation, saving, reporting, and requests to stop.

    Returns:
        The state after the last step.

    Raises:
        Interrupted: If a process was asked to stop; the step that all of them had reached is saved.
        TrainingError: If steps are bad again after `numerics.max_rollbacks` returns to one checkpoint.
    """
    throttle, step, num_rollbacks = Throttle(), int(state.step), 0
    horizon = dataclasses.replace(state.horizon, stage=None)
    step_fn: TrainStep | None = None
    stopping = loop.stopping.resumed(hooks.saved(step))
    monitor = _Monitor(hooks.report, every=loop.log_every, start=step)
    while step < horizon.num_steps and not stopping.exhausted:
        if step_fn is None or state.horizon != horizon.at(step):
            state = dataclasses.replace(state, horizon=horizon.at(step))
            step_fn, batches = hooks.begin(state)
        state, metrics, alarms = step_fn(state, next(batches), hooks.stop() or 0)
        step += 1
        monitor.see(throttle.add((step, metrics, alarms)))
        epoch, within = divmod(step, horizon.steps_per_epoch)
        ends = step == state.horizon.until
        if within and not ends and not monitor.alarmed(numerics):
            continue
        for finished in throttle.drain():
            monitor.see(finished)
        if monitor.bad_in_row >= numerics.rollback_after:
            num_rollbacks += 1
            _check_hope(step, num_rollbacks, numerics)
            del state  # its memory is that of the one to come
            state = hooks.roll_back()
            _LOG.warning("%d bad steps in a row at step %d; back to step %d", monitor.bad_in_row, step, state.step)
            hooks.report(step, {"alert/rollback": float(num_rollbacks)})
            step = int(state.step)
            stopping = stopping.resumed(hooks.saved(step))
            monitor.restart(step)
            continue
        scores: Mapping[str, float] = {}
        due = loop.evaluate_every and (ends or (within == 0 and epoch % loop.evaluate_every == 0))
        if hooks.evaluate is not None and due:
            scores = hooks.evaluate(state)
            stopping = stopping.after(scores)
            hooks.report(step, scores)
        last = step == horizon.num_steps or stopping.exhausted or monitor.stop > 0
        if last or ends or epoch % loop.save_every == 0:
            hooks.save(state, {**scores, **stopping.saved()}, last)
            num_rollbacks = 0
        if stopping.exhausted:
            _LOG.info("%s has not become better in %d evaluations; done", loop.best_metric, stopping.waited)
        if monitor.stop:
            raise Interrupted(monitor.stop, saved_step=step)
        monitor.restart(step)
    return state


def _check_hope(step: int, num_rollbacks: int, numerics: Numerics) -> None:
    if num_rollbacks > numerics.max_rollbacks:
        raise TrainingError(
            f"step {step}: {numerics.rollback_after} bad steps in a row (loss or gradient not finite, or a spike) "
            f"after {numerics.max_rollbacks} returns to the state saved last, or the first one; look at the data with "
            "jaxmm data check, or lower task.optimizer.lr"
        )


class _Monitor:
    """Watches finished steps: reports scalars with the rate of steps, and remembers alarms.

    The rate leaves out the time of evaluation and saving.

    Attributes:
        stop: Number of the signal that asked a process to stop; 0 if none did.
        bad_in_row: Most bad steps in a row since the last restart.
    """

    def __init__(self, report: Callable[[int, Mapping[str, float]], None], *, every: int, start: int) -> None:
        self._report, self._every = report, every
        self.stop = 0
        self.restart(start)

    def see(self, finished: tuple[int, Metrics, Metrics] | None) -> None:
        if finished is None:
            return
        step, metrics, alarms = finished
        self.stop = max(self.stop, int(alarms["stop"]))
        self.bad_in_row = max(self.bad_in_row, int(alarms["bad_in_row"]))
        if step % self._every:
            return
        now = time.perf_counter()
        rate = (step - self._last) / max(now - self._since, 1e-9)
        values = {f"train/{name}": float(value) for name, value in jax.device_get(metrics).items()}
        self._report(step, {**values, "train/steps_per_second": rate})
        self._since, self._last = now, step

    def alarmed(self, numerics: Numerics) -> bool:
        return self.stop > 0 or self.bad_in_row >= numerics.rollback_after

    def restart(self, step: int) -> None:
        self._since, self._last, self.bad_in_row = time.perf_counter(), step, 0
