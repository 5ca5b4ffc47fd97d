import dataclasses
import functools
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxmm.encoders.clip import Clip, ClipText, ClipVision
from jaxmm.errors import WeightsError
from jaxmm.weights.clip import clip_shapes, clip_table, load_clip, read_clip, save_clip

SMALL = {"num_layers": 2, "num_heads": 2, "embedding_dim": 6, "layer_norm_epsilon": 1e-6}
CLIP = Clip(
    vision=ClipVision(dim=8, feedforward_dim=12, image_size=10, patch_size=4, activation="gelu", **SMALL),
    text=ClipText(dim=4, feedforward_dim=10, vocab_size=20, max_tokens=7, end_token=2, **SMALL),
)
ADAPTED = Clip(vision=CLIP.vision.clone(lora_rank=2, adapter_dim=3), text=CLIP.text.clone(lora_rank=1))


@functools.cache
def shapes(module):
    return clip_shapes(module)


@functools.cache
def random_params(module, seed=0):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), shapes(module))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save_clip(random_params(CLIP), CLIP, folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A checkpoint of `CLIP` that a test may edit."""
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def load(folder, module=CLIP):
    return load_clip(folder, module, shapes(module))


def equal(ours, theirs):
    return jax.tree.all(jax.tree.map(np.array_equal, ours, theirs))


def edit_config(folder, tower=None, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    edited = config if tower is None else config[tower]
    edited |= changes
    for name in [name for name, value in edited.items() if value is ...]:
        del edited[name]
    path.write_text(json.dumps(config))


def edit_tensors(folder, edit):
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_a_saved_clip_comes_back_with_fields_and_bits(folder):
    assert read_clip(folder) == CLIP
    assert equal(load(folder), random_params(CLIP))


@pytest.mark.parametrize("tower", ["vision", "text"])
def test_a_tower_is_loaded_without_the_other(tower, folder):
    module, params = getattr(CLIP, tower), random_params(CLIP)[tower]
    assert equal(load_clip(folder, module, jax.tree.map(jnp.zeros_like, params)), params)


def test_adapters_stay_as_they_are(folder):
    fresh = random_params(ADAPTED, seed=1)
    found = load_clip(folder, ADAPTED, fresh)
    assert jax.tree.structure(found) == jax.tree.structure(fresh)
    assert equal(found["vision"]["adapter"], fresh["vision"]["adapter"])
    attention = {name: tree["text"]["layer_1"]["attention"] for name, tree in (("found", found), ("fresh", fresh))}
    assert equal(attention["found"]["key_lora"], attention["fresh"]["key_lora"])
    assert equal(attention["found"]["key"], random_params(CLIP)["text"]["layer_1"]["attention"]["key"])
    assert equal(found["vision"]["patches"], random_params(CLIP)["vision"]["patches"])


def test_pooling_dropout_and_adapters_are_the_modules_own_choice(folder):
    own = Clip(vision=CLIP.vision.clone(pooling="patches", dropout_rate=0.5, lora_alpha=2.0), text=CLIP.text)
    assert equal(load(folder, own), random_params(CLIP))


def test_every_other_field_is_compared_and_named(folder):
    for tower in ("vision", "text"):
        module = getattr(CLIP, tower)
        for field in dataclasses.fields(module):
            if field.name in ("parent", "name", "pooling", "dropout_rate", "lora_rank", "lora_alpha", "adapter_dim"):
                continue
            value = getattr(module, field.name)
            other = {"gelu": "quick_gelu", "quick_gelu": "gelu"}[value] if isinstance(value, str) else value + 1
            different = dataclasses.replace(CLIP, **{tower: module.clone(**{field.name: other})})
            message = (
                rf"config.json: the module has {tower}.{field.name}={other!r}; .*set {tower}.{field.name}={value!r}$"
            )
            with pytest.raises(WeightsError, match=message):
                load_clip(folder, different, {})
    with pytest.raises(WeightsError, match=r"the module has num_layers=3; to load this checkpoint, set num_layers=2$"):
        load_clip(folder, CLIP.vision.clone(num_layers=3), {})


def test_absent_settings_mean_what_transformers_takes_them_for(folder):
    (folder / "config.json").write_text('{"model_type": "clip"}')
    assert read_clip(folder) == Clip()
    (folder / "config.json").write_text('{"model_type": "clip", "vision_config": null, "text_config": {}}')
    assert read_clip(folder) == Clip()


def test_what_early_checkpoints_say_twice_is_taken_from_the_second(folder):
    config = json.loads((folder / "config.json").read_text())
    edit_config(folder, vision_config_dict={"hidden_size": 24, "num_attention_heads": 3}, text_config_dict=None)
    read = read_clip(folder)
    assert read.vision == ClipVision(dim=24, num_heads=3, embedding_dim=6)
    assert read.text == CLIP.text
    assert config["vision_config"]["hidden_size"] == 8


@pytest.mark.parametrize(
    ("tower", "changes", "message"),
    [
        (None, {"model_type": "siglip"}, "config.json: model_type 'siglip' is not supported; supported is clip"),
        (None, {"model_type": ...}, "config.json: model_type None is not supported"),
        (None, {"projection_dim": "512"}, "'projection_dim' is '512'; it must be a whole number"),
        (None, {"vision_config": [1]}, r"config.json: 'vision_config' is \[1\], not an object"),
        (None, {"text_config_dict": 3}, "config.json: 'text_config_dict' is 3, not an object"),
        ("vision_config", {"hidden_act": "gelu_new"}, "vision_config: hidden_act 'gelu_new' is not supported"),
        ("text_config", {"hidden_act": ["gelu"]}, r"text_config: hidden_act \['gelu'\] is not supported"),
        ("vision_config", {"num_channels": 1}, "vision_config: num_channels 1 is not supported; supported is 3"),
        ("vision_config", {"image_size": [10, 10]}, r"vision_config: 'image_size' is \[10, 10\]; it must be a whole"),
        ("vision_config", {"patch_size": 11}, "vision_config: patch_size 11 is more than image_size 10"),
        ("vision_config", {"hidden_size": 9}, "hidden_size 9 is no multiple of num_attention_heads 2"),
        ("vision_config", {"num_hidden_layers": 0}, "'num_hidden_layers' is 0; it must be at least 1"),
        ("text_config", {"vocab_size": True}, "text_config: 'vocab_size' is True; it must be a whole number"),
        ("text_config", {"layer_norm_eps": -1.0}, r"'layer_norm_eps' is -1.0; it must be in \[0, 1\)"),
        ("text_config", {"eos_token_id": [2, 3]}, r"'eos_token_id' is \[2, 3\]; it must be a whole number from 0 on"),
        ("text_config", {"eos_token_id": None}, "'eos_token_id' is None; it must be"),
        ("text_config", {"eos_token_id": -1}, "'eos_token_id' is -1; it must be"),
    ],
)
def test_a_config_that_is_not_supported_is_refused(tower, changes, message, folder):
    edit_config(folder, tower, **changes)
    with pytest.raises(WeightsError, match=message) as caught:
        read_clip(folder)
    assert str(folder / "config.json") in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda tensors: tensors.update(stray=np.zeros(2, np.float32)), "unmapped tensors in the checkpoint: 'stray'"),
        (lambda tensors: tensors.pop("logit_scale"), "the checkpoint lacks tensors: 'logit_scale'"),
        (
            lambda tensors: tensors.pop("text_model.encoder.layers.1.mlp.fc2.bias"),
            "the checkpoint lacks tensors: 'text_model.encoder.layers.1.mlp.fc2.bias'",
        ),
        (
            lambda tensors: tensors.update({"visual_projection.weight": np.zeros((8, 6), np.float32)}),
            r"tensor 'visual_projection.weight' has shape \(8, 6\), but .* needs \(6, 8\)",
        ),
        (
            lambda tensors: tensors.update(
                {"vision_model.embeddings.patch_embedding.weight": np.zeros((8, 4, 4, 3), np.float32)}
            ),
            r"patch_embedding.weight' has shape \(8, 4, 4, 3\), but vision/patches/kernel needs \(8, 3, 4, 4\)",
        ),
        (
            lambda tensors: tensors.update(logit_scale=np.zeros((), np.float64)),
            "'logit_scale' is float64, but logit_scale is float32",
        ),
    ],
    ids=["unmapped", "missing", "missing in a layer", "shape", "axes", "type"],
)
def test_tensors_that_do_not_fit_are_refused_with_the_folder(edit, message, folder):
    edit_tensors(folder, edit)
    with pytest.raises(WeightsError, match=message) as caught:
        load(folder)
    assert str(caught.value).startswith(str(folder))


def test_tensors_of_another_tower_or_of_positions_are_known_and_left_out(folder):
    positions = {f"{tower}_model.embeddings.position_ids": np.zeros((1, 5), np.int64) for tower in ("vision", "text")}
    edit_tensors(folder, lambda tensors: tensors.update(positions))
    assert equal(load(folder), random_params(CLIP))
    edit_tensors(folder, lambda tensors: tensors.update(stray=np.zeros(2, np.float32)))
    with pytest.raises(WeightsError, match="unmapped tensors in the checkpoint: 'stray'"):
        load_clip(folder, CLIP.vision, shapes(CLIP)["vision"])


def test_layers_beyond_those_of_the_config_are_not_dropped_silently(folder):
    edit_config(folder, "vision_config", num_hidden_layers=1)
    fewer = Clip(vision=CLIP.vision.clone(num_layers=1), text=CLIP.text)
    with pytest.raises(WeightsError, match=r"unmapped tensors .*'vision_model.encoder.layers.1.layer_norm1.bias'"):
        load(folder, fewer)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (ADAPTED, r"cannot express this module; it needs vision.adapter_dim=0 \(not 3\)"),
        (
            dataclasses.replace(CLIP, vision=CLIP.vision.clone(pooling="patches")),
            r"it needs vision.pooling='class' \(not 'patches'\)",
        ),
        (dataclasses.replace(CLIP, text=CLIP.text.clone(adapter_dim=1)), r"it needs text.adapter_dim=0 \(not 1\)"),
    ],
)
def test_what_transformers_cannot_express_is_not_saved(module, message, tmp_path):
    with pytest.raises(WeightsError, match=message):
        save_clip(random_params(module), module, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_parameters_of_another_module_are_not_saved(tmp_path):
    fewer = Clip(vision=CLIP.vision.clone(num_layers=1), text=CLIP.text)
    with pytest.raises(WeightsError, match="no rule fills these parameters: 'vision/layer_1/"):
        save_clip(random_params(CLIP), fewer, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_scale_beyond_the_largest_is_saved_as_it_acts(tmp_path):
    save_clip({**random_params(CLIP), "logit_scale": jnp.float32(6.0)}, CLIP, tmp_path)
    assert load_file(tmp_path / "model.safetensors")["logit_scale"] == np.float32(np.log(100))


def test_rules_of_a_tower_stand_from_input_to_output():
    paths = [rule.ours for rule in clip_table(CLIP.vision).rules]
    parts = list(dict.fromkeys(path.split("/")[0] for path in paths))
    assert parts == [
        *("class_token", "patches", "position", "pre_norm", "layer_0", "layer_1", "post_norm", "projection"),
    ]
