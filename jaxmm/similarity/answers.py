"""How alike videos are, as a trained run tells it."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Float32, Int

from jaxmm.clips import ClipAnswers
from jaxmm.data.dataset import DataSettings
from jaxmm.data.similar_videos import SimilarVideos
from jaxmm.errors import ConfigError
from jaxmm.tasks.abilities import Compares
from jaxmm.train.step import compile_eval, place_model
from jaxmm.typing import Batch, Collections, Params

_AT_ONCE = 8192  # pairs


class SimilarityAnswers(ClipAnswers):
    """The compiled encoder and head of a task; its answer to a video is the video's embedding.

    Args:
        task: The task, which must compare videos.
        data: Settings of its data, SimilarVideos.
        mesh: Devices that share the work; all by default.

    Raises:
        ConfigError: If the run is of another system.
    """

    data: SimilarVideos

    def __init__(self, task: Any, data: DataSettings, *, mesh: Mesh | None = None) -> None:
        if not isinstance(task, Compares) or not isinstance(data, SimilarVideos):
            raise ConfigError(f"{type(task).__name__} compares no videos; choose a run on SimilarVideos")
        precision = task.numerics.matmul_precision
        super().__init__(task.embed_video, data, precision=precision, mesh=mesh)

        def probabilities(params: Params, collections: Collections, batch: Batch) -> Array:
            del collections
            return jax.nn.sigmoid(task.compare_pairs(params, batch["a"], batch["b"]))

        self._compare = compile_eval(probabilities, self._mesh, precision=precision)

    def compare(
        self,
        params: Params,
        embeddings: Float[np.ndarray, "videos embedding"],
        pairs: Int[np.ndarray, "pairs 2"],
        *,
        others: Float[np.ndarray, "others embedding"] | None = None,
    ) -> Float32[np.ndarray, "pairs"]:
        """Returns the probability of each pair that its videos belong together.

        Args:
            params: Parameters.
            embeddings: Of videos.
            pairs: Two places each; the second among the others, where these are given.
            others: Embeddings of other videos.
        """
        params, _ = place_model(params, {}, self._mesh)
        others = embeddings if others is None else others
        found = np.empty(len(pairs), np.float32)
        for start in range(0, len(pairs), _AT_ONCE):
            some = pairs[start : start + _AT_ONCE]
            blank = ((0, min(_AT_ONCE, _power_of_two(len(pairs))) - len(some)), (0, 0))
            batch = {"a": np.pad(embeddings[some[:, 0]], blank), "b": np.pad(others[some[:, 1]], blank)}
            found[start : start + _AT_ONCE] = np.asarray(self._compare(params, {}, batch))[: len(some)]
        return found


def _power_of_two(count: int) -> int:
    """Returns the least power of two that is no smaller, so that few sizes of programs are compiled."""
    return 1 << (count - 1).bit_length()
