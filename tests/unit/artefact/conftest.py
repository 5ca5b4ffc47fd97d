"""Small artefacts that need no run: y is the sum of each row of x, times a parameter."""

import jax
import numpy as np
import pytest

from jaxmm.artefact import Metadata, Tensor, stablehlo_file

ABOUT = Metadata(
    task="SumTask",
    part="sums",
    digest="0" * 64,
    step=3,
    version="0.1.0",
    inputs=(
        Tensor(name="places", dtype="int32", shape=("batch",), meaning="a row each", below=2),
        Tensor(name="x", dtype="float32", shape=("batch", "time"), meaning="numbers"),
    ),
    outputs=(Tensor(name="y", dtype="float32", shape=("batch",), meaning="their sums, scaled"),),
    sizes={"batch": (1, None), "time": (2, 5)},
)


def sums(parameters, inputs):
    return {"y": inputs["x"].sum(axis=1) * parameters["scale"][inputs["places"]]}


def exported(function=sums, **settings) -> bytes:
    batch, time = jax.export.symbolic_shape("batch, time")
    shapes = {"places": jax.ShapeDtypeStruct((batch,), np.int32), "x": jax.ShapeDtypeStruct((batch, time), np.float32)}
    parameters = {"scale": jax.ShapeDtypeStruct((2,), np.float32)}
    made = jax.export.export(jax.jit(function), platforms=("cpu", "cuda", "tpu"), **settings)(parameters, shapes)
    return bytes(made.serialize())


@pytest.fixture(scope="session")
def module() -> bytes:
    return exported()


@pytest.fixture
def sums_stablehlo(module, tmp_path):
    path = tmp_path / "sums.stablehlo"
    with path.open("wb") as file:
        stablehlo_file.write(file, ABOUT, module, {"scale": np.array([2, 3], np.float32)})
    return path


@pytest.fixture
def onnx_model():
    """The same as an ONNX model, with its metadata."""
    onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    helper, kinds = onnx.helper, onnx.TensorProto
    constants = [
        onnx.numpy_helper.from_array(np.array([2, 3], np.float32), "scale"),
        onnx.numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    nodes = [
        helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=0),
        helper.make_node("Gather", ["scale", "places"], ["scales"]),
        helper.make_node("Mul", ["sum", "scales"], ["y"]),
    ]
    inputs = [
        helper.make_tensor_value_info("places", kinds.INT32, ["batch"]),
        helper.make_tensor_value_info("x", kinds.FLOAT, ["batch", "time"]),
    ]
    outputs = [helper.make_tensor_value_info("y", kinds.FLOAT, ["batch"])]
    model = helper.make_model(
        helper.make_graph(nodes, "sums", inputs, outputs, constants), opset_imports=[helper.make_opsetid("", 20)]
    )
    model.ir_version = 9
    helper.set_model_props(model, {"jaxmm": ABOUT.as_json()})
    return model


@pytest.fixture
def sums_onnx(onnx_model, tmp_path):
    path = tmp_path / "sums.onnx"
    path.write_bytes(onnx_model.SerializeToString())
    return path
