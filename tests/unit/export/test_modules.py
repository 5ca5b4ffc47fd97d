"""Modules that a tower may be made of, beyond those of the shared runs: each as StableHLO's and ONNX's programs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm import (
    AttentionEncoder,
    BottleneckEncoder,
    EmbeddingTrunk,
    FusionEncoder,
    GraphEncoder,
    HierarchicalEncoder,
    MultiScaleEncoder,
    PooledTrunk,
    PosePatchVit,
    PoseTransformer,
    ResidualEncoder,
    TcnEncoder,
    TemporalConvNet,
    TransformerText,
)
from jaxmm.artefact import Metadata, Tensor, onnx_file
from jaxmm.encoders.similarity import VideoEncoder
from jaxmm.encoders.similarity.fusion import FeatureFusion
from jaxmm.errors import ArtefactError
from jaxmm.export import Part
from jaxmm.export.onnx_model import compare, convert, random_inputs
from jaxmm.export.program import trace

_SMALL = {"dim": 8, "num_layers": 1, "num_heads": 2, "feedforward_dim": 8}
_TRUNK = EmbeddingTrunk(hidden_dims=(), embedding_dim=4)
_DEEP = EmbeddingTrunk(hidden_dims=(6,), embedding_dim=4, batch_norm=True, unit_norm=True)
_TEXT = {**_SMALL, "vocab_size": 20, "max_positions": 64}
MODULES = {
    "joints and time": PoseTransformer(**_SMALL, inputs="positions_and_velocities"),
    "patches": PosePatchVit(**_SMALL),
    "distances of tokens": TransformerText(**_TEXT, relative_positions=True, first_position=2),
    "types of tokens": TransformerText(**_TEXT, num_token_types=2),
    "mean": PooledTrunk(trunk=_DEEP),
    "largest": PooledTrunk(pooling="max", trunk=_TRUNK),
    "weighted": PooledTrunk(pooling="attention", trunk=_TRUNK),
    "attention": AttentionEncoder(num_heads=2, trunk=_DEEP),
    "tcn": TcnEncoder(tcn=TemporalConvNet(dims=(6, 4)), trunk=_TRUNK),
    "hierarchical": HierarchicalEncoder(dim=4, num_heads=2, feedforward_dim=4, segment_frames=3, trunk=_TRUNK),
    "scales": MultiScaleEncoder(dim=4, trunk=_TRUNK),
    "graph": GraphEncoder(dim=4, num_layers=1, reach=2, trunk=_TRUNK),
    "residual": ResidualEncoder(dim=4, num_blocks=2, trunk=_TRUNK),
    "bottleneck": BottleneckEncoder(dim=6, narrow_dim=4, num_blocks=2, trunk=_TRUNK),
    "fusion": FusionEncoder(feature_dims=(5, 3), fusion=FeatureFusion(fusion_dim=4), trunk=_TRUNK),
}


def part_of(module):
    if isinstance(module, TransformerText):
        first = Tensor(name="a", dtype="int32", shape=("batch", "time"), meaning="tokens", below=20)
        example, options, most = jnp.zeros((1, 2), int), {"only_first": True}, module.max_tokens
    elif isinstance(module, VideoEncoder):
        first = Tensor(name="a", dtype="float32", shape=("batch", "time", 8), meaning="features")
        example, options, most = jnp.zeros((1, 2, 8)), {}, None
    else:
        first = Tensor(name="a", dtype="float32", shape=("batch", "time", 5, 3), meaning="joints")
        example, options, most = jnp.zeros((1, 2, 5, 3)), {}, None
    mask = Tensor(name="b", dtype="bool", shape=("batch", "time"), meaning="valid ones")
    variables = module.init(jax.random.key(0), example, jnp.ones((1, 2), bool), deterministic=True)

    def function(params, collections, batch):
        return {"made": module.apply(params, batch["a"], batch["b"], deterministic=True, **options)}

    sizes = {"batch": (1, None), "time": (1, most)}
    return Part(name="part", function=function, inputs=(first, mask), outputs={"made": "made"}, sizes=sizes), variables


def about(part, program):
    settled = {"task": "", "digest": "", "step": 0, "version": "", "part": part.name, "sizes": part.sizes}
    return Metadata(**settled, inputs=part.inputs, outputs=program.outputs)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_gives_the_same_as_onnx_at_every_size(name):
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    part, variables = part_of(MODULES[name])
    program = trace(part, variables, {}, precision="highest")
    metadata = about(part, program)
    run, ours = onnx_file.make_program(convert(program, metadata), metadata), jax.jit(program.function)
    for batch, time in ((1, 4), (3, 11)):
        inputs = random_inputs(metadata, {"batch": batch, "time": time}, np.random.default_rng(time))
        assert compare(run(inputs), jax.device_get(ours(program.parameters, inputs)))["made"] < 1e-5


def test_a_primitive_without_counterpart_is_named():
    pytest.importorskip("onnx", reason="needs the extra 'onnx'")
    x = Tensor(name="x", dtype="float32", shape=("batch",), meaning="numbers")

    def function(params, collections, batch):
        return {"y": jnp.sort(batch["x"])}

    part = Part(name="sort", function=function, inputs=(x,), outputs={"y": "sorted"}, sizes={"batch": (1, None)})
    program = trace(part, {}, {}, precision="highest")
    with pytest.raises(ArtefactError, match="the primitive sort cannot be written as ONNX"):
        convert(program, about(part, program))
