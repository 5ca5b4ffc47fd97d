import subprocess
import sys

import numpy as np
import pytest

from jaxmm.data.text import CaptionTokenizer
from jaxmm.errors import DataError

PAD, UNKNOWN, FIRST, LAST = range(4)
CAPTIONS = ("a person walks", "a person runs away", "Someone waves, twice!")


@pytest.fixture(scope="module")
def tokenizer():
    return CaptionTokenizer.of_words(CAPTIONS, max_tokens=12)


def ids_of(tokenizer, text):
    ids, mask = tokenizer([text])
    return ids[0][mask[0]].tolist()


def test_a_text_is_framed_by_special_tokens(tokenizer):
    first, *words, last = ids_of(tokenizer, "a person walks")
    assert (first, last) == (FIRST, LAST)
    assert len(set(words)) == 3
    assert min(words) > LAST


def test_case_and_accents_do_not_matter_and_punctuation_is_a_word_of_its_own(tokenizer):
    assert ids_of(tokenizer, "A PERSON wälks") == ids_of(tokenizer, "a person walks")
    assert len(ids_of(tokenizer, "waves, twice!")) == 6


def test_unknown_words_become_one_token(tokenizer):
    assert ids_of(tokenizer, "a zebra walks")[2] == UNKNOWN
    assert ids_of(tokenizer, "") == [FIRST, LAST]


def test_rows_are_padded_to_a_multiple_of_eight_and_masked(tokenizer):
    ids, mask = tokenizer(["a person walks", "a"])
    assert ids.shape == mask.shape == (2, 8)
    assert (ids.dtype, mask.dtype) == (np.int32, bool)
    assert mask.sum(axis=1).tolist() == [5, 3]
    assert not ids[~mask].any()


def test_long_texts_are_cut_but_keep_their_last_token(tokenizer):
    ids, mask = tokenizer(["a person walks " * 10])
    assert ids.shape == (1, 12)  # max_tokens bounds the rounding
    assert mask.all()
    assert (ids[0, 0], ids[0, -1]) == (FIRST, LAST)


def test_a_given_width_pads_or_cuts(tokenizer):
    wide, mask = tokenizer(["a person walks"], num_tokens=9)
    assert wide.shape == (1, 9)
    assert mask.sum() == 5
    narrow, mask = tokenizer(["a person walks"], num_tokens=3)
    np.testing.assert_array_equal(narrow, wide[:, :3])
    assert mask.all()


def test_the_width_of_texts_is_that_of_the_longest(tokenizer):
    assert tokenizer.num_tokens(["a"]) == 8
    assert tokenizer.num_tokens(["a", "a " * 7]) == 12
    assert tokenizer.num_tokens(["a " * 6]) == 8


def test_a_text_has_the_same_ids_alone_and_in_company(tokenizer):
    together, mask = tokenizer(list(CAPTIONS))
    for row, caption in enumerate(CAPTIONS):
        assert together[row][mask[row]].tolist() == ids_of(tokenizer, caption)


def test_the_table_holds_every_id(tokenizer):
    ids, _ = tokenizer(list(CAPTIONS))
    assert ids.max() == tokenizer.vocab_size - 1
    words = ["a", "person", "walks", "runs", "away", "someone", "waves", ",", "twice", "!"]
    assert tokenizer.vocab_size == 4 + len(words)


def test_a_written_tokenizer_reads_back_the_same(tokenizer, tmp_path):
    tokenizer.write(tmp_path / "new" / "assets")
    back = CaptionTokenizer.read(tmp_path / "new" / "assets", max_tokens=12)
    texts = [*CAPTIONS, "something unknown", "a " * 40, ""]
    for ours, theirs in zip(tokenizer(texts), back(texts), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert back.vocab_size == tokenizer.vocab_size


def test_the_reader_chooses_how_long_texts_may_be(tokenizer, tmp_path):
    tokenizer.write(tmp_path)
    assert CaptionTokenizer.read(tmp_path, max_tokens=5)(["a " * 40])[0].shape == (1, 5)
    assert CaptionTokenizer.read(tmp_path, max_tokens=40)(["a " * 40])[0].shape == (1, 40)


def test_the_order_and_repetition_of_captions_change_no_id(tokenizer):
    other = CaptionTokenizer.of_words([*reversed(CAPTIONS), *CAPTIONS], max_tokens=12)
    for ours, theirs in zip(tokenizer(list(CAPTIONS)), other(list(CAPTIONS)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_ids_are_the_same_in_every_process(tokenizer):
    code = (
        "from jaxmm.data.text import CaptionTokenizer\n"
        f"tokenizer = CaptionTokenizer.of_words({CAPTIONS!r}, max_tokens=12)\n"
        f"print(tokenizer({CAPTIONS!r})[0].tolist())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": s}
        ).stdout.strip()
        for s in ("1", "2")
    }
    assert found == {str(tokenizer(list(CAPTIONS))[0].tolist())}


def test_a_text_that_is_not_unicode_is_refused_by_name(tokenizer):
    for ask in (tokenizer, tokenizer.num_tokens):
        with pytest.raises(DataError, match=r"the text 'walks \\udcff' is not valid Unicode"):
            ask(["a person", "walks \udcff"])


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has no tokenizer.json; write one with .*save_pretrained\(folder\)"):
        CaptionTokenizer.read(tmp_path, max_tokens=4)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": "1.0"}', "\x00"])
def test_a_damaged_tokenizer_is_refused(content, tmp_path):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(DataError, match=r"tokenizer.json: not a tokenizer \(.*\); fetch the checkpoint again"):
        CaptionTokenizer.read(tmp_path, max_tokens=4)
