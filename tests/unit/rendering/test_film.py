"""Films: the same file for the same pictures."""

import numpy as np
import pytest

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
