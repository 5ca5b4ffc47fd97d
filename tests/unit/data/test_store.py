import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import jaxmm.data.store
from jaxmm.data.store import open_stored, store
from jaxmm.errors import DataError

CLIPS = [
    ("a", np.arange(12, dtype=np.float32).reshape(2, 2, 3), {"captions": ["one"]}),
    ("deep/前", -np.ones((3, 2, 3), np.float32), {}),
]


def frame_shape(about):
    return about["shape"]


@pytest.fixture
def written(tmp_path):
    store(CLIPS, tmp_path / "new" / "stored", fps=10.0, about=lambda: {"shape": [2, 3]})
    return tmp_path / "new" / "stored"


def change_meta(folder, change):
    meta = json.loads((folder / "meta.json").read_text())
    change(meta)
    (folder / "meta.json").write_text(json.dumps(meta))


@settings(max_examples=40)
@given(
    shape=st.lists(st.integers(1, 4), max_size=3),
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    draw=st.data(),
)
def test_frames_of_any_shape_are_kept(shape, lengths, draw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "stored"
    floats = st.floats(width=32, allow_nan=False)
    frames = [draw.draw(hnp.arrays(np.float32, (length, *shape), elements=floats)) for length in lengths]
    store(((str(key), own, {}) for key, own in enumerate(frames)), folder, fps=2, about=lambda: {"shape": shape})
    stored = open_stored(folder, shape=frame_shape)
    assert len(stored) == len(frames)
    for place, own in enumerate(frames):
        np.testing.assert_array_equal(stored.clip(place), own)


def test_keys_notes_rate_and_what_is_said_of_all_are_kept(written):
    stored = open_stored(written, shape=frame_shape)
    assert stored.keys == ("a", "deep/前")
    assert stored.notes == ({"captions": ["one"]}, {})
    assert (stored.fps, stored.about, stored.offsets.tolist()) == (10.0, {"shape": [2, 3]}, [0, 2, 5])


def test_a_digest_tells_clips_apart_by_their_frames_alone(tmp_path):
    other = CLIPS[0][1] + np.float32(1e-6)
    clips = [("a", CLIPS[0][1], {}), ("b", CLIPS[0][1], {"note": 1}), ("c", other, {})]
    store(clips, tmp_path / "stored", fps=1.0, about=dict)
    first, same, changed = open_stored(tmp_path / "stored", shape=lambda about: (2, 3)).digests
    assert first == same != changed


def test_frames_that_do_not_lie_together_in_memory_are_stored_in_order(tmp_path):
    turned = np.asfortranarray(CLIPS[0][1])[::-1]
    store([("a", turned, {})], tmp_path / "stored", fps=1.0, about=dict)
    np.testing.assert_array_equal(open_stored(tmp_path / "stored", shape=lambda about: (2, 3)).clip(0), turned)


def test_what_is_said_of_all_is_asked_after_the_last_clip(tmp_path):
    seen = []

    def clips():
        for clip in CLIPS:
            seen.append(clip[0])
            yield clip

    store(clips(), tmp_path / "stored", fps=1.0, about=lambda: {"shape": [2, 3], "seen": list(seen)})
    assert open_stored(tmp_path / "stored", shape=frame_shape).about["seen"] == ["a", "deep/前"]


def test_another_writer_that_finishes_first_wins_and_nothing_is_left_over(tmp_path):
    folder = tmp_path / "stored"

    def slow():
        yield CLIPS[0]
        store(CLIPS[1:], folder, fps=10.0, about=lambda: {"shape": [2, 3]})
        yield CLIPS[1]

    store(slow(), folder, fps=10.0, about=lambda: {"shape": [2, 3]})
    assert open_stored(folder, shape=frame_shape).keys == ("deep/前",)
    assert [entry.name for entry in tmp_path.iterdir()] == ["stored"]


@pytest.mark.parametrize(
    ("clips", "message"),
    [([], "the source holds no recording"), ([CLIPS[0], CLIPS[0]], "a: the key repeats; give every recording its own")],
)
def test_no_clip_or_a_repeated_key_leaves_nothing_behind(clips, message, tmp_path):
    with pytest.raises(DataError, match=message):
        store(clips, tmp_path / "stored", fps=1.0, about=dict)
    assert list(tmp_path.iterdir()) == []


def test_more_than_could_be_opened_again_is_not_stored(tmp_path, monkeypatch):
    clips = [(str(key), np.zeros((1, 3), np.float32), {"text": "前" * 10}) for key in range(9)]
    monkeypatch.setattr(jaxmm.data.store, "_MAX_META_BYTES", 1000)
    store(clips[:5], tmp_path / "few", fps=1.0, about=lambda: {"shape": [3]})
    assert len(open_stored(tmp_path / "few", shape=frame_shape)) == 5
    with pytest.raises(DataError, match="9 clips and their texts take more than 1000 bytes; split the source"):
        store(clips, tmp_path / "many", fps=1.0, about=lambda: {"shape": [3]})
    assert [entry.name for entry in tmp_path.iterdir()] == ["few"]


def test_a_failure_after_the_last_clip_leaves_nothing_behind(tmp_path):
    with pytest.raises(IndexError):
        store(CLIPS, tmp_path / "stored", fps=1.0, about=lambda: [{}][1])
    assert list(tmp_path.iterdir()) == []


# Damage


@pytest.mark.parametrize("num_bytes", [0, 1, 4, 24, 116, 119, 121, 124, 240])
def test_frames_that_were_cut_or_grew_are_refused(num_bytes, written):
    content = (written / "frames.f32").read_bytes()
    (written / "frames.f32").write_bytes((content + content)[:num_bytes])
    with pytest.raises(DataError, match=r"stored: .*; delete the folder to have it packed anew"):
        open_stored(written, shape=frame_shape)


@pytest.mark.parametrize("name", ["frames.f32", "meta.json"])
def test_a_missing_file_is_refused(name, written):
    (written / name).unlink()
    with pytest.raises(DataError, match=r"stored: not a packed data set .*; delete the folder to have it packed anew"):
        open_stored(written, shape=frame_shape)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def put(meta, place, value):
    *path, last = place
    for name in path:
        meta = meta[name]
    meta[last] = value


@settings(max_examples=150)
@given(
    place=st.sampled_from(
        [("fps",), ("about",), ("clips",), ("about", "shape"), ("clips", "a")]
        + [("clips", "a", name) for name in ("num_frames", "digest", "note")]
    ),
    value=ANYTHING,
)
def test_any_value_in_any_field_of_the_description_is_read_or_refused(place, value, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "stored"
    store(CLIPS, folder, fps=10.0, about=lambda: {"shape": [2, 3]})
    change_meta(folder, lambda meta: put(meta, place, value))
    try:
        stored = open_stored(folder, shape=frame_shape)
    except DataError as error:
        assert str(folder) in str(error)
        assert "delete the folder" in str(error)
    else:
        assert len(stored) == 2
        assert all(len(stored.clip(index)) for index in range(2))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("fps",), 0),
        (("fps",), -1.0),
        (("fps",), float("nan")),
        (("fps",), 1e9),
        (("fps",), True),
        (("fps",), "10"),
        (("about",), [2, 3]),
        (("about",), "shape"),
        (("about", "shape"), "23"),
        (("about", "shape"), [-2, -3]),
        (("about", "shape"), [2.0, 3.0]),
        (("about", "shape"), [2**39, 2**39, 2**39]),
        (("clips",), []),
        (("clips",), {}),
        (("clips", "a"), [2, "digest", {}]),
        (("clips", "a", "num_frames"), -2),
        (("clips", "a", "num_frames"), 2.0),
        (("clips", "a", "num_frames"), True),
        (("clips", "a", "num_frames"), 2**70),
        (("clips", "a", "digest"), 7),
        (("clips", "a", "note"), None),
    ],
)
def test_a_damaged_field_is_refused(place, value, written):
    change_meta(written, lambda meta: put(meta, place, value))
    with pytest.raises(DataError, match=r"stored: .*; delete the folder to have it packed anew"):
        open_stored(written, shape=frame_shape)


@pytest.mark.parametrize(
    "place", [("fps",), ("about",), ("clips",), *(("clips", "a", name) for name in ("num_frames", "digest", "note"))]
)
def test_a_missing_field_is_refused(place, written):
    def drop(meta):
        *path, last = place
        for name in path:
            meta = meta[name]
        del meta[last]

    change_meta(written, drop)
    with pytest.raises(DataError, match=r"stored: not a packed data set .*; delete the folder to have it packed anew"):
        open_stored(written, shape=frame_shape)


def test_counts_whose_product_wraps_around_to_the_right_size_are_refused(written):
    shape = [694428065361, 79691814]
    assert math.prod(shape) % 2**64 == 6  # the numbers of a frame, where integers have 64 bits
    change_meta(written, lambda meta: put(meta, ("about", "shape"), shape))
    with pytest.raises(DataError, match=r"frames.f32 was cut or changed"):
        open_stored(written, shape=frame_shape)
