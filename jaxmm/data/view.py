"""What a model sees of a motion: its frame rate, its window in time, its place and scale."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from jaxmm.data.motion import FASTEST_FPS, Skeleton
from jaxmm.data.transforms import Centre, Change, centre, face_forward
from jaxmm.errors import ConfigError
from jaxmm.typing import Batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionView:
    """How a motion is cut, placed and scaled before a model sees it.

    Attributes:
        fps: Frame rate that motions are resampled to.
        num_frames: Longest motion the model sees at once; of longer ones training takes a random part, shorter ones
            are padded and masked.
        window_stride: Frames between the windows of `num_frames` that a longer motion is embedded from: its embedding
            is the mean of theirs, scaled to norm 1. None embeds its centre alone.
        centre: Where the root is moved to the origin.
        face_forward: Whether the first frame's hips are turned to face +z.
        scale: Multiplies positions, which are in metres.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> MotionView(fps=10.0, num_frames=30).num_frames / 10.0
        3.0
    """

    fps: float = 20.0
    num_frames: int = 60
    window_stride: int | None = None
    centre: Centre = "first_frame"
    face_forward: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("fps", "num_frames", "window_stride", "scale"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"data.{name} is {value}; give a value above zero, finite")
        if self.fps > FASTEST_FPS:
            raise ConfigError(f"data.fps is {self.fps}; give {FASTEST_FPS} or less")
        if self.window_stride is not None and self.window_stride > self.num_frames:
            raise ConfigError(
                f"data.window_stride is {self.window_stride}, which skips frames; give data.num_frames, "
                f"{self.num_frames}, or less"
            )

    def windows(
        self, positions: Float32[np.ndarray, "time joints 3"], skeleton: Skeleton
    ) -> list[Float32[np.ndarray, "new_time joints 3"]]:
        """Cuts a motion at this frame rate into what it is embedded from: evenly spread windows that reach both ends.

        Args:
            positions: World positions at `fps`.
            skeleton: Names and parents of the joints.

        Returns:
            Prepared windows of at most `num_frames` frames, no further apart than `window_stride`; without a stride,
            the one in the centre.

        Raises:
            DataError: If the hips are to face forward, and the skeleton does not tell them.

        Example:
            >>> path = np.arange(8, dtype=np.float32)[:, None, None] * np.ones(3, np.float32)
            >>> bone = Skeleton(joint_names=("Hips",), parents=(-1,))
            >>> cut = MotionView(num_frames=4, window_stride=3, centre="none").windows(path, bone)
            >>> [window[:, 0, 0].tolist() for window in cut]
            [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0], [4.0, 5.0, 6.0, 7.0]]
        """
        spare = max(0, len(positions) - self.num_frames)
        starts = [spare // 2]
        if self.window_stride is not None and spare:
            starts = np.linspace(0, spare, math.ceil(spare / self.window_stride) + 1).astype(int).tolist()
        windows = [positions[start : start + self.num_frames] for start in starts]
        return [self._place(window, skeleton, Change()) for window in windows]

    def random_window(
        self,
        positions: Float32[np.ndarray, "time joints 3"],
        skeleton: Skeleton,
        *,
        change: Change,
        rng: np.random.Generator,
    ) -> Float32[np.ndarray, "new_time joints 3"]:
        """Cuts a window anywhere out of a motion at this frame rate, and changes and prepares it.

        Args:
            positions: World positions at `fps`.
            skeleton: Names and parents of the joints.
            change: Augmentation to apply.
            rng: Chooses the window.

        Returns:
            At most `num_frames` frames.

        Raises:
            DataError: If the hips are to face forward, and the skeleton does not tell them.

        Example:
            >>> path = np.arange(8, dtype=np.float32)[:, None, None] * np.ones(3, np.float32)
            >>> view, bone = MotionView(num_frames=4), Skeleton(joint_names=("Hips",), parents=(-1,))
            >>> window = view.random_window(path, bone, change=Change(rate=2.0), rng=np.random.default_rng(0))
            >>> window[:, 0, 0].tolist()
            [0.0, 2.0, 4.0, 6.0]
        """
        length = math.ceil(self.num_frames * change.rate)
        spare = len(positions) - length
        start = 0 if spare <= 0 else int(rng.integers(spare + 1))
        window = change.at_rate(positions[start : start + length])[: self.num_frames]
        return self._place(window, skeleton, change)

    def _place(
        self, window: Float32[np.ndarray, "time joints 3"], skeleton: Skeleton, change: Change
    ) -> Float32[np.ndarray, "time joints 3"]:
        if self.face_forward:
            window = face_forward(window, skeleton)
        window = change.place(centre(window, self.centre), skeleton)
        return window if self.scale == 1 else window * np.float32(self.scale)

    def stack(self, motions: Sequence[Float32[np.ndarray, "_time joints 3"]], *, num_rows: int) -> Batch:
        """Pads prepared motions to one batch of `num_rows` rows with `motion`, `motion_mask` and `example_mask`.

        Example:
            >>> batch = MotionView(num_frames=3).stack([np.ones((2, 1, 3), np.float32)], num_rows=2)
            >>> batch["motion_mask"].tolist()
            [[True, True, False], [False, False, False]]
        """
        motion = np.zeros((num_rows, self.num_frames, *motions[0].shape[1:]), np.float32)
        motion_mask = np.zeros(motion.shape[:2], bool)
        for row, frames in enumerate(motions):
            motion[row, : len(frames)], motion_mask[row, : len(frames)] = frames, True
        return {"motion": motion, "motion_mask": motion_mask, "example_mask": np.arange(num_rows) < len(motions)}
