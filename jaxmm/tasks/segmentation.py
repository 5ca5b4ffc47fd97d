"""Action segmentation: a label for every frame, by stages that refine each other."""

import dataclasses
from typing import cast

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxmm.encoders.tcn import MultiStageTcn
from jaxmm.errors import ConfigError
from jaxmm.objectives.reduce import masked_mean
from jaxmm.objectives.segmentation import segmentation_losses
from jaxmm.optim import AdamW
from jaxmm.tasks.frame_task import FrameTask, apply_next
from jaxmm.typing import Batch, Collections, Metrics, Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentationTask(FrameTask):
    """Learns the label of every frame from features of frames.

    Attributes:
        head: The network, which knows the number of labels.
        smoothing: How much changes of label probabilities from frame to frame count, >= 0.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> from jaxmm.data.segmented import SegmentedVideos
        >>> task = SegmentationTask(head=MultiStageTcn(num_labels=3, num_stages=2, num_layers=2, dim=4))
        >>> import jax
        >>> batch = jax.tree.map(jnp.asarray, SegmentedVideos().blank_batch())
        >>> params, _ = task.init_variables(jax.random.key(0), batch)
        >>> sorted(params["head"])
        ['stage_0', 'stage_1']

    Reference: MS-TCN, arXiv:1903.01945.
    """

    head: MultiStageTcn = dataclasses.field(default_factory=lambda: MultiStageTcn(num_labels=19))
    smoothing: float = 0.15
    optimizer: AdamW = dataclasses.field(default_factory=lambda: AdamW(lr=5e-4, end_lr=5e-4, weight_decay=0.0))

    def __post_init__(self) -> None:
        if not self.smoothing >= 0:
            raise ConfigError(f"task.smoothing is {self.smoothing}; give 0 or more")

    @property
    def known_labels(self) -> int:
        """Number of labels."""
        return self.head.num_labels

    @property
    def context(self) -> tuple[int, int]:
        """Frames before and after one that its label depends on."""
        return self.head.context

    def init_variables(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, Collections]:
        """Returns random parameters."""
        variables = self.head.init(key, batch["features"][:1], batch["frame_mask"][:1], deterministic=True)
        return {"head": variables["params"]}, {}

    def loss(
        self, params: Params, collections: Collections, batch: Batch, key: PRNGKeyArray, *, train: bool
    ) -> tuple[Float[Array, "batch"], tuple[Collections, Metrics]]:
        """Returns each video's loss, summed over the stages, and the share of frames whose label is right."""
        logits = self.head.apply(
            {"params": params["head"]},
            batch["features"],
            batch["frame_mask"],
            deterministic=not train,
            rngs={"dropout": key},
        )
        logits, mask = cast(Array, logits).astype(jnp.float32), batch["label_mask"]
        losses = [segmentation_losses(stage, batch["labels"], mask, smoothing=self.smoothing) for stage in logits]
        right = (logits[-1].argmax(axis=-1) == batch["labels"]).astype(jnp.float32)
        return jnp.stack(losses).sum(axis=0), (collections, {"accuracy": masked_mean(right, mask)})

    def answer_next(
        self, params: Params, collections: Collections, batch: Batch, stream: Collections | None
    ) -> tuple[Float[Array, "batch time labels"], Collections]:
        """Returns the logits of the labels, by the last stage."""
        del collections
        logits, stream = apply_next(self.head, {"params": params["head"]}, batch, stream)
        return logits[-1], stream
