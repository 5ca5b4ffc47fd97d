"""Whatever changes training batches changes the fingerprint, by the name of the field; and nothing else does."""

import dataclasses
import itertools
import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmm.checkpoint import Checkpoints
from jaxmm.data.folder import write_motion_folder
from jaxmm.data.motion_text import MotionText
from jaxmm.data.sources import BvhFolder
from jaxmm.data.splits import FileSplit, HashSplit
from jaxmm.data.transforms import Augmentation
from jaxmm.errors import CheckpointError, DataError
from jaxmm.horizon import Horizon
from jaxmm.state import TrainState

SEED = 3
STATE = TrainState(
    step=jnp.int32(2),
    params={"line": {"slope": jnp.float32(1)}},
    collections={},
    opt_state=(),
    key=jnp.zeros(2, jnp.uint32),
    guards={},
    horizon=Horizon(),
)


@pytest.fixture(scope="module")
def assets(settings, data, tmp_path_factory):
    """What a run keeps of its data."""
    del data
    folder = tmp_path_factory.mktemp("assets")
    settings.open(folder)
    return folder


@pytest.fixture(scope="module")
def run(settings, assets, tmp_path_factory):
    """A run that was saved after two batches."""
    opened = settings.open(assets)
    batches = opened.train_batches(seed=SEED)
    list(itertools.islice(batches, 2))
    folder = tmp_path_factory.mktemp("run")
    with Checkpoints(folder, fingerprint=opened.fingerprint(seed=SEED)) as checkpoints:
        checkpoints.save(STATE, batches, {})
    return folder


def resume(run, opened, *, seed=SEED, num_processes=1):
    """Returns the next batches of a run that goes on over other data."""
    found = opened.fingerprint(seed=seed, num_processes=num_processes)
    batches = opened.train_batches(seed=seed)
    with Checkpoints(run, fingerprint=found) as checkpoints:
        checkpoints.resume(STATE, batches)
    return list(itertools.islice(batches, 4))


def refused(run, opened, **which):
    with pytest.raises(CheckpointError, match="was saved over other data; bring those back") as caught:
        resume(run, opened, **which)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


SETTINGS = [
    ("data.split", {"split": HashSplit(num_buckets=7)}),
    ("data.split", {"split": HashSplit(test=(1,))}),
    ("data.split", {"split": HashSplit(val=(3,))}),
    ("data.fps", {"fps": 5.0}),
    ("data.num_frames", {"num_frames": 7}),
    ("data.centre", {"centre": "every_frame"}),
    ("data.face_forward", {"face_forward": True}),
    ("data.scale", {"scale": 2.0}),
    ("data.augmentation.mirror_rate", {"augmentation": Augmentation(mirror_rate=0.5)}),
    ("data.augmentation.speed_range", {"augmentation": Augmentation(speed_range=(0.9, 1.0))}),
    ("data.augmentation.yaw_range", {"augmentation": Augmentation(yaw_range=10.0)}),
    ("data.revision", {"revision": "main"}),
    ("data.max_tokens", {"max_tokens": 5}),
    ("data.batch_size", {"batch_size": 2}),
]


@pytest.mark.parametrize(("field", "changes"), SETTINGS)
def test_another_setting_is_refused_by_its_name(field, changes, run, settings, assets):
    other = dataclasses.replace(settings, **changes)
    assert any(line.startswith(field) for line in refused(run, other.open(assets)))


def test_another_source_is_refused_by_its_name(run, settings, tmp_path):
    header = "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n}\n"
    names = [f"step_{number}.bvh" for number in range(4)]
    for name in names:
        (tmp_path / name).write_text(f"{header}MOTION\nFrames: 2\nFrame Time: 0.1\n0 0 0\n1 0 0\n")
    rows = [json.dumps({"file": name, "texts": [f"the step {name}"]}) for name in names]
    (tmp_path / "captions.jsonl").write_text("\n".join(rows))
    other = dataclasses.replace(settings, source=BvhFolder(), root=str(tmp_path), split=HashSplit(test=()))
    assert any(line.startswith("data.source") for line in refused(run, other.open(tmp_path / "assets")))


@pytest.mark.parametrize(("field", "which"), [("seed", {"seed": 4}), ("num_processes", {"num_processes": 2})])
def test_another_seed_or_number_of_processes_is_refused_by_its_name(field, which, run, settings, assets):
    assert any(line.startswith(f"{field}: ") for line in refused(run, settings.open(assets), **which))


def replaced(motions, place, **changes):
    return [*motions[:place], dataclasses.replace(motions[place], **changes), *motions[place + 1 :]]


def nudged(positions):
    positions = positions.copy()
    positions[-1, -1, -1] = np.nextafter(positions[-1, -1, -1], np.float32(9))
    return positions


FILES = {
    "data.clips.train_0.frames": lambda all_: replaced(all_, 0, positions=nudged(all_[0].positions)),
    "data.clips.train_1.frames": lambda all_: replaced(all_, 1, positions=all_[1].positions[:-1]),
    "data.clips.train_2.frames": lambda all_: replaced(all_, 2, fps=5.0),
    "data.clips.train_3.texts": lambda all_: replaced(all_, 3, captions=("a person walks",)),
    "data.clips.train_4.texts": lambda all_: replaced(all_, 4, captions=all_[4].captions[::-1]),
    "data.clips.train_5.texts": lambda all_: replaced(all_, 5, captions=(*all_[5].captions, "walking")),
    "data.clips.train_6.split": lambda all_: replaced(all_, 6, tags={"split": "test"}),
    "data.clips.renamed.frames": lambda all_: replaced(all_, 7, key="renamed"),
    "data.clips.train_8.frames": lambda all_: [*all_[:8], *all_[9:]],
    "data.clips.train_9b.frames": lambda all_: [*all_[:10], dataclasses.replace(all_[9], key="train_9b"), *all_[10:]],
    "data.clips.test_0.frames": lambda all_: replaced(all_, 13, positions=nudged(all_[13].positions)),
    "data.order": lambda all_: [all_[1], all_[0], *all_[2:]],
}


@pytest.mark.parametrize("field", FILES)
def test_another_file_under_the_same_settings_is_refused_by_the_name_of_the_motion(
    field, run, settings, motions, assets, tmp_path
):
    write_motion_folder(FILES[field](motions), tmp_path / "data")
    opened = dataclasses.replace(settings, root=str(tmp_path / "data")).open(assets)
    assert any(line.startswith(f"{field}: ") for line in refused(run, opened))


def test_another_assignment_in_the_same_file_is_refused_by_the_name_of_the_motion(settings, motions, assets, tmp_path):
    lists = {"train": [motion.key for motion in motions[:-2]], "test": [motion.key for motion in motions[-2:]]}
    path = tmp_path / "split.json"
    path.write_text(json.dumps(lists))
    filed = dataclasses.replace(settings, split=FileSplit(path=str(path)))
    before = filed.open(assets)
    with Checkpoints(tmp_path / "run", fingerprint=before.fingerprint(seed=SEED)) as checkpoints:
        checkpoints.save(STATE, before.train_batches(seed=SEED), {})
    lists["test"].append(lists["train"].pop())
    path.write_text(json.dumps(lists))
    assert any(
        line == 'data.clips.test_2.split: "train" -> "test"' for line in refused(tmp_path / "run", filed.open(assets))
    )


def test_another_tokenizer_of_the_run_is_refused(run, settings, assets, tmp_path):
    shutil.copytree(assets, tmp_path / "assets")
    path = tmp_path / "assets/tokenizer.json"
    path.write_text(path.read_text().replace('"walks"', '"strolls"'))
    assert refused(run, settings.open(tmp_path / "assets"))[0].startswith("data.tokens: ")


def test_another_skeleton_is_refused_before(settings, motions, assets, tmp_path):
    names = dataclasses.replace(motions[0].skeleton, joint_names=("Hips", "LeftUpLeg", "RightUpLeg", "Spine", "Neck"))
    write_motion_folder([dataclasses.replace(motion, skeleton=names) for motion in motions], tmp_path / "data")
    with pytest.raises(DataError, match="another skeleton"):
        dataclasses.replace(settings, root=str(tmp_path / "data")).open(assets)


@pytest.mark.parametrize("num_threads", [1, 2, 8])
@pytest.mark.parametrize("moved", [False, True])
def test_threads_and_the_place_of_the_same_files_change_no_batch(
    num_threads, moved, run, settings: MotionText, motion_folder, assets, tmp_path
):
    root = tmp_path / "moved"
    if moved:
        shutil.copytree(motion_folder, root)
    other = dataclasses.replace(
        settings, num_threads=num_threads, root=str(root if moved else motion_folder), window_stride=1
    )
    batches = resume(run, other.open(assets))
    expected = list(itertools.islice(settings.open(assets).train_batches(seed=SEED), 6))[2:]
    for ours, theirs in zip(batches, expected, strict=True):
        for name in theirs:
            np.testing.assert_array_equal(ours[name], theirs[name])
