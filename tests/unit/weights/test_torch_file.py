"""What torch.save wrote is read, and whatever else a file holds is refused."""

import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaxmm.errors import WeightsError
from jaxmm.weights import torch_archive, torch_formats
from jaxmm.weights.torch_file import read_torch

from .hostile_torch_files import HOSTILE
from .malicious_pickles import MALICIOUS
from .torch_files import (
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    FALSE,
    NO_HOOKS,
    NONE,
    SIX,
    archive,
    call,
    large,
    mapping,
    number,
    numbers,
    old_tensor,
    row,
    saved,
    several,
    storage,
    symbol,
    tensor,
    text,
)

SIX_NUMBERS = np.arange(6, dtype=np.float32)
REBUILD = symbol("torch._utils", "_rebuild_tensor_v2")


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a file of the given bytes, in a folder where a payload would leave its mark."""
    monkeypatch.chdir(tmp_path)

    def read_bytes(content: bytes):
        (tmp_path / "saved.pt").write_bytes(content)
        return read_torch(tmp_path / "saved.pt")

    return read_bytes


def refused(read, content: bytes, message: str) -> None:
    """The error says what, where and what to do, and nothing was run."""
    with pytest.raises(WeightsError, match=message) as error:
        read(content)
    assert "saved.pt: " in str(error.value) and "; " in str(error.value) and len(str(error.value)) < 1000
    assert not Path("PWNED").exists()


def test_tensors_are_arrays_and_values_stay(read):
    found = read(saved(mapping(kernel=tensor(), steps=number(3), name=text("tcn"), nothing=NONE)))
    np.testing.assert_array_equal(found["kernel"], SIX_NUMBERS.reshape(2, 3))
    assert found["kernel"].dtype == np.float32
    assert {name: found[name] for name in ("steps", "name", "nothing")} == {"steps": 3, "name": "tcn", "nothing": None}


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "expected"),
    [
        ((), (), 4, 4.0),
        ((6,), (1,), 0, [0, 1, 2, 3, 4, 5]),
        ((3, 2), (1, 3), 0, [[0, 3], [1, 4], [2, 5]]),
        ((2,), (2,), 3, [3, 5]),
        ((1, 2), (10**9, 1), 1, [[1, 2]]),
        ((2, 2), (1, 1), 0, [[0, 1], [1, 2]]),
        ((0,), (1,), 0, []),
        ((2, 0), (1, 1), 6, [[], []]),
        ((0,), (1,), 10**9, []),
    ],
)
def test_strides_and_offsets_are_followed(shape, strides, offset, expected, read):
    found = read(saved(tensor(shape, strides, offset)))
    assert found.shape == shape
    assert found.tolist() == expected


def test_parameters_are_arrays(read):
    found = read(saved(call("torch._utils", "_rebuild_parameter", tensor(), b"\x88", NO_HOOKS)))
    np.testing.assert_array_equal(found, SIX_NUMBERS.reshape(2, 3))


def test_attributes_of_a_state_dict_are_dropped(read):
    assert read(saved(NO_HOOKS + mapping(_metadata=EMPTY_DICT) + b"b")) == {}


def test_bfloat16_becomes_float32_and_bool_has_only_two_values(read):
    half = (np.array([1.0, -2.5, np.inf], "<f4").view("<u4") >> 16).astype("<u2").tobytes()
    held = {
        "0": tensor((3,), (1,), held=storage("0", 3, "BFloat16Storage")),
        "1": tensor((3,), (1,), held=storage("1", 3, "BoolStorage")),
    }
    found = read(saved(mapping(**held), {"0": half, "1": b"\x00\x01\x07"}))
    assert (found["0"].dtype, found["0"].tolist()) == (np.float32, [1.0, -2.5, np.inf])
    assert found["1"].tolist() == [False, True, True]
    assert found["1"].tobytes() == b"\x00\x01\x01"


def test_members_that_have_nothing_to_do_with_it_are_not_read(read):
    assert read(saved(number(3), members={"archive/data/7": bytes(100), ".format": b"1"})) == 3
    assert read(saved(number(3), folder="späte Probe")) == 3


@pytest.mark.parametrize("title", MALICIOUS)
def test_malicious_pickles_run_nothing(title, read):
    expected = "nothing was run|neither looked up nor run|not followed|a name without an end"
    for content in (MALICIOUS[title], mapping(a=tensor(), b=MALICIOUS[title])):
        refused(read, saved(content), expected)
    refused(read, row(mapping(a=old_tensor(), b=MALICIOUS[title])), expected)
    for part in ("magic", "order", "keys"):
        refused(read, row(old_tensor(), **{part: MALICIOUS[title]}), expected)


def test_malicious_pickles_are_what_they_are_called():
    script = Path(__file__).with_name("malicious_pickles.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) == set(MALICIOUS)
    assert len(MALICIOUS) >= 20


NAMES = {
    "load": ("torch", "load"),
    "load of a storage": ("torch.storage", "_load_from_bytes"),
    "hub": ("torch.hub", "load"),
    "script": ("torch.jit", "load"),
    "wrapper": ("torch._tensor", "_rebuild_from_type_v2"),
    "subclass": ("torch._utils", "_rebuild_wrapper_subclass"),
    "attribute of a class": ("torch", "Size.__class__"),
    "globals": ("collections", "OrderedDict.__init__.__globals__"),
    "module in the name": ("torch", "_utils._rebuild_tensor_v2"),
    "module twice": ("torch.torch", "Size"),
    "empty": ("", ""),
    "capitals": ("Torch", "Size"),
    "a class of the user": ("__main__", "Net"),
    "blank": ("torch", "Size "),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_that_are_not_on_the_list_are_refused(case, read):
    content = symbol(*NAMES[case])
    refused(
        read, saved(content), r"names '.*', which was neither looked up nor run; save tensors and plain values alone"
    )
    stacked = text(NAMES[case][0]) + text(NAMES[case][1]) + b"\x93"
    refused(read, saved(stacked), "neither looked up nor run")


STRUCTURES = {
    "call of text": (text("os.system") + EMPTY_TUPLE + b"R", "calls what is no function"),
    "call of a tensor": (tensor() + EMPTY_TUPLE + b"R", "calls what is no function"),
    "call of a dict": (EMPTY_DICT + EMPTY_TUPLE + b"R", "calls what is no function"),
    "arguments that are a list": (symbol("torch", "Size") + EMPTY_LIST + b"R", "calls what is no function"),
    "call of a dtype": (call("torch", "float32", NONE), "calls torch.float32 with arguments that are not read"),
    "call of a storage type": (call("torch", "FloatStorage", number(9)), "calls torch.FloatStorage"),
    "size of text": (call("torch", "Size", text("ab")), "calls torch.Size"),
    "device of a long name": (call("torch", "device", text("a" * 41), number(0)), "calls torch.device"),
    "tensor of more arguments": (tensor()[:-2] + NONE * 2 + b"tR", "calls torch._utils._rebuild_tensor_v2"),
    "filled OrderedDict": (call("collections", "OrderedDict", EMPTY_LIST), "calls collections.OrderedDict"),
    "parameter of a function": (
        call("torch._utils", "_rebuild_parameter", REBUILD, FALSE, NO_HOOKS),
        "calls torch._utils._rebuild_parameter",
    ),
    "new object": (symbol("collections", "OrderedDict") + EMPTY_TUPLE + b"\x81", r"opcode b'\\x81'"),
    "new object with names": (symbol("torch", "Size") + EMPTY_TUPLE + EMPTY_DICT + b"\x92", r"opcode b'\\x92'"),
    "attributes of a tensor": (tensor() + mapping(shape=NONE) + b"b", "sets the attributes of an object"),
    "attributes of a function": (REBUILD + mapping(__code__=NONE) + b"b", "sets the attributes of an object"),
    "attributes of a tuple": (EMPTY_TUPLE + EMPTY_DICT + b"b", "sets the attributes of an object"),
    "items of a tensor": (tensor() + number(0) + number(1) + b"s", "sets items of what is no dict"),
    "appending to a tuple": (EMPTY_TUPLE + NONE + b"a", "appends to what is no list"),
    "extension of one byte": (b"\x82\x01", r"opcode b'\\x82'"),
    "extension of two bytes": (b"\x83\x01\x01", r"opcode b'\\x83'"),
    "extension of four bytes": (b"\x84\x01\x01\x01\x01", r"opcode b'\\x84'"),
    "buffer": (b"\x97", r"opcode b'\\x97'"),
    "id as text": (b"Pstorage\n", "opcode b'P'"),
    "integer as text": (b"I" + b"9" * 5000 + b"\n", "opcode b'I'"),
    "enormous integer": (b"\x8b\x00\x00\x10\x00" + bytes(2**20), r"opcode b'\\x8b'"),
    "enormous bytes": (b"\x8e" + b"\xff" * 8, r"opcode b'\\x8e'"),
    "announced text": (b"X\xff\xff\xff\xff", "ends early"),
    "text that is none": (b"X\x02\x00\x00\x00\xff\xfe", "not UTF-8"),
    "name without an end": (b"c" + b"a" * 1000, "a name without an end"),
    "name that is no text": (number(1) + number(2) + b"\x93", "by what is no text"),
    "frame that is longer": (b"\x95" + b"\xff" * 8 + b"(" * 3, "does not add up"),
    "nothing on the stack": (b"", "does not add up"),
    "mark that is missing": (b"t", "does not add up"),
    "memo that is empty": (b"h\x07", "does not add up"),
    "remembering nothing": (b"q\x00", "does not add up"),
    "below a mark": (NONE + b"(\x85", "does not add up"),
    "odd items": (EMPTY_DICT + b"(" + text("a") + b"u", "sets items of what is no dict"),
    "key that is a list": (EMPTY_DICT + EMPTY_LIST + NONE + b"s", "key of type list; only text and integers"),
    "key that is a tuple": (EMPTY_DICT + EMPTY_TUPLE + NONE + b"s", "key of type tuple"),
    "key that is large": (EMPTY_DICT + large(2**61 - 1) + NONE + b"s", "key of type int"),
    "no end": (NONE * 10 + b"(" + b"\x80", "ends early|not add up"),
}


@pytest.mark.parametrize("case", STRUCTURES)
def test_pickles_that_do_anything_else_are_refused(case, read):
    refused(read, saved(STRUCTURES[case][0]), STRUCTURES[case][1])


IDS = {
    "text": text("storage"),
    "a number": number(3),
    "another kind": several(text("module"), symbol("torch", "FloatStorage"), text("0"), text("cpu"), number(6)),
    "too short": several(text("storage"), symbol("torch", "FloatStorage"), text("0")),
    "a type as text": several(text("storage"), text("torch.FloatStorage"), text("0"), text("cpu"), number(6)),
    "a function": several(text("storage"), REBUILD, text("0"), text("cpu"), number(6)),
    "a number as key": several(text("storage"), symbol("torch", "FloatStorage"), number(0), text("cpu"), number(6)),
    "a length as text": several(text("storage"), symbol("torch", "FloatStorage"), text("0"), text("cpu"), text("6")),
    "a list": EMPTY_LIST,
}


@pytest.mark.parametrize("case", IDS)
def test_persistent_ids_of_another_shape_are_refused(case, read):
    refused(read, saved(IDS[case] + b"Q"), "refers to something that is no storage")


TENSORS = {
    "beyond the end": (tensor((7,), (1,)), r"shape \(7,\) reaches beyond the 6 elements of storage '0'"),
    "strides beyond the end": (tensor((2, 3), (4, 1)), "reaches beyond"),
    "offset beyond the end": (tensor((), (), 6), "reaches beyond"),
    "offset far beyond the end": (tensor((1,), (1,), 2**31 - 1), "reaches beyond"),
    "negative offset": (tensor((1,), (1,), -1), "a length, stride or offset that none has"),
    "negative stride": (tensor((2,), (-1,), 3), "a length, stride or offset that none has"),
    "negative length": (tensor((-2,), (1,)), "a length, stride or offset that none has"),
    "enormous stride": (tensor((2,), (2**62,)), "a length, stride or offset that none has"),
    "overflowing length": (tensor((2**63,), (1,)), "a length, stride or offset that none has"),
    "repeated without end": (tensor((2**30,), (0,)), "repeats the 6 elements .* tensor.contiguous"),
    "repeated beyond counting": (tensor((2**30, 2**30), (0, 0)), "is announced"),
    "empty and beyond counting": (tensor((0, 2**39, 2**39), (1, 1, 1)), "is announced"),
    "axes that differ": (tensor((2, 3), (1,)), "2 axes and 1 strides"),
    "many axes": (tensor((1,) * 65, (1,) * 65), "65 axes"),
    "too many numbers": (tensor(held=storage(length=7)), "storage '0' has 24 bytes, not 7 of float32"),
    "too few numbers": (tensor(held=storage(length=5)), "storage '0' has 24 bytes, not 5 of float32"),
    "another type": (tensor(held=storage(kind="DoubleStorage")), "has 24 bytes, not 6 of float64"),
    "missing storage": (tensor(held=storage("2")), "member 'archive/data/2' is missing"),
    "storage of another folder": (tensor(held=storage("../byteorder")), "is missing"),
    "no storage": (tensor(held=NONE), "calls torch._utils._rebuild_tensor_v2 with arguments"),
    "storage alone": (storage(), "a storage that belongs to no tensor"),
    "does not divide": (
        call(
            *("torch._utils", "_rebuild_tensor_v3", storage("1", 7, "UntypedStorage", "torch.storage"), number(0)),
            *(numbers(1), numbers(1), FALSE, NO_HOOKS, symbol("torch", "uint16")),
        ),
        "does not divide into uint16",
    ),
    "of a type that is none": (
        call(
            *("torch._utils", "_rebuild_tensor_v3", storage(), number(0), numbers(1), numbers(1), FALSE, NO_HOOKS),
            symbol("torch", "Size"),
        ),
        "calls torch._utils._rebuild_tensor_v3 with arguments",
    ),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_do_not_lie_in_their_storage_are_refused(case, read):
    refused(read, saved(TENSORS[case][0], {"0": SIX, "1": bytes(7)}), TENSORS[case][1])


GOOD = saved(tensor())
END = GOOD.rindex(b"PK\x05\x06")


def at_end(place: int, form: str, value: int) -> bytes:
    """The good file with a field of its end replaced."""
    changed = bytearray(GOOD)
    struct.pack_into(form, changed, END + place, value)
    return bytes(changed)


def in_directory(place: int, form: str, value: int) -> bytes:
    """The good file with a field of its first member replaced in the directory: the pickle."""
    changed = bytearray(GOOD)
    struct.pack_into(form, changed, GOOD.index(b"PK\x01\x02") + place, value)
    return bytes(changed)


ARCHIVES = {
    "empty": (b"", "is no zip file"),
    "text": (b"hello" * 100, "is no zip file"),
    "bare pickle": (b"\x80\x02}.", "bare pickle, which torch.save did not write"),
    "start of a zip": (b"PK\x03\x04", "directory at the end of the archive is missing"),
    "cut": (GOOD[:-30], "directory at the end of the archive is missing"),
    "compressed": (saved(tensor(), method=zipfile.ZIP_DEFLATED), "is compressed or encrypted"),
    "compressed otherwise": (saved(tensor(), method=zipfile.ZIP_LZMA), "is compressed or encrypted"),
    "encrypted": (in_directory(8, "<H", 1), "is compressed or encrypted"),
    "sizes that differ": (in_directory(20, "<I", 1), "is compressed or encrypted"),
    "another checksum": (in_directory(16, "<I", 1), "'archive/data.pkl' is cut or altered"),
    "content that changed": (GOOD.replace(SIX, SIX[::-1]), "'archive/data/0' is cut or altered"),
    "another place": (in_directory(42, "<I", 7), "not where the directory says"),
    "place beyond the end": (in_directory(42, "<I", 2**32 - 1), "not where the directory says"),
    "directory elsewhere": (at_end(16, "<I", 0), "directory cannot be read"),
    "directory beyond the end": (at_end(16, "<I", 2**32 - 1), "without one data.pkl"),
    "directory that is cut": (at_end(12, "<I", 100), "directory cannot be read|without one|is missing"),
    "enormous directory": (at_end(12, "<I", 2**32 - 1), "its directory takes 4294967295 bytes, more than"),
    "enormous member": (
        GOOD.replace(struct.pack("<2I", 2, 2), struct.pack("<2I", 2**32 - 1, 2**32 - 1)),
        "announce more bytes than the file has",
    ),
    "no pickle": (archive(b"", folder="a").replace(b"data.pkl", b"data.txt"), "without one data.pkl"),
    "two pickles": (saved(NONE, members={"other/data.pkl": b"N."}), "without one data.pkl"),
    "torchscript": (saved(NONE, members={"archive/constants.pkl": b"N."}), "TorchScript archive, which holds code"),
    "another byte order": (archive(b"\x80\x02N.", order=b"big"), "byte order is b'big', not little"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives_that_torch_save_did_not_write_are_refused(case, read):
    refused(read, *ARCHIVES[case])


def test_a_member_that_is_there_twice_is_refused(read):
    content = saved(NONE, members={"archive/data/1": b"a", "archive/data/2": b"b"})
    refused(read, content.replace(b"data/2", b"data/1"), "'archive/data/1' is there twice")


def test_the_format_before_torch_1_6_is_read(read):
    held = {"7": (6, SIX), "5": (3, b"\x00\x01\x01")}
    values = mapping(a=old_tensor(key="7"), b=tensor((3,), (1,), held=storage("5", 3, "BoolStorage", view=NONE)))
    found = read(row(values, held))
    np.testing.assert_array_equal(found["a"], SIX_NUMBERS.reshape(2, 3))
    assert found["b"].tolist() == [False, True, True]
    assert read(row(number(3), {})) == 3


OLD = row(old_tensor())
ROWS = {
    "another magic": (row(NONE, {}, magic=number(7)), "a bare pickle, which torch.save did not write"),
    "another byte order": (row(NONE, {}, order=FALSE), "its byte order is big, not little"),
    "no system": (OLD.replace(b"little_endian", b"little_ending"), "its byte order is big, not little"),
    "keys of others": (row(old_tensor(), {"1": (6, SIX)}), "list of its storages is not that of its tensors"),
    "keys that are missing": (row(old_tensor(), {}), "list of its storages is not that of its tensors"),
    "keys that are numbers": (row(old_tensor(), keys=b"]" + number(0) + b"a"), "list of its storages is not"),
    "keys that are a text": (row(old_tensor(), keys=text("0")), "list of its storages is not"),
    "keys that are a storage": (row(old_tensor(), keys=text("0") + b"Q"), "a storage before its tensors"),
    "another length": (row(old_tensor(), {"0": (5, SIX)}), "storage '0' has not the 6 elements"),
    "a large length": (row(old_tensor(length=2**31 - 1)), "storage '0' is cut"),
    "a negative length": (row(old_tensor(length=-1)), "list of its storages is not"),
    "two types": (
        row(mapping(a=old_tensor(), b=old_tensor(kind="HalfStorage"))),
        "storage '0' has 12 bytes, not 6 of float32",
    ),
    "part of another": (row(tensor(held=storage(view=several(text("0"), number(0), number(6))))), "list of its stor"),
    "id of the newer format": (row(several(tensor(), old_tensor(key="1")), {"1": (6, SIX)}), "storage '0' is missing"),
}


@pytest.mark.parametrize("case", ROWS)
def test_files_of_the_older_format_that_do_not_add_up_are_refused(case, read):
    refused(read, *ROWS[case])


def test_every_cut_of_a_file_of_the_older_format_is_refused(read):
    for length in range(4, len(OLD)):
        refused(read, OLD[:length], "ends early|is cut|has a name without an end")


def test_limits_of_size_are_stated(read, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(torch_archive, "MAX_FILE_BYTES", 100)
        refused(read, GOOD, "is larger than 0 MiB")
        refused(read, OLD, "is larger than 0 MiB")
    with monkeypatch.context() as patch:
        patch.setattr(torch_formats, "MAX_PICKLE_BYTES", 2)
        refused(read, GOOD, "holds more than 0 MiB besides tensors")


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path / "absent.pt", tmp_path):
        with pytest.raises(WeightsError, match=r"no such file; give a file that torch.save wrote"):
            read_torch(path)


@pytest.fixture(scope="module")
def costs():
    """What became of each hostile file, read in another process of bounded memory, without the checks of shapes."""
    command = [sys.executable, "-m", f"{__package__}.hostile_torch_files"]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.faults
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_read_or_refused_cheaply(name, costs):
    assert costs[name]["outcome"].startswith(("refused: ", "read"))
    assert costs[name]["seconds"] < 2
