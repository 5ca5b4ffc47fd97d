"""Files that torch wrote are read equal, without torch."""

import collections
import itertools
import time

import numpy as np
import pytest

from jaxmm.errors import WeightsError
from jaxmm.weights.label_embeddings import read_label_embeddings
from jaxmm.weights.torch_file import read_torch

torch = pytest.importorskip("torch")

DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool, torch.int64, torch.int32, torch.int16),
    *(torch.int8, torch.uint8),
]
NEWER_DTYPES = [torch.uint16, torch.uint32, torch.uint64]
BASE = torch.arange(24.0)
LAYOUTS = {
    "contiguous": BASE.reshape(2, 3, 4),
    "transposed": BASE.reshape(4, 6).t(),
    "permuted": BASE.reshape(2, 3, 4).permute(2, 0, 1),
    "a part": BASE.reshape(4, 6)[1:3, ::2],
    "an offset": BASE[5:],
    "scalar": torch.tensor(3.0),
    "scalar within": BASE[7],
    "empty": torch.zeros(0),
    "empty with axes": torch.zeros(3, 0, 2),
    "empty part": BASE[24:],
    "channels last": torch.arange(120.0).reshape(1, 2, 3, 20)[..., :5].contiguous(memory_format=torch.channels_last),
    "a parameter": torch.nn.Parameter(BASE.reshape(3, 8)),
}


def expected(tensor):
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def assert_same(found, tensor):
    assert found.dtype == expected(tensor).dtype
    assert found.shape == tuple(tensor.shape)
    np.testing.assert_array_equal(found, expected(tensor))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "saved.pt"


def save_before_1_6(value, path):
    torch.save(value, path, _use_new_zipfile_serialization=False)


FORMATS = pytest.mark.parametrize("save", [torch.save, save_before_1_6], ids=["zip", "before 1.6"])


@pytest.mark.parametrize(
    ("save", "dtype"),
    [*itertools.product((torch.save, save_before_1_6), DTYPES), *((torch.save, dtype) for dtype in NEWER_DTYPES)],
)
def test_every_type_of_number_is_read(save, dtype, path):
    tensor = torch.tensor([[0, 1, 2], [5, 100, 3]]).to(dtype)
    save({"all": tensor, "scalar": tensor[1, 1], "turned": tensor.t(), "empty": tensor[:0]}, path)
    found = read_torch(path)
    assert_same(found["all"], tensor)
    assert_same(found["scalar"], tensor[1, 1])
    assert_same(found["turned"], tensor.t())
    assert_same(found["empty"], tensor[:0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_numbers_at_the_edges_are_read_to_the_bit(dtype, path):
    info = torch.finfo(dtype)
    tensor = torch.tensor([info.max, info.min, info.tiny, info.eps, -0.0, float("inf"), float("nan")]).to(dtype)
    torch.save(tensor, path)
    assert read_torch(path).tobytes() == expected(tensor).tobytes()


@FORMATS
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read(name, save, path):
    save(LAYOUTS[name], path)
    assert_same(read_torch(path), LAYOUTS[name])


@FORMATS
def test_shared_storages_stay_shared(save, path):
    save({"all": BASE, "row": BASE.reshape(4, 6)[2], "again": BASE}, path)
    found = read_torch(path)
    assert found["all"] is found["again"]
    found["all"][:] = -1
    assert (found["row"] == -1).all()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_are_read_by_every_protocol(protocol, path):
    values = {
        "none": None, "yes": True, "no": False, "int": -7, "long": 2**70, "float": 1.5, "text": "zerkleinern ✓",
        "list": [1, [2, "x"], []], "tuple": (1, (2,), ()), 3: "number", "ordered": collections.OrderedDict(b=1, a=2),
        "many": list(range(1000)), "nothing": {},
    }  # fmt: skip
    torch.save(values, path, pickle_protocol=protocol)
    assert read_torch(path) == values
    assert list(read_torch(path)["ordered"]) == ["b", "a"]


def test_types_devices_and_sizes_are_plain_values(path):
    torch.save([torch.float32, torch.bfloat16, torch.device("cpu"), torch.device("cuda:1"), torch.Size([2, 3])], path)
    assert read_torch(path) == ["torch.float32", "torch.bfloat16", "cpu", "cuda:1", (2, 3)]


@FORMATS
def test_a_model_and_its_optimizer_are_read(save, path):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.LSTM(8, 4))
    optimizer = torch.optim.AdamW(model.parameters())
    model[1](model[0](torch.ones(1, 3, 5, 5))).sum().backward()
    optimizer.step()
    save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, path)
    found = read_torch(path)
    assert found["epoch"] == 3
    assert list(found["model"]) == list(model.state_dict())
    for name, tensor in model.state_dict().items():
        assert_same(found["model"][name], tensor)
    state = optimizer.state_dict()
    assert found["optimizer"]["param_groups"] == [{**state["param_groups"][0], "betas": (0.9, 0.999)}]
    for place, moments in state["state"].items():
        for name, tensor in moments.items():
            assert_same(found["optimizer"]["state"][place][name], tensor)


def test_a_hundred_megabytes_are_read(path):
    tensors = {f"layer{place}.weight": torch.full((1000, 2500), float(place)) for place in range(10)}
    torch.save(tensors, path)
    assert path.stat().st_size > 100_000_000
    started = time.process_time()
    found = read_torch(path)
    assert time.process_time() - started < 2
    for name, tensor in tensors.items():
        assert_same(found[name], tensor)


def test_embeddings_of_labels_are_read(path):
    rows = torch.randn(3, 384)
    labels = ("cut_tomato", "add_oil", "null")
    for saved in (dict(zip(labels, rows, strict=True)), {"embeddings": dict(zip(labels, rows.half(), strict=True))}):
        torch.save(saved, path)
        found = read_label_embeddings(path)
        assert list(found) == list(labels)
        for label, vector in saved.get("embeddings", saved).items():
            assert found[label].dtype == np.float32
            np.testing.assert_array_equal(found[label], vector.float().numpy())


class Net(torch.nn.Linear):
    """A class of the user's, which a file names when all of it is saved."""


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (lambda: Net(2, 3), r"names '.*Net'.*neither looked up nor run; save tensors and plain values alone"),
        (lambda: torch.ones(2).expand(1000, 2), r"repeats the 2 elements of its storage; save it with tensor.contig"),
        (lambda: torch.ones(2, dtype=torch.complex64).conj(), "names 'torch.ComplexFloatStorage'"),
        (lambda: torch._neg_view(torch.ones(2)), "calls torch._utils._rebuild_tensor_v2 with arguments"),
        (lambda: torch.eye(2).to_sparse(), "names 'torch._utils._rebuild_sparse_tensor'"),
        (lambda: torch.ones(2).untyped_storage(), "storage that belongs to no tensor"),
        (lambda: {(1, 2): 3}, "a dict has a key of type tuple"),
        (lambda: {1, 2}, "names '__builtin__.set'"),
        (lambda: np.float64(3), r"names 'numpy"),
    ],
    ids=["module", "expanded", "complex", "negated", "sparse", "storage", "tuple as key", "set", "numpy"],
)
def test_what_is_no_tensor_of_numbers_is_refused_with_what_to_do(saved, message, path):
    torch.save(saved(), path)
    with pytest.raises(WeightsError, match=f"saved.pt: .*{message}"):
        read_torch(path)


def test_torchscript_is_refused_with_what_to_do(path):
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), path)
    with pytest.raises(WeightsError, match=r"TorchScript archive, which holds code; .*torch.jit.load\(path\)"):
        read_torch(path)


@FORMATS
def test_every_cut_of_a_file_is_refused(save, path):
    save({"a": BASE, "b": torch.ones(3, dtype=torch.bfloat16)}, path)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError, match=r"saved\.pt: "):
            read_torch(path)
