"""The shipped tiny text-to-sign config, from training to files, through the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxmm.data.sign.folder import read_sign_folder

# Checkpoints are nearer to the end than half of it.
TWO_CHECKPOINTS = ("configs/text2sign/tiny.py", "--loop.keep", "2", "--loop.save_every", "10")


@pytest.fixture(scope="module")
def run(jaxmm, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "signs"
    jaxmm("train", *TWO_CHECKPOINTS, "--workdir", folder)
    return folder


@pytest.fixture(scope="module")
def judges(jaxmm, tmp_path_factory) -> dict[str, Path]:
    """What reads signing, and what codes it, both trained on the procedural signer alone."""
    folder = tmp_path_factory.mktemp("judges")
    for name in ("reader", "autoencoder"):
        jaxmm("train", f"configs/text2sign/tiny_{name}.py", "--workdir", folder / name)
    return {name: folder / name for name in ("reader", "autoencoder")}


@pytest.fixture(scope="module")
def scores(jaxmm_json, run, judges) -> dict:
    by = ("--back-translation", judges["reader"], "--autoencoder", judges["autoencoder"])
    return jaxmm_json("evaluate", run, *by, "--bootstrap", 100)


def test_signs_sentences_it_never_saw(scores):
    # Half of the mean pose's error is asked for; the margin below leaves room for another processor's rounding.
    name = "ndtw_mje"
    assert scores[f"test/signing/{name}"] <= 0.5 * scores[f"test/mean_pose/{name}"]
    assert scores[f"test/signing/{name}"] < 0.9 * scores[f"test/random_clip/{name}"]
    assert scores["test/signing/length_error"] <= 0.1
    assert scores["test/signing/diversity"] > 0.4 * scores["test/real/diversity"]


def test_a_reader_who_learnt_from_real_signing_reads_what_it_signs(scores):
    name = "back_translation/recall@1"
    # Ten times chance is asked for, of 17 sentences.
    assert scores["test/signing/back_translation/chance"] == pytest.approx(1 / 17, abs=1e-4)
    assert scores[f"test/signing/{name}"] >= 10 / 17
    assert scores[f"test/real/{name}"] >= 0.9 > 0.3 >= scores[f"test/random_clip/{name}"]


def test_its_codes_are_nearer_to_real_signing_than_a_held_pose(scores, judges, jaxmm_json):
    assert scores["test/real/frechet"] < scores["test/signing/frechet"] < 0.5 * scores["test/mean_pose/frechet"]
    told = jaxmm_json("evaluate", judges["autoencoder"])["test/reconstruction/ape"]
    assert told < 0.5 * scores["test/mean_pose/ape"]


def test_intervals_hold_what_they_are_of(scores):
    for name in ("ndtw_mje", "ape", "length_error"):
        value, low, high = (scores[f"test/signing/{name}{end}"] for end in ("", "/low", "/high"))
        assert low < value < high


def test_losses_fall_and_the_critic_starts_late(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    reconstruction = [row["train/reconstruction"] for row in rows if "train/reconstruction" in row]
    assert np.mean(reconstruction[-3:]) < 0.7 * reconstruction[0]
    real = [row["train/critic/real"] for row in rows if "train/critic/real" in row]
    assert abs(real[0]) < 0.5 < max(real)


def test_goes_on_from_a_checkpoint_and_is_exported(goes_on_and_leaves, run):
    goes_on_and_leaves(run, *TWO_CHECKPOINTS, part="generator")


def test_generates_files_that_say_what_was_asked(jaxmm_json, run, tmp_path):
    pytest.importorskip("pose_format", reason="needs pose-format, the extra 'sign'")
    texts = tmp_path / "texts.txt"
    texts.write_text("FRIEND HOUSE SEE\nBOAT BUY\n")
    lengths = jaxmm_json("generate", run, "--texts", texts, "--text", "HOUSE SEE", "--out", tmp_path / "signs")
    clips = list(read_sign_folder(tmp_path / "signs"))
    assert [clip.gloss for clip in clips] == ["HOUSE SEE", "FRIEND HOUSE SEE", "BOAT BUY"]
    assert [clip.num_frames for clip in clips] == [lengths[f"{clip.key}/frames"] for clip in clips]
    assert len({clip.num_frames for clip in clips}) > 1
    assert len(list((tmp_path / "signs").glob("*.pose"))) == 3
