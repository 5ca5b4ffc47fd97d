"""Architectures that are trained and measured on the same pairs, and margins."""

import dataclasses
import json

import numpy as np
import pytest

from jaxmm import Devices, Experiment, Loop, SupervisedContrastive, Triplet
from jaxmm.errors import ConfigError, DataError
from jaxmm.similarity import compare, costs, margins
from jaxmm.similarity.compare import architectures_of, compare_architectures
from jaxmm.similarity.margins import study_margins
from jaxmm.tasks import frame_features

from .conftest import DATA, TASK

pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
SOURCE = dataclasses.replace(DATA.source, num_test=3, num_val=2)
EXPERIMENT = Experiment(
    task=TASK,
    data=dataclasses.replace(DATA, source=SOURCE),
    loop=Loop(epochs=1, evaluate_every=0, save_every=1),
    devices=Devices(num_devices=1),
)
NAMES = ("siamese", "triplet")


@pytest.fixture(scope="module")
def seen():
    """Numbers of frames that backbones saw, but for the one by which they are told apart."""
    return []


@pytest.fixture(scope="module")
def report(cache, seen, tmp_path_factory):
    """The folder of a comparison, and what was returned of it."""
    folder = tmp_path_factory.mktemp("compared")
    real = frame_features._Seer.__call__

    def see(self, frames):
        if len(frames) > 1:
            seen.append(len(frames))
        return real(self, frames)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_features._Seer, "__call__", see)
        patch.setattr(costs, "_MOST_CALLS", 3)
        scores = compare_architectures(architectures_of(EXPERIMENT, NAMES), folder, num_resamples=10)
    return folder, scores


def test_every_architecture_and_the_ensemble_is_measured(report):
    folder, scores = report
    for name in (*NAMES, "ensemble"):
        assert 0 <= scores[f"test/{name}/roc_auc/low"] <= scores[f"test/{name}/roc_auc/high"] <= 1
        assert scores[f"test/{name}/parameters"] > 0 and scores[f"test/{name}/flops"] > 0
    total = sum(scores[f"test/{name}/parameters"] for name in NAMES)
    assert scores["test/ensemble/parameters"] == total
    document = json.loads((folder / "report.json").read_text())
    assert list(document["architectures"]) == [*NAMES, "ensemble"]
    assert all(document["architectures"][name]["val_roc_auc"] is not None for name in NAMES)
    times = {own["costs"]["see_ms"] for own in document["architectures"].values()}
    assert len(times) == 1  # of one backbone
    assert "the best by validation" in (folder / "report.html").read_text()


def test_frames_are_seen_once_for_all(report, seen):
    data = EXPERIMENT.data.open(report[0] / "siamese" / "assets")
    lengths = [len(clip.frames) for split in ("train", "val", "test") for clip in data.clips(split)]
    distinct = {clip.frames.tobytes() for split in ("train", "val", "test") for clip in data.clips(split)}
    assert len(seen) == len(distinct) <= len(lengths)


def test_the_same_call_goes_on_where_it_ended(report, monkeypatch):
    folder, scores = report
    steps = []
    again = compare_architectures(
        architectures_of(EXPERIMENT, NAMES), folder, num_resamples=10, report=lambda *own: steps.append(own)
    )
    assert not steps
    same = [name for name in scores if not name.endswith("_ms")]
    assert {name: again[name] for name in same} == {name: scores[name] for name in same}


def test_runs_are_compared_as_they_are_and_only_on_the_same_videos(report, tmp_path):
    folder, scores = report
    found = compare_architectures({"one": folder / "siamese"}, tmp_path, num_resamples=10)
    assert found["test/one/roc_auc"] == scores["test/siamese/roc_auc"]
    assert not any("ensemble" in name for name in found)
    source = dataclasses.replace(SOURCE, num_test=2)
    fewer = dataclasses.replace(EXPERIMENT, data=dataclasses.replace(EXPERIMENT.data, source=source))
    candidates = {"one": folder / "siamese", **architectures_of(fewer, ["siamese"])}
    with pytest.raises(ConfigError, match="siamese compares other videos than one; choose runs on the same data"):
        compare_architectures(candidates, tmp_path, num_resamples=10)


def test_what_cannot_be_compared_is_refused_before_anything_is_trained(task, data, tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "train", lambda *_, **__: pytest.fail("something was trained"))
    with pytest.raises(ConfigError, match="DanceTextTask compares no videos; choose configs or runs of Video"):
        compare_architectures({"a": Experiment(task=task, data=data.settings)}, tmp_path)
    with pytest.raises(ConfigError, match="bootstrap is 0; give 1 draw or more"):
        compare_architectures({"a": EXPERIMENT}, tmp_path, num_resamples=0)
    with pytest.raises(ConfigError, match="there is no architecture 'lstm'"):
        architectures_of(EXPERIMENT, ["lstm"])


def test_an_ensemble_without_validation_says_that_it_flatters_itself():
    from .handmade import compared, scores_with

    rows = [compared(f"m{wrong}", scores_with(wrong)) for wrong in (9, 3, 1, 5)]
    assert [row.name for row in compare._members(rows)] == ["m1", "m3", "m5"]
    assert compare._about_ensemble(rows).endswith("m1, m3, m5, the best by these very pairs, which flatters it")
    both = compare._ensemble(rows, 10)
    np.testing.assert_allclose(both.pairs.scores, np.mean([row.pairs.scores for row in rows[1:]], axis=0), rtol=1e-6)
    validated = [dataclasses.replace(row, val_roc_auc=place / 10) for place, row in enumerate(rows)]
    assert [row.name for row in compare._members(validated)] == ["m5", "m1", "m3"]


def test_margins_are_trained_one_by_one_and_drawn(cache, tmp_path):
    scores = study_margins(EXPERIMENT, tmp_path, margins=[1.0, 0.3, 1.0], architecture="triplet", num_resamples=10)
    assert [name for name in scores if name.count("/") == 2] == [
        f"test/{margin}/{score}" for margin in ("0.3", "1") for score in ("roc_auc", "eer")
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"margin_0.3", "margin_1", "margins.csv", "margins.png"}
    head, *rows = (tmp_path / "margins.csv").read_text().splitlines()
    assert head == "margin,roc_auc,roc_auc/low,roc_auc/high,eer,eer/low,eer/high"
    assert [float(row.split(",")[0]) for row in rows] == [0.3, 1.0]
    assert float(rows[0].split(",")[1]) == pytest.approx(scores["test/0.3/roc_auc"], rel=1e-5)
    own = json.loads((tmp_path / "margin_0.3" / "config.json").read_text())
    assert "0.3" in json.dumps(own["task"]["objective"])


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        (
            {"objective": SupervisedContrastive()},
            {},
            "task.objective is SupervisedContrastive, which has no margin; add",
        ),
        ({"objective": Triplet()}, {"margins": []}, "margins: there is none; give one or more"),
        ({"objective": Triplet()}, {"margins": [-1.0]}, r"objective\.margin is -1\.0; give a value above zero"),
        ({"objective": Triplet()}, {"num_resamples": 0}, "bootstrap is 0; give 1 draw or more"),
        ({}, {"architecture": "lstm"}, "there is no architecture 'lstm'"),
    ],
)
def test_margins_that_make_no_sense_are_refused(changes, settings, message, tmp_path, monkeypatch):
    monkeypatch.setattr(margins, "trained", lambda *_, **__: pytest.fail("something was trained"))
    experiment = dataclasses.replace(EXPERIMENT, task=dataclasses.replace(TASK, **changes))
    with pytest.raises(ConfigError, match=message):
        study_margins(experiment, tmp_path, **{"margins": [0.3], **settings})


def test_pairs_of_one_class_are_refused(untrained, monkeypatch):
    from .handmade import SAME, compared, scores_with

    pairs = dataclasses.replace(compared("a", scores_with(0)).pairs, same=np.ones_like(SAME))
    with pytest.raises(DataError, match="ROC-AUC needs same and different pairs"):
        compare.scored(pairs, 5)
