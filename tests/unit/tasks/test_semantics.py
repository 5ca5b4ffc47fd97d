import jax
import numpy as np
import pytest

from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.data.text import CaptionTokenizer
from jaxmm.encoders.text import TransformerText
from jaxmm.errors import ConfigError, WeightsError
from jaxmm.tasks.semantics import Semantics
from jaxmm.tasks.sentences import SentenceEncoder
from jaxmm.weights import save_backbone
from jaxmm.weights.label_embeddings import write_label_embeddings
from jaxmm.weights.text import parameter_shapes

from ..weights.torch_files import mapping, saved, storage, tensor

VOCABULARY = Vocabulary.of(["cut_bread", "cut_tomato", "null"], {"null": "nothing at all"})
BACKBONE = TransformerText(vocab_size=30, dim=8, num_layers=1, num_heads=2, feedforward_dim=8, max_positions=16)
VECTORS = {label: np.float32([place + 1, -2, 2]) for place, label in enumerate([*VOCABULARY.labels, "more"])}


def test_words_are_shared_by_the_descriptions_that_hold_them():
    embeddings = Semantics(source="words", words_dim=200)(VOCABULARY)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    likeness = embeddings @ embeddings.T
    assert likeness[0, 1] > 0.3 > abs(likeness[0, 2])
    # The same in every process and vocabulary, however a word is written.
    other = Vocabulary.of(["x", "y"], {"x": "Nothing at ALL", "y": "tomato cut"})
    np.testing.assert_allclose(Semantics(source="words", words_dim=200)(other), embeddings[[2, 1]], atol=1e-6)
    plain = Semantics(source="words", words_dim=200, normalize=False)(VOCABULARY)
    np.testing.assert_allclose(np.linalg.norm(plain, axis=1), np.sqrt([2 * 200, 2 * 200, 3 * 200]), rtol=0.3)


@pytest.mark.parametrize(
    ("source", "normalize", "told"),
    [
        ("words", True, "words, of unit length"),
        ("words", False, "words, as they are"),
        ("labels.PT", False, "labels.PT, as they are"),
        ("some/checkpoint", False, "some/checkpoint, of unit length"),  # those of a checkpoint always are
    ],
)
def test_what_features_are_compared_with_is_told_truly(source, normalize, told):
    assert Semantics(source=source, normalize=normalize).settings() == {"embeddings": told}


def torch_bytes():
    numbers = np.concatenate(list(VECTORS.values())).astype("<f4")
    rows = {
        label: tensor((1, 3), (3, 1), offset=3 * place, held=storage(length=12)) for place, label in enumerate(VECTORS)
    }
    return saved(mapping(embeddings=mapping(**rows)), {"0": numbers.tobytes()})


@pytest.mark.parametrize("ending", ["pt", "npz", "safetensors"])
def test_embeddings_are_read_by_label_from_each_format(ending, tmp_path):
    path = tmp_path / f"labels.{ending}"
    if ending == "pt":
        path.write_bytes(torch_bytes())
    else:
        write_label_embeddings(path, VECTORS)
    vocabulary = Vocabulary.of(["null", "cut_bread"])
    found = Semantics(source=str(path))(vocabulary)
    np.testing.assert_allclose(found, [[3 / 17**0.5, -2 / 17**0.5, 2 / 17**0.5], [1 / 3, -2 / 3, 2 / 3]], atol=1e-6)
    raw = Semantics(source=str(path), normalize=False)(vocabulary)
    np.testing.assert_array_equal(raw, [[3, -2, 2], [1, -2, 2]])


def test_labels_that_a_file_lacks_are_named(tmp_path):
    path = tmp_path / "labels.npz"
    write_label_embeddings(path, {"null": np.ones(3)})
    with pytest.raises(WeightsError, match=r"labels\.npz: has no embedding of cut_bread, cut_tomato; add it, or name"):
        Semantics(source=str(path))(VOCABULARY)
    with pytest.raises(WeightsError, match=r"none\.pt: no such file"):
        Semantics(source=str(tmp_path / "none.pt"))(VOCABULARY)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A cache that holds nothing yet."""
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "semantics"


@pytest.fixture(scope="module")
def params():
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), parameter_shapes(BACKBONE))


@pytest.fixture
def checkpoint(params, tmp_path):
    save_backbone(params, BACKBONE, tmp_path / "checkpoint")
    CaptionTokenizer.of_words(VOCABULARY.descriptions, max_tokens=16).write(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_a_checkpoint_embeds_descriptions_once(checkpoint, kept, monkeypatch):
    semantics = Semantics(source=str(checkpoint))
    found = semantics(VOCABULARY)
    np.testing.assert_allclose(found, SentenceEncoder.read(str(checkpoint))(VOCABULARY.descriptions), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert len(list(kept.iterdir())) == 1

    def read(*_):
        raise AssertionError("weights are read again")

    monkeypatch.setattr(SentenceEncoder, "read", read)
    np.testing.assert_array_equal(semantics(VOCABULARY), found)
    renamed = Vocabulary(("a", "b", "c"), VOCABULARY.descriptions)
    np.testing.assert_array_equal(semantics(renamed), found)
    with pytest.raises(AssertionError, match="read again"):
        semantics(Vocabulary.of(["cut_tomato"]))


def test_another_checkpoint_or_tokenizer_is_embedded_anew(checkpoint, params, kept):
    semantics = Semantics(source=str(checkpoint))
    first = semantics(VOCABULARY)
    CaptionTokenizer.of_words(["all at nothing cut bread bread"], max_tokens=16).write(checkpoint)
    other_words = semantics(VOCABULARY)
    assert np.abs(other_words - first).max() > 1e-3
    save_backbone(jax.tree.map(lambda leaf: leaf[::-1].copy(), params), BACKBONE, checkpoint)
    assert np.abs(semantics(VOCABULARY) - other_words).max() > 1e-3
    assert len(list(kept.iterdir())) == 3


def test_what_is_no_checkpoint_is_refused(kept, tmp_path):
    with pytest.raises(WeightsError, match=r"holds no config\.json"):
        Semantics(source=str(tmp_path))(VOCABULARY)
    assert not kept.exists()


def test_words_without_width_are_refused():
    with pytest.raises(ConfigError, match=r"task\.semantics\.words_dim is 0; give a width above zero"):
        Semantics(words_dim=0)
