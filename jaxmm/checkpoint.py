"""Checkpoints: the state, the position in the data and a manifest of hashes, saved and restored as one."""

import fcntl
import logging
import os
import shutil
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather, sync_global_devices

from jaxmm import snapshot
from jaxmm.errors import CheckpointError, DamagedError, DiskFullError, JaxmmError, reason
from jaxmm.files import is_disk_full
from jaxmm.manifest import damage, read_facts, sync_to_disk
from jaxmm.state import TrainState
from jaxmm.train.stopping import Better, rank
from jaxmm.typing import Collections, Params

FOLDER = "checkpoints"
LOCK = ".lock"
"""File of a run, empty, that the process holds which trains it."""
DAMAGED = "damaged"
"""Folder, beside the steps, of those that were set aside."""

_PARTIAL = ".partial"  # what is being written or removed; of no worth after a kill
_MOMENT, _LONGEST_WRITE = 0.2, 10.0  # seconds
_LOG = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of a run: the last ones, and the best by a metric.

    A checkpoint is a folder named by its step. It holds `model` (parameters and collections), `training` (the rest of
    the state), `data` (position of the Grain iterator), the fingerprint of the data, and a manifest: size and SHA-256
    of each of these files, the state's own SHA-256 and its scores. It is written elsewhere and renamed once the
    manifest is on the disk, so a folder without a valid manifest is not a checkpoint.

    Args:
        run: The run's folder.
        keep: Number of newest checkpoints to keep, >= 1.
        keep_every: Steps between those that are kept for good; 0 keeps none.
        best_metric: Name of the metric whose best value marks the checkpoint to keep besides; None keeps none.
        best_is: Which of two of its values is the better one.
        fingerprint: What the data are, as JSON values; saved, and compared on restoring.
        writable: Whether this process trains the run: it may save, and clears away what a killed save left. No other
            may meanwhile; of several processes of the run, the first one sees to that.

    Raises:
        CheckpointError: If another process trains in the folder.

    Example:
        >>> import tempfile
        >>> with Checkpoints(Path(tempfile.mkdtemp())) as checkpoints:
        ...     checkpoints.steps()
        []
    """

    def __init__(
        self,
        run: Path,
        *,
        keep: int = 1,
        keep_every: int = 0,
        best_metric: str | None = None,
        best_is: Better = "larger",
        fingerprint: Mapping[str, Any] | None = None,
        writable: bool = True,
    ) -> None:
        self._folder = (run / FOLDER).resolve()
        self._keep = keep
        self._keep_every = keep_every
        self._best_metric = best_metric
        self._best_is: Better = best_is
        self._fingerprint = dict(fingerprint or {})
        self._writable = writable
        if writable:
            self._folder.mkdir(parents=True, exist_ok=True)
        leads = writable and jax.process_index() == 0
        self._unlock = weakref.finalize(self, os.close, _locked(run / LOCK)) if leads else None
        self._clear()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()
        if self._unlock is not None:
            self._unlock()

    def steps(self) -> list[int]:
        """Returns the steps that are saved, oldest first."""
        if not self._folder.is_dir():
            return []
        return sorted(int(entry.name) for entry in self._folder.iterdir() if entry.name.isdecimal())

    def save(self, state: TrainState, data: grain.DatasetIterator, metrics: Mapping[str, float]) -> None:
        """Saves a state, unless its step is saved already; then removes the older steps that need not be kept.

        Raises:
            DiskFullError: If there is no space left; what had been written is removed, the older steps stay.
            CheckpointError: If the folder cannot be written.
        """
        step = int(state.step)
        if step in self.steps():
            return
        building, folder = self._folder / _PARTIAL / str(step), self._folder / str(step)
        failure: Exception | None = None
        try:
            snapshot.write(building, state, data, metrics=metrics, fingerprint=self._fingerprint)
            if jax.process_index() == 0:
                building.rename(folder)
                sync_to_disk(self._folder)
                if problems := damage(folder):
                    raise DamagedError(f"{problems[0]}, as soon as it was written; no older step is removed")
        except Exception as error:  # TensorStore has no kind of its own for a full disk
            failure = error
        self._agree(folder, failure)
        self._remove_old()

    def _agree(self, folder: Path, failure: Exception | None) -> None:
        """Raises on all processes where one failed, since they must go on together or not at all."""
        full = failure is not None and is_disk_full(failure)
        worst = int(np.max(process_allgather(np.int32(0 if failure is None else 1 if full else 2))))
        if worst == 0:
            return
        self._clear_behind_writers()
        if worst == 1:
            raise DiskFullError(f"{folder}: the disk is full, so the step is not saved") from failure
        if failure is None:
            raise CheckpointError(f"{folder}: another process could not save it; see what that one says")
        if isinstance(failure, JaxmmError):
            raise failure
        why = reason(failure) or type(failure).__name__  # TensorStore and Orbax each raise their own kinds
        raise CheckpointError(f"{folder}: cannot be saved ({why})") from failure

    def restore(self, like: TrainState, data: grain.DatasetIterator | None, *, step: int) -> TrainState:
        """Returns the state saved at `step`, and puts `data` where it was.

        Args:
            like: A state with the shapes, types and shardings to restore to; values are not read.
            data: Iterator over the same data; None leaves the data where they are.
            step: One of `steps()`.

        Raises:
            DamagedError: If the checkpoint is not what was saved.
            CheckpointError: If it does not fit `like`, or was saved over other data.
        """
        return snapshot.read(self._sound(step), like, data, fingerprint=self._fingerprint)

    def resume(self, like: TrainState, data: grain.DatasetIterator | None) -> TrainState:
        """Returns the newest sound state, and puts `data` where it was; damaged steps on the way are set aside.

        Args:
            like: A state with the shapes, types and shardings to restore to; values are not read.
            data: Iterator over the same data; None leaves the data where they are.

        Raises:
            CheckpointError: If no step is sound, in which case none is moved; or the newest sound one does not fit
                `like`, or was saved over other data.
        """
        damaged: dict[int, DamagedError] = {}
        for step in reversed(self.steps()):
            try:
                state = self.restore(like, data, step=step)
            except DamagedError as error:
                damaged[step] = error
                continue
            for bad, error in damaged.items():
                _LOG.warning("%s; step %d is moved to %s, step %d goes on", error, bad, self._set_aside(bad), step)
            return state
        raise self._none_left(damaged)

    def scores(self, step: int) -> dict[str, float]:
        """Returns the scores that were saved with a step; none of one that is not saved.

        Raises:
            DamagedError: If the checkpoint is not what was saved.
        """
        return dict(read_facts(self._folder / str(step))["metrics"]) if step in self.steps() else {}

    def restore_model(self, step: int) -> tuple[Params, Collections]:
        """Returns the parameters and collections saved at `step`, as NumPy arrays.

        Raises:
            DamagedError: If the checkpoint is not what was saved.
            CheckpointError: If they cannot be read.
        """
        return snapshot.read_model(self._sound(step))

    def damage(self, step: int) -> list[str]:
        """Lists every file of a step that is not as it was saved, with what is wrong; an empty list is sound."""
        folder = self._folder / str(step)
        problems = damage(folder)
        if not problems and read_facts(folder)["step"] != step:
            return [f"{folder}: is step {read_facts(folder)['step']}, renamed"]
        return problems

    def verify(self, step: int) -> str:
        """Returns the SHA-256 of the state saved at `step`, after reading all of it.

        Raises:
            DamagedError: If the checkpoint is not what was saved.
            CheckpointError: If it cannot be read.
        """
        return snapshot.verify(self._sound(step))

    def _sound(self, step: int) -> Path:
        """Returns the folder of a step, after comparing all files with its manifest."""
        problems = self.damage(step)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise DamagedError(f"{problems[0]}{more}")
        return self._folder / str(step)

    def choose(self, which: str) -> int:
        """Returns the step that `last`, `best` or a number names; of the first two, damaged ones are passed over.

        Raises:
            DamagedError: If the named step is damaged.
            CheckpointError: If there is no such checkpoint, or none that is sound.
        """
        steps = self.steps()
        if not steps:
            raise CheckpointError(f"{self._folder}: holds no checkpoint yet; train the run first")
        if which.isdecimal() and int(which) in steps:
            self._sound(int(which))
            return int(which)
        if which not in ("last", "best"):
            raise CheckpointError(f"{self._folder}: no checkpoint {which!r}; choose last, best or one of {steps}")
        ranked = steps if which == "last" else self._ranked(steps)
        if not ranked:
            raise CheckpointError(
                f"{self._folder}: the run keeps no best checkpoint; set loop.best_metric, or use last"
            )
        damaged: dict[int, DamagedError] = {}
        for step in reversed(ranked):
            try:
                self._sound(step)
                return step
            except DamagedError as error:
                _LOG.warning("%s; step %d is passed over", error, step)
                damaged[step] = error
        raise self._none_left(damaged)

    def _none_left(self, damaged: Mapping[int, DamagedError]) -> CheckpointError:
        found = "\n  ".join(str(error) for error in damaged.values())
        return CheckpointError(
            f"{self._folder}: no checkpoint is sound; bring a copy back, or train in another --workdir:\n  {found}"
        )

    def _ranked(self, steps: list[int]) -> list[int]:
        """Returns the steps that have a score, worst first and older first among equals."""
        scores = {}
        for step in steps:
            try:
                score = read_facts(self._folder / str(step))["metrics"].get(self._best_metric)
            except DamagedError as error:
                _LOG.warning("%s; the score of step %d is unknown", error, step)
                continue
            if score is not None and score == score:
                scores[step] = rank(score, self._best_is)
        return sorted(scores, key=lambda step: (scores[step], step))

    def _remove_old(self) -> None:
        if jax.process_index() == 0:
            steps, partial = self.steps(), self._folder / _PARTIAL
            kept = {*steps[-self._keep :], *self._ranked(steps)[-1:]}
            kept |= {step for step in steps if self._keep_every and step % self._keep_every == 0}
            partial.mkdir(exist_ok=True)
            for step in set(steps) - kept:
                # Renamed first: what is half removed when the process is killed must not pass for a damaged step.
                (self._folder / str(step)).rename(partial / f"old-{step}")
            self._clear()
        sync_global_devices("removed old steps")

    def _set_aside(self, step: int) -> Path:
        folder, number = self._folder / DAMAGED / str(step), 1
        while folder.exists():
            number += 1
            folder = folder.with_name(f"{step}-{number}")
        sync_global_devices(f"found a place for {step}")
        if jax.process_index() == 0:
            folder.parent.mkdir(exist_ok=True)
            (self._folder / str(step)).rename(folder)
        sync_global_devices(f"set aside {step}")
        return folder

    def _clear_behind_writers(self) -> None:
        """Removes what a save that failed has left, and what its threads still write.

        Orbax gives up with the first array that fails; the others are written on for a moment, into folders that are
        made anew where they are gone.
        """
        until = time.monotonic() + _LONGEST_WRITE
        while True:
            self._clear()
            time.sleep(_MOMENT)
            if not (self._folder / _PARTIAL).exists() or time.monotonic() > until:
                return

    def _clear(self) -> None:
        """Removes what no step needs; to another process than the one that trains, it may be a save under way."""
        if self._writable and jax.process_index() == 0:
            shutil.rmtree(self._folder / _PARTIAL, ignore_errors=True)


def _locked(path: Path) -> int:
    """Opens a file and locks it until it is closed, or the process ends, however it does."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # not inherited by programs that this one starts
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise CheckpointError(
            f"{path.parent}: another process trains here; wait for its end, stop it, or choose another --workdir"
        ) from error
    except OSError as error:  # a file system without locks
        _LOG.info("%s: cannot be locked (%s); start no second training here", path, error)
    return handle
