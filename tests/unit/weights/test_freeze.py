import math

import jax
import pytest

from jaxmm.encoders.text import TransformerText
from jaxmm.errors import ConfigError
from jaxmm.weights.freeze import Freeze
from jaxmm.weights.text import parameter_shapes

DISTILBERT = TransformerText()
BERT = TransformerText(num_layers=12, num_token_types=2, dropout_after_attention=True)
MPNET = TransformerText.mpnet()


def sizes(module):
    leaves = jax.tree_util.tree_leaves_with_path(parameter_shapes(module))
    return {jax.tree_util.keystr(path, simple=True, separator="/"): math.prod(leaf.shape) for path, leaf in leaves}


@pytest.mark.parametrize(("module", "last"), [(DISTILBERT, "layer_5"), (BERT, "layer_11"), (MPNET, "layer_11")])
def test_d2_last_four_tensors_are_the_last_feedforward_output_and_its_norm(module, last):
    trainable = Freeze.last_tensors(4).trainable(module)
    names = ("feedforward_out/kernel", "feedforward_out/bias", "feedforward_norm/scale", "feedforward_norm/bias")
    assert trainable == {f"{last}/{name}" for name in names}
    assert sum(sizes(module)[path] for path in trainable) == 2_361_600


def test_last_tensors_count_weights_and_biases_one_by_one():
    assert Freeze.last_tensors(1).trainable(DISTILBERT) == {"layer_5/feedforward_norm/bias"}
    assert len(Freeze.last_tensors(100).trainable(DISTILBERT)) == 100


@pytest.mark.parametrize("count", [0, 4, 6])
def test_first_layers_freeze_the_embeddings_and_those_layers_only(count):
    trainable = Freeze.first_layers(count).trainable(DISTILBERT)
    assert {path.split("/")[0] for path in trainable} == {f"layer_{layer}" for layer in range(count, 6)}
    assert len(trainable) == 16 * (6 - count)


def test_first_layers_tell_layer_1_from_layer_10():
    trainable = Freeze.first_layers(2).trainable(BERT)
    assert "layer_1/feedforward_in/bias" not in trainable
    assert "layer_10/feedforward_in/bias" in trainable


def test_the_position_bias_that_all_layers_share_freezes_with_the_embeddings():
    assert "position_bias/embedding" in sizes(MPNET)
    assert not any(path.startswith("position_bias") for path in Freeze.first_layers(0).trainable(MPNET))


@pytest.mark.parametrize(
    ("freeze", "steps"),
    [
        (Freeze("nothing"), 0),
        (Freeze.first_layers(0), 1),
        (Freeze.first_layers(4), 13),
        (Freeze.first_layers(6), 19),
        (Freeze("everything"), 19),
        (Freeze.last_tensors(1), 18),
        (Freeze.last_tensors(4), 18),
        (Freeze.last_tensors(5), 17),
        (Freeze.last_tensors(7), 16),
        (Freeze.last_tensors(17), 15),
        (Freeze.last_tensors(96), 1),
        (Freeze.last_tensors(97), 0),
    ],
)
def test_frozen_steps_end_where_the_first_trainable_parameter_acts(freeze, steps):
    assert freeze.frozen_steps(DISTILBERT) == steps


@pytest.mark.parametrize("module", [DISTILBERT, BERT, MPNET], ids=["distilbert", "bert", "mpnet"])
def test_nothing_and_everything_are_the_two_extremes(module):
    assert Freeze("nothing").trainable(module) == sizes(module).keys()
    assert Freeze("everything").trainable(module) == frozenset()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Freeze("nothing", 2), "'nothing' takes no count, got 2"),
        (lambda: Freeze("everything", 1), "'everything' takes no count, got 1"),
        (lambda: Freeze.last_tensors(0), "'last_tensors' needs a count of at least 1, got 0"),
        (lambda: Freeze.first_layers(-1), "'first_layers' needs a count of at least 0, got -1"),
        (
            lambda: Freeze.first_layers(7).trainable(DISTILBERT),
            "'first_layers' has count 7, but the backbone has 6 layers; use at most 6",
        ),
        (
            lambda: Freeze.last_tensors(101).trainable(DISTILBERT),
            "'last_tensors' has count 101, but the backbone has 100 tensors; use at most 100",
        ),
    ],
)
def test_a_count_that_does_not_fit_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
