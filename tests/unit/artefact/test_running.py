"""Running artefacts: what they take, and what they run without."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from jaxmm import cli
from jaxmm.artefact import Tensor, load
from jaxmm.errors import ArtefactError, DataError

from .conftest import ABOUT

X, PLACES = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, 0], np.int32)


@pytest.fixture(params=["stablehlo", "onnx"])
def path(request):
    return request.getfixturevalue(f"sums_{request.param}")


def run(*words):
    return subprocess.run([sys.executable, "-m", "jaxmm", "run", *map(str, words)], capture_output=True, text=True)


def test_named_arrays_give_named_arrays_at_any_size(path):
    artefact = load(path)
    assert artefact(x=X, places=PLACES)["y"].tolist() == [9.0, 24.0]
    assert artefact(x=X[:1, :2].astype(np.float64), places=np.zeros(1, int))["y"].tolist() == [2.0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": X}, "takes places, x; missing: places"),
        ({"x": X, "places": PLACES, "z": X}, "takes places, x; not known: 'z'"),
        ({"x": X, "places": PLACES, "self": X}, "takes places, x; not known: 'self'"),
        ({"x": X.astype(int) > 1, "places": PLACES.astype(float)}, "input places is float64; give int32"),
        ({"x": X[0], "places": PLACES}, r"input x has the shape \(3,\); give \(batch, time\)"),
        ({"x": X[:1], "places": PLACES}, r"input x has the shape \(1, 3\).*with batch 2 as in the inputs before"),
        ({"x": np.ones((2, 6)), "places": PLACES}, "input x: time is 6; give 2 to 5"),
        ({"x": X[:0], "places": PLACES[:0]}, "input places: batch is 0; give 1 or more"),
        ({"x": X, "places": PLACES + 1}, "input places holds 1 to 2; give 0 to 1"),
    ],
)
def test_inputs_that_it_does_not_take_are_told(sums_stablehlo, given, message):
    with pytest.raises(ArtefactError, match=f"{sums_stablehlo}: {message}"):
        load(sums_stablehlo)(**given)


def test_rows_of_unequal_lengths_are_told(sums_stablehlo):
    with pytest.raises(DataError, match=f"{sums_stablehlo}: input x is no array .*; give rows of one length"):
        load(sums_stablehlo)(x=[[1.0], [2.0, 3.0]], places=PLACES)


@pytest.mark.parametrize(("dtype", "given"), [("int32", 2**31), ("int32", -(2**31) - 1), ("uint8", np.uint16(256))])
def test_whole_numbers_that_the_type_cannot_hold_are_told(dtype, given):
    tensor = Tensor(name="x", dtype=dtype, shape=("batch",), meaning="numbers")
    about = dataclasses.replace(ABOUT, inputs=(tensor,), sizes={"batch": (1, None)})
    ends = np.iinfo(dtype)
    assert about.checked_inputs({"x": np.array([ends.min, ends.max], dtype)})["x"].tolist() == [ends.min, ends.max]
    with pytest.raises(ArtefactError, match=f"input x holds {given} to {given}; give {ends.min} to {ends.max}"):
        about.checked_inputs({"x": np.array([given])})


def test_it_reads_no_texts_without_a_tokenizer(sums_stablehlo):
    with pytest.raises(ArtefactError, match="reads no texts"):
        load(sums_stablehlo).tokens(["a walk"])


@pytest.mark.parametrize(("kind", "absent"), [("stablehlo", "jaxmm.tasks"), ("onnx", "jax")])
def test_running_one_imports_no_system_and_for_onnx_not_jax(kind, absent, request, tmp_path):
    path = request.getfixturevalue(f"sums_{kind}")
    np.savez(tmp_path / "in.npz", x=X, places=PLACES)
    words = ["run", str(path), "--input", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz"), "--json"]
    code = f"import sys; from jaxmm.cli import main; main({words!r}); assert {absent!r} not in sys.modules, 'imported'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "out.npz") as made:
        assert made["y"].tolist() == [9.0, 24.0]


def test_the_command_describes_and_answers_mistakes_with_a_message(sums_stablehlo, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("jaxmm.console.set_up", lambda: None)
    described = run(sums_stablehlo, "--describe")
    assert described.stdout.splitlines()[:3] == [
        "sums of SumTask, step 3",
        "takes",
        "  places: int32 (batch,), a row each",
    ]
    np.savez(tmp_path / "in.npz", x=X)
    wrong = run(sums_stablehlo, "--input", tmp_path / "in.npz")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)
    assert "missing: places" in wrong.stderr
    with pytest.raises(SystemExit) as stopped:
        cli.main(["run", str(sums_stablehlo), "--input", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.csv")])
    assert stopped.value.code == 2
    assert "out.csv: outputs are written as arrays by name; name a file that ends in .npz" in capsys.readouterr().err


def test_tokens_that_are_given_twice_are_told(sums_stablehlo, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("jaxmm.console.set_up", lambda: None)
    monkeypatch.setattr("jaxmm.artefact.Artefact.tokens", lambda artefact, texts: {"token_ids": X, "token_mask": X})
    np.savez(tmp_path / "in.npz", token_ids=X, token_mask=X)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["run", str(sums_stablehlo), "--input", str(tmp_path / "in.npz"), "--text", "a walk"])
    assert stopped.value.code == 2
    assert "in.npz: holds token_ids and token_mask, which --text gives too" in capsys.readouterr().err
