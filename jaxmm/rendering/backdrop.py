"""What stands behind a figure: a flat colour, a gradient, noise, a chequered floor, or a room."""

import dataclasses
from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Float32, UInt8

from jaxmm.rendering.appearance import Colour, vivid
from jaxmm.rendering.camera import Camera

Kind: TypeAlias = Literal["flat", "gradient", "noise", "checker", "room"]
KINDS: tuple[Kind, ...] = ("flat", "gradient", "noise", "checker", "room")
"""Kinds of backdrops."""

_SHADOW, _SHADOW_METRES = 0.5, 0.28
_HORIZON = 0.02  # Rays that fall less steeply than so meet no floor.
_FADE = 12.0  # metres
_COARSEST = 4
_TONES, _LIGHTS = 16, 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backdrop:
    """What stands behind a figure; floors lie at a height of zero, and show its shadow.

    Attributes:
        kind: One of `KINDS`.
        first: A colour: of the floor, or above.
        second: Another: of every other tile, of the wall, or below.
        tile: Metres of a tile's edge.
        wall: Metres from the target to the wall of a room.
        seed: Seed of the noise.

    Example:
        >>> room = Backdrop(kind="room")
        >>> next(room.frames(Camera(), np.ones((1, 3)), np.zeros((1, 2)), size=32)).shape
        (32, 32, 3)
    """

    kind: Kind = "flat"
    first: Colour = (0.75, 0.75, 0.72)
    second: Colour = (0.45, 0.45, 0.48)
    tile: float = 0.6
    wall: float = 2.5
    seed: int = 0

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Backdrop":
        """Draws a backdrop of any kind by chance.

        Example:
            >>> Backdrop.drawn(np.random.default_rng(0)).kind in KINDS
            True
        """
        first = vivid(rng, darkest=0.35, lightest=1.0, most=0.5)
        share = rng.uniform(0.55, 0.85)
        near = tuple(float(part * share) for part in first)
        return cls(
            kind=KINDS[rng.integers(len(KINDS))],
            first=first,
            second=vivid(rng, darkest=0.3, lightest=0.95, most=0.5)
            if rng.random() < 0.6
            else (near[0], near[1], near[2]),
            tile=float(rng.uniform(0.4, 1.0)),
            wall=float(rng.uniform(1.5, 4.0)),
            seed=int(rng.integers(2**31)),
        )

    def frames(
        self, camera: Camera, target: Float[np.ndarray, "time 3"], feet: Float[np.ndarray, "time 2"], *, size: int
    ) -> Iterator[UInt8[np.ndarray, "size size 3"]]:
        """Yields the backdrop of each frame.

        Args:
            camera: Sees it.
            target: What is in the middle of each picture; always at one height.
            feet: Where the figure stands, x and z in metres, for its shadow.
            size: Edge of the pictures in pixels.
        """
        if self.kind in ("checker", "room"):
            yield from self._floor(camera, target, feet, size)
            return
        picture = _bytes(self._still(size))
        for _ in range(len(target)):
            yield picture

    def _still(self, size: int) -> Float32[np.ndarray, "size size 3"]:
        first, second = np.array(self.first, np.float32), np.array(self.second, np.float32)
        if self.kind == "flat":
            return np.tile(first, (size, size, 1))
        if self.kind == "gradient":
            share = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
            return np.tile(first * (1 - share) + second * share, (1, size, 1))
        share = _noise(np.random.default_rng(self.seed), size)[..., None]
        return first * (1 - share) + second * share

    def _floor(
        self, camera: Camera, target: Float[np.ndarray, "time 3"], feet: Float[np.ndarray, "time 2"], size: int
    ) -> Iterator[UInt8[np.ndarray, "size size 3"]]:
        first, second = np.array(self.first), np.array(self.second)
        rays, eyes = camera.rays(size).astype(np.float32), camera.eyes(target).astype(np.float32)
        hits = rays[..., 1] < -_HORIZON
        reach = eyes[0, 1] / np.where(hits, -rays[..., 1], 1)
        across, along = reach * rays[..., 0], reach * rays[..., 2]
        fade = np.exp(-np.hypot(across, along) / _FADE)
        ahead = -camera.axes[2, [0, 2]].astype(np.float32)
        ahead /= np.linalg.norm(ahead)
        colours = _tones(first, second if self.kind == "checker" else 0.75 * first)
        above = second if self.kind == "room" else 0.5 * second + 0.5
        behind = _bytes(np.tile(above * np.linspace(1, 0.82, size)[:, None, None], (1, size, 1)))
        for eye, foot in zip(eyes, feet.astype(np.float32), strict=True):
            x, z = across + eye[0], along + eye[2]
            if self.kind == "checker":
                tone = ((np.floor(x / self.tile) + np.floor(z / self.tile)) % 2 - np.float32(0.5)) * fade + np.float32(
                    0.5
                )
                seen = hits
            else:
                tone = 1 - fade
                # The wall stands still in the world, behind where the camera looks at first.
                seen = hits & (x * ahead[0] + z * ahead[1] < target[0, [0, 2]] @ ahead + self.wall)
            apart = (np.square(x - foot[0]) + np.square(z - foot[1])) * np.float32(_SHADOW_METRES**-2)
            light = 1 - _SHADOW / np.square(1 + apart)
            place = (tone * (_TONES - 1)).astype(np.int32) * _LIGHTS + (light * (_LIGHTS - 1)).astype(np.int32)
            yield np.where(seen[..., None], colours[place], behind)


def _tones(first: np.ndarray, second: np.ndarray) -> UInt8[np.ndarray, "entries 3"]:
    """Returns the colours from the first to the second, each from dark to full light: what pixels are looked up in."""
    tones, lights = np.linspace(0, 1, _TONES)[:, None, None], np.linspace(0, 1, _LIGHTS)[:, None]
    return _bytes((first * (1 - tones) + second * tones) * lights).reshape(-1, 3)


def _bytes(colours: np.ndarray) -> UInt8[np.ndarray, "..."]:
    return np.clip(255 * colours, 0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, size: int) -> Float32[np.ndarray, "size size"]:
    """Sums noise of ever finer grain, 0 to 1."""
    total = np.zeros((size, size), np.float32)
    for octave in range(4):
        grain = _COARSEST * 2**octave
        places = np.linspace(0, grain - 1.001, size)
        low, share = places.astype(int), (places % 1).astype(np.float32)
        grid = rng.random((grain + 1, grain + 1), dtype=np.float32)
        rows = grid[low] * (1 - share[:, None]) + grid[low + 1] * share[:, None]
        total += (rows[:, low] * (1 - share) + rows[:, low + 1] * share) / 2**octave
    return (total - total.min()) / (np.ptp(total) or 1)
