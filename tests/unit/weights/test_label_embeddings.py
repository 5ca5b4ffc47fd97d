"""Embeddings of labels in every format, and what is refused."""

import errno
import io
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from jaxmm.errors import WeightsError
from jaxmm.weights import label_embeddings
from jaxmm.weights.label_embeddings import read_label_embeddings, write_label_embeddings

from .torch_files import EMPTY_DICT, mapping, number, saved, several, tensor, text

VECTORS = {"cut_tomato": np.arange(4, dtype=np.float32), "add oil": np.ones(4, np.float32)}
SIX = tensor((6,), (1,))
LABELS = st.text(min_size=1, max_size=12).filter(lambda label: label.isprintable() and label.strip())


def write_raw(path, arrays):
    """Writes arrays of any kind, as other programs would."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file(arrays, path)


@pytest.fixture(params=["npz", "safetensors"])
def path(request, tmp_path):
    return tmp_path / f"labels.{request.param}"


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for label, vector in expected.items():
        assert found[label].dtype == np.float32
        np.testing.assert_array_equal(found[label], vector)


def test_what_is_written_is_read(path):
    write_label_embeddings(path, VECTORS)
    assert_equal(read_label_embeddings(path), VECTORS)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@given(labels=st.sets(LABELS, min_size=1, max_size=4), ending=st.sampled_from(["npz", "safetensors"]))
@settings(max_examples=40)
def test_any_label_is_kept(labels, ending, tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / f"labels.{ending}"
    expected = {label: np.float32([place, -1]) for place, label in enumerate(labels)}
    write_label_embeddings(path, expected)
    assert_equal(read_label_embeddings(path), expected)


@pytest.mark.parametrize("label", ["file", "args", "kwds", "a/b", "../a", "/a", "a.npy", "arr_0", "cut\\tomato", "Ω"])
def test_labels_that_mean_something_to_the_formats_are_kept(label, path):
    write_label_embeddings(path, {label: np.ones(2), "other": np.zeros(2)})
    assert_equal(read_label_embeddings(path), {label: np.ones(2), "other": np.zeros(2)})


def test_files_are_written_the_same_every_time(path):
    write_label_embeddings(path, VECTORS)
    first = path.read_bytes()
    write_label_embeddings(path, VECTORS)
    assert path.read_bytes() == first


def test_other_widths_of_floats_and_rows_become_float32(path):
    write_raw(path, {"a": np.ones(3, np.float64), "b": np.ones((1, 3), np.float16)})
    assert_equal(read_label_embeddings(path), {"a": np.ones(3), "b": np.ones(3)})


def test_bfloat16_becomes_float32(tmp_path):
    save_file({"a": np.array([1, -0.5, 3e38], jnp.bfloat16)}, tmp_path / "labels.safetensors")
    expected = np.array([1, -0.5, 3e38], jnp.bfloat16).astype(np.float32)
    assert_equal(read_label_embeddings(tmp_path / "labels.safetensors"), {"a": expected})


@pytest.mark.parametrize(
    "content", [mapping(a=SIX, b=SIX), mapping(embeddings=mapping(a=SIX, b=SIX), model=text("MiniLM"))]
)
@pytest.mark.parametrize("ending", ["pt", "pth"])
def test_torch_files_hold_the_mapping_or_name_it(content, ending, tmp_path):
    (tmp_path / f"labels.{ending}").write_bytes(saved(content))
    assert_equal(read_label_embeddings(tmp_path / f"labels.{ending}"), dict.fromkeys("ab", np.arange(6)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SIX, "holds a ndarray, not a dict; save"),
        (several(SIX, SIX), "holds a tuple, not a dict"),
        (EMPTY_DICT, "holds no embeddings"),
        (mapping(embeddings=EMPTY_DICT), "holds no embeddings"),
        (mapping(model=text("MiniLM"), a=SIX), "embedding of 'model' is str, not a tensor of floats"),
        (mapping(a=mapping(b=SIX)), "embedding of 'a' is dict, not a tensor"),
        (EMPTY_DICT + number(3) + SIX + b"s", "3 is no label; name vectors by the labels"),
        (mapping(**{" ": SIX}), "' ' is no label"),
    ],
)
def test_torch_files_of_anything_else_are_refused(content, message, tmp_path):
    (tmp_path / "labels.pt").write_bytes(saved(content))
    with pytest.raises(WeightsError, match=rf"labels\.pt: .*{message}"):
        read_label_embeddings(tmp_path / "labels.pt")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"a": np.ones(3), "b": np.ones(4)},
            "the embeddings of 'a' and 'b' have 3 and 4 numbers; compute all with one",
        ),
        ({"a": np.array([1.0, np.nan])}, "embedding of 'a' is not finite"),
        ({"a": np.array([1.0, -np.inf])}, "embedding of 'a' is not finite"),
        ({"a": np.array([1e300])}, "embedding of 'a' is not finite as float32"),
        ({"a": np.ones(3, np.int64)}, "embedding of 'a' is int64, not a tensor of floats"),
        ({"a": np.ones(3, bool)}, "embedding of 'a' is bool"),
        ({"a": np.ones((2, 3))}, r"embedding of 'a' has shape \(2, 3\), not \(dim,\)"),
        ({"a": np.ones((1, 1, 3))}, r"has shape \(1, 1, 3\)"),
        ({"a": np.array(3.0)}, r"has shape \(\)"),
        ({"a": np.ones(0)}, r"has shape \(0,\)"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(arrays, message, path):
    write_raw(path, arrays)
    with pytest.raises(WeightsError, match=rf"{path.name}: .*{message}"):
        read_label_embeddings(path)


@pytest.mark.parametrize(
    ("second", "message"),
    [([1.0], "have 2 and 1 numbers"), ([np.nan, 1], "'b' is not finite"), ([1e39, 1], "'b' is not finite as float32")],
)
def test_what_would_not_be_read_is_not_written(second, message, path):
    with pytest.raises(WeightsError, match=message):
        write_label_embeddings(path, {"a": np.ones(2), "b": np.array(second)})
    assert not path.exists()


def test_an_empty_file_is_refused(path):
    write_raw(path, {})
    with pytest.raises(WeightsError, match="holds no embeddings; it needs one vector a label"):
        read_label_embeddings(path)
    with pytest.raises(WeightsError, match="holds no embeddings; it needs one vector a label"):
        write_label_embeddings(path, {})


@pytest.mark.parametrize("label", ["", " ", "a\0b", "a\nb", "\ud800", "__metadata__", "a" * 70_000])
def test_what_is_no_label_is_not_written(label, path):
    with pytest.raises(WeightsError, match="is no label; name vectors by the labels of the mapping"):
        write_label_embeddings(path, {label: np.ones(2)})
    assert not path.exists()


def test_files_that_are_absent_damaged_or_of_another_format_are_refused(path):
    with pytest.raises(WeightsError, match=r"no such file; give the embeddings of labels, \.pt, \.pth, \.npz, "):
        read_label_embeddings(path)
    write_label_embeddings(path, VECTORS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WeightsError, match=rf"{path.name}: not .*readable"):
        read_label_embeddings(path)
    for ending in (".json", ""):
        with pytest.raises(
            WeightsError, match=rf"labels{ending}: ends in '{ending}'; .* are \.pt, \.pth, \.npz, \.saf"
        ):
            read_label_embeddings(path.with_suffix(ending))
    with pytest.raises(WeightsError, match=r"ends in '\.pt'; embeddings of labels are \.npz, \.safetensors"):
        write_label_embeddings(path.with_suffix(".pt"), VECTORS)


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "labels.npz", a=np.array([{}], object))
    with pytest.raises(WeightsError, match=r"labels.npz\[a.npy\]: holds Python objects, which are not read"):
        read_label_embeddings(tmp_path / "labels.npz")


def test_small_files_that_inflate_to_large_ones_are_refused(tmp_path):
    vector = io.BytesIO()
    np.save(vector, np.zeros(2**20, np.float32))
    with zipfile.ZipFile(tmp_path / "labels.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for place in range(17):
            archive.writestr(f"{place}.npy", vector.getvalue())
    with pytest.raises(
        WeightsError, match=r"labels.npz: holds 713.* bytes, more than 67108864; save one vector a label"
    ):
        read_label_embeddings(tmp_path / "labels.npz")


def test_large_files_are_refused(path, monkeypatch):
    write_label_embeddings(path, VECTORS)
    monkeypatch.setattr(label_embeddings, "MAX_BYTES", 100)
    with pytest.raises(WeightsError, match="bytes, more than 100; save one vector a label"):
        read_label_embeddings(path)


def test_a_file_is_written_whole_or_not_at_all(path, monkeypatch):
    write_label_embeddings(path, VECTORS)
    before = path.read_bytes()

    def full(building, vectors):
        building.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(label_embeddings._WRITERS, path.suffix, full)
    with pytest.raises(WeightsError, match=r"cannot be written \(.*No space left on device\); choose a folder"):
        write_label_embeddings(path, {"other": np.ones(3)})
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_folder_that_cannot_be_made_is_refused(path):
    path.parent.joinpath("file").write_text("")
    with pytest.raises(WeightsError, match="cannot be written"):
        write_label_embeddings(path.parent / "file" / path.name, VECTORS)
