"""What systems on videos share: a backbone that sees frames, and features that are computed once while it rests."""

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from jaxmm.data.action_videos import ActionVideosData
from jaxmm.data.dataset import Dataset
from jaxmm.data.video.augmentation import ClipAugmentation
from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon
from jaxmm.tasks.base import EmbedRows, Runtime, Task
from jaxmm.tasks.frame_features import FEATURES, keep_features
from jaxmm.tasks.visual import FrameEncoder
from jaxmm.typing import Batch, Collections, Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoTask(Task):
    """A system that learns from features of frames; the backbone's parameters and statistics are under `visual`.

    Attributes:
        frames: What sees a frame.
        features_mib: Most memory, in MiB, for the features of all packed frames while nothing of the backbone trains.
            They are computed once and kept where they fit and clips are not augmented; 0 keeps nothing.

    Raises:
        ConfigError: If the memory is negative.
    """

    frames: FrameEncoder = dataclasses.field(default_factory=FrameEncoder)
    features_mib: int = 2048

    def __post_init__(self) -> None:
        if self.features_mib < 0:
            raise ConfigError(f"task.features_mib is {self.features_mib}; give 0 or more")

    def init_visual(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, Collections]:
        """Returns random parameters of the backbone, and its statistics."""
        return self.frames.init(key, batch["frames"])

    def load_pretrained(
        self, params: Params, collections: Collections, data: Dataset[Any]
    ) -> tuple[Params, Collections]:
        """Puts the backbone's checkpoint in.

        Raises:
            WeightsError: If it can be neither found nor read, or does not fit.
        """
        params, collections = super().load_pretrained(params, collections, data)
        visual, statistics = self.frames.load(params["visual"], collections["visual"])
        return {**params, "visual": visual}, {**collections, "visual": statistics}

    def check_data(self, data: Dataset[Any]) -> None:
        """Refuses data that are no videos, or have frames of another size.

        Raises:
            ConfigError: If they do not fit.
        """
        if not isinstance(data, ActionVideosData):
            raise ConfigError(
                f"data are {type(data.settings).__name__}; {type(self).__name__} learns from ActionVideos"
            )
        size = getattr(self.frames.backbone, "image_size", data.settings.frame_size)
        if size != data.settings.frame_size:
            raise ConfigError(
                f"data.frame_size is {data.settings.frame_size}, but the backbone sees {size} pixels; set it to {size}"
            )

    @property
    def runtime(self) -> Runtime:
        """What sees frames once."""
        return self.frames.runtime

    def precompute(
        self, params: Params, data: Dataset[Any], embed: EmbedRows, horizon: Horizon
    ) -> Callable[[Batch], Batch]:
        """Sees all frames once, where nothing of the backbone trains in this stage and clips are not augmented."""
        unchanged = super().precompute(params, data, embed, horizon)
        videos = cast(ActionVideosData, data)
        if self.trains_backbone(params, horizon) or videos.settings.augmentation != ClipAugmentation():
            return unchanged
        return self.features_of(videos, "train", embed) or unchanged

    def trains_backbone(self, params: Params, horizon: Horizon) -> bool:
        """Tells whether any parameter of the backbone moves in a run, or its stage."""
        return bool(jax.tree.leaves(self.moving(params, horizon)["visual"]))

    def features_of(self, videos: ActionVideosData, split: str, embed: EmbedRows) -> Callable[[Batch], Batch] | None:
        """Sees all frames of a split once; see `jaxmm.tasks.frame_features.keep_features`."""
        return keep_features(self.see, videos, split, embed, dim=self.frames.dim, limit_mib=self.features_mib)

    def see(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch time dim"]:
        """Returns the features of `frames`; those of frames that are not valid mean nothing."""
        return self.frames(params["visual"], collections["visual"], batch["frames"])

    def seen(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch time dim"]:
        """Returns the `features` of a batch that has them, and sees its `frames` otherwise."""
        return batch[FEATURES] if FEATURES in batch else self.see(params, collections, batch)
