"""What a user gets wrong on the command line: status 2 and one message that helps, never a traceback."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxmm.cli import main

TINY = "configs/dance_text/tiny.py"
REPOSITORY = Path(__file__).resolve().parents[2]

MISSPELT = {
    "--data.btach_size": "--data.batch_size",
    "--data.batchsize": "--data.batch_size",
    "--data.batch-sizes": "--data.batch_size",
    "--data.rooot": "--data.root",
    "--data.rot": "--data.root",
    "--data.frames": "--data.num_frames",
    "--data.num_frame": "--data.num_frames",
    "--data.numframes": "--data.num_frames",
    "--data.fsp": "--data.fps",
    "--data.center": "--data.centre",
    "--data.face_foward": "--data.face_forward",
    "--data.max_token": "--data.max_tokens",
    "--data.tokeniser": "--data.tokenizer",
    "--data.source.take": "--data.source.takes",
    "--data.augmentation.mirror": "--data.augmentation.mirror_rate",
    "--data.augmentation.speed": "--data.augmentation.speed_range",
    "--data.augmentation.yaw": "--data.augmentation.yaw_range",
    "--task.objective.temprature": "--task.objective.temperature",
    "--task.temperature": "--task.objective.temperature",
    "--task.poolling": "--task.pooling",
    "--task.motion.hidden": "--task.motion.hidden_dim",
    "--task.motion.dropout": "--task.motion.dropout_rate",
    "--task.motion.num_layer": "--task.motion.num_layers",
    "--task.text.layers": "--task.text.num_layers",
    "--task.text.vocabsize": "--task.text.vocab_size",
    "--task.optimizer.learning_rate": "--task.optimizer.lr",
    "--task.optimizer.weight_decy": "--task.optimizer.weight_decay",
    "--task.optimiser.lr": "--task.optimizer.lr",
    "--loop.epoch": "--loop.epochs",
    "--workdirr": "--workdir",
    "--sed": "--seed",
}


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    captured = capsys.readouterr()
    assert stopped.value.code == 2, captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


@pytest.fixture(autouse=True)
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("COLUMNS", "200")


def test_misspelt_fields_are_refused_with_the_right_one(capsys):
    missed = []
    for wrong, right in MISSPELT.items():
        suggested = refusal(capsys, "train", TINY, wrong, "1").partition("Perhaps you meant")[2]
        if f"{right} " not in suggested:
            missed.append(wrong)
    assert len(MISSPELT) >= 30
    assert len(missed) <= len(MISSPELT) - 29, missed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "configs/dance_text/tny.py"], "no such config file"),
        (["train", TINY, "--data.num_frames", "0"], "data.num_frames is 0"),
        (["train", TINY, "--data.num_frames", "many"], "many"),
        (["train", TINY, "--task.objective.temperature", "-1"], "objective.temperature is -1"),
        (["train", TINY, "--loop.best_metric", "val/x", "--loop.save_every", "3"], "multiple of evaluate_every"),
        (["train", TINY, "--task.motion.embedding_dim", "32"], "make them equal"),
        (["evaluate", "no/such/run"], "is not a run"),
        (["evaluate", "no/such/run", "--split", "tset"], "tset"),
        (["verify", "no/such/run"], "is not a run"),
        (["index", "no/such/run", "--out", "x"], "is not a run"),
        (["retrieve", "no/such/run"], "nothing to search with"),
        (["retrieve", "no/such/run", "--text", "a", "-k", "0"], "-k is 0"),
        (["inspect", "no/such/run"], "no such config file"),
        (["data", "check", "no/such/folder"], "is not a folder"),
        (["data", "synthesize", "--out", "README.md"], "check the path"),
        (["train", TINY, "--workdir", "README.md/run"], "check the path"),
        (["teach"], "teach"),
        ([], "subcommand"),
    ],
)
def test_mistakes_are_answered(words, message, capsys):
    assert message in " ".join(refusal(capsys, *words).split())


def test_a_failed_start_leaves_no_run_behind(capsys, tmp_path):
    words = ("train", "configs/dance_text/cmu.py", "--workdir", tmp_path / "run", "--data.root")
    assert "is not a folder" in refusal(capsys, *words, tmp_path / "nowhere")
    assert "cannot be read" in refusal(capsys, *words, tmp_path)


def test_a_config_that_could_not_be_read_back_is_refused_before_training(capsys, tmp_path):
    config = tmp_path / "own.py"
    config.write_text(
        "import dataclasses\nimport importlib.util\nfrom jaxmm import PoseConvGru\n"
        f"spec = importlib.util.spec_from_file_location('tiny', {str(REPOSITORY / TINY)!r})\n"
        "tiny = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(tiny)\n"
        "class OwnEncoder(PoseConvGru):\n    pass\n"
        "def get_config():\n"
        "    experiment = tiny.get_config()\n"
        "    task = dataclasses.replace(experiment.task, motion=OwnEncoder(embedding_dim=64))\n"
        "    return dataclasses.replace(experiment, task=task)\n"
    )
    assert "is not allowed" in refusal(capsys, "train", config, "--workdir", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_with_other_files_is_not_taken_over(capsys, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "holds no run" in refusal(capsys, "train", TINY, "--workdir", tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("words", [["-m", "jaxmm", "--help"], ["-c", "import jaxmm"]])
def test_starts_within_a_second(words):
    def seconds() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True, env=os.environ)
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < 1


def test_a_second_config_is_refused(capsys):
    assert "configs/dance_text/base.py: a second config" in refusal(capsys, "train", TINY, "configs/dance_text/base.py")
