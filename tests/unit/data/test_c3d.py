import json

import numpy as np
import pytest

from jaxmm.data.c3d import read_c3d
from jaxmm.data.sources import C3dFolder
from jaxmm.errors import DataError

from .c3d_files import c3d_file

LABELS = ["Anna:HIPS", "Anna:HEAD", "*12"]
POINTS = np.arange(5 * 3 * 3, dtype=np.float32).reshape(5, 3, 3) * 10
CAPTIONS = ("a person walks",)


def write(folder, **settings):
    path = folder / "walk.c3d"
    path.write_bytes(c3d_file(settings.pop("points", POINTS), settings.pop("labels", LABELS), **settings))
    return path


def test_points_become_joints_in_metres_with_y_up(tmp_path):
    motion = read_c3d(write(tmp_path), captions=CAPTIONS)
    assert motion.skeleton.joint_names == ("HIPS", "HEAD")
    assert motion.skeleton.parents == (-1, 0)
    assert (motion.fps, motion.key) == (100.0, "walk")
    x, y, z = np.moveaxis(POINTS[:, :2] / 1000, -1, 0)
    np.testing.assert_allclose(motion.positions, np.stack([x, z, -y], axis=-1), atol=1e-6)
    as_it_is = read_c3d(write(tmp_path), captions=CAPTIONS, up="y")
    np.testing.assert_allclose(as_it_is.positions, POINTS[:, :2] / 1000, atol=1e-6)


@pytest.mark.parametrize(("units", "metres"), [("mm", 0.001), ("cm", 0.01), ("m", 1.0), ("in", 0.0254)])
def test_the_unit_is_the_one_that_the_file_states(tmp_path, units, metres):
    motion = read_c3d(write(tmp_path, units=units), captions=CAPTIONS, up="y")
    np.testing.assert_allclose(motion.positions, POINTS[:, :2] * metres, rtol=1e-5)


def test_an_unknown_unit_needs_to_be_given(tmp_path):
    path = write(tmp_path, units="ell")
    with pytest.raises(DataError, match=r"its unit is 'ell'; give metres_per_unit"):
        read_c3d(path, captions=CAPTIONS)
    assert read_c3d(path, captions=CAPTIONS, metres_per_unit=1.0).num_frames == 5
    with pytest.raises(DataError, match="too large to represent"):
        read_c3d(path, captions=CAPTIONS, metres_per_unit=float("inf"))


def test_labels_choose_the_joints_and_their_order(tmp_path):
    motion = read_c3d(write(tmp_path), captions=CAPTIONS, labels=("HEAD", "HIPS"), up="y")
    np.testing.assert_allclose(motion.positions, POINTS[:, [1, 0]] / 1000, atol=1e-6)
    with pytest.raises(DataError, match="no point 'HAND'; its points are HIPS, HEAD"):
        read_c3d(write(tmp_path), captions=CAPTIONS, labels=("HAND",))


def test_points_that_were_not_seen_are_refused_or_interpolated(tmp_path):
    residuals = np.zeros((5, 3))
    residuals[[0, 2, 3], 1] = -1
    points = POINTS.copy()
    points[[0, 2, 3], 1] = 999
    path = write(tmp_path, points=points, residuals=residuals)
    with pytest.raises(DataError, match="'HEAD' was not seen in 3 frames, first in frame 0; fill the gaps"):
        read_c3d(path, captions=CAPTIONS)
    filled = read_c3d(path, captions=CAPTIONS, missing="interpolate", up="y").positions
    np.testing.assert_allclose(filled[1:, 1], POINTS[1:, 1] / 1000, atol=1e-6)  # the points move in a line
    np.testing.assert_allclose(filled[0, 1], POINTS[1, 1] / 1000, atol=1e-6)
    residuals[:, 1] = -1
    with pytest.raises(DataError, match="'HEAD' was never seen; leave it out of labels"):
        read_c3d(write(tmp_path, residuals=residuals), captions=CAPTIONS, missing="interpolate")
    unlabelled = np.zeros((5, 3))
    unlabelled[:, 2] = -1
    assert read_c3d(write(tmp_path, residuals=unlabelled), captions=CAPTIONS).num_frames == 5


def test_a_file_that_announces_more_than_it_holds_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"announces 60000 frames of 3 points but holds \d+ bytes"):
        read_c3d(write(tmp_path, last_frame=60000), captions=CAPTIONS)
    path = write(tmp_path)
    for content in (b"", b"no", path.read_bytes()[:600], bytes(4096)):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"walk\.c3d: "):
            read_c3d(path, captions=CAPTIONS)
    with pytest.raises(DataError, match="no point is labelled"):
        read_c3d(write(tmp_path, labels=["*1", "*2", "*3"]), captions=CAPTIONS)


def test_a_folder_reads_its_files_with_their_captions(tmp_path):
    write(tmp_path)
    (tmp_path / "captions.jsonl").write_text(json.dumps({"file": "walk.c3d", "texts": ["a walk", "walking"]}))
    (motion,) = C3dFolder(labels=("HIPS",)).inventory(tmp_path).items()
    assert (motion.key, motion.captions, motion.skeleton.num_joints) == ("walk", ("a walk", "walking"), 1)
