import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.data.segmentation.labels import (
    read_descriptions,
    read_frame_labels,
    read_mapping,
    read_vocabulary,
    write_descriptions,
    write_frame_labels,
    write_mapping,
)
from jaxmm.data.segmentation.vocabulary import Vocabulary
from jaxmm.errors import DataError, JaxmmError

VOCABULARY = Vocabulary.of(["cut_tomato", "mix", "null"], {"null": "no action"})
LABEL = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
DESCRIPTION = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(lambda text: " ".join(text.split()))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file that every example writes anew."""
    return tmp_path_factory.mktemp("labels") / "file.txt"


def written(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# Mappings


def test_a_mapping_may_be_in_any_order_with_blank_lines(path):
    assert read_mapping(written(path, "2 null\n\n0\tcut_tomato\r\n 1  mix \n")) == ("cut_tomato", "mix", "null")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": has no labels; write a line such as 0 cut_tomato for each"),
        ("\n \n", ": has no labels"),
        ("cut\n", ":1: 'cut' is not an index and a label"),
        ("0 cut\n1\n", ":2: '1' is not an index and a label"),
        ("-1 cut\n", ":1: '-1 cut' is not an index"),
        ("\u0661 cut\n", ":1: '\u0661 cut' is not an index"),
        (f"{'9' * 4000} cut\n", " is not an index"),
        ("0 cut it\n", ":1: label 'cut it' is empty, too long, or holds a space"),
        ("0 cut\n\n0 mix\n", ":3: index 0 is that of 'cut' on line 1; number the labels from 0 on"),
        ("0 cut\n1 cut\n", ":2: label 'cut' is on line 1 already; keep one"),
        ("0 cut\n2 mix\n", ": has no index 1; number its 2 labels from 0 to 1"),
        ("1 cut\n2 mix\n", ": has no index 0; number its 2 labels from 0 to 1"),
        (b"0 cut\n1 m\xff\n", ":2: not UTF-8 text"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_named_by_line(text, message, path):
    with pytest.raises(DataError, match=re.escape(message)):
        read_mapping(written(path, text))


@given(st.lists(LABEL, min_size=1, max_size=8, unique=True))
def test_mappings_are_read_as_they_were_written(path, labels):
    write_mapping(path, labels)
    assert read_mapping(path) == tuple(labels)


# Descriptions


def test_descriptions_may_lack_quotes_and_have_blank_lines(path):
    """D11."""
    text = 'cut_tomato "cut the tomato"\n\nmix mix it all\nsay "say "cheese" aloud"\npour\t" pour  it "'
    expected = {"cut_tomato": "cut the tomato", "mix": "mix it all", "say": 'say "cheese" aloud', "pour": "pour it"}
    assert read_descriptions(written(path, text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": describes no label; write a line such as"),
        ("cut\n", ":1: 'cut': its description '' is empty"),
        ('cut ""\n', ":1: 'cut': its description '' is empty"),
        ('mix "a"\ncut "a\n', ":2: the description of 'cut' has no closing quote; add it"),
        ('cut "\n', ":1: the description of 'cut' has no closing quote"),
        ('cut "a"\n\ncut "b"\n', ":3: label 'cut' is on line 1 already; keep one"),
        ('cut\0 "a"\n', "holds a space or what cannot be printed"),
    ],
)
def test_what_is_wrong_with_descriptions_is_named_by_line(text, message, path):
    """D11, for a label that repeats."""
    with pytest.raises(DataError, match=re.escape(message)):
        read_descriptions(written(path, text))


def test_a_description_of_an_unknown_label_is_refused(path):
    written(path, 'mix "a"\nchop "b"\n')
    assert list(read_descriptions(path)) == ["mix", "chop"]
    with pytest.raises(DataError, match=r"file\.txt:2: 'chop' is no label of the mapping; correct it, or remove the"):
        read_descriptions(path, labels=VOCABULARY.labels)


@given(st.dictionaries(LABEL, DESCRIPTION.filter(bool), min_size=1, max_size=5))
def test_descriptions_are_read_as_they_were_written(path, descriptions):
    write_descriptions(path, descriptions)
    assert read_descriptions(path) == descriptions


@pytest.mark.parametrize(("name", "count"), [("havid", 75), ("attach", 25), ("breakfast", 48)])
def test_descriptions_of_other_data_sets_are_read_whole(name, count, shared_data):
    path = shared_data / "segmentation" / "descriptions" / f"{name}_description.txt"
    if not path.is_file():
        pytest.skip(f"needs {path.name} in ../shared/data/segmentation, which is not part of the repository")
    descriptions = read_descriptions(path)
    assert len(descriptions) == count
    assert all(text == text.strip() and '"' not in text for text in descriptions.values())
    if name == "breakfast":
        assert (descriptions["SIL"], descriptions["stir_tea"]) == ("null", "stir tea")


def test_a_vocabulary_is_a_mapping_with_descriptions(tmp_path):
    mapping, descriptions = tmp_path / "mapping.txt", tmp_path / "some_description.txt"
    write_mapping(mapping, VOCABULARY.labels)
    write_descriptions(descriptions, {"null": "no action"})
    assert read_vocabulary(mapping, descriptions) == VOCABULARY
    assert read_vocabulary(mapping) == Vocabulary.of(VOCABULARY.labels)


# Labels of frames


def test_frames_are_labelled_one_a_line(path):
    labels = read_frame_labels(written(path, "mix\n cut_tomato \r\nnull\n\n \n"), VOCABULARY)
    assert labels.tolist() == [1, 0, 2]
    assert labels.dtype == np.int32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": has no labels; write that of each frame on a line of its own"),
        ("\n\n", ": has no labels"),
        ("mix\n\nmix\n", ":2: is blank; write the label of this frame"),
        ("mix\nchop\nchop\n", ":2: 'chop' is no label of the mapping (2 such lines); correct it, or add it to the"),
        ("chop\nmix\nstir\n", ":1: 'chop' is no label of the mapping (1 such lines; 'stir' on line 3 is another)"),
        ("0\n", ":1: '0' is no label"),
    ],
)
def test_what_is_wrong_with_labels_is_named_by_line(text, message, path):
    """D4: an unknown label is an error that names file and line."""
    with pytest.raises(DataError, match=re.escape(f"file.txt{message}")):
        read_frame_labels(written(path, text), VOCABULARY)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=50))
def test_labels_of_frames_are_read_as_they_were_written(path, labels):
    write_frame_labels(path, np.array(labels, np.int32), VOCABULARY)
    assert read_frame_labels(path, VOCABULARY).tolist() == labels


@pytest.mark.parametrize("labels", [[], [0, 3], [-1]])
def test_labels_of_no_vocabulary_are_not_written(labels, tmp_path):
    with pytest.raises(DataError, match=r"file\.txt: labels must be one number or more from 0 to 2; correct them"):
        write_frame_labels(tmp_path / "file.txt", np.array(labels, np.int32), VOCABULARY)
    assert not list(tmp_path.iterdir())


# Anything


READERS = {
    "mapping": (read_mapping, b"0 cut_tomato\n1 mix\n2 null\n"),
    "descriptions": (read_descriptions, b'cut_tomato "cut it"\nmix "mix"\n'),
    "labels": (lambda path: read_frame_labels(path, VOCABULARY), b"mix\nmix\nnull\n"),
}


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_whatever_a_file_holds_is_read_or_refused(name, path, data):
    read, sound = READERS[name]
    place = data.draw(st.integers(0, len(sound)))
    inserted = data.draw(st.binary(max_size=8) | st.text(max_size=8).map(lambda text: text.encode(errors="replace")))
    path.write_bytes(sound[:place] + inserted + sound[data.draw(st.integers(place, len(sound))) :])
    try:
        assert len(read(path)) > 0
    except JaxmmError as error:
        assert str(path) in str(error)


def test_a_file_that_is_not_there_is_named(tmp_path):
    for read, _ in READERS.values():
        with pytest.raises(DataError, match=r"no\.txt: cannot be read"):
            read(tmp_path / "no.txt")
