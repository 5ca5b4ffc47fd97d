import logging

import numpy as np
import pytest

from jaxmm.data.video.cache import FeatureCache, content_digest
from jaxmm.errors import DataError

FEATURES = np.arange(24, dtype=np.float32).reshape(8, 3)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache("resnet 1", folder=tmp_path)


def never():
    raise AssertionError("the features are there")


def test_features_are_made_once_and_mapped(cache, tmp_path):
    made = cache.features("abc", lambda: FEATURES)
    again = FeatureCache("resnet 1", folder=tmp_path).features("abc", never)
    for found in (made, again):
        assert isinstance(found, np.memmap) and not found.flags.writeable
        np.testing.assert_array_equal(found, FEATURES)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_their_type_and_shape_are_kept(cache, dtype):
    features = np.ones((4, 7, 5), dtype)
    found = cache.features("abc", lambda: features)
    assert (found.dtype, found.shape) == (dtype, (4, 7, 5))


def test_another_extractor_or_content_has_features_of_its_own(cache, tmp_path):
    cache.features("abc", lambda: FEATURES)
    other = FeatureCache("resnet 2", folder=tmp_path).features("abc", lambda: FEATURES + 1)
    np.testing.assert_array_equal(other, FEATURES + 1)
    np.testing.assert_array_equal(cache.features("abd", lambda: FEATURES + 2), FEATURES + 2)
    np.testing.assert_array_equal(cache.features("abc", never), FEATURES)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-7],
        lambda content: b"",
        lambda content: bytes(len(content)),
        lambda content: b"x" * 500,
    ],
    ids=["cut", "empty", "zeros", "other"],
)
def test_a_damaged_entry_is_named_and_made_again(damage, cache, tmp_path, caplog):
    cache.features("abc", lambda: FEATURES)
    (path,) = tmp_path.rglob("*.npy")
    path.write_bytes(damage(path.read_bytes()))
    fresh = FeatureCache("resnet 1", folder=tmp_path)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(fresh.features("abc", lambda: FEATURES), FEATURES)
    assert f"{path}: damaged" in caplog.text
    caplog.clear()
    np.testing.assert_array_equal(FeatureCache("resnet 1", folder=tmp_path).features("abc", never), FEATURES)
    assert not caplog.text


def test_a_single_changed_bit_is_noticed(cache, tmp_path):
    cache.features("abc", lambda: FEATURES)
    (path,) = tmp_path.rglob("*.npy")
    content = bytearray(path.read_bytes())
    for place in range(0, len(content), 7):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        fresh = FeatureCache("resnet 1", folder=tmp_path)
        np.testing.assert_array_equal(fresh.features("abc", lambda: FEATURES + 1), FEATURES + 1)


def test_what_fails_leaves_nothing(cache, tmp_path):
    with pytest.raises(ZeroDivisionError):
        cache.features("abc", lambda: 1 / 0)
    assert not list(tmp_path.rglob("*.npy*"))


def test_what_is_no_feature_or_name_is_refused(cache):
    with pytest.raises(DataError, match=r"features of abc: int64 of shape \(3,\); expected floats \(frames, dim\)"):
        cache.features("abc", lambda: np.arange(3))
    for name in ("../abc", "", ".abc", "a b"):
        with pytest.raises(DataError, match="name a content by letters"):
            cache.features(name, never)


def test_the_content_of_a_file_is_not_its_name(tmp_path):
    for name, content in (("a.mp4", b"one"), ("b.mp4", b"one"), ("c.mp4", b"two")):
        (tmp_path / name).write_bytes(content)
    one, copy, other = (content_digest(tmp_path / name) for name in ("a.mp4", "b.mp4", "c.mp4"))
    assert one == copy != other
    with pytest.raises(DataError, match=r"none.mp4: cannot be read \(No such file or directory\)"):
        content_digest(tmp_path / "none.mp4")
