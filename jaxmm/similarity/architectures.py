"""The named architectures of video similarity: what each changes in a task, in widths that follow its embeddings'."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from jaxmm.encoders.similarity import (
    AttentionEncoder,
    BottleneckEncoder,
    EmbeddingTrunk,
    GraphEncoder,
    HierarchicalEncoder,
    MultiScaleEncoder,
    PairHead,
    PooledTrunk,
    PyramidEncoder,
    ResidualEncoder,
    SkipEncoder,
    TcnEncoder,
    VideoEncoder,
)
from jaxmm.encoders.tcn import TemporalConvNet
from jaxmm.errors import ConfigError
from jaxmm.objectives.metric_settings import PairContrastive, Triplet
from jaxmm.tasks.video_similarity import VideoSimilarityTask

# An optimizer that divides by the gradient's size teaches the two numbers of a head as fast by a small weight as by a
# large one, and the encoder then learns of triplets.
_TRIPLETS_PAIR_WEIGHT = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Widths:
    """What the widths of an architecture follow.

    Attributes:
        embedding: Of an embedding; 128 in the seed.
        features: Of a frame's features.
        dropout_rate: Of the trunk.

    Example:
        >>> Widths(embedding=8, features=6, dropout_rate=0.3).trunk(4, 2).hidden_dims
        (32, 16)
    """

    embedding: int
    features: int
    dropout_rate: float

    def trunk(self, *hidden: int, batch_norm: bool = False, unit_norm: bool = False) -> EmbeddingTrunk:
        """Returns a trunk whose hidden layers are so many times as wide as its embeddings."""
        return EmbeddingTrunk(
            hidden_dims=tuple(times * self.embedding for times in hidden),
            embedding_dim=self.embedding,
            dropout_rate=self.dropout_rate,
            batch_norm=batch_norm,
            unit_norm=unit_norm,
            parent=None,
        )

    def convolving(self) -> dict[str, Any]:
        """Returns what encoders over frames of one width share."""
        return {
            "dim": 2 * self.embedding,
            "dropout_rate": self.dropout_rate,
            "trunk": self.trunk(),
            "parent": None,
        }


def _as_siamese(own: Widths) -> dict[str, Any]:
    hidden = (own.embedding, max(1, own.embedding // 2))
    return {
        "head": PairHead(hidden_dims=hidden, dropout_rate=own.dropout_rate, parent=None),
        "objective": PairContrastive(),
        "metric_weight": 1.0,
        "pair_weight": 1.0,
    }


def _as_triplet(own: Widths) -> dict[str, Any]:
    del own
    return {
        "head": PairHead(kind="cosine", parent=None),
        "objective": Triplet(margin=0.3),
        "metric_weight": 1.0,
        "pair_weight": _TRIPLETS_PAIR_WEIGHT,
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """What an architecture changes in a task.

    Attributes:
        about: What it is, in a few words.
        encoder: Makes its encoder.
        learns: Makes the settings by which it learns: head, objective and their weights. By default those of the
            Siamese network, so that encoders alone differ.

    Example:
        >>> ARCHITECTURES["tcn"].about
        'dilated convolutions over frames'
    """

    about: str
    encoder: Callable[[Widths], VideoEncoder]
    learns: Callable[[Widths], dict[str, Any]] = _as_siamese


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "siamese": Architecture(
            about="the mean over frames and three dense layers; contrastive loss, and a head that learns of pairs",
            encoder=lambda own: PooledTrunk(trunk=own.trunk(4, 2), parent=None),
        ),
        "siamese_batch_norm": Architecture(
            about="the same with batch normalisation",
            encoder=lambda own: PooledTrunk(trunk=own.trunk(4, 2, batch_norm=True), parent=None),
        ),
        "triplet": Architecture(
            about="the same to unit length; triplet loss, and pairs by their cosine",
            encoder=lambda own: PooledTrunk(trunk=own.trunk(4, 2, batch_norm=True, unit_norm=True), parent=None),
            learns=_as_triplet,
        ),
        "attention": Architecture(
            about="self-attention over frames before their mean",
            encoder=lambda own: AttentionEncoder(
                num_heads=math.gcd(8, own.features), trunk=own.trunk(4, batch_norm=True), parent=None
            ),
        ),
        "tcn": Architecture(
            about="dilated convolutions over frames",
            encoder=lambda own: TcnEncoder(
                tcn=TemporalConvNet(dims=(2 * own.embedding,) * 3, dropout_rate=own.dropout_rate, parent=None),
                trunk=own.trunk(),
                parent=None,
            ),
        ),
        "hierarchical": Architecture(
            about="attention within segments, then among them",
            encoder=lambda own: HierarchicalEncoder(
                dim=2 * own.embedding,
                num_heads=math.gcd(4, 2 * own.embedding),
                feedforward_dim=4 * own.embedding,
                trunk=own.trunk(),
                parent=None,
            ),
        ),
        "multi_scale": Architecture(
            about="convolutions of 1, 2 and 4 frames, fused",
            encoder=lambda own: MultiScaleEncoder(dim=4 * own.embedding, trunk=own.trunk(), parent=None),
        ),
        "graph": Architecture(
            about="frames that hear from their neighbours and from frames like them",
            encoder=lambda own: GraphEncoder(**own.convolving()),
        ),
        "residual": Architecture(
            about="residual blocks of convolutions",
            encoder=lambda own: ResidualEncoder(**own.convolving()),
        ),
        "skip": Architecture(
            about="down to a quarter of the frames and up again, with skip connections",
            encoder=lambda own: SkipEncoder(**own.convolving()),
        ),
        "bottleneck": Architecture(
            about="residual blocks that convolve in a narrow space",
            encoder=lambda own: BottleneckEncoder(narrow_dim=max(4, own.embedding // 2), **own.convolving()),
        ),
        "pyramid": Architecture(
            about="levels of half the frames each, told of those above",
            encoder=lambda own: PyramidEncoder(**own.convolving()),
        ),
    }
)
"""The architectures of seed 003 and its exercises. Its fusion is of features of several kinds, and backbones here make
one kind: it is none of these, but `jaxmm.FusionEncoder`, to be set in a config whose features are such."""


def with_architecture(task: VideoSimilarityTask, name: str) -> VideoSimilarityTask:
    """Returns a task that learns by another encoder, head and objective, and is as it was otherwise.

    Widths are those of the seed where embeddings have its 128 numbers, and in proportion otherwise; the dropout rate is
    that of the task's trunk.

    Args:
        task: The task.
        name: One of `ARCHITECTURES`.

    Raises:
        ConfigError: If there is no such architecture.

    Example:
        >>> task = with_architecture(VideoSimilarityTask(), "triplet")
        >>> task.encoder.trunk.unit_norm, task.objective.margin, task.head.kind
        (True, 0.3, 'cosine')

    Reference: seed 003, its sections on Siamese and triplet networks and exercises 1, 3 and 5.
    """
    if name not in ARCHITECTURES:
        raise ConfigError(f"there is no architecture {name!r}; choose among {', '.join(ARCHITECTURES)}")
    trunk = task.encoder.trunk
    widths = Widths(embedding=trunk.embedding_dim, features=task.frames.dim, dropout_rate=trunk.dropout_rate)
    chosen = ARCHITECTURES[name]
    return dataclasses.replace(task, encoder=chosen.encoder(widths), **chosen.learns(widths))
