"""What tasks on features of frames share: labelled videos, and a loss that is a mean over frames."""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int

from jaxmm.data.dataset import Dataset
from jaxmm.data.segmented import SegmentedData
from jaxmm.errors import ConfigError
from jaxmm.tasks.base import Task
from jaxmm.typing import Batch


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
