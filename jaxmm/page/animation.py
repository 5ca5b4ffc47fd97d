"""Moving pictures of a person who signs."""

import importlib.util
import math
from io import BytesIO

import numpy as np

from jaxmm.data.sign.clip import SignClip
from jaxmm.errors import MissingExtraError
from jaxmm.page.sign_picture import sign_pictures

ANIMATIONS = ("gif", "mp4")
"""Kinds of animations, named as their files end."""

_NEEDS = {"gif": (("PIL", "pillow", "plots"),), "mp4": (("PIL", "pillow", "plots"), ("av", "av", "video"))}
_COLOURS = 128  # Of a GIF; all its frames share them, so that none flickers.
_FASTEST = 50.0  # Frames of a GIF a second; browsers slow down what is faster.


def check_animation(kind: str) -> None:
    """Refuses a kind of animation whose extras are not installed.

    Args:
        kind: One of `ANIMATIONS`.

    Raises:
        MissingExtraError: If one is not.

    Example:
        >>> check_animation("gif")
    """
    for module, package, extra in _NEEDS[kind]:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError.of(package, extra=extra)


def gif_bytes(clip: SignClip) -> bytes:
    """Draws a clip as an endless GIF; times are rounded to its hundredths of a second.

    Args:
        clip: The clip; of more than 50 frames a second, as many are kept as a GIF can show.

    Raises:
        MissingExtraError: If the extra `plots` is not installed.

    Example:
        >>> clip = SignClip(key="hello", frames=np.zeros((2, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> gif_bytes(clip)[:6]
        b'GIF89a'
    """
    check_animation("gif")
    fps = min(clip.fps, _FASTEST)
    places = np.floor(np.arange(math.ceil(clip.num_frames * fps / clip.fps)) * (clip.fps / fps)).astype(int)
    shown = np.minimum(places, clip.num_frames - 1)
    pictures = list(sign_pictures(clip))
    # The colours are those of frames from the whole clip: a hand that comes into sight late has its own.
    some = [pictures[place] for place in np.linspace(0, len(pictures) - 1, 8).round().astype(int)]
    width, height = some[0].size
    sheet = some[0].resize((width, height * len(some)))
    for row, picture in enumerate(some):
        sheet.paste(picture, (0, row * height))
    palette = sheet.quantize(_COLOURS)
    frames = [pictures[place].quantize(palette=palette, dither=0) for place in shown]
    hundredths = np.diff(np.round(100 * np.arange(len(frames) + 1) / fps)).astype(int)
    held = BytesIO()
    times = [10 * int(time) for time in hundredths]
    frames[0].save(held, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0)
    return held.getvalue()
