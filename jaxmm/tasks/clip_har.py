"""CLIP-HAR: actions from videos, by a classifier on features of frames, and by prompts that name the actions."""

import dataclasses
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Float32, Int, PRNGKeyArray

from jaxmm import parallel
from jaxmm.data.action_videos import ActionVideosData
from jaxmm.data.dataset import Dataset
from jaxmm.data.prompts import Prompts
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.encoders.adapters import Adapter
from jaxmm.encoders.heads import ClassifierHead
from jaxmm.encoders.layers import l2_normalize, mean_over_valid
from jaxmm.encoders.temporal import TemporalFusion
from jaxmm.errors import ConfigError
from jaxmm.horizon import Horizon
from jaxmm.objectives.reduce import masked_mean
from jaxmm.objectives.settings import Contrastive
from jaxmm.optim import keep_within
from jaxmm.tasks.semantics import Semantics
from jaxmm.tasks.video_task import VideoTask
from jaxmm.typing import Batch, Collections, Metrics, Params


def _objective() -> Contrastive:
    return Contrastive(temperature=0.07, false_negatives="multi_positive", found_by="same_caption")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipHarTask(VideoTask):
    """Learns which action a video shows.

    Parameters are under `visual` (the backbone), `adapter`, `temporal`, `head`, `projection` and `objective`.

    Attributes:
        adapter_dim: Width inside the residual adapter of a frame's features; 0 has none.
        temporal: What makes one vector of a video's frames; None takes their mean, which sees no order (D1).
        head: Classifier of that vector, as it is (D6).
        head_weight: How much its cross-entropy counts, >= 0.
        label_smoothing: Share of the label that is spread over all classes, in [0, 1).
        semantics: Where the embeddings of the classes' prompts come from; None has no prompts. They are kept with the
            run.
        prompts: The sentences that name a class.
        embedding_dim: Width of a learnt projection of a video's vector to the space of the prompts; None where
            features lie there already, as those of CLIP do.
        objective: How videos are told from each other by the prompts of their classes; those of one class have the
            same caption.
        contrastive_weight: How much that counts, >= 0.

    Raises:
        ConfigError: If a number is out of its range, or nothing is learnt.

    Example:
        >>> from jaxmm.data.action_videos import ActionVideos
        >>> from jaxmm.encoders.clip import ClipVision
        >>> from jaxmm.tasks.visual import FrameEncoder
        >>> vision = ClipVision(dim=8, num_layers=1, num_heads=2, feedforward_dim=8, embedding_dim=6, image_size=8,
        ...                     patch_size=4)
        >>> task = ClipHarTask(frames=FrameEncoder(backbone=vision), head=ClassifierHead(num_classes=3))
        >>> batch = jax.tree.map(jnp.asarray, ActionVideos(frame_size=8, frames_per_clip=2).blank_batch())
        >>> params, collections = task.init_variables(jax.random.key(0), batch)
        >>> task.classify(params, collections, batch).shape
        (1, 3)

    Reference: seed 001, with the decisions of its specification; CLIP, arXiv:2103.00020.
    """

    adapter_dim: int = 0
    temporal: TemporalFusion | None = None
    head: ClassifierHead = dataclasses.field(default_factory=lambda: ClassifierHead(num_classes=15))
    head_weight: float = 1.0
    label_smoothing: float = 0.0
    semantics: Semantics | None = None
    prompts: Prompts = dataclasses.field(default_factory=Prompts)
    embedding_dim: int | None = None
    objective: Contrastive = dataclasses.field(default_factory=_objective)
    contrastive_weight: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("adapter_dim", "head_weight", "contrastive_weight"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"task.{name} is {getattr(self, name)}; give 0 or more")
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"task.label_smoothing is {self.label_smoothing}; give 0 or more, below 1")
        if not self.head_weight + self.contrastive_weight > 0:
            raise ConfigError("task.head_weight and task.contrastive_weight are both 0; raise one")
        if self.contrastive_weight and self.semantics is None:
            raise ConfigError("task.contrastive_weight is above 0, but task.semantics is None; name a text backbone")
        if self.objective.compares == "similar_caption":
            raise ConfigError(
                "task.objective.found_by is similar_caption, but videos belong together by their classes; leave it out"
            )
        if self.embedding_dim is not None and self.semantics is None:
            raise ConfigError("task.embedding_dim is given, but task.semantics is None; leave it out")

    @property
    def num_classes(self) -> int:
        """Classes that the head tells apart."""
        return self.head.num_classes

    @property
    def prompt_dim(self) -> int:
        """Width of the embeddings of prompts."""
        return self.embedding_dim or self.frames.dim

    def init_variables(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, Collections]:
        """Returns random parameters, statistics of the backbone, and zeros for the embeddings of the classes."""
        keys = jax.random.split(key, 5)
        visual, statistics = self.init_visual(keys[0], batch)
        frame, mask = jnp.zeros((1, 1, self.frames.dim)), jnp.ones((1, 1), bool)
        params = {
            "visual": visual,
            "head": self.head.init(keys[1], frame[:, 0], deterministic=True)["params"],
        }
        if self.adapter_dim:
            params["adapter"] = Adapter(self.adapter_dim).init(keys[2], frame)["params"]
        if self.temporal is not None:
            params["temporal"] = self.temporal.init(keys[3], frame, mask)["params"]
        if self.semantics is None:
            return params, {"visual": statistics}
        if self.embedding_dim is not None:
            params["projection"] = self._projection.init(keys[4], frame[:, 0])["params"]
        params["objective"] = self.objective.init_params()
        embeddings = jnp.zeros((self.num_classes, self.prompt_dim))
        return params, {"visual": statistics, "classes": {"embeddings": embeddings}}

    @property
    def _projection(self) -> nn.Dense:
        return nn.Dense(self.prompt_dim, use_bias=False)

    def load_pretrained(
        self, params: Params, collections: Collections, data: Dataset[Any]
    ) -> tuple[Params, Collections]:
        """Puts the backbone's checkpoint and the embeddings of the data's classes in.

        Raises:
            ConfigError: If the embeddings are of another width than the features.
            WeightsError: If a checkpoint can be neither found nor read, or does not fit.
        """
        params, collections = super().load_pretrained(params, collections, data)
        if self.semantics is None:
            return params, collections
        embeddings = self.class_embeddings(cast(ActionVideosData, data).vocabulary)
        return params, {**collections, "classes": {"embeddings": embeddings}}

    def class_embeddings(self, vocabulary: Vocabulary) -> Float32[np.ndarray, "classes dim"]:
        """Returns the embedding of each class, of unit length: the mean of those of its prompts, or the one in a file.

        Args:
            vocabulary: Classes, of training or others, by whose descriptions they are known.

        Raises:
            ConfigError: If the task has no prompts, or their embeddings are of another width than the features.
            WeightsError: If the embeddings can be neither computed nor read.
        """
        if self.semantics is None:
            raise ConfigError("task.semantics is None, so classes have no prompts; name a text backbone")
        if self.semantics.by_label:
            by_text = self.semantics(vocabulary)
        else:
            texts = self.prompts.texts(vocabulary.descriptions)
            names = tuple(f"{place}" for place in range(len(texts)))
            by_text = self.semantics(Vocabulary(labels=names, descriptions=texts))
        width = by_text.shape[1]
        if width != self.prompt_dim:
            raise ConfigError(
                f"embeddings of {self.semantics.source} have {width} numbers, but features {self.prompt_dim}; "
                f"set task.embedding_dim to {width}"
            )
        means = by_text.reshape(vocabulary.num_labels, -1, width).mean(axis=1)
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.float32(1e-12))

    def transform(self, params: Params, horizon: Horizon) -> optax.GradientTransformation:
        """Returns the gradient transformation, which keeps a learnt scale of similarities in its range (D4)."""
        if self.semantics is None or not self.objective.learnable:
            return super().transform(params, horizon)
        own = {f"objective/{name}" for name in self.objective.init_params()}
        ranges = {f"objective/{name}": bounds for name, bounds in self.objective.ranges().items()}
        built = self.optimizer.build(params, horizon=horizon, frozen=self.frozen(params), undecayed=own)
        return optax.chain(built, keep_within(ranges))

    def check_data(self, data: Dataset[Any]) -> None:
        """Refuses data that are no videos of actions, have another number of classes, or frames of another size.

        Raises:
            ConfigError: If they do not fit.
        """
        super().check_data(data)
        num_labels = cast(ActionVideosData, data).vocabulary.num_labels
        if num_labels != self.num_classes:
            raise ConfigError(
                f"task.head.num_classes is {self.num_classes}, but the data have {num_labels}; set it to {num_labels}"
            )

    def embed_video(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch dim"]:
        """Returns one vector of each video, of its `features` where the batch has them, or of its `frames`."""
        features, mask = self.seen(params, collections, batch), batch["frame_mask"]
        if self.adapter_dim:
            features = cast(Array, Adapter(self.adapter_dim).apply({"params": params["adapter"]}, features))
        if self.temporal is None:
            return mean_over_valid(features, mask)
        return cast(Array, self.temporal.apply({"params": params["temporal"]}, features, mask))

    def classify(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch classes"]:
        """Returns the logits of the head, without dropout."""
        video = self.embed_video(params, collections, batch)
        return cast(Array, self.head.apply({"params": params["head"]}, video, deterministic=True))

    def compare(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch classes"]:
        """Returns the scaled similarity of each video to the prompts of every class (D2)."""
        video = self._project(params, self.embed_video(params, collections, batch))
        scale = jnp.exp(-params["objective"].get("log_temperature", jnp.log(self.objective.temperature)))
        return scale * (video @ collections["classes"]["embeddings"].T)

    def _project(self, params: Params, video: Float[Array, "batch dim"]) -> Float[Array, "batch prompt_dim"]:
        if self.embedding_dim is not None:
            video = cast(Array, self._projection.apply({"params": params["projection"]}, video))
        return l2_normalize(video)

    def loss(
        self, params: Params, collections: Collections, batch: Batch, key: PRNGKeyArray, *, train: bool
    ) -> tuple[Float[Array, "batch"], tuple[Collections, Metrics]]:
        """Returns each video's loss by the head and by the prompts, and how many of the batch the head knows."""
        video, label = self.embed_video(params, collections, batch), batch["label"]
        logits = cast(
            Array,
            self.head.apply({"params": params["head"]}, video, deterministic=not train, rngs={"dropout": key}),
        ).astype(jnp.float32)
        wanted = optax.smooth_labels(jax.nn.one_hot(label, self.num_classes), self.label_smoothing)
        losses = self.head_weight * optax.softmax_cross_entropy(logits, wanted)
        metrics = {"accuracy": masked_mean((logits.argmax(axis=1) == label).astype(jnp.float32), batch["example_mask"])}
        if self.contrastive_weight:
            prompts = collections["classes"]["embeddings"][label]
            rows = self._project(params, video).astype(jnp.float32), prompts, label, batch["example_mask"]
            own, more = self._contrastive(params, *parallel.all_rows(rows))
            losses += self.contrastive_weight * parallel.own_rows(own)
            metrics |= more
        return losses, (collections, metrics)

    def _contrastive(
        self,
        params: Params,
        video: Float[Array, "batch dim"],
        prompts: Float[Array, "batch dim"],
        label: Int[Array, "batch"],
        example_mask: Bool[Array, "batch"],
    ) -> tuple[Float[Array, "batch"], Metrics]:
        positives = None if self.objective.compares == "nothing" else label[:, None] == label[None, :]
        return self.objective.losses(
            params["objective"], video, prompts, example_mask=example_mask, positives=positives
        )
