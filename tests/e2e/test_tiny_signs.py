"""The shipped tiny text-to-sign config, from training to files, through the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxmm.data.sign.folder import read_sign_folder

CONFIG = "configs/text2sign/tiny.py"


@pytest.fixture(scope="module")
def run(jaxmm, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "signs"
    jaxmm("train", CONFIG, "--workdir", folder)
    return folder


@pytest.fixture(scope="module")
def scores(jaxmm_json, run) -> dict:
    return jaxmm_json("evaluate", run)


def test_signs_sentences_it_never_saw(scores):
    # Half of the mean pose's error is asked for; the margin below leaves room for another processor's rounding.
    name = "ndtw_mje"
    assert scores[f"test/signing/{name}"] <= 0.5 * scores[f"test/mean_pose/{name}"]
    assert scores[f"test/signing/{name}"] < 0.9 * scores[f"test/random_clip/{name}"]
    assert scores["test/signing/length_error"] <= 0.1
    assert scores["test/signing/diversity"] > 0.4 * scores["test/real/diversity"]


def test_losses_fall_and_the_critic_starts_late(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    reconstruction = [row["train/reconstruction"] for row in rows if "train/reconstruction" in row]
    assert np.mean(reconstruction[-3:]) < 0.7 * reconstruction[0]
    real = [row["train/critic/real"] for row in rows if "train/critic/real" in row]
    assert abs(real[0]) < 0.5 < max(real)


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
