"""A camera: where it stands about a figure, and where points in the world lie in its picture."""

import dataclasses
import math

import numpy as np
from jaxtyping import Float, Float64

from jaxmm.errors import ConfigError

_LARGEST_ANGLE = 80.0
_NEAREST = 0.2  # metres before the camera; what is nearer is drawn as if it were there
_ROUNDS = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera that looks at a target, which may move.

    Attributes:
        azimuth: Degrees about the vertical axis; 0 sees a figure that faces +z from the front, 90 its left side.
        elevation: Degrees above the horizon, -80 to 80.
        distance: Metres to the target, > 0.
        roll: Degrees that the picture is turned clockwise.
        field: Degrees from the lower to the upper edge of the picture, > 0 to 160.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> camera = Camera(distance=2.0, field=90.0)
        >>> pixels, depth = camera.project(np.array([[[0.5, 0.0, 0.0]]]), np.zeros((1, 3)), size=128)
        >>> pixels.round(6).tolist(), depth.tolist()
        ([[[80.0, 64.0]]], [[2.0]])
    """

    azimuth: float = 0.0
    elevation: float = 0.0
    distance: float = 4.0
    roll: float = 0.0
    field: float = 40.0

    def __post_init__(self) -> None:
        if not abs(self.elevation) <= _LARGEST_ANGLE:
            raise ConfigError(f"camera: elevation is {self.elevation}; give -{_LARGEST_ANGLE:g} to {_LARGEST_ANGLE:g}")
        if not self.distance > 0 or not 0 < self.field <= 2 * _LARGEST_ANGLE:
            raise ConfigError(
                f"camera: distance is {self.distance} and field {self.field}; give a distance above 0 and a field of "
                f"0 to {2 * _LARGEST_ANGLE:g} degrees"
            )

    @property
    def axes(self) -> Float64[np.ndarray, "3 3"]:
        """What is right, up and towards the camera, as rows."""
        azimuth, elevation, roll = np.radians([self.azimuth, self.elevation, self.roll])
        towards = np.array(
            [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
        )
        right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
        up = np.cross(towards, right)
        return np.stack([np.cos(roll) * right + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * right, towards])

    def focal(self, size: int) -> float:
        """Returns the pixels of a metre at a depth of one, in a picture of `size` pixels."""
        return size / 2 / math.tan(math.radians(self.field) / 2)

    def project(
        self, points: Float[np.ndarray, "time points 3"], target: Float[np.ndarray, "time 3"], *, size: int
    ) -> tuple[Float64[np.ndarray, "time points 2"], Float64[np.ndarray, "time points"]]:
        """Returns pixels, x to the right and y down, and depths in metres.

        Args:
            points: In the world, in metres.
            target: What is in the middle of the picture.
            size: Edge of the picture in pixels.
        """
        seen = (points - target[:, None]).astype(np.float64) @ self.axes.T
        depth = np.maximum(self.distance - seen[..., 2], _NEAREST)
        return size / 2 + seen[..., :2] * np.array([1, -1]) * (self.focal(size) / depth)[..., None], depth

    def rays(self, size: int) -> Float64[np.ndarray, "size size 3"]:
        """Returns the direction in the world that each pixel's middle looks to, a metre deep."""
        across = (np.arange(size) + 0.5 - size / 2) / self.focal(size)
        seen = np.stack([*np.meshgrid(across, -across), np.full((size, size), -1.0)], axis=-1)
        return seen @ self.axes

    def eyes(self, target: Float[np.ndarray, "time 3"]) -> Float64[np.ndarray, "time 3"]:
        """Returns where the camera is."""
        return target + self.distance * self.axes[2]

    def framing(
        self,
        points: Float[np.ndarray, "time points 3"],
        radii: Float[np.ndarray, "points"],
        target: Float[np.ndarray, "time 3"],
        *,
        fill: float,
    ) -> "Camera":
        """Returns a camera at the distance from which balls fill so much of the picture.

        Args:
            points: Their middles.
            radii: Their radii in metres.
            target: What is in the middle of the picture.
            fill: Where the outermost point lies, from 0 in the middle to 1 at the edge.

        Example:
            >>> corners = np.array([[[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]])
            >>> round(Camera(field=90.0).framing(corners, np.zeros(2), np.zeros((1, 3)), fill=0.5).distance, 6)
            2.0
        """
        camera = self
        for _ in range(_ROUNDS):
            pixels, depth = camera.project(points, target, size=2)
            outermost = np.abs(pixels - 1).max(-1) + radii * camera.focal(2) / depth
            # What is seen at x from a depth d is seen at x * d / (d + further): solved for each, the furthest counts.
            further = float((depth * (outermost / fill - 1)).max())
            camera = dataclasses.replace(camera, distance=max(_NEAREST, camera.distance + further))
        return camera
