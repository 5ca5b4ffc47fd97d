"""Scenes are the same for the same seed, and show all of a motion."""

import dataclasses

import numpy as np
import pytest

from jaxmm.errors import DataError
from jaxmm.rendering.backdrop import KINDS, Backdrop
from jaxmm.rendering.camera import Camera
from jaxmm.rendering.film import ORIGIN, write_mp4
from jaxmm.rendering.scene import Scene

Image = pytest.importorskip("PIL.Image")
av = pytest.importorskip("av")


def decoded(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], container.metadata


def test_a_seed_makes_the_same_pictures_and_another_seed_makes_others(walk):
    motion = dataclasses.replace(walk, positions=walk.positions[:3])

    def pictures(seed):
        return np.stack(list(Scene.drawn(np.random.default_rng(seed), facing=90.0).frames(motion, size=48)))

    np.testing.assert_array_equal(pictures(1), pictures(1))
    assert (pictures(1) != pictures(2)).any()


def test_every_scene_shows_the_whole_figure_all_the_time_and_large_enough(walk):
    """On a flat backdrop, no pixel of the edge belongs to the figure, and it is a third of the height or more."""
    for seed in range(12):
        scene = Scene.drawn(np.random.default_rng(seed), facing=180.0)
        scene = dataclasses.replace(scene, backdrop=Backdrop(kind="flat", first=(1.0, 0.0, 1.0)), fill=0.96)
        for picture in scene.frames(walk, size=64):
            rows, columns = np.nonzero((picture != (255, 0, 255)).any(-1))
            assert rows.min() > 0 and rows.max() < 63 and columns.min() > 0 and columns.max() < 63
            assert np.ptp(rows) > 64 / 3


def test_scenes_differ_in_all_that_is_said(walk):
    scenes = [Scene.drawn(np.random.default_rng(seed), facing=60.0) for seed in range(40)]
    assert {scene.backdrop.kind for scene in scenes} == set(KINDS)
    assert {scene.appearance.bare_arms for scene in scenes} == {scene.appearance.long_hair for scene in scenes}
    assert max(abs(scene.azimuth) for scene in scenes) <= 60 < 2 * np.std([scene.azimuth for scene in scenes])
    assert len({scene.appearance.shirt for scene in scenes}) == 40


@pytest.mark.parametrize("kind", KINDS)
def test_floors_move_past_a_camera_that_follows_and_other_backdrops_stand_still(kind):
    target = np.array([[0.0, 0.9, 0.0], [0.3, 0.9, 0.0]])
    backdrop = Backdrop(kind=kind, first=(0.9, 0.8, 0.7), second=(0.2, 0.3, 0.4))
    first, second = backdrop.frames(Camera(elevation=15.0, roll=3.0), target, np.zeros((2, 2)), size=64)
    assert first.shape == (64, 64, 3)
    assert (first != second).any() == (kind in ("checker", "room"))


def test_the_floor_is_darkest_below_the_figure():
    floor = Backdrop(kind="room", first=(0.9, 0.9, 0.9), wall=30.0)
    camera, target = Camera(elevation=20.0), np.array([[0.0, 0.9, 0.0]])
    (picture,) = floor.frames(camera, target, np.array([[0.4, 0.2]]), size=128)
    pixels, _ = camera.project(np.array([[[0.4, 0.0, 0.2]]]), target, size=128)
    column, row = pixels[0, 0].round().astype(int)
    below = picture[70:].astype(int).sum(-1)
    darkest = np.unravel_index(below.argmin(), below.shape)
    assert abs(darkest[0] + 70 - row) <= 4 and abs(darkest[1] - column) <= 4


def test_files_hold_the_pictures_and_are_the_same_bytes_again(walk, tmp_path):
    motion = dataclasses.replace(walk, positions=walk.positions[:8], fps=15.0)
    scene = Scene()
    for name in ("a.mp4", "b.mp4"):
        assert write_mp4(tmp_path / "new" / name, scene.frames(motion, size=64), fps=15.0) == 8
    assert (tmp_path / "new" / "a.mp4").read_bytes() == (tmp_path / "new" / "b.mp4").read_bytes()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.mp4", "b.mp4"]
    found, metadata = decoded(tmp_path / "new" / "a.mp4")
    assert metadata["comment"] == ORIGIN
    pictures = np.stack(list(scene.frames(motion, size=64))).astype(int)
    assert np.abs(np.stack(found) - pictures).mean() < 6


def test_files_that_cannot_be_written_are_refused_and_leave_nothing(tmp_path):
    pictures = np.zeros((2, 32, 32, 3), np.uint8)
    (tmp_path / "file").touch()
    for path, frames, message in (
        (tmp_path / "file" / "a.mp4", pictures, "cannot be written"),
        (tmp_path / "odd.mp4", pictures[:, :31, :31], "cannot be written"),
        (tmp_path / "none.mp4", pictures[:0], "there is no picture"),
    ):
        with pytest.raises(DataError, match=message):
            write_mp4(path, frames, fps=15.0)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
