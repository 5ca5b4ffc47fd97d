import numpy as np
import pytest

from jaxmm.data.humanml3d import SKELETON, read_humanml3d_folder, read_texts
from jaxmm.data.sources import HumanMl3dFolder
from jaxmm.data.splits import TagSplit
from jaxmm.errors import DataError

KICK = "a man kicks#a/DET man/NOUN kick/VERB#0.0#0.0\n"


def build(root, *, lengths=None, texts=None, splits=None):
    lengths = {"000000": 101, "000001": 61, "M000000": 101} if lengths is None else lengths
    texts = {name: KICK for name in lengths} | (texts or {})
    splits = {"train": ["000000", "M000000"], "test": ["000001"]} if splits is None else splits
    for folder in ("new_joints", "texts"):
        (root / folder).mkdir(parents=True)
    for seed, (name, length) in enumerate(lengths.items()):
        np.save(root / "new_joints" / f"{name}.npy", np.random.default_rng(seed).normal(size=(length, 22, 3)))
    for name, text in texts.items():
        (root / "texts" / f"{name}.txt").write_text(text)
    for split, names in splits.items():
        (root / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


def test_motions_carry_their_split_their_rate_and_the_named_joints(tmp_path):
    motions = list(read_humanml3d_folder(build(tmp_path)))
    assert [(motion.key, motion.tags["split"]) for motion in motions] == [
        ("000000", "train"),
        ("M000000", "train"),
        ("000001", "test"),
    ]
    assert {motion.fps for motion in motions} == {20.0}
    assert motions[0].positions.shape == (101, 22, 3)
    assert SKELETON.joint_names[SKELETON.parents[SKELETON.joint_names.index("left_wrist")]] == "left_elbow"
    left, right = SKELETON.hip_joints()
    assert (SKELETON.joint_names[left], SKELETON.joint_names[right]) == ("left_hip", "right_hip")
    tags = {motion.key: motion.tags for motion in motions}
    assert TagSplit().assign(tags)["000001"] == "test"


def test_parts_become_motions_of_their_own_and_captions_of_one_part_go_together(tmp_path):
    text = KICK + "he kicks again#x#nan#nan\nhe turns#x#1.0#3.5\nturning#x#1.0#3.5\ntoo short#x#1.0#1.5\n"
    root = build(tmp_path, lengths={"000000": 101}, texts={"000000": text}, splits={"train": ["000000"]})
    whole, part = read_humanml3d_folder(root)
    assert (whole.key, whole.captions) == ("000000", ("a man kicks", "he kicks again"))
    assert (part.key, part.captions, part.num_frames) == ("000000_1_3.5", ("he turns", "turning"), 50)
    np.testing.assert_array_equal(part.positions, whole.positions[20:70])


def test_lengths_are_those_that_the_original_loader_takes(tmp_path):
    lengths = {"a": 40, "b": 41, "c": 200, "d": 201}
    root = build(tmp_path, lengths=lengths, splits={"val": list(lengths)})
    assert [motion.key for motion in HumanMl3dFolder().inventory(root).items()] == ["b", "c"]
    assert len(list(HumanMl3dFolder(min_frames=1, max_frames=1000).inventory(root).items())) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no captions; write"),
        ("a man kicks", ":1: not caption#tokens#start#end"),
        ("#x#0.0#0.0", ":1: not caption#tokens#start#end with a caption"),
        ("a#b#c#0.0#0.0", ":1: not caption"),
        (KICK + "a man#x#two#3.0", ":2: two to 3.0 is no part; give seconds"),
        ("a man#x#3.0#2.0", ":1: 3.0 to 2.0 is no part"),
        ("a man#x#-1#2.0", "is no part"),
        ("a man#x#0#1e999", "is no part"),
    ],
)
def test_malformed_captions_are_refused_with_their_line(tmp_path, text, message):
    path = tmp_path / "000000.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_texts(path)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({}, "has no train.txt, val.txt or test.txt"),
        ({"train": []}, "the split files name no motion"),
        ({"train": ["000000"], "test": ["000000"]}, r"test\.txt:1: '000000' is in train\.txt already"),
        ({"train": ["../000000"]}, "is not the name of a motion"),
        ({"train": ["999999"]}, r"999999\.npy: no such file, but train\.txt names '999999'"),
    ],
)
def test_splits_and_files_must_fit(tmp_path, splits, message):
    with pytest.raises(DataError, match=message):
        list(read_humanml3d_folder(build(tmp_path, splits=splits)))


def test_joints_of_another_shape_are_refused(tmp_path):
    root = build(tmp_path)
    for num_joints, remedy in ((21, "set data.source.figure to 'kit'"), (24, "name another folder")):
        np.save(root / "new_joints" / "000000.npy", np.zeros((100, num_joints, 3), np.float32))
        with pytest.raises(DataError, match=rf"000000\.npy: has {num_joints} joints, not 22; {remedy}"):
            list(read_humanml3d_folder(root))


def test_the_joints_of_kit_are_read_at_their_own_rate_and_unit(tmp_path):
    root = build(tmp_path, lengths={"00001": 41}, splits={"train": ["00001"]})
    np.save(root / "new_joints" / "00001.npy", np.full((41, 21, 3), 1500.0, np.float32))
    (motion,) = HumanMl3dFolder(min_frames=24, figure="kit").inventory(root).items()
    assert motion.fps == 12.5 and motion.positions.dtype == np.float32
    np.testing.assert_allclose(motion.positions, 1.5)
    left, right = motion.skeleton.hip_joints()
    assert motion.skeleton.joint_names[left] == "left_hip" and motion.skeleton.joint_names[right] == "right_hip"
    assert len(set(motion.skeleton.mirror_index())) == 21
