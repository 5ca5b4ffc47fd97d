"""Where scalars go: one JSON line a record, and TensorBoard."""

import json
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter

METRICS_FILE = "metrics.jsonl"


class MetricWriter:
    r"""Appends scalars by step to `metrics.jsonl` and to TensorBoard files below `tensorboard/`.

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
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=from_step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one record."""
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
        self._lines.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def __enter__(self) -> "MetricWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._board.close()
