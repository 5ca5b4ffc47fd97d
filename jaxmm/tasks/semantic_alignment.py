"""Semantic alignment: features of frames are brought to the embeddings of what their labels mean."""

import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxmm.data.dataset import Dataset
from jaxmm.data.segmented import SegmentedData
from jaxmm.encoders.tcn import FrameProjector, TemporalConvNet
from jaxmm.errors import ConfigError
from jaxmm.objectives.alignment import AlignmentLoss, alignment_losses
from jaxmm.objectives.reduce import mean_over_time
from jaxmm.optim import AdamW, Group
from jaxmm.tasks.frame_task import FrameTask, apply_next
from jaxmm.tasks.semantics import Semantics
from jaxmm.typing import Batch, Collections, Metrics, Params


def _adamw() -> AdamW:
    tcn = Group(pattern="^encoder/", lr_scale=0.5, weight_decay=1e-4)
    projector = Group(pattern="^projector/", weight_decay=1e-3)
    return AdamW(lr=3e-4, end_lr=1e-6, restart_epochs=10, clip_norm=0.5, groups=(tcn, projector))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SemanticAlignmentTask(FrameTask):
    """Learns features of frames that lie near the embedding of their label's description.

    Attributes:
        encoder: What sees the frames around one.
        projector: What takes a frame to the space of the embeddings.
        semantics: Where the embeddings come from; they are kept with the run.
        num_labels: Number of labels.
        loss_kind: How far features are from embeddings.
        alpha: Share of the direction in the `adaptive` loss, in [0, 1].

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> from jaxmm.data.segmented import SegmentedVideos
        >>> task = SemanticAlignmentTask(encoder=TemporalConvNet(dims=(8, 4)), num_labels=3)
        >>> batch = jax.tree.map(jnp.asarray, SegmentedVideos().blank_batch())
        >>> params, collections = task.init_variables(jax.random.key(0), batch)
        >>> sorted(params), collections["semantics"]["embeddings"].shape
        (['encoder', 'projector'], (3, 384))

    Reference: seed 002, with the decisions of its specification.
    """

    encoder: TemporalConvNet = dataclasses.field(default_factory=TemporalConvNet)
    projector: FrameProjector = dataclasses.field(default_factory=FrameProjector)
    semantics: Semantics = dataclasses.field(default_factory=Semantics)
    num_labels: int = 19
    loss_kind: AlignmentLoss = "adaptive"
    alpha: float = 0.7
    optimizer: AdamW = dataclasses.field(default_factory=_adamw)

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"task.alpha is {self.alpha}; give a number from 0 to 1")
        if self.num_labels < 1:
            raise ConfigError(f"task.num_labels is {self.num_labels}; give 1 or more")

    @property
    def known_labels(self) -> int:
        """Number of labels."""
        return self.num_labels

    @property
    def context(self) -> tuple[int, int]:
        """Frames before and after one that its features depend on."""
        return self.encoder.context

    def init_variables(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, Collections]:
        """Returns random parameters, statistics, and zeros for the embeddings."""
        encoder_key, projector_key = jax.random.split(key)
        features, mask = batch["features"][:1], batch["frame_mask"][:1]
        hidden, encoder = self.encoder.init_with_output(encoder_key, features, mask, deterministic=True)
        projector = self.projector.init(projector_key, hidden, deterministic=True)
        embeddings = jnp.zeros((self.num_labels, self.projector.embedding_dim))
        return (
            {"encoder": encoder["params"], "projector": projector["params"]},
            {"encoder": {"batch_stats": encoder["batch_stats"]}, "semantics": {"embeddings": embeddings}},
        )

    def load_pretrained(
        self, params: Params, collections: Collections, data: Dataset[Any]
    ) -> tuple[Params, Collections]:
        """Puts the embeddings of the data's labels in.

        Raises:
            ConfigError: If they are of another width than the features.
            WeightsError: If they can be neither computed nor read.
        """
        params, collections = super().load_pretrained(params, collections, data)
        embeddings = self.semantics(cast(SegmentedData, data).vocabulary)
        width = embeddings.shape[1]
        if width != self.projector.embedding_dim:
            raise ConfigError(
                f"task.projector.embedding_dim is {self.projector.embedding_dim}, but embeddings of "
                f"{self.semantics.source} have {width} numbers; set it to {width}"
            )
        return params, {**collections, "semantics": {"embeddings": embeddings}}

    def loss(
        self, params: Params, collections: Collections, batch: Batch, key: PRNGKeyArray, *, train: bool
    ) -> tuple[Float[Array, "batch"], tuple[Collections, Metrics]]:
        """Returns each video's mean loss over the frames that count."""
        keys = jax.random.split(key)
        variables = {"params": params["encoder"], **collections["encoder"]}
        hidden, changed = self.encoder.apply(
            variables,
            batch["features"],
            batch["frame_mask"],
            deterministic=not train,
            mutable=["batch_stats"],
            rngs={"dropout": keys[0]},
        )
        features = self.projector.apply(
            {"params": params["projector"]}, hidden, deterministic=not train, rngs={"dropout": keys[1]}
        )
        targets = collections["semantics"]["embeddings"][batch["labels"]]
        losses = alignment_losses(
            cast(Array, features).astype(jnp.float32), targets, loss=self.loss_kind, alpha=self.alpha
        )
        return mean_over_time(losses, batch["label_mask"]), ({**collections, "encoder": changed}, {})

    def embeddings(self, collections: Collections) -> Float[Array, "labels dim"]:
        """Returns the embeddings of the labels."""
        return jnp.asarray(collections["semantics"]["embeddings"])

    def answer_next(
        self, params: Params, collections: Collections, batch: Batch, stream: Collections | None
    ) -> tuple[Float[Array, "batch time dim"], Collections]:
        """Returns the aligned features."""
        variables = {"params": params["encoder"], **collections["encoder"]}
        hidden, stream = apply_next(self.encoder, variables, batch, stream)
        features = self.projector.apply({"params": params["projector"]}, hidden, deterministic=True)
        return cast(Array, features), stream
