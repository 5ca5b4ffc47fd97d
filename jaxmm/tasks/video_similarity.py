"""Video similarity: embeddings of videos and scores of their pairs, by features of frames."""

import dataclasses
from collections.abc import Set
from typing import Any, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxmm import parallel
from jaxmm.data.dataset import Dataset
from jaxmm.data.similar_videos import SimilarVideosData
from jaxmm.encoders.similarity import PairHead, PooledTrunk, VideoEncoder
from jaxmm.errors import ConfigError
from jaxmm.objectives.memory import Memory
from jaxmm.objectives.metric_learning import pair_cross_entropy
from jaxmm.objectives.metric_settings import MetricLoss, PairContrastive, losses_of_batch
from jaxmm.objectives.reduce import masked_mean
from jaxmm.objectives.relation import relation_of_batch
from jaxmm.optim import path_name
from jaxmm.tasks.video_task import VideoTask
from jaxmm.typing import Batch, Collections, Metrics, Params

_ENDS = ("cosine", "euclidean")  # heads of two numbers, which order pairs rightly before they learn anything


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoSimilarityTask(VideoTask):
    """Learns which videos belong together: embeddings by a loss of metric learning, pairs by a head (D1).

    All videos of a batch are embedded at once, so that statistics are those of all roles (D5), and each is compared
    with all others whose relation is known. Parameters are under `visual`, `encoder` and `head`.

    Attributes:
        encoder: From features of frames to one embedding a video.
        head: From two embeddings to one logit; by default it does not tell which is first (D3).
        objective: What embeddings learn by.
        metric_weight: How much that counts, >= 0.
        pair_weight: How much the cross-entropy of the head's logits counts, >= 0.
        memory: Earlier videos that a batch is compared with too, >= 0, by the objective alone; 0 has no memory.
        train_backbone: Whether what sees the frames learns too; by default it rests (D9).

    Raises:
        ConfigError: If a number is out of its range, or nothing is learnt, or a head with layers learns nothing.

    Example:
        >>> from jaxmm.data.similar_videos import SimilarVideos
        >>> from jaxmm.encoders.clip import ClipVision
        >>> from jaxmm.tasks.visual import FrameEncoder
        >>> vision = ClipVision(dim=8, num_layers=1, num_heads=2, feedforward_dim=8, embedding_dim=6, image_size=8,
        ...                     patch_size=4)
        >>> task = VideoSimilarityTask(frames=FrameEncoder(backbone=vision))
        >>> batch = jax.tree.map(jnp.asarray, SimilarVideos(frame_size=8, frames_per_clip=2).blank_batch())
        >>> params, collections = task.init_variables(jax.random.key(0), batch)
        >>> embedding = task.embed_video(params, collections, batch)
        >>> embedding.shape, task.compare_pairs(params, embedding, embedding).shape
        ((1, 128), (1,))

    Reference: seed 003, with the decisions of its specification; XBM, arXiv:1912.06798.
    """

    encoder: VideoEncoder = dataclasses.field(default_factory=lambda: PooledTrunk(parent=None))
    head: PairHead = dataclasses.field(default_factory=lambda: PairHead(parent=None))
    objective: MetricLoss = dataclasses.field(default_factory=PairContrastive)
    metric_weight: float = 1.0
    pair_weight: float = 1.0
    memory: int = 0
    train_backbone: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("metric_weight", "pair_weight", "memory"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"task.{name} is {getattr(self, name)}; give 0 or more")
        if not self.metric_weight + self.pair_weight > 0:
            raise ConfigError("task.metric_weight and task.pair_weight are both 0; raise one")
        if not self.pair_weight and self.head.kind not in _ENDS:
            raise ConfigError(
                f"task.pair_weight is 0, so a head that sees the {self.head.kind!r} would never learn; raise it, or "
                f"set task.head.kind to {' or '.join(map(repr, _ENDS))}"
            )
        if self.memory and not self.metric_weight:
            raise ConfigError("task.memory is for the objective, but task.metric_weight is 0; raise it")

    @property
    def embedding_dim(self) -> int:
        """Width of the embeddings."""
        return self.encoder.trunk.embedding_dim

    def init_variables(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, Collections]:
        """Returns random parameters, statistics of backbone and encoder, and an empty memory where there is one."""
        keys = jax.random.split(key, 3)
        visual, statistics = self.init_visual(keys[0], batch)
        mask = jnp.ones((1, batch["frame_mask"].shape[1]), bool)
        features = jnp.zeros((*mask.shape, self.frames.dim))
        encoder = dict(self.encoder.init(keys[1], features, mask, deterministic=True))
        embedding = jnp.zeros((1, self.embedding_dim))
        params = {
            "visual": visual,
            "encoder": encoder.pop("params"),
            "head": self.head.init(keys[2], embedding, embedding, deterministic=True)["params"],
        }
        collections: dict[str, Any] = {"visual": statistics, "encoder": encoder}
        if self.memory:
            collections["memory"] = vars(Memory.empty(self.memory, dim=self.embedding_dim))
        return params, collections

    def frozen(self, params: Params) -> Set[str]:
        """Returns the paths of the backbone's parameters, unless it learns too."""
        if self.train_backbone:
            return frozenset()
        paths = jax.tree_util.tree_flatten_with_path({"visual": params["visual"]})[0]
        return frozenset(path_name(path) for path, _ in paths)

    def check_data(self, data: Dataset[Any]) -> None:
        """Refuses data whose videos are not compared, have frames of another size, or cannot be told from a memory's.

        Raises:
            ConfigError: If they do not fit.
        """
        super().check_data(data)
        if not isinstance(data, SimilarVideosData):
            raise ConfigError(f"data are {type(data.settings).__name__}; VideoSimilarityTask learns from SimilarVideos")
        if self.memory and not data.has_labels:
            raise ConfigError(
                f"task.memory is {self.memory}, but labels alone do not tell how these videos belong together; set "
                "it to 0, or compare by LabelPairs or, without spliced clips, CopyPairs"
            )

    def embed_video(self, params: Params, collections: Collections, batch: Batch) -> Float[Array, "batch embedding"]:
        """Returns the embedding of each video, of its `features` where the batch has them, or of its `frames`."""
        features = self.seen(params, collections, batch)
        variables = {"params": params["encoder"], **collections["encoder"]}
        return cast(Array, self.encoder.apply(variables, features, batch["frame_mask"], deterministic=True))

    def compare_pairs(
        self, params: Params, a: Float[Array, "pairs embedding"], b: Float[Array, "pairs embedding"]
    ) -> Float[Array, "pairs"]:
        """Returns the logit of each pair of embeddings: the higher, the more alike."""
        return cast(Array, self.head.apply({"params": params["head"]}, a, b, deterministic=True))

    def loss(
        self, params: Params, collections: Collections, batch: Batch, key: PRNGKeyArray, *, train: bool
    ) -> tuple[Float[Array, "batch"], tuple[Collections, Metrics]]:
        """Returns what each video's comparisons cost, by the objective and by the head."""
        keys = jax.random.split(key, 3)
        features = self.seen(params, collections, batch)
        embedded, changed = self.encoder.apply(
            {"params": params["encoder"], **collections["encoder"]},
            features,
            batch["frame_mask"],
            deterministic=not train,
            rngs={"dropout": keys[0]},
            mutable=list(collections["encoder"]) if train else [],
        )
        embeddings = cast(Array, embedded).astype(jnp.float32)
        after = {**collections, "encoder": {**collections["encoder"], **changed}}
        losses, metrics = jnp.zeros(len(embeddings)), dict[str, Array]()
        if self.metric_weight:
            memory = Memory(**collections["memory"]) if self.memory else None
            own, memory = losses_of_batch(
                self.objective,
                embeddings,
                *(batch[name] for name in ("relation", "label", "group")),
                example_mask=batch["example_mask"],
                key=keys[1],
                memory=memory,
            )
            losses, metrics = self.metric_weight * own, {"metric_loss": masked_mean(own, batch["example_mask"])}
            if train and memory is not None:
                after["memory"] = vars(memory)
        if self.pair_weight:
            own = self._pair_losses(params, embeddings, batch, keys[2], train=train)
            losses += self.pair_weight * own
            metrics["pair_loss"] = masked_mean(own, batch["example_mask"])
        return losses, (after, metrics)

    def _pair_losses(
        self,
        params: Params,
        embeddings: Float[Array, "batch embedding"],
        batch: Batch,
        key: PRNGKeyArray,
        *,
        train: bool,
    ) -> Float[Array, "batch"]:
        """Returns the cross-entropies of this device's rows with all others whose relation is known."""
        everyone = parallel.all_rows(embeddings)
        rows, columns = len(embeddings), len(everyone)
        logits = self.head.apply(
            {"params": params["head"]},
            jnp.repeat(embeddings, columns, axis=0),
            jnp.tile(everyone, (rows, 1)),
            deterministic=not train,
            rngs={"dropout": key},
        )
        logits = jnp.reshape(cast(Array, logits), (rows, columns)).astype(jnp.float32)
        names = ("relation", "label", "group", "example_mask")
        logits, relation, label, group, mask = parallel.all_rows((logits, *(batch[name] for name in names)))
        known = relation_of_batch(relation, label, group, example_mask=mask)
        return parallel.own_rows(pair_cross_entropy(logits, known))
