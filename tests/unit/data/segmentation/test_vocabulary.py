import re

import pytest

from jaxmm.data.segmentation.vocabulary import Vocabulary, words_of
from jaxmm.errors import DataError

VOCABULARY = Vocabulary.of(["cut_tomato", "mix", "null"], {"null": "no action"})


def test_a_label_without_a_description_is_described_by_its_words():
    assert VOCABULARY.descriptions == ("cut tomato", "mix", "no action")
    assert words_of("place_cheese__into_bowl") == "place cheese into bowl"
    assert words_of("_") == "_"


def test_labels_are_found_by_name():
    assert [VOCABULARY.index(label) for label in VOCABULARY.labels] == [0, 1, 2]
    assert VOCABULARY.num_labels == 3
    with pytest.raises(DataError, match=r"no label 'cut'; the labels are 'cut_tomato, mix, null'"):
        VOCABULARY.index("cut")


def test_vocabularies_are_compared_by_what_they_say():
    assert Vocabulary(("cut_tomato", "mix", "null"), ("cut tomato", "mix", "no action")) == VOCABULARY
    assert Vocabulary.of(VOCABULARY.labels) != VOCABULARY


@pytest.mark.parametrize(
    ("labels", "descriptions", "message"),
    [
        ((), (), "0 labels with 0 descriptions; give one or more"),
        (("cut",), (), "1 labels with 0 descriptions"),
        (("cut", "cut"), ("a", "b"), "label 'cut' repeats; keep one"),
        (("cut it",), ("a",), "label 'cut it' is empty, too long, or holds a space"),
        (("",), ("a",), "label '' is empty"),
        (("x" * 201,), ("a",), "too long"),
        (("cut\n",), ("a",), "what cannot be printed"),
        (("cut",), ("",), "'cut': its description '' is empty or has stray spaces"),
        (("cut",), (" a",), "stray spaces"),
        (("cut",), ("a\nb",), "stray spaces"),
        (("cut",), ("\ud800",), "not valid Unicode"),
    ],
)
def test_what_no_file_could_hold_is_refused(labels, descriptions, message):
    with pytest.raises(DataError, match=re.escape(message)):
        Vocabulary(labels, descriptions)


def test_an_empty_description_is_not_taken_for_a_missing_one():
    with pytest.raises(DataError, match="'mix': its description '' is empty"):
        Vocabulary.of(["cut", "mix"], {"mix": ""})
