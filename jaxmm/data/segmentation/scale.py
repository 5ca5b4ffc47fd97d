"""The mean and deviation by which features of frames are scaled."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32

_STD_FLOOR = 1e-6


@dataclasses.dataclass(frozen=True, eq=False)
class Scale:
    """Mean and standard deviation of each feature.

    Example:
        >>> scale = Scale.of([np.array([[0.0, 5.0], [2.0, 5.0]], np.float32)])
        >>> scale(np.array([[2.0, 5.0]], np.float32)).tolist()
        [[1.0, 0.0]]
    """

    mean: Float32[np.ndarray, "dim"]
    std: Float32[np.ndarray, "dim"]

    @classmethod
    def of(cls, videos: Iterable[Float32[np.ndarray, "_time dim"]]) -> "Scale":
        """Computes the statistics of all frames; a feature that never changes has deviation 1."""
        count, mean, squares = 0, np.zeros(1), np.zeros(1)
        for video in videos:
            own = video.astype(np.float64)
            total = count + len(own)
            shift = own.mean(axis=0) - mean
            squares = squares + ((own - own.mean(axis=0)) ** 2).sum(axis=0) + shift**2 * count * len(own) / total
            mean, count = mean + shift * len(own) / total, total
        std = np.sqrt(squares / max(count, 1))
        return cls(mean.astype(np.float32), np.where(std < _STD_FLOOR, 1, std).astype(np.float32))

    @classmethod
    def none(cls, dim: int) -> "Scale":
        """Returns statistics by which nothing changes."""
        return cls(np.zeros(dim, np.float32), np.ones(dim, np.float32))

    @classmethod
    def of_json(cls, fields: Mapping[str, Any]) -> "Scale":
        """Reads what `as_json` returned, from other fields too.

        Raises:
            KeyError: If one is missing.
            TypeError: If one is no list of numbers.
            ValueError: If they are no statistics.

        Example:
            >>> Scale.of_json(Scale.none(3).as_json()).dim
            3
        """
        with np.errstate(over="ignore"):
            mean, std = (np.array(fields[name], np.float32) for name in ("mean", "std"))
        if mean.ndim != 1 or mean.shape != std.shape or not (np.isfinite([mean, std]).all() and (std > 0).all()):
            raise ValueError("mean and std are not those of features")
        return cls(mean, std)

    @property
    def dim(self) -> int:
        """Number of features."""
        return len(self.mean)

    def as_json(self) -> dict[str, list[float]]:
        """Returns both as JSON values, from which they are read exactly."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    def __call__(self, features: Float32[np.ndarray, "time dim"]) -> Float32[np.ndarray, "time dim"]:
        """Scales features."""
        return (features - self.mean) / self.std
