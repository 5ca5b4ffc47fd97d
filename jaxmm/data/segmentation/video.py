"""One video as features, with the label of every frame."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Int32

from jaxmm.data.motion import FASTEST_FPS, SLOWEST_FPS
from jaxmm.errors import DataError, reason


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LabelledVideo:
    """One video as features, with the label of every frame.

    Attributes:
        key: Unique name within its source.
        features: What was computed of each frame.
        labels: Places of the frames' labels in the source's `Vocabulary`, >= 0.
        fps: Frames per second, 0.1 to 10,000.
        tags: Further labels of the video as a whole, such as `split`.

    Raises:
        DataError: If there is no frame, lengths differ, or a value is not finite or out of range.

    Example:
        >>> features, labels = np.zeros((30, 56), np.float32), np.zeros(30, np.int32)
        >>> LabelledVideo(key="salad", features=features, labels=labels, fps=15.0).num_frames
        30
    """

    key: str
    features: Float32[np.ndarray, "time dim"]
    labels: Int32[np.ndarray, "frames"]
    fps: float
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = np.shape(self.features)
        if len(shape) != 2 or 0 in shape:
            raise DataError(f"{self.key}: features have shape {shape}; expected (time >= 1, dim >= 1)")
        if np.shape(self.labels) != shape[:1]:
            raise DataError(f"{self.key}: {shape[0]} frames have {len(self.labels)} labels; give one label a frame")
        if (wrong := ~np.isfinite(self.features).all(axis=1)).any():
            raise DataError(
                f"{self.key}: frame {wrong.argmax()} holds a value that is not finite ({wrong.sum()} such frames); "
                "repair or drop the video"
            )
        if self.labels.min() < 0:
            raise DataError(f"{self.key}: frame {self.labels.argmin()} has label {self.labels.min()}; count from 0")
        if not SLOWEST_FPS <= self.fps <= FASTEST_FPS:
            raise DataError(f"{self.key}: fps is {self.fps}; give a frame rate from {SLOWEST_FPS} to {FASTEST_FPS}")
        try:
            self.key.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{self.key!r}: its key is not valid Unicode ({reason(error)}); correct it") from error

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.features)

    @property
    def dim(self) -> int:
        """Number of features of a frame."""
        return self.features.shape[1]
