"""Videos with what a run says of them drawn on their frames."""

import functools
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxmm.actions.told import Glance, Told
from jaxmm.data.video.clip import LARGEST_FRAME
from jaxmm.data.video.named import named_videos
from jaxmm.data.video.reader import VideoReader
from jaxmm.errors import DataError, MissingExtraError
from jaxmm.files import check_free
from jaxmm.rendering.film import write_mp4

COMMENT = "annotated by jaxmm"
"""What films say of themselves."""

_LEAST_SIDE = 240  # pixels; on less no text can be read
_FASTEST = 60.0  # frames a second
_ROUNDING = 1e-6  # seconds
_LETTERS = 1 / 22  # height of a letter, of the shorter side of a picture
_BACK, _FIRST, _OTHERS, _INK = (0, 0, 0, 150), (42, 111, 187, 235), (120, 130, 145, 200), (255, 255, 255, 255)


def annotate_file(
    out: Path,
    path: Path,
    answers: Sequence[Told | Glance],
    *,
    seconds: float | None = None,
    time_limit_s: float = 60.0,
) -> int:
    """Writes a video with answers drawn on its frames, at its own rate; small pictures are enlarged.

    Args:
        out: MP4 file to write.
        path: The video.
        answers: What was told of the whole of it, or at moments in order, each of which is shown from its time on.
        seconds: When to stop; None goes to the end.
        time_limit_s: Longest time that may be waited for the file, in seconds.

    Returns:
        Number of frames.

    Raises:
        DataError: If the video cannot be read, or the file not be written.
        MissingExtraError: If the extra `video` is not installed.

    Example:
        >>> annotate_file(Path("out.mp4"), Path("no/such.mp4"), [])
        Traceback (most recent call last):
        jaxmm.errors.DataError: no/such.mp4: no such file; check the path
    """
    with VideoReader(time_limit_s=time_limit_s) as reader:
        info = reader.info(path)
    fps, side = min(info.fps, _FASTEST), min(info.width, info.height)
    side = min(max(side, _LEAST_SIDE), LARGEST_FRAME)
    with VideoReader(size=side, time_limit_s=time_limit_s) as reader:
        times = ((count / fps, picture) for count, picture in enumerate(reader.stream(path, fps=fps, end=seconds)))
        return write_mp4(out, drawn(times, answers), fps=fps, comment=COMMENT)


def films_of(paths: Sequence[Path], out: Path | None) -> dict[Path, Path | None]:
    """Returns files that are named, or lie below folders that are, each with the film to write of it, if any is.

    Args:
        paths: Videos or pictures, and folders of them.
        out: Folder of the films, which lie there as the files do; None writes none.

    Raises:
        DataError: If a path is neither a file nor a folder, a folder holds no file, films would be written twice, or
            their folder holds something.
    """
    named = named_videos(paths)
    if out is None:
        return dict.fromkeys(named)
    check_free(out)
    films: dict[Path, Path | None] = {file: out / name.with_suffix(".mp4") for file, name in named.items()}
    film, count = Counter(films.values()).most_common(1)[0]
    if count > 1:
        raise DataError(f"{film}: would be written of {count} videos; annotate them one by one")
    return films


def draw_answer(
    picture: UInt8[np.ndarray, "height width 3"], classes: Sequence[str], probabilities: Sequence[float]
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws classes on a picture: in its lower left corner, each on a bar as long as it is likely.

    Args:
        picture: RGB values; it stays as it is.
        classes: Names; those that find no room are left out.
        probabilities: How likely each is.

    Raises:
        MissingExtraError: If pillow is not installed.

    Example:
        >>> black = np.zeros((240, 320, 3), np.uint8)
        >>> drawn = draw_answer(black, ("walk", "run"), (0.9, 0.1))
        >>> drawn.shape, int(drawn.max()), int(drawn[:100].max())
        ((240, 320, 3), 255, 0)
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError.of("pillow", extra="video") from error
    image = Image.fromarray(picture)
    panel = _panel(tuple(classes), tuple(probabilities), *image.size)
    margin = min(image.size) // 60
    image.paste(panel, (margin, image.height - panel.height - margin), panel)
    return np.asarray(image)


@functools.lru_cache(maxsize=4)
def _panel(classes: tuple[str, ...], probabilities: tuple[float, ...], width: int, height: int) -> Any:
    """Returns bars with names for a picture of a size."""
    from PIL import Image, ImageDraw, ImageFont

    letter = max(10, round(min(width, height) * _LETTERS))
    row, pad = round(1.5 * letter), letter // 2
    font = ImageFont.load_default(letter)
    shown = list(zip(classes, probabilities, strict=True))[: max(1, (height - pad) // row)]
    share = round(font.getlength("100%"))
    widest = max(font.getlength(name) for name, _ in shown)
    full = min(width - 2 * pad, max(width // 3, round(widest) + share + 4 * pad))
    panel = Image.new("RGBA", (full, row * len(shown)), _BACK)
    draw = ImageDraw.Draw(panel)
    for place, (name, probability) in enumerate(shown):
        top, middle = place * row, place * row + row / 2
        draw.rectangle((0, top + 1, round(full * probability), top + row - 2), fill=_OTHERS if place else _FIRST)
        while len(name) > 1 and font.getlength(name) > full - share - 3 * pad:
            name = f"{name[:-2]}…"
        draw.text((pad, middle), name, _INK, font, anchor="lm")
        draw.text((full - pad, middle), f"{probability:.0%}", _INK, font, anchor="rm")
    return panel


def drawn(
    shots: Iterable[tuple[float, UInt8[np.ndarray, "height width 3"]]], answers: Sequence[Told | Glance]
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Yields pictures with what was last told by their time, and edges that are even numbers of pixels."""
    coming, told = deque(answers), None
    for seconds, picture in shots:
        while coming and (coming[0].seconds if isinstance(coming[0], Glance) else 0.0) <= seconds + _ROUNDING:
            told = coming.popleft()
        height, width = (edge // 2 * 2 for edge in picture.shape[:2])
        picture = np.ascontiguousarray(picture[:height, :width])
        yield picture if told is None else draw_answer(picture, told.classes, told.probabilities)
