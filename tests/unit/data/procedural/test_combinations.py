"""The grammar of the synthetic source: distinct sentences, stable splits, and words that training has seen."""

import dataclasses
from collections import Counter

import pytest

from jaxmm.data.procedural import Clause, Combination, all_combinations, is_held_out, split_of
from jaxmm.data.procedural.grammar import SHORT_CLAUSES, SINGLE_CLAUSES

COMBINATIONS = all_combinations()
SENTENCES = {one: (one.sentence, *one.paraphrases()) for one in COMBINATIONS}
GOLDEN = [
    ("walk-forward-slow", "train"),
    ("quarter-turn-right", "train"),
    ("jumping-jack-3", "train"),
    ("wave-both", "val"),
    ("walk-forward+lunge-right-forward", "val"),
    ("sidestep-left+pick-up-both", "val"),
    ("jump-up+sidestep-left", "test"),
    ("jump-forward+bow", "test"),
    ("punch-right-forward+quarter-turn-right", "test"),
]


def words(combinations):
    return {word for one in combinations for text in SENTENCES[one] for word in text.replace(",", "").split()}


def of_split(split):
    return [combination for combination in COMBINATIONS if combination.split == split]


def test_keys_are_distinct():
    assert len({combination.key for combination in COMBINATIONS}) == len(COMBINATIONS) > 1000


def test_no_two_combinations_share_a_sentence():
    counts = Counter(text for combination in COMBINATIONS for text in SENTENCES[combination])
    assert [text for text, count in counts.items() if count > 1] == []


def test_every_combination_has_paraphrases():
    assert min(len(combination.paraphrases()) for combination in COMBINATIONS) >= 3


def test_sentences_are_tidy_english():
    for combination in COMBINATIONS:
        for text in SENTENCES[combination]:
            assert text == " ".join(text.split()) == text.lower()
            assert "None" not in text and "{" not in text
            assert text.startswith(("a person ", "someone ", "the figure "))


@pytest.mark.parametrize(
    ("combination", "sentence"),
    [
        (
            Combination(first=Clause(action="raise", side="both", direction="overhead", count=3)),
            "a person raises both arms overhead three times",
        ),
        (
            Combination(first=Clause(action="sidestep", direction="left", speed="quick")),
            "a person sidesteps to the left quickly",
        ),
        (
            Combination(first=Clause(action="walk", direction="forward"), second=Clause(action="wave", side="right")),
            "a person walks forward, then waves the right hand",
        ),
        (
            Combination(first=Clause(action="wave", side="right"), second=Clause(action="walk", direction="forward")),
            "a person waves the right hand, then walks forward",
        ),
    ],
)
def test_canonical_sentence_names_every_factor(combination, sentence):
    assert combination in COMBINATIONS
    assert combination.sentence == sentence


def test_pairs_have_different_actions_in_both_orders():
    pairs = {(one.first, one.second) for one in COMBINATIONS if one.second is not None}
    assert all(first.action != second.action for first, second in pairs)
    assert all((second, first) in pairs for first, second in pairs)
    assert {first for first, _ in pairs} == set(SHORT_CLAUSES) <= set(SINGLE_CLAUSES)


def test_mirroring_is_an_involution_within_the_grammar():
    known = set(COMBINATIONS)
    for combination in COMBINATIONS:
        mirrored = combination.mirrored()
        assert mirrored in known
        assert mirrored.mirrored() == combination
        assert mirrored.sentence == swap_sides(combination.sentence)


def swap_sides(text):
    return text.replace("left", "*").replace("right", "left").replace("*", "right")


def test_splits_are_large_enough_and_near_their_shares():
    counts = Counter(combination.split for combination in COMBINATIONS)
    assert counts["test"] >= 220
    assert 0.20 <= counts["test"] / len(COMBINATIONS) <= 0.25
    assert 0.07 <= counts["val"] / len(COMBINATIONS) <= 0.13


@pytest.mark.parametrize(("key", "split"), GOLDEN)
def test_splits_never_change(key, split):
    [combination] = [one for one in COMBINATIONS if one.key == key]
    assert split_of(combination) == combination.split == split


def test_held_out_means_outside_training():
    assert all(is_held_out(one) == (one.split != "train") for one in COMBINATIONS)
    assert {is_held_out(one) for one in COMBINATIONS} == {True, False}


def test_training_has_seen_every_word_of_the_held_out_sentences():
    assert words(of_split("val")) | words(of_split("test")) <= words(of_split("train"))


def test_training_has_seen_every_factor_value_of_every_action():
    def values(combinations):
        fields = [field.name for field in dataclasses.fields(Clause)]
        clauses = [clause for one in combinations for clause in one.clauses]
        return {(clause.action, field, getattr(clause, field)) for clause in clauses for field in fields}

    assert values(COMBINATIONS) == values(of_split("train"))
