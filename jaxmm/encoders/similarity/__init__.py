"""Encoders that give every video one embedding, by the features of its frames, and heads that compare two of them."""

from typing import TypeAlias

from jaxmm.encoders.similarity.attention import AttentionEncoder, HierarchicalEncoder
from jaxmm.encoders.similarity.convolution import BottleneckEncoder, ResidualEncoder, TcnEncoder
from jaxmm.encoders.similarity.fusion import FusionEncoder
from jaxmm.encoders.similarity.graph import GraphEncoder
from jaxmm.encoders.similarity.pairs import PairHead, SiameseNetwork, embed_together
from jaxmm.encoders.similarity.scales import MultiScaleEncoder, PyramidEncoder, SkipEncoder
from jaxmm.encoders.similarity.trunk import EmbeddingTrunk, PooledTrunk

VideoEncoder: TypeAlias = (
    PooledTrunk
    | AttentionEncoder
    | TcnEncoder
    | HierarchicalEncoder
    | MultiScaleEncoder
    | GraphEncoder
    | ResidualEncoder
    | SkipEncoder
    | BottleneckEncoder
    | PyramidEncoder
    | FusionEncoder
)
"""Every encoder of videos; all are called alike."""

__all__ = [
    "AttentionEncoder",
    "BottleneckEncoder",
    "EmbeddingTrunk",
    "FusionEncoder",
    "GraphEncoder",
    "HierarchicalEncoder",
    "MultiScaleEncoder",
    "PairHead",
    "PooledTrunk",
    "PyramidEncoder",
    "ResidualEncoder",
    "SiameseNetwork",
    "SkipEncoder",
    "TcnEncoder",
    "VideoEncoder",
    "embed_together",
]
