"""What a user gets wrong on the command line: status 2 and one message that helps, never a traceback."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxmm.cli import main

TINY = "configs/dance_text/tiny.py"
REPOSITORY = Path(__file__).resolve().parents[2]

# What is typed, and the flag that is meant.
MISSPELT = {
    "data.btach_size": "data.batch_size",
    "data.batchsize": "data.batch_size",
    "data.batch-sizes": "data.batch_size",
    "data.batch": "data.batch_size",
    "batch_size": "data.batch_size",
    "data.bacth_size": "data.batch_size",
    "data.rooot": "data.root",
    "data.rot": "data.root",
    "data.roots": "data.root",
    "root": "data.root",
    "data.frames": "data.num_frames",
    "data.num_frame": "data.num_frames",
    "data.numframes": "data.num_frames",
    "data.nun_frames": "data.num_frames",
    "data.fsp": "data.fps",
    "data.ffps": "data.fps",
    "data.center": "data.centre",
    "data.centr": "data.centre",
    "data.cetnre": "data.centre",
    "data.face_foward": "data.face_forward",
    "data.faceforward": "data.face_forward",
    "data.face": "data.face_forward",
    "data.max_token": "data.max_tokens",
    "data.maxtokens": "data.max_tokens",
    "data.mx_tokens": "data.max_tokens",
    "data.tokeniser": "data.tokenizer",
    "data.tokenzier": "data.tokenizer",
    "data.num_thread": "data.num_threads",
    "data.threads": "data.num_threads",
    "data.scal": "data.scale",
    "data.scael": "data.scale",
    "seeed": "seed",
    "data.source.take": "data.source.takes",
    "data.source.taks": "data.source.takes",
    "data.sorce.takes": "data.source.takes",
    "data.source.held_out": "data.source.held_out_takes",
    "data.source.heldout_takes": "data.source.held_out_takes",
    "data.augmentation.mirror": "data.augmentation.mirror_rate",
    "data.augmentation.miror_rate": "data.augmentation.mirror_rate",
    "data.augmentation.speed": "data.augmentation.speed_range",
    "data.augmentation.sped_range": "data.augmentation.speed_range",
    "data.augmentation.yaw": "data.augmentation.yaw_range",
    "data.augmentation.yawrange": "data.augmentation.yaw_range",
    "data.augmentations.yaw_range": "data.augmentation.yaw_range",
    "task.objective.temprature": "task.objective.temperature",
    "task.objective.temperatur": "task.objective.temperature",
    "task.temperature": "task.objective.temperature",
    "task.objetive.temperature": "task.objective.temperature",
    "task.objective.false_negative": "task.objective.false_negatives",
    "task.objective.falsenegatives": "task.objective.false_negatives",
    "task.objective.chunk": "task.objective.chunk_size",
    "task.objective.chunksize": "task.objective.chunk_size",
    "task.objective.knd": "task.objective.kind",
    "task.poolling": "task.pooling",
    "task.poling": "task.pooling",
    "task.motion.hidden": "task.motion.hidden_dim",
    "task.motion.hiden_dim": "task.motion.hidden_dim",
    "task.motion.hidden_dims": "task.motion.hidden_dim",
    "task.motion.dropout": "task.motion.dropout_rate",
    "task.motion.dropuot_rate": "task.motion.dropout_rate",
    "task.motion.num_layer": "task.motion.num_layers",
    "task.motion.numlayers": "task.motion.num_layers",
    "task.motion.embeding_dim": "task.motion.embedding_dim",
    "task.motion.embedding": "task.motion.embedding_dim",
    "task.motion.projection": "task.motion.projection_dim",
    "task.motion.conv_dim": "task.motion.conv_dims",
    "task.text.layers": "task.text.num_layers",
    "task.text.num_laywrs": "task.text.num_layers",
    "task.text.vocabsize": "task.text.vocab_size",
    "task.text.vocab": "task.text.vocab_size",
    "task.text.num_head": "task.text.num_heads",
    "task.text.heads": "task.text.num_heads",
    "task.text.feedforward": "task.text.feedforward_dim",
    "task.text.max_position": "task.text.max_positions",
    "task.text.dropout": "task.text.dropout_rate",
    "task.text_head.hidden": "task.text_head.hidden_dim",
    "task.text_head.embeding_dim": "task.text_head.embedding_dim",
    "task.texthead.hidden_dim": "task.text_head.hidden_dim",
    "task.text_weight": "task.text_weights",
    "task.textweights": "task.text_weights",
    "task.micro_batches": "task.num_micro_batches",
    "task.optimizer.learning_rate": "task.optimizer.lr",
    "task.optimizer.weight_decy": "task.optimizer.weight_decay",
    "task.optimizer.weightdecay": "task.optimizer.weight_decay",
    "task.optimizer.end_l": "task.optimizer.end_lr",
    "task.optimizer.warmup": "task.optimizer.warmup_steps",
    "task.optimiser.lr": "task.optimizer.lr",
    "task.optimizr.lr": "task.optimizer.lr",
    "task.numerics.dtype": "task.numerics.compute_dtype",
    "task.numerics.compute_type": "task.numerics.compute_dtype",
    "task.numerics.precision": "task.numerics.matmul_precision",
    "task.numerics.spike": "task.numerics.spike_factor",
    "task.numerics.rollback": "task.numerics.rollback_after",
    "task.numeric.max_rollbacks": "task.numerics.max_rollbacks",
    "loop.epoch": "loop.epochs",
    "loop.epohcs": "loop.epochs",
    "loop.save_evry": "loop.save_every",
    "loop.saveevery": "loop.save_every",
    "loop.eval_every": "loop.evaluate_every",
    "loop.best_metrics": "loop.best_metric",
    "loop.log_evey": "loop.log_every",
    "devices.num_device": "devices.num_devices",
    "devices.model_paralelism": "devices.model_parallelism",
    "device.mode": "devices.mode",
    "workdirr": "workdir",
    "work_dir": "workdir",
    "sed": "seed",
    "distribute": "distributed",
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
        suggested = refusal(capsys, "train", TINY, f"--{wrong}", "1").partition("Perhaps you meant")[2]
        if not re.search(rf"--{re.escape(right)}[ ,\n]", suggested):
            missed.append(wrong)
    assert len(MISSPELT) >= 100
    assert len(missed) <= 0.05 * len(MISSPELT), missed


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
        (["retrieve", "no/such/run", "--text", "a", "--fps", "20"], "give its file by --motion"),
        (["retrieve", "no/such/run", "--text", "a", "--index", "x", "--data.root", "y"], "give one of them"),
        (["evaluate", "no/such/run", "--sentences", "x"], "add --ndcg"),
        (["inspect", "tests", "--num_joints", "22"], "leave --num_joints out"),
        (["train", "--loop.epochs", "0", TINY], "loop.epochs is 0"),
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
