"""Where scalars go: one JSON line a record, and TensorBoard."""

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2
from tensorboardX.summary import scalar

from jaxmm.files import is_disk_full

METRICS_FILE = "metrics.jsonl"
_EVENTS: Any = event_pb2  # its classes are made when it is imported, out of sight of type checkers
_LOG = logging.getLogger(__name__)


class MetricWriter:
    r"""Appends scalars by step to `metrics.jsonl` and to TensorBoard files below `tensorboard/`.

    A full disk is logged, and training goes on; the lines wait in memory until there is room again.

    Args:
        folder: The run.
        from_step: Step that the run continues from; records of later steps, which will be written again, are dropped.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with MetricWriter(folder, from_step=0) as writer:
        ...     writer.write(1, {"train/loss": 0.5})
        >>> (folder / METRICS_FILE).read_text()
        '{"step": 1, "train/loss": 0.5}\n'
    """

    def __init__(self, folder: Path, *, from_step: int) -> None:
        path = folder / METRICS_FILE
        kept = []
        for line in path.read_text().splitlines(keepends=True) if path.is_file() else []:
            # A killed run may leave half a line at the end.
            if line.endswith("\n") and json.loads(line)["step"] <= from_step:
                kept.append(line)
        whole = path.with_suffix(".new")
        whole.write_text("".join(kept))
        whole.replace(path)
        self._lines = path.open("a")
        board = folder / "tensorboard"
        board.mkdir(exist_ok=True)
        # Not SummaryWriter: its thread ends at the first write that fails, and the next ones would wait for ever.
        self._board = EventsWriter(str(board / "events"))
        self._write_event(step=from_step + 1, session_log=_EVENTS.SessionLog(status=_EVENTS.SessionLog.START))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one record."""
        try:
            self._lines.write(json.dumps({"step": step, **values}) + "\n")
            self._lines.flush()
            for name, value in values.items():
                self._write_event(step=step, summary=scalar(name, value))
            self._board.flush()
        except OSError as error:
            self._pass_over(error)

    def _write_event(self, **content: Any) -> None:
        self._board.write_event(_EVENTS.Event(wall_time=time.time(), **content))

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
