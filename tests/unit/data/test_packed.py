import dataclasses
import json

import numpy as np
import pytest

from jaxmm.data.motion import Skeleton, resample
from jaxmm.data.packed import open_packed, pack
from jaxmm.errors import DataError


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "new" / "packed"


@pytest.fixture
def written(motions, folder):
    pack(motions, folder, fps=10.0)
    return folder


def nothing_left(folder):
    return not folder.exists() and list(folder.parent.iterdir()) == []


def test_everything_of_a_motion_is_kept(motions, written):
    packed = open_packed(written)
    assert len(packed) == len(motions)
    assert packed.skeleton == motions[0].skeleton
    assert packed.fps == 10.0
    for index, motion in enumerate(motions):
        np.testing.assert_array_equal(packed.motion(index), motion.positions)
        assert packed.keys[index] == motion.key
        assert packed.captions[index] == motion.captions
        assert packed.tags[index] == motion.tags


def test_motions_are_resampled_to_one_rate(make_motion, folder):
    fast, slow = make_motion("fast", 20, fps=20.0), make_motion("slow", 5, fps=5.0)
    packed = pack([fast, slow], folder, fps=10.0)
    assert [len(packed.motion(index)) for index in range(2)] == [10, 10]
    np.testing.assert_array_equal(packed.motion(1), resample(slow.positions, source_fps=5.0, target_fps=10.0))


def test_frames_are_mapped_and_cannot_be_written(written):
    positions = open_packed(written).stored.frames
    assert isinstance(positions.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        positions[0] = 0


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, DataError])
def test_a_source_that_fails_leaves_nothing_behind(error, motions, folder):
    def failing():
        yield from motions[:3]
        raise error("the disk went away")

    with pytest.raises(error, match="the disk went away"):
        pack(failing(), folder, fps=10.0)
    assert nothing_left(folder)


def test_the_folder_is_absent_until_it_is_complete(motions, folder):
    def watching():
        for motion in motions:
            assert not folder.exists()
            yield motion

    pack(watching(), folder, fps=10.0)
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]


def test_of_two_writers_the_first_to_finish_wins(motions, folder):
    def slow():
        yield motions[0]
        pack(motions[:2], folder, fps=10.0)
        yield motions[1]

    assert pack(slow(), folder, fps=10.0).keys == (motions[0].key, motions[1].key)
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]


def test_a_target_that_is_a_file_is_not_hidden(motions, folder):
    folder.parent.mkdir()
    folder.write_text("in the way")
    with pytest.raises(OSError, match="Not a directory"):
        pack(motions, folder, fps=10.0)
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]


def test_mixed_skeletons_repeated_keys_and_no_motion_are_refused(motions, folder):
    other = Skeleton(joint_names=("Root", *motions[0].skeleton.joint_names[1:]), parents=motions[0].skeleton.parents)
    mixed = dataclasses.replace(motions[1], skeleton=other)
    for source, message in (
        ([motions[0], mixed], "train_1: has another skeleton than the motions before it; keep one a data set"),
        ([motions[0], motions[1], motions[0]], "train_0: the key repeats; give every recording its own"),
        ([], "the source holds no recording; check its path"),
    ):
        with pytest.raises(DataError, match=message):
            pack(source, folder, fps=10.0)
        assert nothing_left(folder)


@pytest.mark.parametrize("change", [-4, -1, 4, 1])
def test_cut_or_grown_frames_are_refused(change, written):
    path = written / "frames.f32"
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + bytes(change))
    with pytest.raises(DataError, match=r"(frames.f32 was cut or changed|not a packed data set).*; delete the folder"):
        open_packed(written)


@pytest.mark.parametrize("name", ["frames.f32", "meta.json"])
@pytest.mark.parametrize("damage", ["remove", "empty"])
def test_absent_and_empty_files_are_refused(name, damage, written):
    (written / name).unlink()
    if damage == "empty":
        (written / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"not a packed data set .*; delete the folder to have it packed anew"):
        open_packed(written)


@pytest.mark.parametrize(
    "meta", ["{", "{}", "[]", '{"clips": [], "about": {}, "fps": 1}', '{"clips": {"a": {}}, "about": {}, "fps": 1}']
)
def test_damaged_descriptions_are_refused(meta, written):
    (written / "meta.json").write_text(meta)
    with pytest.raises(DataError, match="delete the folder to have it packed anew"):
        open_packed(written)


def test_keys_and_captions_may_be_in_any_script(make_motion, folder):
    packed = pack([make_motion("Gänge/前", 3, captions=("一个人走路", "ein Mensch geht"))], folder, fps=10.0)
    assert packed.keys == ("Gänge/前",)
    assert packed.captions == (("一个人走路", "ein Mensch geht"),)
    assert json.loads((folder / "meta.json").read_text())["fps"] == 10.0
