"""Codes of any number of clips, with the compiled autoencoder of a task."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32

from jaxmm.data.dataset import DataSettings
from jaxmm.data.sign_text import SignText
from jaxmm.errors import ConfigError
from jaxmm.tasks.abilities import Encodes
from jaxmm.train.step import compile_eval, make_mesh, place_model, place_whole
from jaxmm.typing import Batch, Collections, Params


class SignCoder:
    """Compiled autoencoder of a task; codes clips in batches of one size.

    Args:
        task: The task, which must encode signing.
        data: Settings that it was trained with, SignText.
        assets: Folder of the run with its statistics.
        mesh: Devices that share the work; all by default.

    Raises:
        ConfigError: If the task encodes nothing.
        DataError: If the folder lacks a file.
    """

    def __init__(self, task: Any, data: DataSettings, assets: Path, *, mesh: Mesh | None = None) -> None:
        if not isinstance(task, Encodes) or not isinstance(data, SignText):
            raise ConfigError(f"{type(task).__name__} encodes no signing; choose a run of a signing autoencoder")
        self.data = data
        self._statistics = data.saved_statistics(assets)
        self._mesh = mesh or make_mesh()
        self._encode = compile_eval(task.encode, self._mesh, precision=task.numerics.matmul_precision)
        self._reconstruct = compile_eval(task.reconstruct, self._mesh, precision=task.numerics.matmul_precision)

    def codes(
        self, params: Params, collections: Collections, clips: Sequence[Float32[np.ndarray, "_time dim"]]
    ) -> Float32[np.ndarray, "codes code_dim"]:
        """Returns the codes of all clips, one after another.

        Args:
            params: Parameters.
            collections: Other variables of the modules.
            clips: Frames in original units; of those longer than the run's `max_frames`, the beginning.
        """
        params, collections = place_model(params, collections, self._mesh)
        found = []
        for batch, num_clips in self._batches(clips):
            codes, mask = jax.device_get(self._encode(params, collections, batch))
            found.append(codes[:num_clips][mask[:num_clips]])
        return np.concatenate(found)

    def reconstruct(
        self, params: Params, collections: Collections, clips: Sequence[Float32[np.ndarray, "_time dim"]]
    ) -> list[Float32[np.ndarray, "_time dim"]]:
        """Returns all clips as their codes tell them, in original units."""
        params, collections = place_model(params, collections, self._mesh)
        made = []
        for batch, num_clips in self._batches(clips):
            frames = np.asarray(self._reconstruct(params, collections, batch))
            for row in range(num_clips):
                length = int(batch["frame_mask"][row].sum())
                seen = np.asarray(batch["landmark_mask"][row, :length])
                made.append(self._statistics.restore(frames[row, :length], seen))
        return made

    def _batches(self, clips: Sequence[Float32[np.ndarray, "_time dim"]]) -> Iterator[tuple[Batch, int]]:
        size, most = self.data.batch_size, self.data.max_frames
        for start in range(0, len(clips), size):
            chunk = [clip[:most] for clip in clips[start : start + size]]
            yield place_whole(self.data.stack(chunk, self._statistics, num_rows=size), self._mesh), len(chunk)
