"""What a function of a task says of whole videos: of those of a split, or of any others."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32, UInt8

from jaxmm.data.action_videos import ActionVideos, ActionVideosData
from jaxmm.errors import DataError
from jaxmm.train.step import compile_eval, make_mesh, place_model, place_whole
from jaxmm.typing import Batch, Collections, Params


class ClipAnswers:
    """A compiled function of a task that answers each video of a batch by one row.

    Args:
        function: Maps parameters, collections and a batch of `frames`, or their features, to rows.
        data: Settings of the run's data.
        precision: Precision of products, as in `jaxmm.numerics.Numerics`.
        mesh: Devices that share the work; all by default.
    """

    def __init__(
        self,
        function: Callable[[Params, Collections, Batch], Any],
        data: ActionVideos,
        *,
        precision: str,
        mesh: Mesh | None = None,
    ) -> None:
        self.data = data
        self._mesh = mesh or make_mesh()
        self._answer = compile_eval(function, self._mesh, precision=precision)

    def split(
        self,
        params: Params,
        collections: Collections,
        videos: ActionVideosData,
        split: str,
        *,
        ready: Callable[[Batch], Batch] = lambda batch: batch,
    ) -> Float32[np.ndarray, "videos out"]:
        """Answers the videos of a split in order, by frames as they are sampled without chance.

        Args:
            params: Parameters.
            collections: Other variables of the modules.
            videos: The videos.
            split: `train`, `val` or `test`.
            ready: What is done to each batch before, such as putting features in place of frames.
        """
        params, collections = self._placed(params, collections)
        rows = [
            np.asarray(self._answer(params, collections, place_whole(ready(batch), self._mesh)))[batch["example_mask"]]
            for batch in videos.batches(split)
        ]
        return np.concatenate(rows)

    def __call__(
        self, params: Params, collections: Collections, videos: Iterable[UInt8[np.ndarray, "_time size size 3"]]
    ) -> Iterator[Float32[np.ndarray, "out"]]:
        """Yields the answer to each video, given as all frames that the run's settings keep of it.

        Raises:
            DataError: If a video has no frame, or frames of another size.
        """
        params, collections = self._placed(params, collections)
        for frames in videos:
            if not len(frames):
                raise DataError("a video has no frame; leave it out")
            self._check(frames[0])
            picked = self.data.sampling.pick(len(frames), self.data.frames_per_clip)
            batch = self.data.stack([frames[picked]], num_rows=1)
            yield np.asarray(self._answer(params, collections, place_whole(batch, self._mesh)))[0]

    def _placed(self, params: Params, collections: Collections) -> tuple[Params, Collections]:
        """Sends the model to the devices."""
        return place_model(params, collections, self._mesh)

    def _check(self, frame: UInt8[np.ndarray, "_ _ 3"]) -> None:
        size = self.data.frame_size
        if frame.shape != (size, size, 3):
            raise DataError(f"frames have shape {frame.shape}; the run sees ({size}, {size}, 3)")
