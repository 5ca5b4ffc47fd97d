"""What a trained classifier says of any videos: of a split, of files, or of a stream of frames."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32, UInt8

from jaxmm.clips import ClipAnswers
from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.dataset import DataSettings
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.errors import ConfigError
from jaxmm.tasks.abilities import Classifies
from jaxmm.tasks.frame_features import FEATURES
from jaxmm.train.step import compile_eval, place_whole
from jaxmm.typing import Collections, Params

By: TypeAlias = Literal["head", "prompts"]
"""Who answers: the classifier, or the similarity to the prompts of the classes."""


class ActionAnswers(ClipAnswers):
    """The compiled classifier of a task.

    Args:
        task: The task, which must classify videos.
        data: Settings of its data, ActionVideos.
        assets: Folder of the run with its classes.
        by: Who answers.
        classes: Classes to tell instead of those of training, in words; prompts answer, by the run's templates.
        mesh: Devices that share the work; all by default.

    Raises:
        ConfigError: If the task classifies nothing, has no prompts to answer by, or its head is to tell other classes.
        DataError: If a class is empty, or named twice.
        WeightsError: If the embeddings of other classes can be neither computed nor read.
    """

    def __init__(
        self,
        task: Any,
        data: DataSettings,
        assets: Path,
        *,
        by: By = "head",
        classes: Sequence[str] = (),
        mesh: Mesh | None = None,
    ) -> None:
        if not isinstance(task, Classifies) or not isinstance(data, ActionVideos):
            raise ConfigError(f"{type(task).__name__} classifies no videos; choose a run on ActionVideos")
        if by == "prompts" and task.semantics is None:
            raise ConfigError(
                "the run has no prompts; train one with task.semantics and task.contrastive_weight, or answer by the "
                "head, which tells the classes of training"
            )
        if by == "head" and classes:
            raise ConfigError("the head tells the classes of training alone; answer by prompts to tell others")
        function, precision = task.classify if by == "head" else task.compare, task.numerics.matmul_precision
        super().__init__(function, data, precision=precision, mesh=mesh)
        self.task = task
        if classes:
            self.vocabulary = Vocabulary.of(["_".join(own.split()) for own in classes])
            self._embeddings = task.class_embeddings(self.vocabulary)
        else:
            self.vocabulary, self._embeddings = data.saved_vocabulary(assets), None
        self._see = compile_eval(task.see, self._mesh, precision=precision)

    def stream(
        self,
        params: Params,
        collections: Collections,
        frames: Iterable[UInt8[np.ndarray, "size size 3"]],
        *,
        window: int | None = None,
        every: int = 1,
    ) -> Iterator[Float32[np.ndarray, "classes"]]:
        """Yields, as frames of a stream come, the answer to the last ones, as if they were a video of their own.

        A frame is seen by the backbone once at most; what makes one answer of the features of several runs each time.
        Everything is compiled before the first frame is asked for.

        Args:
            params: Parameters.
            collections: Other variables of the modules.
            frames: At the rate and size that the run's settings keep.
            window: Frames that are looked back at, of which as many are picked as the run sees of a video; by default
                as many as these.
            every: Frames from one answer to the next.

        Raises:
            ConfigError: If a number is below 1.
            DataError: If a frame has another size.
        """
        most = self.data.frames_per_clip if window is None else window
        if most < 1 or every < 1:
            raise ConfigError(f"window is {most} frames and every {every}; give 1 or more")
        params, collections = self._placed(params, collections)
        last: deque[_Frame] = deque(maxlen=most)
        size = self.data.frame_size
        self._of_frames(params, collections, [_Frame(np.zeros((size, size, 3), np.uint8))])
        for count, pixels in enumerate(frames, 1):
            self._check(pixels)
            last.append(_Frame(pixels))
            if count % every == 0:
                picked = self.data.sampling.pick(len(last), self.data.frames_per_clip)
                yield self._of_frames(params, collections, [last[int(place)] for place in picked])

    def _placed(self, params: Params, collections: Collections) -> tuple[Params, Collections]:
        """Sends the model to the devices, with the embeddings of the classes that it is to tell."""
        if self._embeddings is not None:
            collections = {**collections, "classes": {"embeddings": self._embeddings}}
        return super()._placed(params, collections)

    def _of_frames(
        self, params: Params, collections: Collections, frames: "Sequence[_Frame]"
    ) -> Float32[np.ndarray, "classes"]:
        """Answers some frames, of which each is seen now if it was not before."""
        for frame in frames:
            if frame.features is None:
                batch = place_whole({"frames": frame.pixels[None, None]}, self._mesh)
                frame.pixels, frame.features = None, np.asarray(self._see(params, collections, batch))[0, 0]
        features = np.zeros((1, self.data.frames_per_clip, *frames[0].features.shape), frames[0].features.dtype)
        features[0, : len(frames)] = [frame.features for frame in frames]
        frame_mask = np.arange(self.data.frames_per_clip)[None] < len(frames)
        batch = place_whole({FEATURES: features, "frame_mask": frame_mask}, self._mesh)
        return np.asarray(self._answer(params, collections, batch))[0]


class _Frame:
    """A frame of a stream: its pixels until the backbone has seen them, and their features from then on."""

    def __init__(self, pixels: UInt8[np.ndarray, "size size 3"]) -> None:
        self.pixels: Any = pixels
        self.features: Any = None
