"""Damaged checkpoints are named, never read, and passed over."""

import json

import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.errors import CheckpointError, DamagedError
from jaxmm.snapshot import state_sha256

from .conftest import METRIC, assert_same, at_step, saved, state_at, stream


def files_of(run, step=4):
    folder = run / "checkpoints" / str(step)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def flip(path, *, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


def readers(checkpoints, step=4):
    return (
        lambda: checkpoints.verify(step),
        lambda: checkpoints.restore(state_at(0), stream(), step=step),
        lambda: checkpoints.restore_model(step),
        lambda: checkpoints.choose(str(step)),
    )


def test_every_file_of_a_step_stands_in_its_manifest_once(run):
    manifest = json.loads((run / "checkpoints/4/manifest.json").read_text())
    assert [*manifest["files"], "manifest.json"] == sorted(files_of(run), key=lambda name: name == "manifest.json")
    assert manifest["state_sha256"] == state_sha256(state_at(4))


@pytest.mark.parametrize("item", ["model", "training", "data", "fingerprint.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_file_is_never_read_and_is_named(item, damage, tmp_path):
    run = saved(tmp_path, 4)
    name = max(
        (name for name in files_of(run) if name.startswith(item)),
        key=lambda name: (run / "checkpoints/4" / name).stat().st_size,
    )
    path = run / "checkpoints/4" / name
    if damage == "flip":
        flip(path)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    with Checkpoints(run) as checkpoints:
        assert len(checkpoints.damage(4)) == 1
        for read in readers(checkpoints):
            with pytest.raises(DamagedError, match=rf"checkpoints/4/{name}: (its|is|holds)"):
                read()


def test_a_step_under_another_number_is_noticed(tmp_path):
    run = saved(tmp_path, 4)
    (run / "checkpoints/4").rename(run / "checkpoints/5")
    with Checkpoints(run) as checkpoints, pytest.raises(DamagedError, match="checkpoints/5: is step 4, renamed"):
        checkpoints.verify(5)


def test_a_state_that_was_written_wrongly_is_noticed_though_its_files_are_sound(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("jaxmm.snapshot.state_sha256", lambda _: "0" * 64)
        run = saved(tmp_path, 4)
    with Checkpoints(run) as checkpoints:
        assert checkpoints.damage(4) == []
        for read in readers(checkpoints)[:2]:
            with pytest.raises(DamagedError, match=r"checkpoints/4: the arrays are not those that were saved"):
                read()


def test_training_goes_on_from_the_newest_sound_step_and_sets_damaged_ones_aside(tmp_path, caplog):
    run = saved(tmp_path, 1, 2, 3, 4, keep=4)
    flip(run / "checkpoints/4/manifest.json")
    flip(run / "checkpoints/3/data" / "process_0-of-1.json")
    whole = files_of(run, 3)
    batches = stream()
    with Checkpoints(run, keep=4) as checkpoints:
        assert_same(checkpoints.resume(state_at(0), batches), state_at(2))
        assert checkpoints.steps() == [1, 2]
        assert files_of(run, "damaged/3") == whole
        assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
        for step, name in ((4, "manifest.json"), (3, "data/process_0-of-1.json")):
            assert any(f"checkpoints/{step}/{name}: " in line and f"damaged/{step}" in line for line in caplog.messages)
        checkpoints.save(state_at(3), at_step(3), {})
        flip(run / "checkpoints/3/manifest.json")
        checkpoints.resume(state_at(0), batches)
    assert next(batches) == next(at_step(2))
    assert sorted(entry.name for entry in (run / "checkpoints/damaged").iterdir()) == ["3", "3-2", "4"]


def test_readers_pass_over_damaged_steps_and_move_nothing(tmp_path, caplog):
    run = saved(tmp_path, 1, 2, 3, best_metric=METRIC, keep=3, scores={1: 0.3, 2: 0.2, 3: 0.9})
    flip(run / "checkpoints/3/fingerprint.json", place=0)
    with Checkpoints(run, best_metric=METRIC, writable=False) as checkpoints:
        assert (checkpoints.choose("last"), checkpoints.choose("best")) == (2, 1)
        assert all("checkpoints/3/fingerprint.json: its content changed" in line for line in caplog.messages)
        assert len(caplog.messages) == 2
        assert checkpoints.steps() == [1, 2, 3]


def test_where_no_step_is_sound_all_are_named_and_none_is_moved(tmp_path):
    run = saved(tmp_path, 1, 2, keep=2)
    for step in (1, 2):
        flip(run / f"checkpoints/{step}/data/process_0-of-1.json")
    with Checkpoints(run, keep=2) as checkpoints:
        for read in (lambda: checkpoints.resume(state_at(0), stream()), lambda: checkpoints.choose("last")):
            with pytest.raises(CheckpointError, match=r"(?s)no checkpoint is sound; .*checkpoints/2/.*checkpoints/1/"):
                read()
        assert checkpoints.steps() == [1, 2]
