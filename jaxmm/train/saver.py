"""Saving while training, through a full disk."""

import logging
import time
from collections.abc import Callable, Mapping

import grain

from jaxmm.checkpoint import Checkpoints
from jaxmm.errors import CheckpointError, DiskFullError
from jaxmm.state import TrainState

ALERT = "alert/disk_full"
_WAITS = (1.0, 10.0, 30.0)
_LOG = logging.getLogger(__name__)


class Saver:
    """Saves states; when the disk is full, training goes on and the next save tries again.

    Args:
        checkpoints: Where to save.
        batches: Iterator whose position is saved with a state.
        alert: Takes the step and, named `alert/disk_full`, how many saves have failed so far.
        waits: Seconds to wait before each more attempt to save the end.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import jax.numpy as jnp
        >>> from jaxmm.horizon import Horizon
        >>> state = TrainState(step=jnp.int32(7), params={"w": jnp.ones(2)}, collections={}, opt_state=(),
        ...                    key=jnp.zeros(2, jnp.uint32), guards={}, horizon=Horizon())
        >>> with Checkpoints(Path(tempfile.mkdtemp())) as checkpoints:
        ...     saver = Saver(checkpoints, iter(grain.MapDataset.range(9).to_iter_dataset()), alert=print)
        ...     saver(state, {}, last=True)
        ...     checkpoints.steps()
        [7]
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        batches: grain.DatasetIterator,
        *,
        alert: Callable[[int, Mapping[str, float]], None],
        waits: tuple[float, ...] = _WAITS,
    ) -> None:
        self._checkpoints, self._batches, self._alert, self._waits = checkpoints, batches, alert, waits
        self._num_failed = 0

    def __call__(self, state: TrainState, scores: Mapping[str, float], last: bool = False) -> None:
        """Saves a state with its scores; a full disk is logged and counted, not raised, unless this is the last time.

        Raises:
            CheckpointError: If it is the last time, and waiting did not help.
        """
        if self._saved(state, scores):
            return
        for seconds in self._waits if last else ():
            time.sleep(seconds)
            if self._saved(state, scores):
                return
        if last:
            steps = self._checkpoints.steps()
            kept = f"step {steps[-1]} is the newest that is kept" if steps else "nothing was saved before it either"
            raise CheckpointError(
                f"the run is trained to step {int(state.step)}, but not saved, since the disk is full; {kept}; "
                "make room and run the same command again, which continues from there"
            )

    def _saved(self, state: TrainState, scores: Mapping[str, float]) -> bool:
        try:
            self._checkpoints.save(state, self._batches, scores)
        except DiskFullError as error:
            self._num_failed += 1
            _LOG.error("%s; it will be tried again; make room", error)
            self._alert(int(state.step), {ALERT: float(self._num_failed)})
            return False
        return True
