import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmm.data.captions import MAX_ROWS
from jaxmm.data.segmentation.bundles import checked_key, list_bundle, read_bundle, write_bundle
from jaxmm.errors import DataError, JaxmmError

KEY = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1, max_size=20).filter(
    lambda key: key not in (".", "..")
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file that every example writes anew."""
    return tmp_path_factory.mktemp("bundles") / "test.split1.bundle"


def test_videos_are_named_with_or_without_the_ending_of_a_file(path):
    path.write_text("a.txt\r\nb.npy\n\n c.d \nwith space.txt")
    assert read_bundle(path) == ("a", "b", "c.d", "with space")


def test_a_bundle_may_be_empty(path):
    path.write_text("\n")
    assert read_bundle(path) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\na.txt\n", ":2: 'a' is on line 1 already; keep one"),
        ("a\n../b.txt\n", ":2: '../b' is not the name of a video; write one without a folder"),
        ("/etc/passwd\n", ":1: '/etc/passwd' is not the name of a video"),
        (".txt\n", ":1: '' is not the name of a video"),
        ("..\n", ":1: '..' is not the name"),
        ("a\0b\n", r":1: 'a\x00b' is not the name"),
        ("ä" * 101, " is not the name"),
    ],
)
def test_what_is_wrong_is_named_by_line(text, message, path):
    path.write_text(text)
    with pytest.raises(DataError, match=re.escape(f"bundle{message}") if message[0] == ":" else message):
        read_bundle(path)


def test_every_wrong_line_is_listed(path):
    path.write_text("a\na\nb\n..\n")
    keys, problems = list_bundle(path)
    assert keys == {"a": 1, "b": 3}
    assert [problem.kind for problem in problems] == ["splits", "splits"]


def test_no_more_lines_are_kept_than_a_data_set_has(path):
    path.write_text("\n".join(map(str, range(MAX_ROWS + 2))))
    with pytest.raises(DataError, match=rf"bundle:{MAX_ROWS + 1}: more than {MAX_ROWS} lines; split the folder"):
        read_bundle(path)


@given(st.lists(KEY, max_size=5, unique=True))
def test_bundles_are_read_as_they_were_written(path, keys):
    write_bundle(path, keys)
    assert read_bundle(path) == tuple(keys)
    assert all(line.endswith(".txt") for line in path.read_text().split())


def test_what_cannot_be_read_is_not_written(tmp_path):
    with pytest.raises(DataError, match="a video repeats; name each once"):
        write_bundle(tmp_path / "b", ["a", "a"])
    with pytest.raises(DataError, match="'a/b' is not the name of a video"):
        write_bundle(tmp_path / "b", ["a/b"])
    assert not list(tmp_path.iterdir())
    assert checked_key("a.b") == "a.b"


@given(st.binary(max_size=40))
def test_whatever_a_file_holds_is_read_or_refused(path, content):
    path.write_bytes(content)
    try:
        assert all(key == checked_key(key) for key in read_bundle(path))
    except JaxmmError as error:
        assert str(path) in str(error)
