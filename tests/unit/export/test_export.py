"""Every part of every system, written and run again, at several sizes."""

import json

import jax
import numpy as np
import pytest
from safetensors import safe_open

from jaxmm import Experiment
from jaxmm.artefact import load, read_metadata
from jaxmm.artefact.metadata import Metadata
from jaxmm.errors import ArtefactError, ConfigError
from jaxmm.export import export, onnx_model, parts_of
from jaxmm.export.write import write_parameters
from jaxmm.model import Model


def assert_alike(found, expected):
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        assert found[name].dtype == wanted.dtype
        if wanted.dtype == bool:  # a logit of a landmark may be a rounding from zero
            assert found[name].shape == wanted.shape
            assert np.mean(found[name] != wanted) < 1e-4
        else:
            np.testing.assert_allclose(found[name], wanted, rtol=0, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("kind", ["stablehlo", "onnx"])
def test_a_part_gives_the_same_once_written_at_every_size(offered, kind, tmp_path):
    if kind == "onnx":
        pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    model, part, cases = offered
    path = export(model, kind, part=part, out=tmp_path / f"part.{kind}")
    artefact = load(path)
    for inputs, expected in cases:
        assert_alike(artefact(**inputs), expected)
    about = artefact.metadata
    assert (about.digest, about.step, about.part) == (model.digest, 7, part)
    assert about.settings["task"]["class"].endswith(type(model.experiment.task).__name__)
    assert about.settings["data"]["root"] is None
    assert [own.name for own in tmp_path.iterdir()] == [path.name]


def test_what_padding_holds_changes_nothing(models, tmp_path):
    artefact = load(export(models["towers"], "stablehlo", part="motion", out=tmp_path / "motion.stablehlo"))
    rng = np.random.default_rng(0)
    motion, mask = rng.normal(size=(2, 6, 5, 3)), np.arange(6) < np.array([[4], [6]])
    spoilt = np.where(mask[..., None, None], motion, 1e3)
    made = [artefact(motion=own, motion_mask=mask)["embedding"] for own in (motion, spoilt)]
    np.testing.assert_array_equal(*made)


def test_a_file_says_how_its_inputs_are_made(models, tmp_path):
    about = {name: part for model in models.values() for name, part in parts_of(model).items()}
    motion = about["motion"].preprocessing
    assert (motion["fps"], motion["num_frames"], motion["joint_names"][0]) == (10.0, 8, "Hips")
    frames = parts_of(models["alignment"])["frames"]
    assert len(frames.preprocessing["mean"]) == len(frames.preprocessing["std"]) == 8
    assert np.shape(frames.preprocessing["label_embeddings"]) == (len(frames.labels), 6)
    actions = parts_of(models["actions"])["head"]
    assert (actions.preprocessing["frame_size"], actions.preprocessing["frames_per_clip"]) == (16, 4)
    assert actions.preprocessing["sampling"]["class"].endswith("SegmentFrames") and len(actions.labels) == 2
    embedding, score = parts_of(models["similarity"]).values()
    assert embedding.preprocessing == actions.preprocessing and not score.preprocessing
    generator = about["generator"]
    assert len(generator.preprocessing["std"]) == 540 and len(generator.labels) == 2
    assert json.loads(generator.tokenizer)["model"]["type"] == "WordLevel"


def test_texts_are_read_by_the_tokenizer_of_the_file(models, data, tmp_path):
    artefact = load(export(models["towers"], "stablehlo", part="text", out=tmp_path / "text.stablehlo"))
    found = artefact(**artefact.tokens(["a person runs"]))["embedding"]
    np.testing.assert_allclose(found, models["towers"].embed_text(["a person runs"]), rtol=0, atol=1e-5)


def test_a_program_is_exported_for_every_platform_and_without_what_it_does_not_read(models, tmp_path):
    path = export(models["towers"], "stablehlo", part="text", out=tmp_path / "text.stablehlo")
    import zipfile

    with zipfile.ZipFile(path) as archive:
        exported = jax.export.deserialize(bytearray(archive.read("module.bin")))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    assert all("/text/" in name for name in exported.in_tree.unflatten(exported.in_avals)[0][0])


def test_scalars_stay_scalars(tmp_path):
    path = tmp_path / "all.safetensors"
    about = Metadata(task="SumTask", part="model", digest="", step=0, version="")
    arrays = {"scale": np.array(3, np.float32), "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T}
    write_parameters(path, about, arrays)
    with safe_open(path, framework="numpy") as file:
        for name, array in arrays.items():
            np.testing.assert_array_equal(file.get_tensor(name), array, strict=True)


def test_parameters_are_written_by_path_with_the_settings(models, tmp_path):
    model = models["towers"]
    path = export(model, "safetensors", out=tmp_path / "all.safetensors")
    with safe_open(path, framework="numpy") as file:
        kernel = file.get_tensor("params/motion/head/out/kernel")
        names = file.keys()
        assert "collections/motion/batch_stats/norm_0/mean" in names
    np.testing.assert_array_equal(kernel, model.params["motion"]["head"]["out"]["kernel"])
    assert read_metadata(path).settings["data"]["num_frames"] == 8
    with pytest.raises(ArtefactError, match="holds the parameters of model alone"):
        load(path)
    text = export(model, "safetensors", part="text", out=tmp_path / "text.safetensors")
    assert text.stat().st_size < path.stat().st_size


def test_a_part_is_named_where_there_are_several(models, tmp_path):
    with pytest.raises(ConfigError, match="offers motion and text; name one with --part"):
        export(models["towers"], "stablehlo")
    with pytest.raises(ConfigError, match="no part 'video'; choose among motion, text"):
        export(models["towers"], "stablehlo", part="video")
    with pytest.raises(ConfigError, match=r"of the format onnx ends in \.onnx"):
        export(models["towers"], "onnx", part="text", out=tmp_path / "text.bin")


def test_a_run_that_offers_nothing_says_so(line_task, settings, tmp_path):
    model = Model(tmp_path, Experiment(task=line_task, data=settings), {}, {}, step=0)
    with pytest.raises(ConfigError, match="LineTask offers nothing to export"):
        parts_of(model)


def test_an_onnx_file_that_differs_from_jax_is_not_kept(models, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    real = onnx_model.compare
    monkeypatch.setattr(
        onnx_model, "compare", lambda found, expected: {name: own + 0.5 for name, own in real(found, expected).items()}
    )
    with pytest.raises(ArtefactError, match=r"gives logits that differs from JAX by 0\.5 at batch 2, time 9"):
        export(models["segments"], "onnx", out=tmp_path / "part.onnx")
    assert list(tmp_path.iterdir()) == []
