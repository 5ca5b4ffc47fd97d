"""Films: the same file for the same pictures."""

import numpy as np
import pytest

from jaxmm.data.video.reader import VideoReader
from jaxmm.rendering.film import write_mp4


def test_the_same_pictures_give_the_same_file_whatever_lay_in_memory_before(tmp_path):
    pytest.importorskip("av")
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 255, (23, 10, 10, 3), np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    pictures = tiles // 2 + rng.integers(0, 9, tiles.shape, np.uint8)
    files, other = set(), []
    for _ in range(40):
        other = [*other[-20:], np.full(int(rng.integers(1, 40_000)), 3.3)]
        write_mp4(tmp_path / "a.mp4", pictures.copy(), fps=15.0)
        files.add((tmp_path / "a.mp4").read_bytes())
    assert len(files) == 1


def test_colours_come_back_and_a_film_says_by_which_matrix(tmp_path):
    av = pytest.importorskip("av")
    colours = np.array([(200, 40, 90), (40, 170, 60), (60, 90, 210), (220, 200, 50)], np.uint8)
    write_mp4(tmp_path / "a.mp4", np.broadcast_to(colours.repeat(16, axis=0), (4, 32, 64, 3)).copy(), fps=15.0)
    with VideoReader() as reader:
        found = reader.read_clip(tmp_path / "a.mp4").pixels[:, :, 8::16]
    np.testing.assert_allclose(found, np.broadcast_to(colours, found.shape), atol=4)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stated = container.streams.video[0].codec_context.colorspace
    assert stated == 6  # SMPTE 170M, whose matrix is that of BT.601


def test_two_that_write_one_film_do_not_meet(tmp_path):
    pytest.importorskip("av")
    black = np.zeros((3, 32, 32, 3), np.uint8)

    def interrupted():
        yield from black[:1].repeat(100, axis=0)  # until some are in the file
        write_mp4(tmp_path / "a.mp4", black, fps=15.0)
        yield from black[:1]

    assert write_mp4(tmp_path / "a.mp4", interrupted(), fps=15.0) == 101
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    with VideoReader() as reader:
        assert len(reader.read_clip(tmp_path / "a.mp4").pixels) == 101
