import pytest

from jaxmm.config import decode, encode
from jaxmm.data.prompts import Prompts
from jaxmm.errors import ConfigError


def test_the_sentences_of_a_label_stand_together_in_the_order_of_the_templates():
    prompts = Prompts(templates=("a person {}.", "{}", "someone who is {} {now}"))
    assert prompts.texts(["waving", "a {} b"]) == (
        "a person waving.",
        "waving",
        "someone who is waving {now}",
        "a person a {} b.",
        "a {} b",
        "someone who is a {} b {now}",
    )
    assert prompts.texts([]) == ()


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ((), r"is \(\); give one template or more, each once"),
        (("{}", "{}"), "give one template or more, each once"),
        (("a person waves",), r"'a person waves' holds \{\} 0 times; write it once"),
        (("{} and {}",), r"'\{\} and \{\}' holds \{\} 2 times"),
        (("a {label}",), r"'a \{label\}' holds \{\} 0 times"),
    ],
)
def test_templates_without_one_place_for_the_label_are_refused(templates, message):
    with pytest.raises(ConfigError, match=message):
        Prompts(templates=templates)


def test_settings_come_back_from_json():
    prompts = Prompts(templates=("{}", "a video of {}"))
    assert decode(encode(prompts)) == prompts
