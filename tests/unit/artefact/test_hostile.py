"""Files that are damaged or made to harm end in a message, and nothing in them is run."""

import dataclasses
import json
import zipfile

import jax
import numpy as np
import pytest

from jaxmm.artefact import Metadata, load, read_metadata, stablehlo_file
from jaxmm.errors import ArtefactError

from .conftest import ABOUT, exported, sums

SCALE = {"scale": np.array([2, 3], np.float32)}


def assert_refused(path, message):
    with pytest.raises(ArtefactError, match=message):
        load(path)


def rewritten(path, out, **members):
    """Writes an artefact with other members; one of None is left out."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents.update({name.replace("__", "."): content for name, content in members.items()})
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in contents.items():
            if content is not None:
                archive.writestr(name, content)
    return out


@pytest.mark.parametrize("name", ["none.onnx", "none.stablehlo", "none.safetensors"])
def test_an_absent_file_and_one_of_another_ending_are_told(name, tmp_path):
    assert_refused(tmp_path / name, "no such file")
    assert_refused(tmp_path / "none.bin", "is no artefact; one ends in")


@pytest.mark.parametrize("kind", ["stablehlo", "onnx"])
def test_a_file_cut_anywhere_or_with_other_bytes_is_refused(kind, request, tmp_path):
    whole = request.getfixturevalue(f"sums_{kind}").read_bytes()
    path = tmp_path / f"cut.{kind}"
    for share in (0, 0.01, 0.3, 0.7, 0.98):
        path.write_bytes(whole[: int(share * len(whole))])
        assert_refused(path, "damaged|no artefact|export the run")
    path.write_bytes(np.random.default_rng(0).bytes(1000))
    assert_refused(path, "damaged|no artefact")


def test_a_changed_byte_of_a_program_or_parameter_is_found(sums_stablehlo, tmp_path):
    with zipfile.ZipFile(sums_stablehlo) as archive:
        module = bytearray(archive.read("module.bin"))
    module[len(module) // 2] ^= 1
    path = rewritten(sums_stablehlo, tmp_path / "other.stablehlo", module__bin=bytes(module))
    assert_refused(path, "module.bin is not what was written")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "evil.py"])
def test_members_that_are_none_of_an_artefact_are_refused_and_not_written(name, sums_stablehlo, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    path = rewritten(sums_stablehlo, inner / "slip.stablehlo", **{name: b"evil"})
    assert_refused(path, "holds other members")
    assert not any("evil" in own.name for own in tmp_path.rglob("*"))


def test_a_bomb_is_not_inflated(sums_stablehlo, tmp_path):
    path = tmp_path / "bomb.stablehlo"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("metadata.json", "module.bin", "parameters.safetensors"):
            archive.writestr(name, b"0" * 10**7)
    assert_refused(path, "compressed members")


@pytest.mark.parametrize("target", ["evil", "shape_assertion-x", "-evil", 'shape_assertion"'])
def test_a_program_that_calls_what_is_no_stablehlo_is_not_run(target, tmp_path):
    def evil(parameters, inputs):
        called = jax.ffi.ffi_call(target, jax.ShapeDtypeStruct((2,), np.float32))
        return {"y": inputs["x"].sum(axis=1) * called(parameters["scale"])[inputs["places"]]}

    checks = [jax.export.DisabledSafetyCheck.custom_call(target)]
    path = tmp_path / "evil.stablehlo"
    with path.open("wb") as file:
        stablehlo_file.write(file, ABOUT, exported(evil, disabled_checks=checks), SCALE)
    assert_refused(path, f"its program calls {target}, which is not run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "none of jaxmm's"),
        ({"inputs": 3}, "damaged"),
        ({"inputs": [{"name": "x"}]}, "damaged"),
        ({"sizes": {}}, "damaged"),
        ({"sizes": {"batch": [1, None], "time": ["a", 2]}}, "damaged"),
        ({"sizes": {"batch": [None, None], "time": [2, 5]}}, "damaged"),
        ({"task": "\x1b[2J"}, "damaged"),
        ({"inputs": [{"name": "x", "dtype": "bool", "shape": ["batch", "time"], "meaning": "\x1b[2J"}]}, "damaged"),
        ({"tokenizer": "\ud800", "max_tokens": 3}, "damaged"),
        ({"step": -1}, "damaged"),
        ({"labels": [1]}, "damaged"),
        ({"tokenizer": "{}", "max_tokens": None}, "damaged"),
        ({"command": "ls"}, "damaged"),
    ],
)
def test_metadata_that_lie_are_refused(change, message, sums_stablehlo, tmp_path):
    text = json.dumps({**json.loads(ABOUT.as_json()), **change})
    path = rewritten(sums_stablehlo, tmp_path / "lie.stablehlo", metadata__json=text)
    with pytest.raises(ArtefactError, match=message):
        read_metadata(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"format": NaN}', '"é'])
def test_metadata_that_are_none_are_refused(text):
    with pytest.raises(ArtefactError, match="metadata"):
        Metadata.of_json(text)


def test_metadata_that_are_no_text_are_refused(sums_stablehlo, tmp_path):
    path = rewritten(sums_stablehlo, tmp_path / "bytes.stablehlo", metadata__json=b"\xff\xfe{")
    with pytest.raises(ArtefactError, match="its metadata are damaged"):
        read_metadata(path)


@pytest.mark.parametrize("change", [{"name": "z"}, {"dtype": "int32"}, {"shape": ("batch", "time", 2)}])
def test_a_program_that_does_not_take_what_metadata_say_is_told(change, module, tmp_path):
    other = dataclasses.replace(ABOUT.inputs[1], **change)
    path, shape = tmp_path / "other.stablehlo", (1, 2, 2)[: len(other.shape)]
    with path.open("wb") as file:
        stablehlo_file.write(file, dataclasses.replace(ABOUT, inputs=(ABOUT.inputs[0], other)), module, SCALE)
    with pytest.raises(ArtefactError, match=f"{path}: its program cannot be run"):
        load(path)(**{"places": np.zeros(1, int), other.name: np.ones(shape, other.dtype)})


@pytest.mark.parametrize(
    ("wrapped", "message"),
    [
        (lambda y: y, "what its program gives is not what its metadata say"),
        (lambda y: {"y": {"inner": y}}, "what its program gives is not what its metadata say"),
        (lambda y: {"y": y > 0}, "output y is bool, not float32"),
    ],
)
def test_a_program_that_does_not_give_what_metadata_say_is_told(wrapped, message, tmp_path):
    path = tmp_path / "other.stablehlo"
    with path.open("wb") as file:
        stablehlo_file.write(file, ABOUT, exported(lambda *given: wrapped(sums(*given)["y"])), SCALE)
    with pytest.raises(ArtefactError, match=f"{path}: {message}"):
        load(path)(x=np.ones((1, 2)), places=np.zeros(1, int))


def test_metadata_of_other_inputs_than_the_program_are_told(sums_stablehlo, tmp_path):
    about = Metadata.of_json(zipfile.ZipFile(sums_stablehlo).read("metadata.json").decode())
    wrong = dataclasses.replace(about, outputs=(dataclasses.replace(about.outputs[0], name="other"),))
    path = rewritten(sums_stablehlo, tmp_path / "wrong.stablehlo", metadata__json=wrong.as_json())
    with pytest.raises(ArtefactError, match="not what its metadata say"):
        load(path)(x=np.ones((1, 2)), places=np.zeros(1, int))


def test_a_header_that_states_terabytes_is_not_believed(tmp_path):
    path = tmp_path / "huge.safetensors"
    path.write_bytes((2**50).to_bytes(8, "little") + b"{}")
    assert_refused(path, "states a header of")
    path.write_bytes((2).to_bytes(8, "little") + b"{}")
    assert_refused(path, "none of jaxmm's")


def test_an_onnx_model_reads_no_other_file_and_has_no_other_operators(onnx_model, tmp_path):
    import onnx

    path = tmp_path / "evil.onnx"

    def write(change):
        model = onnx.ModelProto()
        model.CopyFrom(onnx_model)
        change(model)
        path.write_bytes(model.SerializeToString())

    def outside(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")

    def outside_and_sparse(model):
        sparse = onnx.SparseTensorProto(dims=[2])
        sparse.values.CopyFrom(onnx.TensorProto(name="values", data_type=onnx.TensorProto.FLOAT, dims=[2]))
        sparse.values.data_location = onnx.TensorProto.EXTERNAL
        sparse.values.external_data.add(key="location", value="secret.bin")
        sparse.indices.CopyFrom(onnx.numpy_helper.from_array(np.arange(2), "indices"))
        node = model.graph.node.add(op_type="Constant", output=["secret"])
        node.attribute.append(onnx.helper.make_attribute("sparse_value", sparse))
        return sparse

    def inside_a_graph(model):
        inner = onnx.GraphProto(name="inner")
        inner.sparse_initializer.append(outside_and_sparse(onnx.ModelProto()))
        node = model.graph.node.add(op_type="If", output=["secret"])
        node.attribute.append(onnx.helper.make_attribute("then_branch", inner))

    for change in (outside, outside_and_sparse, inside_a_graph):
        write(change)
        assert_refused(path, "keeps parameters in other files")
    write(lambda model: model.opset_import.add(domain="evil", version=1))
    assert_refused(path, "operators that are not ONNX's own")
    write(lambda model: model.ClearField("metadata_props"))
    assert_refused(path, "has no metadata of jaxmm")
    write(lambda model: model.graph.node[0].ClearField("input"))
    assert_refused(path, "ONNX Runtime cannot read it")
