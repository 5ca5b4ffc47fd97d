"""Pictures and animations of a person who signs."""

import dataclasses
from io import BytesIO

import numpy as np
import pytest

from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.sources import ProceduralSigns
from jaxmm.errors import MissingExtraError
from jaxmm.page import animation
from jaxmm.page.animation import check_animation, gif_bytes
from jaxmm.page.sign_picture import sign_pictures

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def clip() -> SignClip:
    """Eight frames from the middle of a synthetic sign."""
    source = ProceduralSigns(num_glosses=8, takes=1, num_sentences=12, num_held_out=3, num_signers=1)
    first = next(source.inventory(None).items())
    middle = first.num_frames // 2
    return dataclasses.replace(first, frames=first.frames[middle - 4 : middle + 4])


def colours(picture) -> tuple[int, int, int]:
    """Numbers of pixels that are blue, orange, and anything but the backdrop."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    blue, orange = pixels[..., 2] > pixels[..., 0] + 60, pixels[..., 0] > pixels[..., 2] + 60
    return int(blue.sum()), int(orange.sum()), int((pixels != pixels[0, 0]).any(axis=-1).sum())


def without(clip, *parts):
    frames = clip.frames.copy()
    for part in parts:
        frames[:, HOLISTIC.part_features(part)] = 0
    return dataclasses.replace(clip, frames=frames)


def test_both_hands_are_drawn_each_on_its_side(clip):
    (picture, *others) = sign_pictures(clip, height=300)
    assert len(others) == 7
    assert {own.size for own in others} == {picture.size}
    assert not any(length % 2 for length in picture.size)
    blue, orange, some = colours(picture)
    assert min(blue, orange) > 100
    assert some > 10_000
    wrists = {side: HOLISTIC.feature(f"{side}_hand/WRIST", "x") for side in ("left", "right")}
    assert clip.frames[0, wrists["left"]] > clip.frames[0, wrists["right"]]
    pixels = np.asarray(picture).astype(int)
    centre_of_blue = np.nonzero(pixels[..., 2] > pixels[..., 0] + 60)[1].mean()
    centre_of_orange = np.nonzero(pixels[..., 0] > pixels[..., 2] + 60)[1].mean()
    assert centre_of_blue > centre_of_orange


def test_what_was_not_detected_is_not_drawn(clip):
    drawn = colours(next(sign_pictures(without(clip, "left_hand"), height=300)))
    both = colours(next(sign_pictures(clip, height=300)))
    assert drawn[0] < both[0] / 2  # of the left arm, its end keeps a little of the colour
    assert drawn[1] == both[1]
    assert colours(next(sign_pictures(without(clip, "body", "left_hand", "right_hand", "face"), height=300))) == (
        0,
        0,
        0,
    )


@pytest.mark.parametrize("part", ["body", "face"])
def test_what_is_left_of_a_person_is_drawn(clip, part):
    assert colours(next(sign_pictures(without(clip, part), height=300)))[2] > 500


def test_any_numbers_can_be_drawn():
    """What a model that has learnt nothing makes, and points that lie in one place."""
    rng = np.random.default_rng(0)
    for frames in (rng.normal(size=(2, 540)), 1e4 * rng.normal(size=(2, 540)), np.ones((2, 540))):
        clip = SignClip(key="a", frames=frames.astype(np.float32), fps=25.0, gloss="A")
        assert len(list(sign_pictures(clip, height=120))) == 2


@pytest.mark.parametrize(
    ("fps", "times"),
    [
        (25.0, [40] * 8),
        (12.5, [80] * 8),
        (30.0, [30, 40, 30, 30, 40, 30, 30, 40]),
        (100.0, [20] * 4),
        (0.5, [2000] * 8),
    ],
)
def test_a_gif_lasts_as_long_as_the_clip(clip, fps, times):
    picture = Image.open(BytesIO(gif_bytes(dataclasses.replace(clip, fps=fps))))
    assert picture.info["loop"] == 0
    shown = []
    for frame in range(picture.n_frames):
        picture.seek(frame)
        shown.append(picture.info["duration"])
    assert sum(shown) == sum(times)
    assert len(shown) <= len(times)  # frames that are equal are one, shown longer
    assert colours(picture)[1] > 100


def test_a_still_clip_is_a_gif_too():
    still = SignClip(key="a", frames=np.zeros((1, 540), np.float32), fps=25.0, gloss="A")
    assert gif_bytes(still).startswith(b"GIF89a")


@pytest.mark.parametrize(
    ("missing", "kind", "message"),
    [
        ("PIL", "gif", r"pillow is not installed; run: pip install 'jaxmm\[plots\]'"),
        ("av", "mp4", r"av is not installed; run: pip install 'jaxmm\[video\]'"),
    ],
)
def test_a_missing_extra_is_named(monkeypatch, missing, kind, message):
    found = animation.importlib.util.find_spec
    monkeypatch.setattr(animation.importlib.util, "find_spec", lambda name: None if name == missing else found(name))
    with pytest.raises(MissingExtraError, match=message):
        check_animation(kind)
