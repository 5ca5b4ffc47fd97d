import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.folder import list_sign_folder, read_sign_folder, write_sign_folder
from jaxmm.errors import DataError

FRAMES = np.random.default_rng(0).normal(size=(4, 540)).astype(np.float32)
HEADER = "feature_path,sentence_text,sentence_gloss\n"


def build(root, table, **arrays):
    """Writes a folder with `a.npy` and a table."""
    root.mkdir(exist_ok=True)
    (root / "metadata.csv").write_text(table, encoding="utf-8")
    for name, array in (arrays or {"a": FRAMES}).items():
        np.save(root / f"{name}.npy", array, allow_pickle=True)
    return root


def clip(key="a", frames=FRAMES, **fields):
    return SignClip(**{"key": key, "frames": frames, "fps": 25.0, "gloss": "HELLO", **fields})


# Reading


def test_a_folder_of_the_seed_is_read(tmp_path):
    """The seed's columns, an index that pandas wrote, and a sentence of several lines."""
    table = ',feature_path,sentence,sentence_gloss\n0,sub/a.npy,"Hello,\nyou ""there""",HELLO YOU\n1,b.npy,Bye.,\n'
    (tmp_path / "sub").mkdir()
    build(tmp_path, table, **{"sub/a": FRAMES.astype(np.float64), "b": FRAMES.astype(np.float16)})
    first, second = read_sign_folder(tmp_path, fps=30.0)
    assert (first.key, first.sentence, first.gloss) == ("sub/a", 'Hello,\nyou "there"', "HELLO YOU")
    assert (second.key, second.sentence, second.gloss, second.fps, second.tags) == ("b", "Bye.", None, 30.0, {})
    np.testing.assert_array_equal(first.frames, FRAMES)
    assert second.frames.dtype == np.float32


@pytest.mark.parametrize("cell", ["", " ", "NaN", "nan"])
def test_a_gloss_that_is_not_there_is_missing(tmp_path, cell):
    """D10."""
    (only,) = read_sign_folder(build(tmp_path, f"{HEADER}a.npy,Hello.,{cell}\n"))
    assert only.gloss is None


def test_a_sign_whose_name_looks_missing_is_a_sign(tmp_path):
    (only,) = read_sign_folder(build(tmp_path, f"{HEADER}a.npy,There is none.,NONE\n"))
    assert only.gloss == "NONE"


def test_further_columns_are_signer_frame_rate_and_tags(tmp_path):
    table = "feature_path,gloss,signer,fps,split,hand\na.npy,HELLO,ann,29.97,val,\n"
    (only,) = read_sign_folder(build(tmp_path, table))
    assert (only.signer, only.fps, dict(only.tags)) == ("ann", 29.97, {"split": "val"})


def test_nothing_is_read_before_it_is_asked_for_and_other_files_are_named(tmp_path):
    build(tmp_path, f"{HEADER}a.npy,Hello.,\nabsent.npy,Bye.,\n", a=FRAMES, other=FRAMES)
    inventory = list_sign_folder(tmp_path)
    assert [recording.key for recording in inventory.recordings] == ["a", "absent"]
    assert (inventory.problems, inventory.undescribed) == ((), ("other.npy",))
    clips = inventory.items()
    assert next(clips).key == "a"
    with pytest.raises(
        DataError, match=r"metadata\.csv:3: no file 'absent\.npy' in .*; add the file or remove the row"
    ):
        next(clips)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", ":1: columns are ''; give feature_path, and sentence_text or sentence_gloss or both"),
        ("feature_path,text\na.npy,x\n", ":1: columns are 'feature_path, text'; give feature_path"),
        ("feature_path,gloss,gloss\na.npy,A,A\n", ":1: column 'gloss' repeats"),
        ("feature_path,sentence,sentence_text\na.npy,A,A\n", ":1: has columns sentence_text and sentence"),
        (HEADER, ": has a header and no rows"),
        (f"{HEADER}a.npy,A\n", ":2: has 2 cells under 3 columns"),
        (f"{HEADER}a.npy,A,B\n\na.npy,A,B\n", r":4: 'a\.npy' was named on line 2"),
        (f"{HEADER}a.npy,A,B\n./a.npy,A,B\n", r":3: 'a\.npy' was named on line 2"),
        (f"{HEADER}a.npy,nan,\n", ":2: sentence and gloss of 'a.npy' are both missing"),
        (f"{HEADER}../a.npy,A,B\n", r":2: feature_path is '\.\./a\.npy'; give a path below the folder"),
        (f"{HEADER}/etc/a.npy,A,B\n", ":2: feature_path is '/etc/a.npy'; give a path below"),
        (f"{HEADER},A,B\n", ":2: feature_path is ''"),
        (f"{HEADER}a.txt,A,B\n", r":2: feature_path is 'a\.txt'; name a file that ends in \.npy"),
        ("feature_path,gloss,fps\na.npy,A,0\n", ":2: fps is '0'; give frames a second"),
        ("feature_path,gloss,fps\na.npy,A,1_0\n", ":2: fps is '1_0'"),
        (f'{HEADER}a.npy,"A,B\n', ":2: not a CSV table"),
        (f"{HEADER}a.npy,{'A' * 200_000},B\n", ":2: not a CSV table .*field larger"),
    ],
)
def test_what_is_wrong_with_the_table_is_named_by_line(table, message, tmp_path):
    with pytest.raises(DataError, match=f"metadata\\.csv{message}"):
        read_sign_folder(build(tmp_path, table))


def test_every_wrong_row_is_listed(tmp_path):
    inventory = list_sign_folder(build(tmp_path, f"{HEADER}a.npy,A\na.npy,,\na.npy,A,B\n"))
    assert len(inventory.problems) == 2
    assert len(inventory.recordings) == 1


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (FRAMES[:, :3], r"metadata\.csv:2: a: frames have shape \(4, 3\)"),
        (FRAMES[None], r"a\.npy: holds float32 of shape \(1, 4, 540\); expected floats \(time, 540\)"),
        (FRAMES.astype(np.int32), r"a\.npy: holds int32"),
        (FRAMES * np.nan, r"metadata\.csv:2: a: frame 0 holds a value that is not finite"),
        (np.full((1, 540), 1e300), "not finite"),
        (np.array([{}]), r"a\.npy: holds Python objects"),
    ],
)
def test_features_of_another_kind_are_refused(array, message, tmp_path):
    with pytest.raises(DataError, match=message):
        list(read_sign_folder(build(tmp_path, f"{HEADER}a.npy,A,B\n", a=array)))


def test_an_array_that_announces_terabytes_is_not_allocated(tmp_path):
    build(tmp_path, f"{HEADER}a.npy,A,B\n")
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2147483648, 540)}"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(99))
    tracemalloc.start()
    with pytest.raises(DataError, match="announces"):
        list(read_sign_folder(tmp_path))
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


# Writing

TEXT = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda text: text.strip() not in ("", "nan", "NaN")
)


@settings(max_examples=40)
@given(
    sentence=st.none() | TEXT,
    gloss=TEXT,
    signer=st.just("") | TEXT,
    tags=st.dictionaries(st.sampled_from(["split", "hand", "a,b"]), TEXT),
    fps=st.floats(0.1, 1000),
)
def test_what_was_written_is_read_back(sentence, gloss, signer, tags, fps, tmp_path_factory):
    root = tmp_path_factory.mktemp("signs") / "new"
    clips = [clip("deep/a.b", sentence=sentence, gloss=gloss, signer=signer, tags=tags, fps=fps), clip("c")]
    assert write_sign_folder(clips, root) == 2
    for ours, theirs in zip(clips, read_sign_folder(root), strict=True):
        np.testing.assert_array_equal(ours.frames, theirs.frames)
        for name in ("key", "fps", "gloss", "sentence", "signer", "tags"):
            assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ([], "there is no recording to write"),
        ([clip(), clip()], "a: two recordings have this key"),
        ([clip("../a")], "no path below a folder"),
        ([clip("/a")], "no path below a folder"),
        ([clip("")], "no path below a folder"),
        ([clip(tags={"fps": "9"})], "the tag 'fps' cannot name a column"),
        ([clip(gloss="nan")], "sentence_gloss is 'nan', which a table cannot hold"),
        ([clip(tags={"split": "\ud800"})], "split is .* which a table cannot hold"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(clips, message, tmp_path):
    with pytest.raises(DataError, match=message):
        write_sign_folder(clips, tmp_path)
    assert not (tmp_path / "metadata.csv").exists()


def test_recordings_are_not_written_over(tmp_path):
    write_sign_folder([clip()], tmp_path)
    with pytest.raises(DataError, match="holds recordings already; choose another folder"):
        write_sign_folder([clip()], tmp_path)
