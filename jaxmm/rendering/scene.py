"""A scene: a figure's appearance, the camera, and the backdrop, drawn by chance and then always the same."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, UInt8

from jaxmm.data.motion import Motion
from jaxmm.errors import MissingExtraError
from jaxmm.rendering.appearance import Appearance
from jaxmm.rendering.backdrop import Backdrop
from jaxmm.rendering.camera import Camera
from jaxmm.rendering.figure import Figure

_FINER = 2  # Pictures are drawn so many times as large, and made smaller, to smooth their edges.
_FOLLOWING_SECONDS = 0.7
_LONGEST_PATH = 0.6  # Metres from the middle of the path that a camera shows without following more.
_MIDDLE = 0.52  # of a figure's height


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """Who is seen, from where, and before what.

    Attributes:
        appearance: Of the figure.
        backdrop: Behind it.
        azimuth: Degrees from where its chest faces at first to the camera; positive is to its left.
        elevation: Degrees of the camera above the horizon.
        roll: Degrees that the picture is turned.
        field: Degrees that the picture spans.
        fill: How much of half the picture the motion reaches, above 0 to 1.
        following: How far the camera goes with the figure, 0 to 1; more where its path is long.

    Example:
        >>> Scene.drawn(np.random.default_rng(7), facing=60.0) == Scene.drawn(np.random.default_rng(7), facing=60.0)
        True
    """

    appearance: Appearance = dataclasses.field(default_factory=Appearance)
    backdrop: Backdrop = dataclasses.field(default_factory=Backdrop)
    azimuth: float = 0.0
    elevation: float = 8.0
    roll: float = 0.0
    field: float = 40.0
    fill: float = 0.9
    following: float = 0.0

    @classmethod
    def drawn(cls, rng: np.random.Generator, *, facing: float) -> "Scene":
        """Draws a scene by chance.

        Args:
            rng: Decides.
            facing: Largest azimuth to either side, in degrees; 180 sees figures from all around.
        """
        return cls(
            appearance=Appearance.drawn(rng),
            backdrop=Backdrop.drawn(rng),
            azimuth=float(rng.uniform(-facing, facing)),
            elevation=float(rng.uniform(0, 22)),
            roll=float(rng.normal(0, 2)),
            field=float(rng.uniform(30, 55)),
            fill=float(rng.uniform(0.76, 0.98)),
            following=float(rng.uniform(0, 0.8)),
        )

    def frames(self, motion: Motion, *, size: int) -> Iterator[UInt8[np.ndarray, "size size 3"]]:
        """Yields a picture of each frame of a motion.

        Args:
            motion: The motion; the ground is at a height of zero.
            size: Edge of the pictures in pixels.

        Raises:
            MissingExtraError: If the extra `plots` is not installed.

        Example:
            >>> from jaxmm.data.procedural import motions
            >>> walk = next(iter(motions("train", seed=0, takes=1)))
            >>> next(Scene().frames(walk, size=64)).shape
            (64, 64, 3)
        """
        try:
            from PIL import Image, ImageDraw
        except ImportError as error:
            raise MissingExtraError.of("pillow", extra="plots") from error
        figure = Figure(motion.skeleton, motion.positions, self.appearance)
        posed = figure.posed(motion.positions)
        target = self._target(posed, motion.fps)
        ahead = figure.facing(posed)[0]
        camera = Camera(
            azimuth=self.azimuth + float(np.degrees(np.arctan2(ahead[0], ahead[2]))),
            elevation=self.elevation,
            roll=self.roll,
            field=self.field,
        ).framing(posed, figure.radii(), target, fill=self.fill)
        outlines = figure.outlines(posed, camera, target, size=_FINER * size)
        backdrops = self.backdrop.frames(camera, target, posed[:, 0, [0, 2]], size=_FINER * size)
        for frame, backdrop in enumerate(backdrops):
            picture = Image.fromarray(backdrop)
            outlines.draw(ImageDraw.Draw(picture), frame)
            yield np.asarray(picture.reduce(_FINER))

    def _target(self, posed: Float32[np.ndarray, "time points 3"], fps: float) -> Float32[np.ndarray, "time 3"]:
        """Returns what the camera looks at: the middle of the path, and partly the figure itself."""
        path = posed[:, 0].copy()
        width = min(len(path), max(1, round(_FOLLOWING_SECONDS * fps)))
        padded = np.pad(path, ((width // 2, (width - 1) // 2), (0, 0)), mode="edge")
        smooth = np.stack([padded[start : start + len(path)] for start in range(width)]).mean(0)
        middle = (path.min(0) + path.max(0)) / 2
        reach = float(np.linalg.norm((smooth - middle)[:, [0, 2]], axis=1).max())
        following = max(self.following, 1 - _LONGEST_PATH / max(reach, 1e-6))
        target = middle + np.float32(following) * (smooth - middle)
        target[:, 1] = _MIDDLE * (posed[..., 1].max() + min(0.0, float(posed[..., 1].min())))
        return target.astype(np.float32)
