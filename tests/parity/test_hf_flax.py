"""Backbones against the Flax classes of transformers 4, and those classes as backbones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import transformers

import jaxmm
from jaxmm import HFFlaxBackbone
from jaxmm.config import decode, encode
from jaxmm.data.text import CaptionTokenizer
from jaxmm.errors import WeightsError
from jaxmm.evaluation import evaluate
from jaxmm.run import train
from jaxmm.weights import Freeze, load_backbone, read_backbone, save_backbone

if not hasattr(transformers, "FlaxAutoModel"):
    pytest.skip("needs transformers<5: bash scripts/test_transformers4.sh", allow_module_level=True)

SIZES = {"vocab_size": 101, "max_position_embeddings": 40}
WIDTHS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
CONFIGS = {
    "bert": lambda: transformers.BertConfig(**SIZES, **WIDTHS),
    "distilbert": lambda: transformers.DistilBertConfig(**SIZES, dim=32, n_layers=2, n_heads=4, hidden_dim=48),
    "roberta": lambda: transformers.RobertaConfig(**SIZES, **WIDTHS),
}


@pytest.fixture(autouse=True)
def promotion():
    """The foreign classes rely on rank promotion, which other tests forbid."""
    with jax.numpy_rank_promotion("allow"):
        yield


def flax_checkpoint(family, folder):
    """Writes a checkpoint of random parameters by the foreign classes alone."""
    config = CONFIGS[family]()
    config.save_pretrained(folder)
    backbone = HFFlaxBackbone.read(folder)
    ids, mask = jnp.ones((1, 1), jnp.int32), jnp.ones((1, 1), bool)
    shapes = jax.eval_shape(lambda key: backbone.init(key, ids, mask, deterministic=True), jax.random.key(0))["params"]
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: (0.3 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)
    backbone.save(params, folder)
    return backbone, params


def padded_batch(num_tokens=(9, 30, 1), offset=2):
    rng = np.random.default_rng(1)
    mask = np.arange(max(num_tokens)) < np.array(num_tokens)[:, None]
    return jnp.asarray(np.where(mask, rng.integers(offset, 101, mask.shape), 1), jnp.int32), jnp.asarray(mask)


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_our_states_equal_those_of_the_flax_class(family, tmp_path):
    config = CONFIGS[family]()
    config.save_pretrained(tmp_path / "config")
    ours = read_backbone(tmp_path / "config")
    ids, mask = padded_batch()
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: ours.init(key, ids, mask, deterministic=True), jax.random.key(0))["params"]
    params = jax.tree.map(lambda leaf: (0.3 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)
    save_backbone(params, ours, tmp_path / "ours")
    theirs = HFFlaxBackbone.read(tmp_path / "ours")
    loaded = load_backbone(tmp_path / "ours", theirs)
    expected = theirs.apply({"params": loaded}, ids, mask, deterministic=True)
    states = ours.apply({"params": params}, ids, mask, deterministic=True)
    assert float(np.abs(expected).max()) > 0.5
    np.testing.assert_allclose(states[mask], expected[mask], atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", CONFIGS)
def test_a_saved_backbone_comes_back_to_the_bit(family, tmp_path):
    backbone, params = flax_checkpoint(family, tmp_path)
    assert HFFlaxBackbone.read(tmp_path) == backbone == decode(encode(backbone))
    assert jax.tree.all(jax.tree.map(np.array_equal, load_backbone(tmp_path, backbone), params))


def test_sizes_are_those_of_the_config(tmp_path):
    backbone, _ = flax_checkpoint("roberta", tmp_path)
    assert (backbone.dim, backbone.vocab_size, backbone.max_tokens) == (32, 101, 38)


def test_a_model_that_is_no_text_encoder_is_refused():
    with pytest.raises(WeightsError, match="has no Flax class for 'mpnet'"):
        _ = HFFlaxBackbone('{"model_type": "mpnet"}').dim
    with pytest.raises(WeightsError, match="'t5' is no plain text encoder"):
        _ = HFFlaxBackbone('{"model_type": "t5", "d_model": 8, "num_layers": 1, "d_ff": 8, "num_heads": 1}').dim


def test_tokenizers_of_both_generations_are_read(tmp_path):
    CaptionTokenizer.of_words(["a person walks"], max_tokens=8).write(tmp_path)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    ids, mask = CaptionTokenizer.read(tmp_path, max_tokens=8)(["a person walks"])
    assert fast("a person walks")["input_ids"] == ids[mask].tolist()


@pytest.mark.parametrize("freeze", ["everything", "nothing"])
def test_a_run_with_a_foreign_backbone_trains_and_loads_again(freeze, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))
    config = transformers.RobertaConfig(vocab_size=512, max_position_embeddings=40, **WIDTHS)
    config.save_pretrained(tmp_path / "weights")
    backbone = HFFlaxBackbone.read(tmp_path / "weights")
    ids, mask = jnp.ones((1, 1), jnp.int32), jnp.ones((1, 1), bool)
    backbone.save(backbone.init(jax.random.key(0), ids, mask, deterministic=True)["params"], tmp_path / "weights")
    experiment = jaxmm.Experiment(
        task=jaxmm.DanceTextTask(
            motion=jaxmm.PoseConvGru(conv_dims=(8,), hidden_dim=4, num_layers=1, projection_dim=8, embedding_dim=8),
            text=backbone,
            text_weights=str(tmp_path / "weights"),
            text_head=jaxmm.ProjectionHead(hidden_dim=8, embedding_dim=8),
            freeze=Freeze(freeze),
        ),
        data=jaxmm.MotionText(
            source=jaxmm.ProceduralMotions(takes=1, held_out_takes=1),
            fps=5.0,
            num_frames=8,
            max_tokens=32,
            batch_size=64,
        ),
        loop=jaxmm.Loop(epochs=1),
    )
    scores = train(experiment, tmp_path / "run")
    assert scores["step"] > 0
    assert np.isfinite(evaluate(tmp_path / "run")["test/text_to_motion/recall@1"])
    embeddings = jaxmm.load(tmp_path / "run").embed_text(["a person walks"])
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=-1), 1.0, atol=1e-5)
