"""What a trained classifier says of any videos: of a split, of files, or of a stream of frames."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32, UInt8

from jaxmm.data.action_videos import ActionVideos, ActionVideosData
from jaxmm.data.dataset import DataSettings
from jaxmm.errors import ConfigError, DataError
from jaxmm.tasks.base import Classifies
from jaxmm.train.step import compile_eval, make_mesh, place_model, place_whole
from jaxmm.typing import Batch, Collections, Params

By: TypeAlias = Literal["head", "prompts"]
"""Who answers: the classifier, or the similarity to the prompts of the classes."""


class ActionAnswers:
    """The compiled classifier of a task.

    Args:
        task: The task, which must classify videos.
        data: Settings of its data, ActionVideos.
        assets: Folder of the run with its classes.
        by: Who answers.
        mesh: Devices that share the work; all by default.

    Raises:
        ConfigError: If the task classifies nothing, or has no prompts to answer by.
    """

    def __init__(
        self, task: Any, data: DataSettings, assets: Path, *, by: By = "head", mesh: Mesh | None = None
    ) -> None:
        if not isinstance(task, Classifies) or not isinstance(data, ActionVideos):
            raise ConfigError(f"{type(task).__name__} classifies no videos; choose a run on ActionVideos")
        if by == "prompts" and task.semantics is None:
            raise ConfigError("the run has no prompts; train with task.semantics, or answer by the head")
        self.task, self.data = task, data
        self.vocabulary = data.saved_vocabulary(assets)
        self._mesh = mesh or make_mesh()
        function = task.classify if by == "head" else task.compare
        self._answer = compile_eval(function, self._mesh, precision=task.numerics.matmul_precision)

    def split(
        self,
        params: Params,
        collections: Collections,
        videos: ActionVideosData,
        split: str,
        *,
        ready: Callable[[Batch], Batch] = lambda batch: batch,
    ) -> Float32[np.ndarray, "videos classes"]:
        """Answers the videos of a split in order, by frames as they are sampled without chance.

        Args:
            params: Parameters.
            collections: Other variables of the modules.
            videos: The videos.
            split: `train`, `val` or `test`.
            ready: What is done to each batch before, such as putting features in place of frames.
        """
        params, collections = place_model(params, collections, self._mesh)
        rows = [
            np.asarray(self._answer(params, collections, place_whole(ready(batch), self._mesh)))[batch["example_mask"]]
            for batch in videos.batches(split)
        ]
        return np.concatenate(rows)

    def __call__(
        self, params: Params, collections: Collections, videos: Iterable[UInt8[np.ndarray, "_time size size 3"]]
    ) -> Iterator[Float32[np.ndarray, "classes"]]:
        """Yields the answer to each video, given as all frames that the run's settings keep of it.

        Raises:
            DataError: If a video has no frame, or frames of another size.
        """
        params, collections = place_model(params, collections, self._mesh)
        for frames in videos:
            picked = self.data.sampling.pick(len(frames), self.data.frames_per_clip)
            yield self._of_frames(params, collections, [frames[place] for place in picked])

    def stream(
        self,
        params: Params,
        collections: Collections,
        frames: Iterable[UInt8[np.ndarray, "size size 3"]],
        *,
        window: int | None = None,
    ) -> Iterator[Float32[np.ndarray, "classes"]]:
        """Yields, after each frame of a stream, the answer to the last ones, as if they were a video of their own.

        Args:
            params: Parameters.
            collections: Other variables of the modules.
            frames: At the rate and size that the run's settings keep.
            window: Frames that are looked back at; by default as many as the run sees of a video.

        Raises:
            DataError: If a frame has another size.
        """
        params, collections = place_model(params, collections, self._mesh)
        last: deque[np.ndarray] = deque(maxlen=window or self.data.frames_per_clip)
        for frame in frames:
            last.append(frame)
            picked = self.data.sampling.pick(len(last), self.data.frames_per_clip)
            yield self._of_frames(params, collections, [last[int(place)] for place in picked])

    def _of_frames(
        self, params: Params, collections: Collections, frames: Sequence[UInt8[np.ndarray, "size size 3"]]
    ) -> Float32[np.ndarray, "classes"]:
        size = self.data.frame_size
        if not frames:
            raise DataError("a video has no frame; leave it out")
        if frames[0].shape != (size, size, 3):
            raise DataError(f"frames have shape {frames[0].shape}; the run sees ({size}, {size}, 3)")
        batch = self.data.stack([np.stack(frames)], num_rows=1)
        return np.asarray(self._answer(params, collections, place_whole(batch, self._mesh)))[0]
