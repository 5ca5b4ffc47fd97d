"""Answers of a trained network to every frame of any video: whole, in windows, or as a stream."""

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32

from jaxmm.data.dataset import DataSettings
from jaxmm.data.segmentation.lengths import padded_length
from jaxmm.data.segmented import SegmentedVideos
from jaxmm.errors import ConfigError, DataError
from jaxmm.tasks.abilities import AnswersFrames
from jaxmm.train.step import compile_eval, make_mesh, place_model, place_whole
from jaxmm.typing import Collections, Params


class FrameAnswers:
    """The compiled network of a task on frames; answers videos of any length.

    Args:
        task: The task, which must answer frames.
        data: Settings of its data, SegmentedVideos.
        assets: Folder of the run with what its data brought along.
        mesh: Devices that share the work; all by default.
        window: Frames that are answered at once, > 0: a longer video is cut into windows, each of which sees as many
            frames around it as an answer depends on, so that answers are those of the whole video.

    Raises:
        ConfigError: If the task answers no frames, or the window is too short.
    """

    def __init__(
        self, task: Any, data: DataSettings, assets: Path, *, mesh: Mesh | None = None, window: int = 8192
    ) -> None:
        if not isinstance(task, AnswersFrames) or not isinstance(data, SegmentedVideos):
            raise ConfigError(f"{type(task).__name__} answers no frames of videos; choose a run on SegmentedVideos")
        if window < 1:
            raise ConfigError(f"window is {window}; give 1 frame or more")
        self.task = task
        self.vocabulary = data.saved_vocabulary(assets)
        self._data, self._scale, self._window = data, data.saved_scale(assets), window
        self._mesh = mesh or make_mesh()
        self._answer = compile_eval(task.answer, self._mesh, precision=task.numerics.matmul_precision)

    def __call__(
        self, params: Params, collections: Collections, videos: Iterable[Float32[np.ndarray, "_time dim"]]
    ) -> Iterator[Float32[np.ndarray, "_time out"]]:
        """Yields the answer to every frame of each video, at its length.

        Raises:
            DataError: If a video has no frame, or another number of features than those of training.
        """
        params, collections = place_model(params, collections, self._mesh)
        for video in videos:
            features = self._scaled(video)
            parts = [
                self._part(params, collections, features, start) for start in range(0, len(features), self._window)
            ]
            yield np.concatenate(parts)

    def _scaled(self, video: Float32[np.ndarray, "time dim"]) -> Float32[np.ndarray, "time dim"]:
        if video.shape[1] != self._scale.dim:
            raise DataError(
                f"a video has {video.shape[1]} features a frame, but the run was trained on {self._scale.dim}; compute "
                "them as those of training were"
            )
        if not len(video):
            raise DataError("a video has no frame; leave it out")
        return self._scale(video)

    def _part(self, params: Params, collections: Collections, features: np.ndarray, start: int) -> np.ndarray:
        """Answers the window that begins at a frame, with all around it that its answers depend on."""
        before, after = self.task.context
        first, end = max(0, start - before), min(start + self._window, len(features))
        seen = features[first : min(end + after, len(features))]
        # A window at a video's edge is as long as one amid it, so that all of them share one program.
        whole = len(features) > self._window
        num_frames = padded_length(self._window + before + after) if whole else padded_length(len(seen))
        batch = self._data.stack([seen], [np.zeros(len(seen), np.int32)], num_rows=1, num_frames=num_frames)
        answers = np.asarray(self._answer(params, collections, place_whole(batch, self._mesh)))[0]
        return answers[start - first : end - first]

    @functools.cached_property
    def _next(self) -> Any:
        def answer_next(params: Params, collections: Collections, batch: Any) -> Any:
            return self.task.answer_next(params, collections, batch["frames"], batch["stream"])

        return compile_eval(answer_next, self._mesh, precision=self.task.numerics.matmul_precision)

    def stream(
        self, params: Params, collections: Collections, chunks: Iterable[Float32[np.ndarray, "_time dim"]]
    ) -> Iterator[Float32[np.ndarray, "_time out"]]:
        """Yields the answers to the frames of a video as they come, one or more at a time.

        Raises:
            ConfigError: If the network sees frames to come.
            DataError: If a chunk has no frame, or another number of features than those of training.
        """
        params, collections = place_model(params, collections, self._mesh)
        state: Any = {}
        for chunk in chunks:
            features = self._scaled(chunk)[None]
            batch = {"features": jax.numpy.asarray(features), "frame_mask": jax.numpy.ones(features.shape[:2], bool)}
            answers, state = self._next(params, collections, {"frames": batch, "stream": state})
            yield np.asarray(answers)[0]
