import os

import numpy as np
import pytest

from jaxmm.data import sources
from jaxmm.data.folder import write_motion_folder
from jaxmm.data.sources import (
    AmcFolder,
    BvhFolder,
    C3dFolder,
    HumanMl3dFolder,
    MotionFolder,
    ProceduralMotions,
    packed_source,
)
from jaxmm.errors import DataError


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(motions, tmp_path):
    write_motion_folder(motions[:3], tmp_path / "motions")
    return tmp_path / "motions"


def packed_folders(cache):
    return {entry.name for entry in (cache / "motions").iterdir()}


def test_a_source_is_packed_once(root, own_cache, monkeypatch):
    first = packed_source(MotionFolder(), root, fps=10.0)
    monkeypatch.setattr(sources, "pack", lambda *_, **__: pytest.fail("packed a second time"))
    second = packed_source(MotionFolder(), root, fps=10.0)
    assert second.keys == first.keys
    np.testing.assert_array_equal(second.stored.frames, first.stored.frames)
    assert len(packed_folders(own_cache)) == 1


def test_another_rate_or_changed_files_are_packed_anew(root, own_cache, motions):
    packed_source(MotionFolder(), root, fps=10.0)
    assert packed_source(MotionFolder(), root, fps=5.0).fps == 5.0
    assert len(packed_folders(own_cache)) == 2
    os.utime(root / "motions.npz", ns=(1, 1))
    packed_source(MotionFolder(), root, fps=10.0)
    assert len(packed_folders(own_cache)) == 3
    (root / "captions.jsonl").unlink()
    write_motion_folder(motions[:2], root)
    assert len(packed_source(MotionFolder(), root, fps=10.0)) == 2


def test_a_failure_leaves_no_cache_behind(root, own_cache):
    (root / "motions.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"motions.npz: not a readable npz archive"):
        packed_source(MotionFolder(), root, fps=10.0)
    assert not (own_cache / "motions").exists() or packed_folders(own_cache) == set()


@pytest.mark.parametrize("source", [MotionFolder(), BvhFolder(), AmcFolder(), C3dFolder(), HumanMl3dFolder()])
def test_a_root_is_needed_and_must_be_a_folder(source, tmp_path):
    with pytest.raises(DataError, match=r"data.root is not set; give the folder .* with --data.root PATH"):
        source.inventory(None)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(DataError, match=f"data.root: {path} is not a folder; give the folder that holds"):
            source.inventory(path)


def test_the_procedural_source_refuses_files(tmp_path):
    with pytest.raises(
        DataError, match=f"data.root is {tmp_path}, but the procedural source reads no files; remove it"
    ):
        ProceduralMotions().inventory(tmp_path)


def test_the_procedural_source_names_its_splits_and_its_keys_are_distinct(monkeypatch):
    from jaxmm.data import procedural

    asked = []

    def few(split, *, seed, takes):
        asked.append((split, seed, takes))
        return iter(())

    monkeypatch.setattr(procedural, "motions", few)
    assert list(ProceduralMotions(seed=3, takes=5, held_out_takes=2).inventory(None).items()) == []
    assert asked == [("train", 3, 5), ("val", 3, 2), ("test", 3, 2)]
    monkeypatch.undo()
    assert next(ProceduralMotions(takes=1).inventory(None).items()).tags["split"] == "train"
