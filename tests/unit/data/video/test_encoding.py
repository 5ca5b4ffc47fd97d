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


def luma(frames):
    """How bright pixels are, by ITU-R BT.601."""
    return frames @ np.array([0.299, 0.587, 0.114])


def test_encoding_anew_loses_more_the_less_is_left(scene):
    # Colours are kept at half the resolution, so the edge of the box is never as it was; brightness is kept at all of
    # it, and is no more than a value or two too dark: it is rounded down on its way to and fro.
    again = [reencoded(scene, crf=crf) for crf in (5, 28, 40)]
    bright, coloured = ([psnr(of(own), of(scene)) for own in again] for of in (luma, np.asarray))
    assert bright[0] > 43 and bright[0] > bright[1] > bright[2] > 20
    assert coloured[0] > 30 and coloured[0] > coloured[1] > coloured[2] > 18
    odd = reencoded(scene[:3, :31, :45], crf=5)
    assert odd.shape == (3, 31, 45, 3) and psnr(luma(odd), luma(scene[:3, :31, :45])) > 43


def test_colours_and_greys_are_those_that_were_encoded():
    # Blocks of strong colours, seen in their middles: another matrix or range would move them by ten and more.
    colours = np.array([(200, 40, 90), (40, 170, 60), (60, 90, 210), (220, 200, 50)], np.uint8)
    blocks = np.broadcast_to(colours.repeat(16, axis=0), (4, 32, 64, 3))
    found = reencoded(blocks.copy(), crf=5)[:, :, 8::16]
    np.testing.assert_allclose(found, np.broadcast_to(colours, found.shape), atol=4)
    ramp = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8)[:, None], (4, 32, 64, 3))
    np.testing.assert_allclose(reencoded(ramp.copy(), crf=0), ramp, atol=1)


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
