import os
import shutil
from pathlib import Path

import pytest

from jaxmm.data.cache import cache_dir, packed_folder
from jaxmm.data.sign.sources import SignFolder, SpelledWords
from jaxmm.data.sources import MotionFolder
from jaxmm.data.splits import HashSplit


@pytest.fixture
def root(tmp_path):
    (tmp_path / "source" / "deep").mkdir(parents=True)
    (tmp_path / "source" / "a.npy").write_bytes(b"one")
    (tmp_path / "source" / "deep" / "前.npy").write_bytes(b"two")
    return tmp_path / "source"


def folder(root, source=None, *, kind="signs", fps=25.0):
    return packed_folder(kind, source or SignFolder(), root, fps=fps)


def test_the_cache_is_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("JAXMM_CACHE", "/somewhere/else")
    assert cache_dir() == Path("/somewhere/else")
    monkeypatch.delenv("JAXMM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_dir() == Path("/caches/jaxmm")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_dir() == Path("/home/someone/.cache/jaxmm")


def test_empty_variables_are_none(monkeypatch):
    monkeypatch.setenv("JAXMM_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_dir() == Path("/home/someone/.cache/jaxmm")


def test_what_is_packed_lies_in_the_cache_by_kind(root, monkeypatch, tmp_path):
    monkeypatch.setenv("JAXMM_CACHE", str(tmp_path / "cache"))
    assert folder(root).parent == tmp_path / "cache" / "signs"
    assert folder(root, kind="motions").parent == tmp_path / "cache" / "motions"
    assert not (tmp_path / "cache").exists()


def test_the_same_source_has_the_same_folder_however_its_path_is_written(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    assert folder(root) == folder(Path("source")) == folder(root / "deep" / "..") == folder(root)


def test_another_kind_setting_or_rate_has_another_folder(root):
    words = [SpelledWords(), SpelledWords(num_words=3), SpelledWords(held_out=HashSplit(num_buckets=3))]
    names = {folder(root, source).name for source in (SignFolder(), SignFolder(fps=30.0), MotionFolder(), *words)}
    names |= {folder(root, fps=12.5).name, folder(None).name}
    assert len(names) == 8


@pytest.mark.parametrize("change", ["grown", "touched", "added", "removed", "renamed", "moved"])
def test_changed_files_have_another_folder(change, root):
    before, file = folder(root), root / "deep" / "前.npy"
    if change == "grown":
        stat = file.stat()
        file.write_bytes(b"three")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "touched":
        os.utime(file, ns=(1, 1))
    elif change == "added":
        (root / "c.npy").touch()
    elif change == "removed":
        file.unlink()
    elif change == "renamed":
        file.rename(root / "b.npy")
    else:
        root = shutil.move(root, root.with_name("elsewhere"))
    assert folder(root) != before


def test_changed_files_of_a_linked_folder_have_another_folder(root):
    elsewhere = root.parent / "disk"
    elsewhere.mkdir()
    (elsewhere / "b.npy").write_bytes(b"four")
    unlinked = folder(root)
    (root / "linked").symlink_to(elsewhere)
    before = folder(root)
    (elsewhere / "b.npy").write_bytes(b"fives")
    assert len({unlinked, before, folder(root)}) == 3


def test_links_in_a_circle_end(root):
    (root / "deep" / "up").symlink_to(root)
    (root / "deep" / "again").symlink_to(root / "deep")
    assert folder(root) == folder(root)


def test_what_is_no_file_changes_nothing(root):
    before = folder(root)
    (root / "empty").mkdir()
    (root / "dangling").symlink_to(root / "absent")
    os.utime(root, ns=(1, 1))
    assert folder(root) == before


def test_a_root_that_is_not_there_has_a_folder_too(tmp_path):
    """The source itself says what is wrong with it."""
    assert folder(tmp_path / "absent") != folder(tmp_path / "other")


def test_a_file_whose_name_is_not_unicode_is_no_obstacle(root):
    before = folder(root)
    (root / os.fsdecode(b"\xff.npy")).touch()
    assert folder(root) != before
