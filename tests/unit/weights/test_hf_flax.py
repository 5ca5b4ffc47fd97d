import json

import pytest
import transformers

from jaxmm.config import decode, encode
from jaxmm.errors import ConfigError, MissingExtraError, WeightsError
from jaxmm.weights import Freeze, HFFlaxBackbone

ROBERTA = HFFlaxBackbone(json.dumps({"model_type": "roberta", "hidden_size": 8}))


def test_a_config_survives_the_way_through_json():
    assert decode(json.loads(json.dumps(encode(ROBERTA)))) == ROBERTA


@pytest.mark.parametrize(
    ("config", "message"),
    [("{", "config is not JSON"), ("[]", "names no model_type"), ('{"hidden_size": 8}', "names no model_type")],
)
def test_a_text_that_is_no_config_is_refused(config, message):
    with pytest.raises(WeightsError, match=message):
        HFFlaxBackbone(config)


@pytest.mark.skipif(hasattr(transformers, "FlaxAutoModel"), reason="this transformers has Flax classes")
def test_without_flax_classes_the_error_says_what_to_install():
    with pytest.raises(MissingExtraError, match=r"no longer has; run: pip install 'transformers<5'"):
        _ = ROBERTA.dim


def test_a_wholly_frozen_backbone_needs_no_names_of_its_parameters():
    assert Freeze("everything").trainable(ROBERTA) == frozenset()
    assert Freeze("everything").frozen_steps(ROBERTA) == ROBERTA.num_steps


@pytest.mark.skipif(
    not hasattr(transformers, "FlaxAutoModel"), reason="needs Flax classes: scripts/test_transformers4.sh"
)
@pytest.mark.parametrize("freeze", [Freeze.first_layers(1), Freeze.last_tensors(4)])
def test_policies_that_need_an_order_of_parameters_are_refused(freeze):
    with pytest.raises(
        ConfigError, match=f"freeze: '{freeze.kind}' needs a TransformerText.* 'nothing' or 'everything'"
    ):
        freeze.trainable(ROBERTA)
