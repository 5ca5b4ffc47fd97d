"""Embedding any number of motions and texts, with the compiled towers of a task."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32

from jaxmm.data.dataset import DataSettings
from jaxmm.data.motion_text import Gallery, MotionText, MotionTextData
from jaxmm.data.text import CaptionTokenizer
from jaxmm.errors import ConfigError
from jaxmm.tasks.abilities import Embeds
from jaxmm.train.step import compile_eval, make_mesh, place_model, place_whole
from jaxmm.typing import Collections, Params

_LOG = logging.getLogger(__name__)


class Embedder:
    """Compiled towers of a task; embeds any number of texts or motions, in batches of one size.

    Args:
        task: The task, which must have both towers.
        data: Settings that motions are prepared with, MotionText.
        tokenizer: The run's tokenizer, or the folder it was saved in.
        mesh: Devices that share the work; all by default.

    Raises:
        ConfigError: If the task embeds nothing.
    """

    def __init__(
        self, task: Any, data: DataSettings, tokenizer: CaptionTokenizer | Path, *, mesh: Mesh | None = None
    ) -> None:
        if not isinstance(task, Embeds) or not isinstance(data, MotionText):
            raise ConfigError(f"{type(task).__name__} embeds no motion and text; choose a run of a retrieval system")
        self.data = data
        self._tokenizer = data.saved_tokenizer(tokenizer) if isinstance(tokenizer, Path) else tokenizer
        self._mesh = mesh or make_mesh()
        self._motion = compile_eval(task.embed_motion, self._mesh, precision=task.numerics.matmul_precision)
        self._text = compile_eval(task.embed_text, self._mesh, precision=task.numerics.matmul_precision)

    def texts(self, params: Params, collections: Collections, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        """Embeds texts."""
        params, collections = place_model(params, collections, self._mesh)
        num_tokens = self._tokenizer.num_tokens(texts)
        size = self.data.batch_size
        rows = []
        for start in range(0, len(texts), size):
            chunk = list(texts[start : start + size])
            token_ids, token_mask = self._tokenizer(chunk + [""] * (size - len(chunk)), num_tokens=num_tokens)
            batch = place_whole({"token_ids": token_ids, "token_mask": token_mask}, self._mesh)
            rows.append(np.asarray(self._text(params, collections, batch))[: len(chunk)])
        return np.concatenate(rows)

    def motions(
        self,
        params: Params,
        collections: Collections,
        motions: Iterable[Sequence[Float32[np.ndarray, "_time joints 3"]]],
    ) -> Float32[np.ndarray, "motions dim"]:
        """Embeds motions, each given as one or more windows."""
        params, collections = place_model(params, collections, self._mesh)
        size, rows, counts, waiting = self.data.batch_size, [], [], []

        def embed(windows: list[np.ndarray]) -> None:
            batch = self.data.stack(windows, num_rows=size)
            placed = place_whole({name: batch[name] for name in ("motion", "motion_mask")}, self._mesh)
            rows.append(np.asarray(self._motion(params, collections, placed))[: len(windows)])

        for windows in motions:
            counts.append(len(windows))
            waiting += windows
            while len(waiting) >= size:
                embed(waiting[:size])
                del waiting[:size]
        if waiting:
            embed(waiting)
        return _mean_of_runs(np.concatenate(rows), counts)

    def split(
        self, params: Params, collections: Collections, data: MotionTextData, split: str
    ) -> tuple[Gallery, Float32[np.ndarray, "motions dim"], Float32[np.ndarray, "captions dim"]]:
        """Embeds the motions and the distinct captions of a split."""
        gallery = data.gallery(split)
        _LOG.info("embedding %d motions and %d captions of %s", len(gallery.indices), len(gallery.captions), split)
        params, collections = place_model(params, collections, self._mesh)
        motion = self.motions(params, collections, data.windows(split))
        return gallery, motion, self.texts(params, collections, gallery.captions)


def _mean_of_runs(rows: Float32[np.ndarray, "rows dim"], counts: Sequence[int]) -> Float32[np.ndarray, "runs dim"]:
    """Returns the mean direction of that many consecutive rows each; a row alone stays as it is.

    Rows that cancel give zeros.
    """
    starts = np.cumsum([0, *counts[:-1]])
    sums = np.add.reduceat(rows, starts, dtype=np.float64)
    means = (sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return np.where(np.equal(counts, 1)[:, None], rows[starts], means)
