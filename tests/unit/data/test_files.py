import dataclasses

import numpy as np
import pytest

from jaxmm.data.files import read_motion_file, source_of
from jaxmm.data.motion import Motion, Skeleton
from jaxmm.data.sources import AmcFolder, BvhFolder, C3dFolder, HumanMl3dFolder, MotionFolder
from jaxmm.errors import DataError

from .acclaim_files import AMC, ASF

SKELETON = Skeleton(joint_names=("Hips",), parents=(-1,))
BVH = """HIERARCHY
ROOT Hips
{
    OFFSET 0 0 0
    CHANNELS 3 Xposition Yposition Zposition
}
MOTION
Frames: 2
Frame Time: 0.05
1 2 3
4 5 6
"""


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "walk.npy", np.ones((4, 1, 3), np.float32))
    (tmp_path / "walk.bvh").write_text(BVH)
    (tmp_path / "walk.asf").write_text(ASF)
    (tmp_path / "walk.amc").write_text(AMC)
    return tmp_path


def read(path, *, source=None, **given) -> Motion:
    return read_motion_file(path, source=source or MotionFolder(), skeleton=SKELETON, default_fps=20.0, **given)


def test_a_given_frame_rate_comes_before_the_default(folder):
    assert read(folder / "walk.npy").fps == 20.0
    assert read(folder / "walk.npy", fps=12.5).fps == 12.5
    assert read(folder / "walk.amc").fps == AmcFolder().fps
    assert read(folder / "walk.amc", source=AmcFolder(fps=60.0)).fps == 60.0
    assert read(folder / "walk.amc", source=AmcFolder(fps=60.0), fps=12.5).fps == 12.5


def test_a_given_unit_comes_before_that_of_the_source(folder):
    for given, unit in (({}, 0.1), ({"metres_per_unit": 0.5}, 0.5)):
        motion = read(folder / "walk.bvh", source=BvhFolder(metres_per_unit=0.1), **given)
        np.testing.assert_allclose(motion.positions[0, 0], unit * np.array([1, 2, 3]), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("walk.bvh", {"fps": 30.0}, "states its frame rate itself"),
        ("walk.c3d", {"fps": 30.0}, "states its frame rate itself"),
        ("walk.npy", {"metres_per_unit": 0.01}, "arrays are in metres"),
        ("walk.npy", {"fps": 0.0}, "fps is 0.0; give a frame rate"),
        ("walk.fbx", {}, "is no motion file"),
    ],
)
def test_what_a_file_states_itself_or_cannot_have_is_refused(name, given, message, folder):
    with pytest.raises(DataError, match=message):
        read(folder / name, **given)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("walk.bvh", BvhFolder()),
        ("walk.amc", AmcFolder()),
        ("walk.c3d", C3dFolder()),
        ("captions.jsonl", MotionFolder()),
        ("new_joints/1.npy", HumanMl3dFolder()),
    ],
)
def test_a_folder_is_read_by_what_it_holds(name, source, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert source_of(tmp_path) == source
    if hasattr(source, "metres_per_unit"):
        expected = dataclasses.replace(source, metres_per_unit=0.5)
        assert source_of(tmp_path, metres_per_unit=0.5) == expected
    else:
        with pytest.raises(DataError, match="arrays are in metres"):
            source_of(tmp_path, metres_per_unit=0.5)
