"""Our CLIP against transformers' CLIPModel: features, similarities, gradients, and checkpoints both ways."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.data.text import CaptionTokenizer
from jaxmm.encoders.clip import Clip, scaled_similarity
from jaxmm.encoders.layers import l2_normalize
from jaxmm.weights.clip import clip_shapes, clip_table, load_clip, read_clip, save_clip
from jaxmm.weights.rules import export_tree, import_tree

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VALUE_TOLERANCE = 1e-5  # of the largest value
GRADIENT_TOLERANCE = 1e-4
VOCABULARY, MAX_TOKENS, START, END = 60, 12, 57, 59
LENGTHS = (12, 2, 7, 5)

# The end of text as early checkpoints have it, wrongly, and as later ones do.
SMALL = {"early": {"hidden_act": "quick_gelu", "eos_token_id": 2}, "later": {"hidden_act": "gelu", "eos_token_id": END}}


def small_config(hidden_act, eos_token_id):
    layers = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_act": hidden_act, "layer_norm_eps": 1e-6}
    return transformers.CLIPConfig(
        projection_dim=20,
        vision_config={"hidden_size": 32, "intermediate_size": 48, "image_size": 18, "patch_size": 4, **layers},
        text_config={
            **{"hidden_size": 24, "intermediate_size": 40, "vocab_size": VOCABULARY, "eos_token_id": eos_token_id},
            **{"max_position_embeddings": MAX_TOKENS, "bos_token_id": START, "pad_token_id": 0, **layers},
        },
    )


def distinctive(model):
    """Gives every tensor random values of a useful size, so that two swapped ones would be noticed."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_scale = name.endswith("weight") and ("norm" in name or "layrnorm" in name)
            parameter.copy_(1.0 + 0.3 * noise if is_scale else 0.15 * noise)
        model.logit_scale.fill_(3.0)
    return model.eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Makes the model of transformers, its folder, our module and its parameters, of one kind."""

    @functools.cache
    def made(kind):
        model = distinctive(transformers.CLIPModel(small_config(**SMALL[kind])))
        folder = tmp_path_factory.mktemp(kind)
        model.save_pretrained(folder)
        module = read_clip(folder)
        return model, folder, module, load_clip(folder, module, clip_shapes(module))

    return made


@pytest.fixture(params=SMALL)
def small(request, checkpoint):
    return checkpoint(request.param)


@pytest.fixture
def early(checkpoint):
    return checkpoint("early")


def frames(size, count=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size, size, 3)).astype(np.float32)


def padded_texts(lengths, padding, *, start=START, end=END, words=50, seed=0):
    """Token ids of texts that start and end as CLIP's do, followed by padding."""
    token_mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    token_ids = np.random.default_rng(seed).integers(3, words, token_mask.shape)
    token_ids[:, 0] = start
    token_ids[np.arange(len(lengths)), np.array(lengths) - 1] = end
    return np.where(token_mask, token_ids, padding).astype(np.int32), token_mask


def pooled(output):
    """Returns the features of transformers, which are all that version 4 gives and one of several in version 5."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def their_inputs(images, token_ids, token_mask):
    return {
        "pixel_values": torch.tensor(images.transpose(0, 3, 1, 2)),
        "input_ids": torch.tensor(token_ids, dtype=torch.long),
        "attention_mask": torch.tensor(token_mask, dtype=torch.long),
    }


def their_features(model, images, token_ids, token_mask):
    inputs = their_inputs(images, token_ids, token_mask)
    pixels = inputs.pop("pixel_values")
    return pooled(model.get_image_features(pixel_values=pixels)), pooled(model.get_text_features(**inputs))


@functools.partial(jax.jit, static_argnums=0)
def our_outputs(module: Clip, params, images, token_ids, token_mask):
    """Returns the features of images and of texts, and their similarities."""

    def towers(clip):
        image = clip.vision(images, deterministic=True)
        text = clip.text(token_ids, token_mask, deterministic=True)
        return image, text, scaled_similarity(image, text, clip.logit_scale)

    return module.apply({"params": params}, method=towers)


def assert_close(ours, theirs, tolerance=VALUE_TOLERANCE):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


@pytest.mark.parametrize("padding", [0, END], ids=["zeros", "end of text"])
def test_features_and_similarities_equal_torch_on_padded_texts(small, padding):
    model, _, module, params = small
    inputs = frames(18), *padded_texts(LENGTHS, padding)
    image, text, similarity = our_outputs(module, params, *inputs)
    their_image, their_text = their_features(model, *inputs)
    assert_close(image, their_image)
    assert_close(text, their_text)
    theirs = model(**their_inputs(*inputs))
    assert_close(similarity, theirs.logits_per_image)
    assert_close(l2_normalize(text), theirs.text_embeds)
    assert float(np.ptp(similarity)) > 1


def test_a_token_that_the_mask_hides_is_not_attended_to_in_torch_either(small):
    model, _, module, params = small
    token_ids, token_mask = padded_texts(LENGTHS, 0)
    token_mask[0, 3:5] = False
    inputs = frames(18), token_ids, token_mask
    text = our_outputs(module, params, *inputs)[1]
    assert_close(text, their_features(model, *inputs)[1])
    whole = our_outputs(module, params, inputs[0], *padded_texts(LENGTHS, 0))[1]
    assert np.abs(text - whole)[0].max() > 1e-3
    np.testing.assert_array_equal(text[1:], whole[1:])


def test_similarities_and_gradients_of_every_parameter_equal_torch(early):
    model, _, module, params = early
    inputs = frames(18, seed=1), *padded_texts(LENGTHS, END, seed=1)
    weight = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)

    def total(params):
        similarity = module.apply({"params": params}, *map(jnp.asarray, inputs), deterministic=True)
        return jnp.sum(similarity * weight), similarity

    gradients, similarity = jax.jit(jax.grad(total, has_aux=True))(params)
    model.zero_grad()
    their_similarity = model(**their_inputs(*inputs)).logits_per_image
    (their_similarity * torch.tensor(weight)).sum().backward()
    assert_close(similarity, their_similarity)
    theirs = {name: parameter.grad.numpy() for name, parameter in model.named_parameters()}
    ours = export_tree(gradients, clip_table(module))
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        np.testing.assert_allclose(gradient, theirs[name], rtol=0, atol=GRADIENT_TOLERANCE, err_msg=name)


def test_saved_checkpoint_loads_in_transformers_and_computes_the_same(small, tmp_path):
    model, _, module, params = small
    save_clip(params, module, tmp_path)
    again, info = transformers.CLIPModel.from_pretrained(tmp_path, output_loading_info=True)
    assert (set(info["missing_keys"]), set(info["unexpected_keys"])) == (set(), set())
    inputs = their_inputs(frames(18), *padded_texts(LENGTHS, END))
    theirs = model(**inputs), again.eval()(**inputs)
    torch.testing.assert_close(theirs[0].logits_per_image, theirs[1].logits_per_image, rtol=0, atol=0)
    assert read_clip(tmp_path) == module


def test_lora_is_part_of_a_saved_checkpoint(early, tmp_path):
    _, folder, module, _ = early
    adapted = Clip(vision=module.vision.clone(lora_rank=2), text=module.text.clone(lora_rank=3, lora_alpha=4.0))
    rng = np.random.default_rng(3)
    fresh = jax.tree.map(lambda leaf: jnp.asarray(0.1 * rng.normal(size=leaf.shape), jnp.float32), clip_shapes(adapted))
    params = load_clip(folder, adapted, fresh)
    inputs = frames(18), *padded_texts(LENGTHS, END)
    save_clip(params, adapted, tmp_path)
    theirs = transformers.CLIPModel.from_pretrained(tmp_path).eval()(**their_inputs(*inputs))
    ours = our_outputs(adapted, params, *inputs)
    assert_close(ours[2], theirs.logits_per_image)
    plain = our_outputs(module, load_clip(folder, module, clip_shapes(module)), *inputs)
    assert np.abs(ours[2] - plain[2]).max() > 0.1


def test_shards_half_precision_and_torch_files_are_read(early, tmp_path):
    model, folder, module, params = early
    model.save_pretrained(tmp_path / "parts", max_shard_size="30KB")
    assert len(list((tmp_path / "parts").glob("model-*.safetensors"))) > 1
    again = load_clip(tmp_path / "parts", module, clip_shapes(module))
    assert jax.tree.all(jax.tree.map(np.array_equal, again, params))
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save(model.state_dict(), tmp_path / "torch" / "pytorch_model.bin")
    again = load_clip(tmp_path / "torch", module, clip_shapes(module))
    assert jax.tree.all(jax.tree.map(np.array_equal, again, params))
    for dtype, step in ((torch.float16, 2**-10), (torch.bfloat16, 2**-7)):
        half = transformers.CLIPModel.from_pretrained(folder, dtype=dtype)
        half.save_pretrained(tmp_path / str(dtype))
        again = load_clip(tmp_path / str(dtype), module, clip_shapes(module))
        for ours, exact in zip(jax.tree.leaves(again), jax.tree.leaves(params), strict=True):
            assert ours.dtype == jnp.float32
            np.testing.assert_allclose(ours, exact, rtol=step, atol=1e-7)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"projection_dim": 6, "vision_config": {"hidden_size": 16, "num_attention_heads": 4}, "text_config": None},
        {"text_config": {"hidden_size": 8, "eos_token_id": 2}, "text_config_dict": {"num_hidden_layers": 3}},
        {"vision_config": {"image_size": 336}, "vision_config_dict": None, "text_config": {"hidden_act": "gelu"}},
    ],
)
def test_settings_of_new_and_early_files_mean_what_they_do_in_transformers(settings, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip", **settings}))
    theirs, ours = transformers.CLIPConfig.from_pretrained(tmp_path), read_clip(tmp_path)
    for tower, described in ((ours.vision, theirs.vision_config), (ours.text, theirs.text_config)):
        assert tower.embedding_dim == theirs.projection_dim
        assert (tower.dim, tower.num_layers) == (described.hidden_size, described.num_hidden_layers)
        assert (tower.num_heads, tower.feedforward_dim) == (described.num_attention_heads, described.intermediate_size)
        assert (tower.activation, tower.layer_norm_epsilon) == (described.hidden_act, described.layer_norm_eps)
    text, vision = theirs.text_config, theirs.vision_config
    assert (ours.vision.image_size, ours.vision.patch_size) == (vision.image_size, vision.patch_size)
    assert (ours.text.vocab_size, ours.text.max_tokens) == (text.vocab_size, text.max_position_embeddings)
    assert ours.text.end_token == text.eos_token_id


def test_captions_have_the_tokens_of_transformers(tmp_path):
    letters = [*"abcdefghijklmnopqrstuvwxyz.,!", *(f"{letter}</w>" for letter in "abcdefghijklmnopqrstuvwxyz.,!")]
    merges = ["w a", "wa v", "wav e</w>", "p e", "pe r", "per s", "o n</w>", "pers on</w>"]
    words = [*letters, *(merge.replace(" ", "") for merge in merges), "<|startoftext|>", "<|endoftext|>"]
    (tmp_path / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}))
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    theirs = transformers.CLIPTokenizerFast.from_pretrained(tmp_path)
    theirs.save_pretrained(tmp_path)
    texts = ["A person wave!", "wave", "people, persons  and\nwaves " * 5, ""]
    token_ids, token_mask = CaptionTokenizer.read(tmp_path, max_tokens=20)(texts)
    expected = theirs(texts, padding=True, truncation=True, max_length=20, return_tensors="np")
    np.testing.assert_array_equal(token_mask, expected["attention_mask"])
    np.testing.assert_array_equal(token_ids[token_mask], expected["input_ids"][token_mask])
    assert (token_ids.max(axis=1) == len(words) - 1).all()  # also of the text that is cut


def test_vit_b_32_equals_torch():
    torch.manual_seed(0)
    model = transformers.CLIPModel(transformers.CLIPConfig()).eval()
    module = Clip()
    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    params = import_tree(tensors, clip_table(module), clip_shapes(module))
    texts = padded_texts((8, 5, 3), 49407, start=49406, end=49407, words=49000)
    inputs = frames(224, count=2), *texts
    image, text, similarity = our_outputs(module, params, *inputs)
    with torch.no_grad():
        their_image, their_text = their_features(model, *inputs)
        theirs = model(**their_inputs(*inputs)).logits_per_image
    assert_close(image, their_image)
    assert_close(text, their_text)
    assert_close(similarity, theirs)
