import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxmm.encoders.text import TransformerText
from jaxmm.errors import WeightsError
from jaxmm.weights.text import load_backbone, parameter_shapes, read_backbone, save_backbone

DISTILBERT = TransformerText(vocab_size=30, dim=8, num_layers=2, num_heads=2, feedforward_dim=12, max_positions=10)
BERT = DISTILBERT.clone(num_token_types=2, dropout_after_attention=True, layer_norm_epsilon=1e-6, dropout_rate=0.2)
MPNET = BERT.clone(num_token_types=0, first_position=2, relative_positions=True)


def random_params(module):
    generator = np.random.default_rng(0)
    shapes = parameter_shapes(module)
    return jax.tree.map(lambda leaf: jnp.asarray(generator.normal(size=leaf.shape), jnp.float32), shapes)


@pytest.fixture(params=[DISTILBERT, BERT, MPNET], ids=["distilbert", "bert", "mpnet"])
def module(request):
    return request.param


@pytest.fixture
def folder(module, tmp_path):
    save_backbone(random_params(module), module, tmp_path)
    return tmp_path


def edit_config(folder, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def edit_tensors(folder, edit):
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_saved_backbone_comes_back_with_fields_and_bits(module, folder):
    assert read_backbone(folder) == module
    assert jax.tree.all(jax.tree.map(np.array_equal, load_backbone(folder, module), random_params(module)))


def test_dropout_rates_are_the_modules_own_choice(module, folder):
    undropped = module.clone(dropout_rate=0.0, attention_dropout_rate=0.0)
    assert jax.tree.all(jax.tree.map(np.array_equal, load_backbone(folder, undropped), random_params(module)))


def test_early_bert_names_of_layer_norms_are_understood(tmp_path):
    save_backbone(random_params(BERT), BERT, tmp_path)

    def age(tensors):
        for name in [name for name in tensors if "LayerNorm" in name]:
            tensors[name.replace(".weight", ".gamma").replace(".bias", ".beta")] = tensors.pop(name)

    edit_tensors(tmp_path, age)
    assert jax.tree.all(jax.tree.map(np.array_equal, load_backbone(tmp_path, BERT), random_params(BERT)))


def test_fields_that_differ_are_named_with_the_values_to_set(module, folder):
    other = module.clone(num_layers=3, vocab_size=31)
    message = r"config.json: the module has vocab_size=31, num_layers=3; to load .* set vocab_size=30, num_layers=2"
    with pytest.raises(WeightsError, match=message):
        load_backbone(folder, other)


def test_every_field_but_dropout_rates_is_compared(tmp_path):
    save_backbone(random_params(BERT), BERT, tmp_path)
    fields = [field for field in dataclasses.fields(BERT) if field.name not in ("parent", "name")]
    for field in (field for field in fields if not field.name.endswith("dropout_rate")):
        value = getattr(BERT, field.name)
        different = (not value) if isinstance(value, bool) else value + 1
        with pytest.raises(WeightsError, match=f"set {field.name}="):
            load_backbone(tmp_path, BERT.clone(**{field.name: different}))


@pytest.mark.parametrize(
    ("module", "changes", "message"),
    [
        (BERT, {"model_type": "gpt2"}, "model_type 'gpt2' is not supported; supported are bert, distilbert, mpnet"),
        (BERT, {"model_type": None}, "model_type None is not supported"),
        (BERT, {"hidden_act": "gelu_new"}, "hidden_act 'gelu_new' is not supported; supported is 'gelu'"),
        (
            BERT,
            {"position_embedding_type": "relative_key"},
            "position_embedding_type 'relative_key' is not supported; supported is 'absolute'",
        ),
        (MPNET, {"pad_token_id": 0}, "pad_token_id 0 is not supported; supported is 1"),
        (MPNET, {"relative_attention_num_buckets": 64}, "relative_attention_num_buckets 64 is not supported"),
        (BERT, {"is_decoder": True}, "is_decoder True is not supported; supported is False"),
        (DISTILBERT, {"activation": "relu"}, "activation 'relu' is not supported; supported is 'gelu'"),
        (BERT, {"hidden_size": None}, "'hidden_size' is missing, which sets dim"),
        (BERT, {"num_hidden_layers": "6"}, "'num_hidden_layers' is '6'; it must be a whole number"),
        (BERT, {"num_hidden_layers": 6.5}, "'num_hidden_layers' is 6.5; it must be a whole number"),
        (BERT, {"num_hidden_layers": True}, "'num_hidden_layers' is True; it must be a whole number"),
        (BERT, {"type_vocab_size": 0}, "'type_vocab_size' is 0; it must be at least 1"),
        (DISTILBERT, {"dropout": 1.5}, r"'dropout' is 1.5; it must be in \[0, 1\)"),
        (DISTILBERT, {"dropout": "none"}, "'dropout' is 'none'; it must be a number"),
    ],
)
def test_a_config_that_is_not_supported_is_refused(module, changes, message, tmp_path):
    save_backbone(random_params(module), module, tmp_path)
    edit_config(tmp_path, **changes)
    with pytest.raises(WeightsError, match=message) as caught:
        read_backbone(tmp_path)
    assert str(tmp_path / "config.json") in str(caught.value)


def test_keys_that_only_have_one_supported_value_may_be_absent(module, folder):
    edit_config(folder, hidden_act=None, activation=None, position_embedding_type=None, pad_token_id=None)
    assert read_backbone(folder) == module


def test_an_integer_stands_for_a_rate(tmp_path):
    save_backbone(random_params(DISTILBERT), DISTILBERT, tmp_path)
    edit_config(tmp_path, dropout=0)
    assert read_backbone(tmp_path) == DISTILBERT.clone(dropout_rate=0.0)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda tensors: tensors.update(stray=np.zeros(2, np.float32)), "unmapped tensors in the checkpoint: 'stray'"),
        (
            lambda tensors: tensors.pop("embeddings.LayerNorm.bias"),
            "the checkpoint lacks tensors: 'embeddings.LayerNorm.bias'",
        ),
        (
            lambda tensors: tensors.update({"embeddings.word_embeddings.weight": np.zeros((29, 8), np.float32)}),
            r"tensor 'embeddings.word_embeddings.weight' has shape \(29, 8\), but .* needs \(30, 8\)",
        ),
    ],
    ids=["unmapped", "missing", "shape"],
)
def test_tensors_that_do_not_fit_are_refused_with_the_folder(edit, message, module, folder):
    edit_tensors(folder, edit)
    with pytest.raises(WeightsError, match=message) as caught:
        load_backbone(folder, module)
    assert str(caught.value).startswith(str(folder))


def test_layers_beyond_the_module_are_not_dropped_silently(tmp_path):
    save_backbone(random_params(DISTILBERT), DISTILBERT, tmp_path)
    edit_config(tmp_path, n_layers=1)
    with pytest.raises(WeightsError, match=r"unmapped tensors .*'transformer.layer.1.attention.k_lin.bias'"):
        load_backbone(tmp_path, DISTILBERT.clone(num_layers=1))


def test_heads_and_position_ids_are_known_and_left_out(tmp_path):
    save_backbone(random_params(BERT), BERT, tmp_path)
    known = {"pooler.dense.bias": np.zeros(8), "embeddings.position_ids": np.zeros((1, 10), np.int64)}
    edit_tensors(tmp_path, lambda tensors: tensors.update(known, **{"cls.predictions.bias": np.zeros(30)}))
    assert jax.tree.all(jax.tree.map(np.array_equal, load_backbone(tmp_path, BERT), random_params(BERT)))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            DISTILBERT.clone(layer_norm_epsilon=1e-5),
            r"a distilbert checkpoint cannot express .* needs layer_norm_epsilon=1e-12 \(not 1e-05\)",
        ),
        (MPNET.clone(first_position=0), r"a mpnet checkpoint cannot express .* needs first_position=2 \(not 0\)"),
        (
            BERT.clone(dropout_after_attention=False),
            r"a bert checkpoint cannot express .* needs dropout_after_attention=True \(not False\)",
        ),
    ],
)
def test_a_module_its_family_cannot_express_is_not_saved(module, message, tmp_path):
    with pytest.raises(WeightsError, match=message):
        save_backbone(random_params(module), module, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_parameters_of_another_module_are_not_saved(tmp_path):
    with pytest.raises(WeightsError, match="rules name parameters the module does not have: 'layer_2/"):
        save_backbone(random_params(DISTILBERT), DISTILBERT.clone(num_layers=3), tmp_path / "new")
    assert not (tmp_path / "new").exists()
