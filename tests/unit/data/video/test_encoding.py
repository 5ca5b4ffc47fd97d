import sys

import numpy as np
import pytest

from jaxmm.data.video.encoding import reencoded
from jaxmm.errors import ConfigError, MissingExtraError

av = pytest.importorskip("av")

HEIGHT, WIDTH = 36, 48


@pytest.fixture
def scene():
    """Colours that run across the picture, and a bright box that moves over them."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ground = np.stack([40 + 3 * y, 30 + 2 * x, 90 + y + x], axis=-1).astype(np.uint8)
    frames = np.repeat(ground[None], 16, axis=0)
    for number, frame in enumerate(frames):
        frame[10:22, number : number + 12] = (230, 220, 60)
    return frames


def psnr(one, other):
    return 10 * np.log10(255**2 / np.mean((one.astype(np.float64) - other) ** 2))


def test_encoding_anew_loses_more_the_less_is_left(scene):
    # Colours are kept at half the resolution, so the edge of the box is never as it was.
    ratios = [psnr(reencoded(scene, crf=crf), scene) for crf in (5, 28, 40)]
    assert ratios[0] > 30 and ratios[0] > ratios[1] > ratios[2]
    assert all(18 < ratio < 40 for ratio in ratios[1:])
    odd = reencoded(scene[:3, :31, :45], crf=5)
    assert odd.shape == (3, 31, 45, 3) and psnr(odd, scene[:3, :31, :45]) > 30


def test_what_is_not_installed_is_said(scene, monkeypatch):
    class NoEncoder:
        @staticmethod
        def create(name, mode):
            raise av.codec.codec.UnknownCodecError(name)

    with monkeypatch.context() as patch, pytest.raises(ConfigError, match=r"FFmpeg as installed cannot encode H\.264"):
        patch.setattr(av, "CodecContext", NoEncoder)
        reencoded(scene, crf=30)
    with monkeypatch.context() as patch, pytest.raises(MissingExtraError, match=r"av is not installed.*jaxmm\[video\]"):
        patch.setitem(sys.modules, "av", None)
        reencoded(scene, crf=30)
