"""The shipped configs on real recordings, where they are at hand: what is read, split and offered to search."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from jaxmm.data.captioned import WORDS
from jaxmm.data.check import check_source
from jaxmm.data.files import source_of
from jaxmm.data.motion_text import MotionTextData
from jaxmm.experiment import read_config

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def opened(shared_data, tmp_path, monkeypatch):
    """Opens the data of a shipped config, with a vocabulary of its own words in place of a downloaded one."""
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))

    def open_config(name: str, fps: float | None = None) -> MotionTextData:
        settings = read_config(REPOSITORY / f"configs/dance_text/{name}.py").data
        settings = dataclasses.replace(
            settings, fps=fps or settings.fps, root=str(shared_data / "motion" / name), tokenizer=WORDS
        )
        return settings.open(tmp_path / name)

    return open_config


def test_bandai_is_split_as_the_baseline_splits_it(opened, shared_data):
    data = opened("bandai")
    rows = [json.loads(line) for line in (shared_data / "motion/bandai/captions.jsonl").read_text().splitlines()]
    test = {row["key"] for row in rows if int(hashlib.md5(row["key"].encode()).hexdigest(), 16) % 10 == 0}
    assert {data.packed.keys[index] for index in data.split("test")} == test
    assert len(test) == 277 and len(data.split("train")) == 2354 and not data.has_split("val")
    assert len(data.gallery("test").captions) == 82


def test_bandai_keeps_the_recorded_positions(opened, shared_data):
    data = opened("bandai", fps=20.0)  # as recorded
    with np.load(shared_data / "motion/bandai/motions.npz") as archive:
        for index in (0, 1000, 2630):
            key = data.packed.keys[index]
            world = archive[f"{key}/joints"].astype(np.float32) + archive[f"{key}/root"][:, None]
            assert np.array_equal(data.packed.motion(index), world)


def test_cmu_batches_are_whole_and_finite(opened):
    data = opened("cmu")
    batch = next(data.train_batches(seed=0))
    assert batch["motion"].shape == (data.settings.batch_size, data.settings.num_frames, 25, 3)
    assert np.isfinite(batch["motion"]).all() and batch["motion_mask"].any(axis=1).all()
    assert set(data.split("train")).isdisjoint(data.split("test"))


@pytest.mark.parametrize(("name", "motions", "joints"), [("cmu", 98, 25), ("deepmimic", 81, 15)])
def test_folders_are_checked(shared_data, name, motions, joints):
    root = shared_data / "motion" / name
    report = check_source(source_of(root), root)
    assert (report.counts["motions"], report.counts["joints"]) == (motions, joints)
