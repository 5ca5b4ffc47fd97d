"""What tasks on features of frames share: labelled videos, and a loss that is a mean over frames."""

import dataclasses
from typing import Any, cast

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxmm.data.dataset import Dataset
from jaxmm.data.segmented import SegmentedData
from jaxmm.encoders.tcn import STREAM
from jaxmm.errors import ConfigError
from jaxmm.tasks.base import Task
from jaxmm.typing import Batch, Collections, Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameTask(Task):
    """A task that answers every frame of a video; its loss is the mean over the frames that count (D5).

    Example:
        >>> batch = {"label_mask": jnp.array([[True, True, False], [False, False, False]])}
        >>> FrameTask().counts(batch).tolist()
        [2, 0]
    """

    @property
    def known_labels(self) -> int:
        """Number of labels that the task knows."""
        raise TypeError(f"{type(self).__name__} must define known_labels")

    @property
    def context(self) -> tuple[int, int]:
        """Frames before and after one that its answer depends on."""
        raise TypeError(f"{type(self).__name__} must define context")

    def counts(self, batch: Batch) -> Int[Array, "batch"]:
        """Returns the number of frames of each video that count."""
        return batch["label_mask"].sum(axis=1).astype(jnp.int32)

    def answer(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch time out"]:
        """Returns the answer to every frame of `features` under `frame_mask`."""
        return self.answer_next(params, collections, batch, None)[0]

    def answer_next(
        self, params: Params, collections: Collections, batch: Batch, stream: Collections | None
    ) -> tuple[Float[Array, "batch time out"], Collections]:
        """Returns the answers to the next frames of a stream, and its state after them.

        Args:
            params: Parameters.
            collections: Statistics.
            batch: `features` of one or more frames, and `frame_mask`, which must hold for all frames of a stream.
            stream: State after the frames before; empty at the beginning, None for whole videos.

        Raises:
            ConfigError: If a stream is asked of a network that is not causal.
        """
        raise TypeError(f"{type(self).__name__} must define answer_next")

    def check_data(self, data: Dataset[Any]) -> None:
        """Refuses data that are no labelled videos, or have another number of labels.

        Raises:
            ConfigError: If they do not fit.
        """
        if not isinstance(data, SegmentedData):
            name = type(data.settings).__name__
            raise ConfigError(f"data are {name}; {type(self).__name__} learns from SegmentedVideos")
        if data.vocabulary.num_labels != self.known_labels:
            raise ConfigError(
                f"the task knows {self.known_labels} labels, but the data have {data.vocabulary.num_labels}; "
                f"set num_labels of the task to {data.vocabulary.num_labels}"
            )


def apply_next(
    network: nn.Module, variables: Collections, batch: Batch, stream: Collections | None
) -> tuple[Float[Array, "*shape"], Collections]:
    """Applies a network to the next frames of a stream, as `FrameTask.answer_next` says, and returns its state too."""
    made, changed = network.apply(
        {**variables, **({STREAM: stream} if stream else {})},
        batch["features"],
        batch["frame_mask"],
        deterministic=True,
        streaming=stream is not None,
        mutable=[STREAM],
    )
    return cast(Array, made), cast(Collections, changed.get(STREAM, {}))
