import dataclasses
import io
import json
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmm.data.captions import read_captions
from jaxmm.data.folder import read_motion_array, read_motion_folder, write_motion_folder
from jaxmm.data.motion import Skeleton
from jaxmm.errors import DataError

ROW = {"key": "walk", "text": "a person walks", "fps": 20}
JOINTS = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)
SKELETON = {"joint_names": ["Hips", "Head"], "parents": [-1, 0]}


def build(root, *, rows=(ROW,), arrays=None, skeleton=SKELETON, archive=None):
    """Writes a folder with one file a motion, or with one archive."""
    root.mkdir(exist_ok=True)
    lines = rows if isinstance(rows, str) else "\n".join(json.dumps(row) for row in rows)
    (root / "captions.jsonl").write_text(lines, encoding="utf-8")
    if archive is not None:
        np.savez(root / "motions.npz", allow_pickle=True, **archive)
    else:
        np.save(root / "walk.npy", JOINTS) if arrays is None else np.savez(root / "walk.npz", **arrays)
    if skeleton is not None:
        (root / "skeleton.json").write_text(skeleton if isinstance(skeleton, str) else json.dumps(skeleton))
    return root


def read(root):
    return list(read_motion_folder(root))


def npy(header, body=bytes(12), version=(1, 0)):
    """An array file with a header of our own."""
    text = header if isinstance(header, bytes) else header.encode()
    return b"\x93NUMPY" + bytes(version) + len(text).to_bytes(2 if version[0] == 1 else 4, "little") + text + body


def header(shape="(1, 1, 3)", descr="'<f4'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


# Reading what is well-formed


def test_a_written_folder_is_read_back_equal(motions, tmp_path):
    assert write_motion_folder(motions, tmp_path / "new" / "folder") == len(motions)
    back = read(tmp_path / "new" / "folder")
    for ours, theirs in zip(motions, back, strict=True):
        np.testing.assert_array_equal(ours.positions, theirs.positions)
        for name in ("key", "fps", "skeleton", "captions", "tags"):
            assert getattr(ours, name) == getattr(theirs, name)


def test_each_layout_gives_the_same_motion(tmp_path):
    root = np.ones((4, 3), np.float32)
    names = {"joint_names": np.array(["Hips", "Head"]), "parents": np.array([-1, 0])}
    layouts = (
        build(tmp_path / "a", arrays={"joints": JOINTS, "root": root}),
        build(tmp_path / "b", archive={"walk/joints": JOINTS, "walk/root": root, **names}, skeleton=None),
        build(tmp_path / "c", archive={"walk/joints": JOINTS + root[:, None]}),
    )
    for (motion,) in map(read, layouts):
        np.testing.assert_allclose(motion.positions, JOINTS + 1, rtol=1e-6)
        assert motion.skeleton == Skeleton(joint_names=("Hips", "Head"), parents=(-1, 0))
        assert (motion.key, motion.fps, motion.captions) == ("walk", 20.0, ("a person walks",))


def test_several_captions_tags_and_their_order_are_kept(tmp_path):
    rows = [
        {"key": "b/two", "texts": ["first", "second"], "fps": 30.5, "style": "old", "age": 7},
        {"key": "a", "text": "third", "fps": 10},
    ]
    archive = {f"{row['key']}/joints": JOINTS for row in rows}
    two, one = read(build(tmp_path, rows=rows, archive=archive))
    assert (two.key, two.captions, two.fps, two.tags) == ("b/two", ("first", "second"), 30.5, {"style": "old"})
    assert (one.key, one.captions) == ("a", ("third",))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8"])
def test_any_float_type_and_memory_order_is_read(dtype, tmp_path):
    np.save(tmp_path / "walk.npy", np.asfortranarray(JOINTS.astype(dtype)))
    (tmp_path / "walk.npy").rename(tmp_path / "WALK.NPY")
    np.testing.assert_allclose(read_motion_array(tmp_path / "WALK.NPY"), JOINTS, atol=2e-3)


def test_blank_lines_and_separators_within_a_caption_do_not_end_a_row(tmp_path):
    text = "over\u2028two\u0085lines"
    rows = "\n" + json.dumps({**ROW, "text": text}, ensure_ascii=False) + "\n \n"
    assert read(build(tmp_path, rows=rows))[0].captions == (text,)


# What captions.jsonl may do wrong


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("{", r"captions.jsonl:1: not JSON"),
        (
            '{"key": "walk", "text": "a", "fps": 1}\nnull',
            r'captions.jsonl:2: no "key"; write {"key": "walk"',
        ),
        ("[" * 100_000, r"captions.jsonl:1: not JSON"),
        ("[]", r'captions.jsonl:1: no "key"'),
        ('{"key": 3}', r'captions.jsonl:1: no "key"'),
        ('{"key": "walk"}', r'captions.jsonl:1: give either "text" or a list "texts" for .walk.'),
        ('{"key": "walk", "texts": []}', ":1: give either"),
        ('{"key": "walk", "texts": "a"}', ":1: give either"),
        ('{"key": "walk", "texts": ["a", " "]}', ":1: a caption of 'walk' is empty or not text"),
        ('{"key": "walk", "text": null}', ":1: a caption of 'walk' is empty or not text"),
        ("\n \n", r"captions.jsonl: no rows; write {.* for each motion"),
        (
            '{"key": "a", "text": "b"}\n\n{"key": "a", "text": "c"}',
            r":3: 'a' was described on line 1; merge",
        ),
    ],
)
def test_captions_that_are_malformed_are_refused_with_their_line(rows, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read_captions(build(tmp_path, rows=rows) / "captions.jsonl", name_field="key")


def test_absent_or_binary_captions_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"captions.jsonl: cannot be read \(No such file"):
        read(tmp_path)
    (tmp_path / "captions.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"captions.jsonl:1: not UTF-8 text"):
        read(tmp_path)


@pytest.mark.parametrize(
    "fps", ["null", '"20"', "true", "[20]", "0", "-5", "NaN", "Infinity", "1e999", "1" + "0" * 400]
)
def test_a_frame_rate_that_is_none_is_refused(fps, tmp_path):
    rows = f'{{"key": "walk", "text": "a", "fps": {fps}}}'
    with pytest.raises(DataError, match=r"walk.*fps"):
        read(build(tmp_path, rows=rows))


@pytest.mark.parametrize("key", ["../walk", "/etc/passwd", "a/../../walk"])
def test_keys_do_not_leave_the_folder(key, tmp_path):
    np.save(tmp_path / "walk.npy", JOINTS)
    root = build(tmp_path / "inner", rows=[{**ROW, "key": key}])
    with pytest.raises(DataError, match=rf"captions.jsonl:1: the key '{key}' leaves the folder; keys are paths"):
        read(root)


@pytest.mark.parametrize(
    "key", ["run", "a\0b", "", "k" * 300, "d/" * 3000], ids=["other", "nul", "empty", "long", "deep"]
)
def test_a_motion_without_its_file_is_refused(key, tmp_path):
    with pytest.raises(DataError, match=r"has neither .*npy nor .*npz; add the motion or drop its caption"):
        read(build(tmp_path, rows=[{**ROW, "key": key}]))


def test_a_motion_that_the_archive_lacks_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"motions.npz: no array walk/joints, which .*captions.jsonl:1 names; add it or drop"
    ):
        read(build(tmp_path, archive={"run/joints": JOINTS}))


# What arrays may do wrong


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"joints": JOINTS[0]}, r"walk.npz: joints are float32 of shape \(2, 3\); expected floats \(time, joints, 3\)"),
        ({"joints": JOINTS.astype(int)}, r"joints are int64 of shape \(4, 2, 3\); expected floats"),
        ({"joints": JOINTS.astype(complex)}, r"joints are complex128"),
        ({"joints": JOINTS.astype(str)}, r"joints are <U32"),
        ({"joints": JOINTS, "root": JOINTS[:3, 0]}, r"walk.npz: root has shape \(3, 3\); expected \(4, 3\) floats"),
        ({"joints": JOINTS, "root": np.zeros((4, 3), int)}, r"root has shape \(4, 3\); expected \(4, 3\) floats"),
        ({"positions": JOINTS}, r"walk.npz: no array named joints; save it as np.savez\(path, joints=...\)"),
        ({"joints": JOINTS[:0]}, r"walk: positions have shape \(0, 2, 3\); expected \(time >= 1, 2, 3\)"),
        ({"joints": JOINTS[:, :1]}, r"walk: positions have shape \(4, 1, 3\); expected \(time >= 1, 2, 3\)"),
        ({"joints": JOINTS[..., :2]}, r"walk.*shape \(4, 2, 2\)"),
        ({"joints": np.where(JOINTS[2, 1, 0] == JOINTS, np.nan, JOINTS)}, r"walk: frame 2 holds a value .* not finite"),
        (
            {"joints": JOINTS, "root": np.full((4, 3), np.inf)},
            r"walk: frame 0 holds a value that is not finite; repair",
        ),
        ({"joints": JOINTS.astype(np.float64) * 1e300}, r"walk: frame 0 holds a value that is not finite"),
    ],
)
def test_arrays_that_are_no_motion_are_refused(arrays, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(build(tmp_path, arrays=arrays))


def test_python_objects_are_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("an object of the file was unpickled",))

    objects = np.array([Bomb()], object)
    for root in (build(tmp_path / "a", archive={"walk/joints": objects}), build(tmp_path / "b")):
        np.save(root / "walk.npy", objects, allow_pickle=True)
        with pytest.raises(DataError, match=r"walk.*: holds Python objects, which are not read; save numbers"):
            read(root)


TERABYTES = header("(1000000000000, 1, 3)")
HEADERS = {
    "terabytes": (TERABYTES, r"announces 12000000000000 bytes but holds \d+, .*; the file is damaged"),
    "more than there is": (header("(2, 1, 3)"), "ends after 12 of 24 bytes; the file is damaged"),
    "negative": (header("(-1, 1, 3)"), "damaged|not a NumPy array"),
    "zero times negative": (header("(0, -1, 3)"), "not a NumPy array|damaged"),
    "zero times much": (header("(0, 99999999999999999999, 3)"), "not a NumPy array|damaged"),
    "many axes": (header(str((1,) * 70)), "not a NumPy array|damaged"),
    "true": (header("(True, 1, 3)"), "not a NumPy array|damaged"),
    "no width": (header(descr="'|S0'"), "not a NumPy array|damaged"),
    "no fields": (header(descr="[]"), "not a NumPy array|damaged"),
    "no type": (header(descr="()"), "not a NumPy array"),
    "unhashable": ("{[]: 1}", "not a NumPy array"),
    "mixed keys": ("{1: 2, 'a': 3}", "not a NumPy array"),
    "open bracket": (header()[:-2], "not a NumPy array"),
    "code": ("__import__('os').system('true')", "not a NumPy array"),
    "deep": ("-" * 9000 + "1", "not a NumPy array"),
    "no dictionary": ("3", "not a NumPy array"),
    "empty": ("", "not a NumPy array"),
}


@pytest.mark.parametrize("inside", ["npy", "npz"])
@pytest.mark.parametrize("name", HEADERS)
def test_hostile_headers_are_refused(name, inside, tmp_path):
    text, message = HEADERS[name]
    content = npy(text)
    if inside == "npz":
        with zipfile.ZipFile(tmp_path / "walk.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("joints.npy", content)
    else:
        (tmp_path / "walk.npy").write_bytes(content)
    with pytest.raises(DataError, match=rf"walk.{inside}.*: .*({message})"):
        read_motion_array(tmp_path / f"walk.{inside}")


def test_a_small_archive_that_inflates_beyond_the_bound_is_refused_before_inflating(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxmm.arrays.MAX_ARRAY_BYTES", 1_000_000)
    with zipfile.ZipFile(tmp_path / "walk.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("joints.npy", npy(header("(500000, 1, 3)"), bytes(6_000_000)))
    assert (tmp_path / "walk.npz").stat().st_size < 20_000
    with pytest.raises(DataError, match=r"announces 6000000 bytes but holds 60000.., of at most 1000000"):
        read_motion_array(tmp_path / "walk.npz")


def test_no_file_no_archive_and_no_array_are_refused(tmp_path):
    for name, message in (("walk.npy", "no such file"), ("walk.npz", "no such file")):
        with pytest.raises(DataError, match=rf"{name}: {message}"):
            read_motion_array(tmp_path / name)
    for content in (b"", b"PK\x03\x04 and no more", b"\x93NUMPY"):
        (tmp_path / "walk.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"walk.npz: not a readable npz archive"):
            read_motion_array(tmp_path / "walk.npz")
        (tmp_path / "walk.npy").write_bytes(content)
        with pytest.raises(DataError, match=r"walk.npy: not a NumPy array"):
            read_motion_array(tmp_path / "walk.npy")


# What skeletons may do wrong


@pytest.mark.parametrize(
    ("skeleton", "message"),
    [
        (None, r"skeleton.json: cannot be read .*; write .*joint_names.* there, or those arrays into motions.npz"),
        ("{", r"skeleton.json: cannot be read"),
        ("[]", r"skeleton.json: cannot be read"),
        ("[" * 100_000, r"skeleton.json: cannot be read"),
        ({"joint_names": ["Hips"]}, r"skeleton.json: cannot be read .*parents"),
        ({"joint_names": 3, "parents": [-1]}, r"skeleton.json: cannot be read"),
        ({"joint_names": [1, 2], "parents": [-1, 0]}, r"skeleton.json: "),
        ({"joint_names": "HE", "parents": [-1, 0]}, r"skeleton.json: "),
        ({"joint_names": ["Hips", "Head"], "parents": [-1, 0.0]}, r"skeleton.json: "),
        ({"joint_names": ["Hips", "Head"], "parents": [-1]}, "2 joint names but 1 parents"),
        ({"joint_names": ["Hips", "Hips"], "parents": [-1, 0]}, "joint names repeat: Hips; rename them"),
        ({"joint_names": ["Hips", "Head"], "parents": [-1, 1]}, r"joint 1 \(Head\) has parent 1; the root comes first"),
    ],
)
def test_skeletons_that_are_malformed_are_refused(skeleton, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(build(tmp_path, skeleton=skeleton))


@pytest.mark.parametrize(
    "names",
    [
        {"joint_names": np.array([1, 2]), "parents": np.array([-1, 0])},
        {"joint_names": np.array(["a", "b"]), "parents": np.array([-1.0, 0])},
        {"joint_names": np.array([["a", "b"]]), "parents": np.array([-1, 0])},
    ],
)
def test_skeleton_arrays_of_another_type_are_refused(names, tmp_path):
    with pytest.raises(DataError, match=r"motions.npz: joint_names must be a list of text and parents of integers"):
        read(build(tmp_path, archive={"walk/joints": JOINTS, **names}, skeleton=None))


# Whatever the bytes


def valid_files():
    """A folder's files by name: the array as .npy, as archive and as compressed archive, and the captions."""
    stored, packed, plain = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(stored, joints=JOINTS, root=JOINTS[:, 0])
    np.savez_compressed(packed, joints=JOINTS, root=JOINTS[:, 0])
    np.save(plain, JOINTS)
    return {
        "walk.npy": plain.getvalue(),
        "stored/walk.npz": stored.getvalue(),
        "compressed/walk.npz": packed.getvalue(),
        "captions.jsonl": (json.dumps(ROW) + "\n").encode() * 2,
        "skeleton.json": json.dumps(SKELETON).encode(),
    }


FILES = valid_files()


@st.composite
def mutations(draw, name):
    """The bytes of a valid file with some of them changed, removed or inserted."""
    content = bytearray(FILES[name])
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content) - 1))
        kind = draw(st.sampled_from(["flip", "set", "cut", "insert"]))
        if kind == "flip":
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set":
            content[place] = draw(st.integers(0, 255))
        elif kind == "cut" and len(content) > 20:
            del content[place : place + draw(st.integers(1, 9))]
        else:
            content[place:place] = draw(st.binary(min_size=1, max_size=4))
    return bytes(content)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused_and_nothing_else(name, data):
    content = data.draw(mutations(name))
    root = Path(tempfile.mkdtemp())
    try:
        build(root)
        if name.endswith(".npz"):
            (root / "walk.npy").unlink()
        (root / Path(name).name).write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for motion in read_motion_folder(root):
                assert np.isfinite(motion.positions).all()
    except DataError as error:
        assert str(error)
    finally:
        shutil.rmtree(root)


# Writing


def test_a_folder_that_holds_motions_is_not_overwritten(motions, tmp_path):
    write_motion_folder(motions[:1], tmp_path)
    with pytest.raises(DataError, match="holds motions already; choose another folder"):
        write_motion_folder(motions, tmp_path)
    assert len(read(tmp_path)) == 1


def test_nothing_to_write_and_mixed_skeletons_are_refused(motions, tmp_path):
    with pytest.raises(DataError, match="there is no motion to write; choose a split that holds some"):
        write_motion_folder([], tmp_path)
    (other,) = read(build(tmp_path / "other"))
    with pytest.raises(DataError, match="walk: has another skeleton than the motions before it; keep one a folder"):
        write_motion_folder([motions[0], other], tmp_path / "mixed")
    assert not (tmp_path / "mixed" / "captions.jsonl").exists()


@pytest.mark.parametrize("name", ["key", "text", "texts", "fps"])
def test_a_tag_that_would_be_read_as_something_else_is_not_written(name, motions, tmp_path):
    tagged = dataclasses.replace(motions[0], tags={name: "a"})
    with pytest.raises(DataError, match=f"has the tag '{name}', which is a field of captions.jsonl; rename the tag"):
        write_motion_folder([tagged], tmp_path)
    assert not (tmp_path / "captions.jsonl").exists()


def test_a_key_as_long_as_a_file_is_quoted_in_part(tmp_path):
    with pytest.raises(DataError, match="has neither kkk") as error:
        read(build(tmp_path, rows=[{**ROW, "key": "k" * 100_000}]))
    assert len(str(error.value)) < 1000
