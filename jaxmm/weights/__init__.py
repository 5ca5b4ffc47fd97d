"""Pretrained weights: the only place that knows the parameter names of other libraries."""

from jaxmm.weights.clip import load_clip, read_clip, save_clip
from jaxmm.weights.freeze import Freeze
from jaxmm.weights.hf_flax import HFFlaxBackbone
from jaxmm.weights.resnet import load_resnet, read_resnet
from jaxmm.weights.text import load_backbone, read_backbone, save_backbone

__all__ = [
    "Freeze",
    "HFFlaxBackbone",
    "load_backbone",
    "load_clip",
    "load_resnet",
    "read_backbone",
    "read_clip",
    "read_resnet",
    "save_backbone",
    "save_clip",
]
