"""Mean and deviation of each feature of signing, and frames normalised by them."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32

from jaxmm.arrays import holds, open_archive, read_member
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.layout import HOLISTIC, SignLayout
from jaxmm.errors import DataError, reason

STATISTICS = "statistics.npz"
STD_FLOOR = 1e-3
"""Least standard deviation of a feature, in its units: what moves less is noise of the detector."""

_EPSILON = np.float32(1e-6)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """Mean and standard deviation of each feature, by which frames are normalised.

    Attributes:
        mean: Mean of each feature.
        std: Standard deviation of each feature.
        layout: What the features are.

    Raises:
        DataError: If the shapes do not fit the layout, or a value is not finite or a deviation negative.

    Example:
        >>> statistics = Statistics(mean=np.full(540, 2, np.float32), std=np.full(540, 0.5, np.float32))
        >>> statistics.normalise(np.ones((1, 540), np.float32))[0, 0].round(3)
        np.float32(-2.0)
    """

    mean: Float32[np.ndarray, "dim"]
    std: Float32[np.ndarray, "dim"]
    layout: SignLayout = HOLISTIC

    def __post_init__(self) -> None:
        if np.shape(self.mean) != (self.layout.dim,) or np.shape(self.std) != (self.layout.dim,):
            shapes = f"{np.shape(self.mean)} and {np.shape(self.std)}"
            raise DataError(f"statistics: mean and std have shapes {shapes}; expected ({self.layout.dim},) each")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and (self.std >= 0).all()):
            raise DataError("statistics: a mean or deviation is not finite, or a deviation negative; compute them anew")

    @classmethod
    def neutral(cls, layout: SignLayout = HOLISTIC) -> "Statistics":
        """Returns statistics by which nothing changes but for the 1e-6 that is added to deviations.

        Example:
            >>> Statistics.neutral().std.max()
            np.float32(1.0)
        """
        return cls(mean=np.zeros(layout.dim, np.float32), std=np.ones(layout.dim, np.float32), layout=layout)

    @property
    def deviation(self) -> Float32[np.ndarray, "dim"]:
        """What frames are divided by: the standard deviation and 1e-6."""
        return self.std + _EPSILON

    @classmethod
    def of(cls, clips: Iterable[SignClip]) -> "Statistics":
        """Computes the statistics of all frames, where landmarks were detected.

        Deviations are `STD_FLOOR` at least. A feature that was never detected has mean 0 and deviation 1.

        Raises:
            DataError: If there is no recording, or they differ in layout.
        """
        layout: SignLayout | None = None
        count = mean = squares = np.zeros(0)
        for clip in clips:
            if layout is None:
                layout = clip.layout
                count, mean, squares = np.zeros((3, layout.dim))
            if clip.layout != layout:
                raise DataError(f"{clip.key}: has another layout than the recordings before it; keep one a folder")
            mask = layout.detected(clip.frames)[:, layout.landmark_of_feature]
            values = clip.frames.astype(np.float64)
            own_count = mask.sum(axis=0)
            own_mean = np.where(mask, values, 0).sum(axis=0) / np.maximum(own_count, 1)
            total = np.maximum(count + own_count, 1)
            squares = squares + np.where(mask, (values - own_mean) ** 2, 0).sum(axis=0)
            squares = squares + (own_mean - mean) ** 2 * count * own_count / total
            mean = mean + (own_mean - mean) * own_count / total
            count = count + own_count
        if layout is None:
            raise DataError("there is no recording to compute statistics of; give one or more")
        std = np.where(count > 0, np.maximum(np.sqrt(squares / np.maximum(count, 1)), STD_FLOOR), 1)
        return cls(mean=mean.astype(np.float32), std=std.astype(np.float32), layout=layout)

    @classmethod
    def read(cls, path: Path, *, layout: SignLayout = HOLISTIC) -> "Statistics":
        """Reads `statistics.npz`: arrays `feature_mean` and `feature_std`.

        Raises:
            DataError: If it is missing (D11), damaged, or does not fit the layout.

        Example:
            >>> Statistics.read(Path("signs/statistics.npz"))
            Traceback (most recent call last):
            jaxmm.errors.DataError: signs/statistics.npz: no such file; `jaxmm data prepare-sign` writes it, as does ...
        """
        if not path.is_file():
            raise DataError(
                f"{path}: no such file; `jaxmm data prepare-sign` writes it, as does "
                "Statistics.of(read_sign_folder(root)).write(path); or set normalize to False"
            )
        with open_archive(path) as archive:
            absent = [name for name in ("feature_mean", "feature_std") if not holds(archive, name)]
            if absent:
                raise DataError(f"{path}: no array {absent[0]}; save feature_mean and feature_std there")
            mean, std = (read_member(archive, name) for name in ("feature_mean", "feature_std"))
        if mean.dtype.kind != "f" or std.dtype.kind != "f" or mean.shape != (layout.dim,) or std.shape != mean.shape:
            raise DataError(
                f"{path}: feature_mean and feature_std are {mean.dtype} {mean.shape} and {std.dtype} {std.shape}; "
                f"expected floats ({layout.dim},)"
            )
        try:
            with np.errstate(over="ignore"):
                return cls(mean=mean.astype(np.float32), std=std.astype(np.float32), layout=layout)
        except DataError as error:
            raise DataError(f"{path}: {reason(error)}") from error

    def write(self, path: Path) -> None:
        """Writes `statistics.npz`."""
        np.savez(path, allow_pickle=False, feature_mean=self.mean, feature_std=self.std)

    def normalise(self, frames: Float32[np.ndarray, "*time dim"]) -> Float32[np.ndarray, "*time dim"]:
        """Returns `(frames - mean) / (std + 1e-6)`, and zeros where a landmark was not detected."""
        mask = self.layout.detected(frames)[..., self.layout.landmark_of_feature]
        return np.where(mask, (frames - self.mean) / self.deviation, np.float32(0))

    def restore(
        self,
        frames: Float[np.ndarray, "*time dim"],
        detected_mask: Bool[np.ndarray, "*time landmarks"] | None = None,
    ) -> Float32[np.ndarray, "*time dim"]:
        """Returns `frames * (std + 1e-6) + mean`, the inverse of `normalise`.

        Args:
            frames: Normalised frames.
            detected_mask: Landmarks to restore; the others become zeros. All by default.
        """
        restored = (frames * self.deviation + self.mean).astype(np.float32)
        if detected_mask is None:
            return restored
        return np.where(detected_mask[..., self.layout.landmark_of_feature], restored, np.float32(0))
