"""Commands on a text-to-sign run that has learnt nothing: what they answer, and what a user gets wrong."""

import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxmm import (
    DanceTextTask,
    Experiment,
    Freeze,
    HashSplit,
    Motion,
    MotionFolder,
    MotionText,
    PoseConvGru,
    ProceduralSigns,
    SignCritic,
    SignGenerator,
    SignText,
    Skeleton,
    Text2SignTask,
    TransformerText,
)
from jaxmm.checkpoint import Checkpoints
from jaxmm.cli import main
from jaxmm.data.folder import write_motion_folder
from jaxmm.data.sign.folder import read_sign_folder
from jaxmm.evaluate.signs import SignDistance
from jaxmm.experiment import write_experiment
from jaxmm.generators.lengths import LengthBins
from jaxmm.horizon import Horizon
from jaxmm.model import ASSETS_FOLDER, CONFIG_FILE, load
from jaxmm.train.step import make_mesh, place_whole

TEXT = TransformerText(vocab_size=64, dim=8, num_layers=1, num_heads=2, feedforward_dim=8, max_positions=16)


@pytest.fixture(autouse=True)
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    monkeypatch.setenv("COLUMNS", "200")


def write_run(run, experiment):
    """Writes a run as it is before the first step."""
    data = experiment.data.open(run / ASSETS_FOLDER)
    batch = place_whole(data.sample_batch(), make_mesh())
    state = jax.jit(experiment.task.init, static_argnums=2)(
        jax.random.key(0), batch, Horizon(epochs=1, steps_per_epoch=1)
    )
    with Checkpoints(run) as checkpoints:
        checkpoints.save(state, data.train_batches(seed=0), {})
    write_experiment(experiment, run / CONFIG_FILE)
    return run


@pytest.fixture(scope="module")
def signing_run(tmp_path_factory) -> Path:
    """A run that signs, of one signer, whose every landmark is always in sight."""
    generator = SignGenerator(
        hidden_dim=8,
        num_layers=1,
        num_heads=2,
        num_landmarks=0,
        max_frames=16,
        lengths=LengthBins(shortest=4, longest=16),
    )
    task = Text2SignTask(text=TEXT, freeze=Freeze("nothing"), generator=generator, critic=SignCritic(base_dim=4))
    source = ProceduralSigns(num_glosses=8, takes=1, num_sentences=12, num_held_out=3, num_signers=1)
    data = SignText(source=source, fps=5.0, max_frames=16, max_tokens=16, batch_size=4, num_threads=1)
    return write_run(tmp_path_factory.mktemp("signing") / "run", Experiment(task=task, data=data))


@pytest.fixture(scope="module")
def retrieval_run(tmp_path_factory) -> Path:
    """A run that embeds motions of one joint and their texts."""
    folder = tmp_path_factory.mktemp("retrieval")
    still = Motion(
        key="still",
        positions=np.zeros((4, 1, 3), np.float32),
        fps=20.0,
        skeleton=Skeleton(joint_names=("Hips",), parents=(-1,)),
        captions=("a person stands",),
    )
    write_motion_folder([still], folder / "data")
    task = DanceTextTask(motion=PoseConvGru(num_layers=1, hidden_dim=8), text=TEXT, freeze=Freeze("nothing"))
    data = MotionText(
        source=MotionFolder(), root=str(folder / "data"), split=HashSplit(), num_frames=4, batch_size=1, num_threads=1
    )
    return write_run(folder / "run", Experiment(task=task, data=data))


def refusal(capsys, *words):
    """The one line with which a command refuses; before it stand at most notes of one line."""
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    captured = capsys.readouterr()
    assert stopped.value.code == 2, captured.err
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert all(line.startswith("jaxmm: ") for line in lines), captured.err
    return lines[-1]


def page_of(out):
    """What the page in a folder shows."""
    page = (out / "index.html").read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def answer(capsys, *words):
    main([*map(str, words), "--json"])
    return json.loads(capsys.readouterr().out)


# What works


def test_texts_of_flags_and_of_a_file_are_signed_into_a_folder(signing_run, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    texts, out = tmp_path / "texts.txt", tmp_path / "signs"
    texts.write_text("FRIEND BOAT SEE\n\n  \nHOUSE\n")
    words = ("--text", "SEE", "--texts", texts, "--num_frames", "6", "--trajectory", "right_hand/WRIST")
    printed = answer(capsys, "generate", signing_run, "--out", out, *words)
    assert printed == {f"generated_000{place}/frames": 6 for place in range(3)}
    assert [clip.gloss for clip in read_sign_folder(out)] == ["SEE", "FRIEND BOAT SEE", "HOUSE"]
    endings = sorted(path.suffix for path in out.glob("generated_0001.*"))
    assert endings == [".npy", ".png", ".pose"]
    assert [len(entry["clips"]) for entry in page_of(out)["entries"]] == [1, 1, 1]
    assert [entry["text"] for entry in page_of(out)["entries"]] == ["SEE", "FRIEND BOAT SEE", "HOUSE"]


@pytest.mark.parametrize("kind", ["gif", "mp4"])
def test_an_animation_of_each_clip_is_written(kind, signing_run, tmp_path, capsys):
    pytest.importorskip("PIL" if kind == "gif" else "av")
    words = ("--text", "SEE", "--text", "HOUSE", "--animation", kind)
    answer(capsys, "generate", signing_run, "--out", tmp_path / "signs", *words)
    written = sorted(path.name for path in (tmp_path / "signs").glob(f"*.{kind}"))
    assert written == [f"generated_0000.{kind}", f"generated_0001.{kind}"]


def test_a_split_is_signed_beside_its_recorded_clips(signing_run, tmp_path, capsys):
    printed = answer(capsys, "generate", signing_run, "--out", tmp_path / "signs", "--split", "test", "--count", "2")
    data = load(signing_run).signer.data.open(signing_run / ASSETS_FOLDER)
    real = data.clips("test")[:2]
    made = list(read_sign_folder(tmp_path / "signs"))
    assert [clip.gloss for clip in made] == [clip.gloss for clip in real]
    expected = {}
    for clip, other in zip(made, real, strict=True):
        error = SignDistance().aligned_error(clip.frames, other.frames)
        expected |= {f"{clip.key}/frames": clip.num_frames, f"{clip.key}/recorded_frames": other.num_frames}
        expected[f"{clip.key}/ndtw_mje"] = pytest.approx(error)
    assert printed == expected
    entries = page_of(tmp_path / "signs")["entries"]
    assert [[shown["label"] for shown in entry["clips"]] for entry in entries] == [["generated", "synthetic"]] * 2
    assert [entry["clips"][1]["key"] for entry in entries] == [clip.key for clip in real]
    assert entries[0]["clips"][0]["scores"] == [["nDTW-MJE", pytest.approx(printed["generated_0000/ndtw_mje"])]]


def test_a_whole_split_is_signed_by_default_as_evaluate_does(signing_run, tmp_path, capsys):
    printed = answer(capsys, "generate", signing_run, "--out", tmp_path / "signs", "--split", "val")
    errors = [value for name, value in printed.items() if name.endswith("/ndtw_mje")]
    assert len(errors) == 3
    scores = answer(capsys, "evaluate", signing_run, "--split", "val")
    assert np.mean(errors) == pytest.approx(scores["val/signing/ndtw_mje"], rel=1e-4)


def test_the_same_seed_signs_the_same_numbers(signing_run, tmp_path, capsys):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        answer(capsys, "generate", signing_run, "--out", tmp_path / name, "--text", "SEE", "--seed", seed)
    first, again, other = (np.load(tmp_path / name / "generated_0000.npy") for name in "abc")
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_a_signing_run_is_evaluated_inspected_and_verified(signing_run, capsys):
    scores = answer(capsys, "evaluate", signing_run)
    assert scores["test/signing/ndtw_mje"] > 0
    assert scores["test/real/diversity"] > 0
    assert answer(capsys, "inspect", signing_run)["parameters/generator"] > 0
    assert answer(capsys, "verify", signing_run)["ok"]
    main(["evaluate", str(signing_run)])
    printed = " ".join(capsys.readouterr().out.split())
    assert "parts body, left_hand, right_hand; unit shoulder widths; missed_landmark 1.0" in printed
    assert "protocol" not in printed


# Mistakes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "{}"), "nothing to sign; give --text TEXT, --texts FILE with one a line, or --split"),
        (("--out", "{}", "--text", " "), "none of them empty"),
        (("--out", "{}", "--texts", "no/such/file.txt"), "no/such/file.txt: cannot be read"),
        (("--out", "{}", "--texts", "tests"), "is not a regular file"),
        (("--out", "{}", "--text", "SEE", "--seed", "-1"), "seed is -1"),
        (("--out", "{}", "--text", "SEE", "--num_frames", "0"), "num_frames is 0; give 1 to 16"),
        (("--out", "{}", "--text", "SEE", "--num_frames", "17"), "num_frames is 17; give 1 to 16"),
        (("--out", "{}", "--text", "SEE", "--signer", "eva"), "num_signers is 0); name none"),
        (("--out", "{}", "--text", "SEE \udcff"), "not valid Unicode"),
        (("--out", "{}", "--text", "NaN"), "which a table cannot hold"),
        (("--out", "{}", "--text", "SEE", "--trajectory", "tail/TIP"), "a part among body, left_hand"),
        (("--out", "{}", "--text", "SEE", "--checkpoint", "77"), "77"),
        (("--out", "{}", "--text", "SEE", "--count", "2"), "--count and --data.root are of a split; add --split"),
        (("--out", "{}", "--text", "SEE", "--data.root", "tests"), "--count and --data.root are of a split"),
        (("--out", "{}", "--text", "SEE", "--split", "test"), "--split has texts of its own; leave --text"),
        (("--out", "{}", "--texts", "README.md", "--split", "test"), "--split has texts of its own; leave --text"),
        (("--out", "{}", "--signer", "eva", "--split", "test"), "leave --signer out"),
        (("--out", "{}", "--split", "test", "--count", "0"), "count is 0; the test split has 3 clips"),
        (("--out", "{}", "--split", "test", "--count", "4"), "count is 4; the test split has 3 clips"),
        (("--out", "{}", "--split", "test", "--data.root", "tests"), "data.root is tests, but the procedural source"),
        (("--out", "{}", "--split", "test", "--num_frames", "17"), "num_frames is 17; give 1 to 16"),
    ],
)
def test_what_cannot_be_signed_is_told_and_nothing_is_written(words, message, signing_run, tmp_path, capsys):
    given = [word.replace("{}", str(tmp_path / "signs")) for word in words]
    assert message in refusal(capsys, "generate", signing_run, *given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("held", ["folder", "file"])
def test_what_is_there_is_not_written_over(held, signing_run, tmp_path, capsys):
    out = tmp_path / "signs"
    kept = out if held == "file" else out / "thesis.txt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("years of work")
    words = ("generate", signing_run, "--text", "SEE", "--out", out)
    assert "is not an empty folder; choose another" in refusal(capsys, *words)
    assert kept.read_text() == "years of work"


def test_a_retrieval_run_does_not_sign(retrieval_run, tmp_path, capsys):
    words = ("generate", retrieval_run, "--text", "SEE", "--out", tmp_path / "signs")
    assert "DanceTextTask generates no signing; choose a run of a text-to-sign system" in refusal(capsys, *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("index", "--out", "{}/index.safetensors"),
        ("retrieve", "--text", "SEE"),
        ("retrieve", "--motion", "{}/absent.npy"),
        ("retrieve", "--html", "{}/page.html"),
        ("embed", "--out", "{}/embeddings"),
    ],
)
def test_a_signing_run_does_not_retrieve(words, signing_run, tmp_path, capsys):
    command, *flags = (word.replace("{}", str(tmp_path)) for word in words)
    told = refusal(capsys, command, signing_run, *flags)
    assert "Text2SignTask embeds no motion and text; choose a run of a retrieval system" in told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flags", [("--ndcg",), ("--protocol", "dissimilar")])
def test_measures_of_retrieval_are_refused_for_a_signing_run(flags, signing_run, capsys):
    told = refusal(capsys, "evaluate", signing_run, *flags)
    assert f"generates signing, so {flags[0].lstrip('-')} cannot be used; leave them out" in told


def test_the_best_checkpoint_of_signing_is_not_the_one_of_the_largest_error(tmp_path, capsys):
    words = ("--loop.evaluate_every", "25", "--loop.best_metric", "val/signing/ndtw_mje", "--workdir", tmp_path / "run")
    told = refusal(capsys, "train", "configs/text2sign/tiny.py", *words)
    assert "set loop.best_is to 'smaller'" in told
