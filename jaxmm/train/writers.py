"""Where scalars go: one JSON line a record, and TensorBoard."""

import json
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxmm.errors import CheckpointError
from jaxmm.files import is_disk_full

METRICS_FILE = "metrics.jsonl"
_LOG = logging.getLogger(__name__)


class MetricWriter:
    r"""Appends scalars by step to `metrics.jsonl` and to TensorBoard files below `tensorboard/`.

    A full disk is logged, and training goes on; the lines wait in memory until there is room again. JSON has no NaN
    or infinity: they are null there, and themselves in TensorBoard.

    Args:
        folder: The run.
        from_step: Step that the run continues from; records of later steps, which will be written again, are dropped.

    Raises:
        CheckpointError: If a line of `metrics.jsonl` is no record.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with MetricWriter(folder, from_step=0) as writer:
        ...     writer.write(1, {"train/loss": 0.5})
        >>> (folder / METRICS_FILE).read_text()
        '{"step": 1, "train/loss": 0.5}\n'
    """

    def __init__(self, folder: Path, *, from_step: int) -> None:
        # Imported here, since it brings in PyTorch wherever that is installed.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2
        from tensorboardX.summary import scalar

        self._scalar: Any = scalar
        self._events: Any = event_pb2  # its classes are made when it is imported, out of sight of type checkers
        path = folder / METRICS_FILE
        whole = path.with_suffix(".new")
        whole.write_text("".join(_records_until(from_step, path)))
        whole.replace(path)
        self._lines = path.open("a")
        board = folder / "tensorboard"
        board.mkdir(exist_ok=True)
        # Not SummaryWriter: its thread ends at the first write that fails, and the next ones would wait for ever.
        self._board = EventsWriter(str(board / "events"))
        start = self._events.SessionLog(status=self._events.SessionLog.START)
        self._write_event(step=from_step + 1, session_log=start)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one record."""
        try:
            finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
            self._lines.write(json.dumps({"step": step, **finite}, allow_nan=False) + "\n")
            self._lines.flush()
            for name, value in values.items():
                self._write_event(step=step, summary=self._scalar(name, value))
            self._board.flush()
        except OSError as error:
            self._pass_over(error)

    def _write_event(self, **content: Any) -> None:
        self._board.write_event(self._events.Event(wall_time=time.time(), **content))

    def _pass_over(self, error: OSError) -> None:
        if not is_disk_full(error):
            raise error
        _LOG.error("the disk is full, so the latest records are not written; training goes on; make room")

    def __enter__(self) -> "MetricWriter":
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._lines, self._board):
            try:
                file.close()
            except OSError as error:
                self._pass_over(error)


def _records_until(step: int, path: Path) -> list[str]:
    """Returns the lines of the records up to a step; a killed run may leave half a line at the end."""
    kept = []
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):
            continue
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line.decode())
        except (ValueError, TypeError, KeyError):
            raise CheckpointError(
                f"{path}, line {number}: is no record of a training step; delete the line, or the file, and continue"
            ) from None
    return kept
