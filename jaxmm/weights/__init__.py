"""Pretrained weights: the only place that knows the parameter names of other libraries."""

from jaxmm.weights.freeze import Freeze
from jaxmm.weights.hf_flax import HFFlaxBackbone
from jaxmm.weights.text import load_backbone, read_backbone, save_backbone

__all__ = ["Freeze", "HFFlaxBackbone", "load_backbone", "read_backbone", "save_backbone"]
