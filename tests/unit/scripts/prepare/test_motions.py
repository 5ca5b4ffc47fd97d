"""HumanML3D, KIT-ML, Bandai-Namco and CMU: true layouts with little in them, prepared and then opened."""

import json
import re
import shutil

import numpy as np
import pytest

from jaxmm.data.motion import resample
from jaxmm.data.sources import MotionFolder

NUM_FRAMES = 61
SPLITS = {"train": ["000001", "M000001"], "val": ["000002"], "test": ["000003"]}
CAPTION = "a person walks#a/DET person/NOUN walk/VERB#0.0#0.0\n"
INDEX = """Carnegie-Mellon Graphics Lab Motion Capture Database

Subject #5 (modern dance)

05_01\twalk
05_02\tdance -  expressive arms, pirouette
05_09\tdance - glissade
09_01\t“Unknown”
"""


def bvh(*, joints=("Hips", "LThumb"), num_frames=9, frame_time=1 / 30, above="", length=60, drift=0):
    """A figure whose root climbs by a tenth of a unit a frame; `above` names a joint over the hips that never moves."""
    lines, depth = ["HIERARCHY"], 0
    for name in [above, *joints] if above else joints:
        lines += [f"{'JOINT' if depth else 'ROOT'} {name}", "{", f"OFFSET 0 {length} 0"]
        lines += ["CHANNELS 3 Xposition Yposition Zposition" if name == joints[0] else "CHANNELS 1 Xrotation"]
        depth += 1
    lines += ["End Site", "{", "OFFSET 0 1 0", "}", *["}"] * depth, "MOTION"]
    lines += [f"Frames: {num_frames}", f"Frame Time: {frame_time:.7f}"]
    before, after = ["0"] * bool(above), ["0"] * (len(joints) - 1)
    for frame in range(num_frames):
        lines += [" ".join([*before, f"{drift * frame / 50}", f"{frame / 10}", "0", *after])]
    return "\n".join(lines) + "\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def humanml3d(tmp_path, walk):
    def build(num_joints=22):
        root = tmp_path / "HumanML3D"
        for split, names in SPLITS.items():
            write(root / f"{split}.txt", "\n".join(names))
            for name in names:
                write(root / "texts" / f"{name}.txt", CAPTION + "he walks on#x#1.0#3.0\n")
        (root / "new_joints").mkdir()
        for name in [name for names in SPLITS.values() for name in names]:
            np.save(root / "new_joints" / f"{name}.npy", walk(name, num_joints))
        return root

    return build


@pytest.fixture
def walk():
    def positions(name, num_joints):
        """Joints that tremble about a place at which they stand, each motion otherwise."""
        rng = np.random.default_rng(list(name.encode()))
        places = rng.uniform(0.1, 0.9, size=(1, num_joints, 3))
        return (places + rng.normal(scale=1e-3, size=(NUM_FRAMES, num_joints, 3))).astype(np.float32)

    return positions


@pytest.mark.parametrize(("num_joints", "name", "fps"), [(22, "humanml3d", 20.0), (21, "kit", 12.5)])
def test_humanml3d_and_kit_are_read_as_they_are(humanml3d, prepare, experiment, num_joints, name, fps):
    root = humanml3d(num_joints)
    found, (check, train) = prepare("humanml3d", root)
    assert found == {
        **{"motions, train": "2", "motions, val": "1", "motions, test": "1"},
        **{"captions of the whole": "4", "captions of a part": "4", "motions in no list": "0"},
    }
    assert check == ["jaxmm", "data", "check", f"configs/dance_text/{name}.py", "--data.root", str(root)]
    data = experiment(train).data
    motions = list(data.source.inventory(root).items())
    assert {motion.fps for motion in motions} == {fps}
    # A part of two seconds has 40 frames of HumanML3D, and 25 of KIT-ML: the shortest are 40 and 24.
    splits = data.split.assign({motion.key: motion.tags for motion in motions})
    assert splits["000001"] == splits["M000001_1_3"] == "train" and splits["000003"] == "test"
    assert {motion.captions for motion in motions} == {("a person walks",), ("he walks on",)}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: shutil.rmtree(root), "HumanML3D: no such file or folder; name the folder of the data set"),
        (lambda root: shutil.rmtree(root / "texts"), "texts: no such file or folder; unpack texts.zip there"),
        (lambda root: shutil.rmtree(root / "new_joints"), "run the project's notebooks"),
        (lambda root: (root / "val.txt").unlink(), "val.txt: no such file or folder; copy it from the project's"),
        (
            lambda root: (root / "new_joints/000002.npy").unlink(),
            "000002.npy: no such file, but val.txt",
        ),
        (lambda root: np.save(root / "new_joints/000001.npy", np.zeros((9, 263))), r"has shape \(9, 263\); expected"),
        (lambda root: write(root / "texts/000001.txt", "a walk"), "000001.txt:1: not caption#tokens#start#end"),
    ],
)
def test_a_humanml3d_that_is_not_whole_is_refused(humanml3d, refused, damage, message):
    root = humanml3d()
    damage(root)
    assert re.search(message, refused("humanml3d", root))


def bandai(root, names):
    for name in names:
        number = name[len("dataset-")]
        folder = root / "dataset" / f"Bandai-Namco-Research-Motiondataset-{number}" / "data"
        text = bvh(joints=("Hips", "Hand_L", "Hand_R"), above="joint_Root", drift=sum(name.encode()) % 97)
        write(folder / f"{name}.bvh", text)
    return root


def test_bandai_is_captioned_by_its_names(tmp_path, prepare, sound, experiment):
    names = ("dataset-1_bow_not-confident_001", "dataset-2_walk-turn-left_elderly_012", "dataset-2_walk_normal_001")
    out = tmp_path / "out"
    found, (check, train) = prepare("bandai", bandai(tmp_path / "repository", names), out)
    assert found == {"recordings of data set 1": "1", "recordings of data set 2": "2", "captions": "3"}
    assert '"motions": 3' in sound(check)
    motions = {motion.key: motion for motion in experiment(train).data.source.inventory(out).items()}
    assert {key: motion.captions for key, motion in motions.items()} == {
        "d1_bow_not-confident_001": ("a person bows without confidence",),
        "d2_walk-turn-left_elderly_012": ("a person walks and turns left like an elderly person",),
        "d2_walk_normal_001": ("a person walks forward in a normal way",),
    }
    motion = motions["d2_walk-turn-left_elderly_012"]
    assert motion.tags == {"dataset": "2", "content": "walk-turn-left", "style": "elderly"}
    assert motion.skeleton.joint_names == ("Hips", "Hand_L", "Hand_R") and motion.fps == 30.0
    assert motion.positions[3, 0, 1] == pytest.approx(0.603)  # the 60 centimetres below it, and three tenths


def test_a_bandai_of_other_names_and_what_is_prepared_already_are_refused(tmp_path, refused):
    out, repository = tmp_path / "out", tmp_path / "repository"
    for name in ("dataset-1_juggle_normal_001", "dataset-1_bow_blue_001", "dataset-3_bow_normal_001"):
        assert f"{name}.bvh: is not named dataset-<1|2>_" in refused("bandai", bandai(tmp_path / name, [name]), out)
    write(repository / "data.zip", "")
    assert f"holds no .bvh file; unpack {repository / 'data.zip'}" in refused("bandai", repository, out)
    write(repository / "captions.jsonl", "")
    assert "is prepared already; go on with: jaxmm data check" in refused("bandai", repository, out)
    write(out / "captions.jsonl", "mine")
    whole = bandai(tmp_path / "whole", ["dataset-1_bow_old_001"])
    assert "is not an empty folder; choose another" in refused("bandai", whole, out)
    assert (out / "captions.jsonl").read_text() == "mine" and len(list(out.iterdir())) == 1


@pytest.fixture
def recorded(shared_data):
    """The folder of real recordings of motion."""
    if not (shared_data / "motion" / "bvh").is_dir():
        pytest.skip("needs real recordings in ../shared/data/motion, which are not part of the repository")
    return shared_data / "motion"


def test_real_names_have_the_captions_that_were_measured(recorded, tmp_path, prepare):
    rows = [json.loads(line) for line in (recorded / "bandai" / "captions.jsonl").read_text().splitlines()]
    theirs = {row["key"].rpartition("_")[0]: row for row in rows}
    prepare("bandai", bandai(tmp_path / "bvh", [f"dataset-{key[1:]}_001" for key in theirs]), tmp_path / "out")
    ours = {motion.key.rpartition("_")[0]: motion for motion in MotionFolder().inventory(tmp_path / "out").items()}
    assert ours.keys() == theirs.keys() and len(ours) > 200
    for key, row in theirs.items():
        assert ours[key].captions == (row["text"],)
        assert (ours[key].tags["content"], ours[key].tags["style"]) == (row["content"], row["style"])


def test_a_real_file_of_bandai_is_the_recording_that_was_measured(recorded, tmp_path, prepare):
    source = tmp_path / "bvh"
    source.mkdir()
    shutil.copyfile(recorded / "bvh" / "bandai_dataset-1_kick_normal_001.bvh", source / "dataset-1_kick_normal_001.bvh")
    prepare("bandai", source, tmp_path / "out")
    (motion,) = MotionFolder().inventory(tmp_path / "out").items()
    with np.load(recorded / "bandai" / "motions.npz") as archive:
        path = archive[f"{motion.key}/root"]
    ours = resample(motion.positions, source_fps=motion.fps, target_fps=20.0)[: len(path), 0]
    np.testing.assert_allclose(ours, path[: len(ours)], atol=2e-5)
    assert motion.skeleton.tells_sides()


def test_cmu_as_bvh_leaves_out_the_pose_of_rest_and_what_nobody_described(tmp_path, prepare, sound, experiment):
    for drift, name in enumerate(("05_01", "05_02", "09_01", "13_01")):
        joints = ("Hips", "LThumb", "RThumb")
        text = bvh(joints=joints, num_frames=49, frame_time=0.0083333, length=15, drift=drift)
        write(tmp_path / "bvh" / name[:2] / f"{name}.bvh", text)
    index, out = write(tmp_path / "cmu-mocap-index-text.txt", INDEX), tmp_path / "out"
    found, (check, train) = prepare("cmu", tmp_path / "bvh", index, out)
    assert found == {
        **{"recordings": "2", "captions": "2", "subjects": "1"},
        **{"left out, not described": "2", "described, not there": "1"},
    }
    assert '"motions": 2' in sound(check)
    walk, dance = experiment(train).data.source.inventory(out).items()
    assert (walk.key, walk.captions, walk.tags) == ("05_01", ("walk",), {"subject": "05"})
    assert dance.captions == ("dance - expressive arms, pirouette",)
    assert walk.fps == 30.0 and walk.num_frames == 12  # of 49 at 120 a second the first is the pose of rest
    assert walk.skeleton.joint_names == ("Hips", "LeftThumb", "RightThumb")
    np.testing.assert_allclose(walk.positions[:2, 0, 1], np.array([0.1, 0.5]) * 0.0254 / 0.45, rtol=1e-5)


def test_cmu_as_amc_is_read_with_its_skeletons(tmp_path, prepare, sound):
    asf = ":units\n length 0.45\n angle deg\n:root\n order TX TY TZ RX RY RZ\n:bonedata\n"
    for side, way in (("l", 1), ("r", -1)):
        asf += f"begin\n name {side}hand\n direction {way} 0 0\n length 7\n dof rz\nend\n"
    asf += ":hierarchy\n root lhand rhand\n"
    frames = (f"{n}\nroot 0 {n / 10} 0 0 0 0\nlhand 0\nrhand {n}\n" for n in range(1, 49))
    amc = ":DEGREES\n" + "".join(frames)
    write(tmp_path / "subjects" / "05" / "05.asf", asf)
    write(tmp_path / "subjects" / "05" / "05_01.amc", amc)
    index = write(tmp_path / "index.csv", 'MOTION,DESCRIPTION\n05_01,"walk, turn"\n05_02,run\n')
    out = tmp_path / "out"
    found, (check, _) = prepare("cmu", tmp_path / "subjects", index, out)
    assert found["recordings"] == found["described, not there"] == "1"
    assert '"motions": 1' in sound(check)
    (motion,) = MotionFolder().inventory(out).items()
    assert motion.captions == ("walk, turn",) and motion.num_frames == 12
    assert motion.skeleton.joint_names == ("root", "l_hand", "r_hand")
    np.testing.assert_allclose(motion.positions[0, 0], [0, 0.00254 / 0.45, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("files", "index", "text", "message"),
    [
        ((), "index.txt", INDEX, "holds no .amc or .bvh files; name one of a kind"),
        (("05_01.bvh", "05_01.amc"), "index.txt", INDEX, "holds .amc and .bvh files; name one of a kind"),
        (("a/05_01.bvh", "b/05_01.bvh"), "index.txt", INDEX, "is the same trial; remove one"),
        (("99_01.bvh",), "index.txt", INDEX, "index.txt: describes none of the 1 recordings"),
        (("05_01.bvh",), "index.xls", "", "index.xls: is no plain text; save it as a CSV file"),
        (("05_01.bvh",), "index.txt", "walk\n", "index.txt: describes no trial; expected lines such as 05_03"),
        (("05_01.bvh",), "index.txt", INDEX + "05_01\trun\n", "index.txt: describes 05_01 twice, otherwise; keep one"),
    ],
)
def test_a_cmu_of_another_layout_is_refused(tmp_path, refused, files, index, text, message):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in files:
        write(folder / name, bvh())
    assert message in refused("cmu", folder, write(tmp_path / index, text), tmp_path / "out")
    assert not (tmp_path / "out").exists()
