"""Sentences of synthetic signing: all distinct, in plain English, and split by what they combine."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.data.sign.procedural import LEXICON, Sentence, all_sentences, lexicon, sentences
from jaxmm.data.sign.procedural.phonology import HAND_SHAPES, MOVEMENT_SECONDS, PLACES
from jaxmm.errors import ConfigError

SIGN = {sign.gloss: sign for sign in LEXICON}


def english(gloss):
    return Sentence(tuple(SIGN[word] for word in gloss.split())).english


def test_signs_are_forty_with_forms_and_names_of_their_own():
    forms = {(sign.shape, sign.place, sign.movement, sign.num_hands) for sign in LEXICON}
    assert len(LEXICON) == len(SIGN) == len(forms) == 40
    assert {sign.shape for sign in LEXICON} == set(HAND_SHAPES)
    assert {sign.place for sign in LEXICON} == set(PLACES)
    assert {sign.movement for sign in LEXICON} == set(MOVEMENT_SECONDS)
    assert {sign.num_hands for sign in LEXICON} == {1, 2}


@pytest.mark.parametrize(
    ("gloss", "text"),
    [
        ("TOMORROW FRIEND HOUSE BUILD", "Tomorrow a friend builds a house."),
        ("YESTERDAY FRIEND HOUSE BUILD", "Yesterday a friend built a house."),
        ("SOON I CLOCK REPAIR", "Soon I repair a clock."),
        ("YOU BOAT SEE", "You see a boat."),
        ("MOTHER LAMP BUY", "Mother buys a lamp."),
        ("DOOR PAINT", "Paint a door."),
        ("SHOW", "Show!"),
        ("CART", "A cart."),
        ("I", "I."),
        ("OFTEN", "Often."),
    ],
)
def test_english_agrees_with_subject_and_time(gloss, text):
    assert english(gloss) == text


def test_sentences_differ_in_gloss_and_in_english():
    everything = all_sentences()
    assert len({sentence.gloss for sentence in everything}) == len(everything)
    assert len({sentence.english for sentence in everything}) == len(everything)
    assert {len(sentence.signs) for sentence in everything} == {1, 2, 3, 4}


@settings(max_examples=12)
@given(st.integers(8, 40))
def test_splits_share_no_sentence_and_training_has_every_gloss(num_glosses):
    texts = {
        split: {one.gloss for one in sentences(split, num_glosses=num_glosses)} for split in ("train", "val", "test")
    }
    assert not texts["train"] & texts["val"] and not texts["train"] & texts["test"] and not texts["val"] & texts["test"]
    assert sum(map(len, texts.values())) == len(all_sentences(num_glosses=num_glosses))
    assert min(len(texts["val"]), len(texts["test"])) >= 3
    seen = {word for text in texts["train"] for word in text.split()}
    assert seen == {sign.gloss for sign in lexicon(num_glosses)}


@pytest.mark.parametrize("num_glosses", [8, 12, 40])
def test_a_sentence_keeps_its_split_and_its_place_as_fewer_are_asked_for(num_glosses):
    everything = sentences("train", num_glosses=num_glosses)
    assert sentences("train", num_glosses=num_glosses, num_sentences=num_glosses + 5) == everything[: num_glosses + 5]
    assert {word for one in everything[:num_glosses] for word in one.gloss.split()} == {
        sign.gloss for sign in lexicon(num_glosses)
    }
    assert {len(one.signs) for one in everything[num_glosses : num_glosses + 3]} == {2, 3, 4}


def test_held_out_sentences_are_about_a_fifth():
    held_out = sum(len(sentences(split)) for split in ("val", "test"))
    assert 0.17 < held_out / len(all_sentences()) < 0.23


@pytest.mark.parametrize(
    "wrong", [{"num_glosses": 7}, {"num_glosses": 41}, {"num_sentences": 39}, {"num_sentences": 100_000}]
)
def test_numbers_out_of_range_are_an_error(wrong):
    with pytest.raises(ConfigError, match="procedural signing: num_"):
        sentences("train", **wrong)


def test_an_unknown_split_is_an_error():
    with pytest.raises(ConfigError, match="split='dev'; give train, val or test"):
        sentences("dev")
