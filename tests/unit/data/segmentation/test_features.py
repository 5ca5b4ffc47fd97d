import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxmm.data.segmentation import features
from jaxmm.data.segmentation.features import read_features, write_features
from jaxmm.errors import DataError, JaxmmError

FRAMES = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
SQUARE = FRAMES[:4]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file that every example writes anew."""
    return tmp_path_factory.mktemp("features") / "a.npy"


def saved(path, array):
    np.save(path, array, allow_pickle=True)
    return path


@pytest.mark.parametrize("which", [{"dim": 4}, {"num_frames": 9}, {"num_frames": 11, "tolerance": 2}])
@pytest.mark.parametrize("transposed", [False, True])
def test_either_axis_may_come_first(which, transposed, path):
    read = read_features(saved(path, FRAMES.T if transposed else FRAMES), **which)
    np.testing.assert_array_equal(read, FRAMES)
    assert read.flags.c_contiguous and read.dtype == np.float32


def test_as_many_features_as_frames_are_decided_by_the_configured_dimension(path):
    """D10."""
    saved(path, SQUARE.T)
    np.testing.assert_array_equal(read_features(path, dim=4), SQUARE)
    with pytest.raises(DataError, match=r"a\.npy: has shape \(4, 4\), both axes of which fit 4 labels; give dim"):
        read_features(path, num_frames=4)
    with pytest.raises(DataError, match=r"a\.npy: has shape \(4, 4\), of which either may be time; give dim, or ori"):
        read_features(path)


@pytest.mark.parametrize("which", [{"dim": 4}, {"num_frames": 4}, {}])
def test_an_orientation_that_is_given_decides(which, path):
    saved(path, SQUARE)
    np.testing.assert_array_equal(read_features(path, orientation="time_dim", **which), SQUARE)
    np.testing.assert_array_equal(read_features(path, orientation="dim_time", **which), SQUARE.T)


def test_nearly_as_many_features_as_frames_are_refused_within_the_tolerance(path):
    saved(path, FRAMES[:5])
    np.testing.assert_array_equal(read_features(path, num_frames=5), FRAMES[:5])
    with pytest.raises(DataError, match="both axes of which fit 5 labels; give dim"):
        read_features(path, num_frames=5, tolerance=1)


@pytest.mark.parametrize(
    ("array", "which", "message"),
    [
        (FRAMES, {"dim": 5}, "has shape (9, 4), neither axis of which is dim 5; correct dim or the file"),
        (FRAMES, {"num_frames": 7}, "has shape (9, 4), neither axis of which fits 7 labels; repair the labels or the"),
        (FRAMES, {"dim": 4, "orientation": "dim_time"}, "has 9 features a frame where 4 are configured; correct dim"),
        (FRAMES[None], {"dim": 4}, "holds float32 of shape (1, 9, 4); give floats (dim, time) or (time, dim)"),
        (FRAMES[:0], {"dim": 4}, "holds float32 of shape (0, 4)"),
        (FRAMES.astype(np.int64), {"dim": 4}, "holds int64"),
        (FRAMES.astype(complex), {"dim": 4}, "holds complex128"),
        (np.full((9, 4), 1e300), {"dim": 4}, "frame 0 holds a value that is not finite (9 such frames); repair it"),
        (np.array([{}]), {"dim": 4}, "holds Python objects"),
    ],
)
def test_other_arrays_are_refused(array, which, message, path):
    with pytest.raises(DataError, match=re.escape(f"a.npy: {message}")):
        read_features(saved(path, array), **which)


def test_a_value_that_is_not_finite_is_named_by_its_frame(path):
    broken = FRAMES.copy()
    broken[[2, 6], 1] = np.nan
    with pytest.raises(DataError, match=r"frame 2 holds a value that is not finite \(2 such frames\)"):
        read_features(saved(path, broken.T), dim=4)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_become_float32(dtype, path):
    read = read_features(saved(path, FRAMES.astype(dtype)), dim=4)
    np.testing.assert_array_equal(read, FRAMES.astype(dtype).astype(np.float32))


def test_no_more_is_read_than_a_video_takes(path, monkeypatch):
    monkeypatch.setattr(features, "MAX_FEATURE_BYTES", FRAMES.nbytes - 1)
    with pytest.raises(DataError, match=r"announces 144 bytes but holds .*, of at most 143"):
        read_features(saved(path, FRAMES), dim=4)


def test_an_array_that_announces_terabytes_is_not_allocated(path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 1099511627775)}"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(99))
    tracemalloc.start()
    with pytest.raises(DataError, match="announces"):
        read_features(path, dim=4)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@given(arrays(np.float32, (7, 3), elements=st.floats(-(2**99), 2**99, width=32)))
def test_features_are_read_as_they_were_written(path, frames):
    write_features(path, frames)
    assert np.load(path).shape == (3, 7)
    np.testing.assert_array_equal(read_features(path, dim=3), frames)


def test_features_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_features(tmp_path / "a.npy", FRAMES)

    def full(file, array, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space"):
        write_features(tmp_path / "a.npy", SQUARE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
    np.testing.assert_array_equal(read_features(tmp_path / "a.npy", dim=4), FRAMES)


@given(data=st.data())
def test_whatever_a_file_holds_is_read_or_refused(path, data):
    sound = saved(path, FRAMES).read_bytes()
    place = data.draw(st.integers(0, len(sound)))
    path.write_bytes(sound[:place] + data.draw(st.binary(max_size=8)) + sound[data.draw(st.integers(0, len(sound))) :])
    try:
        assert np.isfinite(read_features(path, dim=4)).all()
    except JaxmmError as error:
        assert str(path) in str(error)
