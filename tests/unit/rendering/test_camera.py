"""Cameras see what is before them where geometry says."""

import numpy as np
import pytest

from jaxmm.errors import ConfigError
from jaxmm.rendering.camera import Camera

ORIGIN = np.zeros((1, 3))


def pixel(camera, *point):
    pixels, depth = camera.project(np.array([[point]], float), ORIGIN, size=100)
    return pixels[0, 0].round(6).tolist(), float(depth[0, 0])


@pytest.mark.parametrize(("azimuth", "right"), [(0, (1, 0, 0)), (90, (0, 0, -1)), (180, (-1, 0, 0)), (-90, (0, 0, 1))])
def test_the_camera_goes_round_to_the_figures_left(azimuth, right):
    """A figure faces +z and its left is +x; seen from its left, what is behind it lies to the right."""
    (x, y), depth = pixel(Camera(azimuth=azimuth, distance=2.0, field=90.0), *right)
    assert (round(x, 6), round(y, 6), round(depth, 6)) == (75.0, 50.0, 2.0)


def test_what_is_nearer_is_larger_and_what_is_higher_is_above():
    camera = Camera(distance=2.0, field=90.0)
    assert pixel(camera, 0.5, 0.5, 1.0) == ([75.0, 25.0], 1.0)
    assert pixel(camera, 0.5, 0.5, 0.0) == ([62.5, 37.5], 2.0)


def test_from_above_the_ground_before_the_figure_lies_lower():
    camera = Camera(distance=3.0, elevation=30.0)
    assert pixel(camera, 0, 0, 0.5)[0][1] > 50 > pixel(camera, 0, 0, -0.5)[0][1]
    assert camera.eyes(ORIGIN)[0, 1] == pytest.approx(1.5)


def test_a_rolled_camera_turns_the_picture_clockwise():
    x, y = pixel(Camera(distance=2.0, roll=10.0), 0, 0.5, 0)[0]
    assert x > 50 > y


def test_rays_go_where_pixels_are_projected_from():
    camera = Camera(azimuth=40.0, elevation=20.0, roll=5.0, distance=3.0)
    rays, eye = camera.rays(100), camera.eyes(ORIGIN)[0]
    for row, column in ((10, 20), (50, 50), (99, 0)):
        pixels, depth = camera.project((eye + 4 * rays[row, column])[None, None], ORIGIN, size=100)
        np.testing.assert_allclose(pixels[0, 0], [column + 0.5, row + 0.5])
        assert depth[0, 0] == pytest.approx(4.0)


def test_framing_brings_the_outermost_point_to_where_it_is_wanted():
    points = np.random.default_rng(0).normal(size=(5, 7, 3))
    target = np.zeros((5, 3))
    camera = Camera(azimuth=30.0, field=50.0).framing(points, np.zeros(7), target, fill=0.8)
    pixels, _ = camera.project(points, target, size=100)
    assert np.abs(pixels - 50).max() == pytest.approx(40.0, abs=0.01)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"elevation": 90.0}, "elevation is 90"), ({"distance": 0.0}, "distance is 0"), ({"field": 170.0}, "field 170")],
)
def test_impossible_cameras_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Camera(**settings)
