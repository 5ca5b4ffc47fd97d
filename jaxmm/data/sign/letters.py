"""Words spelled with recordings of single letters: real hands, joined by rules."""

import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from jaxmm.arrays import Archive, holds, open_archive, read_member
from jaxmm.data.inventory import Inventory, Problem, Recording
from jaxmm.data.lines import read_lines
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.prepare import resample_signs
from jaxmm.data.splits import HashSplit
from jaxmm.errors import DataError, brief, reason

LETTERS = "metadata.jsonl"
FEATURES = "features540.npz"
FPS = 25.0
"""Frame rate of spelled words."""

_MOST_FRAMES = 10_000  # of a word before it is cut to `max_frames`: 22 MB
_RAISING = 4  # frames at each end of a letter's recording in which the hand comes up or goes down
_BLEND = 3  # frames in which the hand goes from one letter to the next


@dataclasses.dataclass(frozen=True, kw_only=True)
class Letter:
    """The recording of one letter.

    Attributes:
        key: Name of its features in the archive.
        gloss: The letter.
        language: Code of the sign language.
        fps: Frames per second of the recording.

    Example:
        >>> Letter(key="ase_a", gloss="A", language="ase", fps=25.0).gloss
        'A'
    """

    key: str
    gloss: str
    language: str
    fps: float


def common_words() -> tuple[str, ...]:
    """Returns 879 common English words of three to seven letters.

    Example:
        >>> common_words()[:3], len(common_words())
        (('able', 'acid', 'aged'), 879)
    """
    return tuple(resources.files("jaxmm.data.sign").joinpath("words.txt").read_text().split())


def list_spelled_words(
    root: Path, *, languages: Sequence[str], num_words: int, split: HashSplit, speed: float, max_frames: int
) -> Inventory[SignClip]:
    """Lists words, each spelled in several sign languages with the recordings of their letters.

    A recording's hand comes up and goes down; between two letters both are cut away and a short blend takes their
    place. The gloss of a word is its letters apart, each a sign; the signer is the sign language.

    Args:
        root: Folder with `metadata.jsonl`, an object for each letter with `key`, `sentence_gloss`, `signed_language`
            and `fps`, and `features540.npz`, whose arrays (time, 540) bear those keys.
        languages: Codes of the sign languages.
        num_words: Words, taken from `common_words`, at most all of them; of one language those that its letters can
            spell.
        split: Which words are held out, from all languages alike.
        speed: How many times as fast as recorded a word is spelled.
        max_frames: Longest word; what would be longer is spelled faster.

    Returns:
        The words; among the problems are malformed lines, and languages that can spell none of the words.
    """
    letters, problems = _letters(root / LETTERS)
    words = common_words()
    num_words = min(num_words, len(words))
    # Spread over the alphabet, whatever their number.
    chosen = [words[place * len(words) // num_words] for place in range(num_words)]
    splits = split.assign({word: {} for word in chosen})
    archive = functools.cache(lambda: open_archive(root / FEATURES))

    def recording(language: str, word: str) -> Recording[SignClip]:
        key, own = f"{language}/{word}", letters[language]

        def read() -> Iterator[SignClip]:
            recorded = [(_frames(archive(), own[glyph]), own[glyph].fps) for glyph in word.upper()]
            frames = _spell(recorded, _bounded(speed, recorded, max_frames))
            if len(frames) > max_frames:
                frames = resample_signs(frames, source_fps=FPS, target_fps=FPS * max_frames / len(frames))[:max_frames]
            tags = {"split": splits[word], "word": word}
            gloss = " ".join(word.upper())
            yield SignClip(key=key, frames=frames, fps=FPS, gloss=gloss, sentence=word, signer=language, tags=tags)

        return Recording(key=key, read=read)

    spelled: list[Recording[SignClip]] = []
    for language in languages:
        if language not in letters:
            known = ", ".join(sorted(letters)) or "none"
            problems.append(_problem(f"{root / LETTERS}: no letter of {language!r}; it has {known}"))
            continue
        possible = [word for word in chosen if set(word.upper()) <= set(letters[language])]
        if not possible:
            message = (
                f"{root / LETTERS}: the letters of {language!r} spell none of the {len(chosen)} words; "
                "name another language, or more words with data.source.num_words"
            )
            problems.append(_problem(message))
        spelled += [recording(language, word) for word in possible]
    return Inventory(recordings=tuple(spelled), problems=tuple(problems))


def spelling_languages(root: Path) -> tuple[str, ...]:
    """Returns the sign languages of which a folder has letters, in their order there.

    Example:
        >>> spelling_languages(Path("no/such/folder"))
        ()
    """
    return tuple(_letters(root / LETTERS)[0])


def _bounded(speed: float, letters: Sequence[tuple[Float32[np.ndarray, "_time 540"], float]], max_frames: int) -> float:
    """Returns a speed at which a word takes no more memory than it may, however slowly its letters were recorded."""
    num_frames = sum(len(frames) * FPS / (fps * speed) for frames, fps in letters)
    return speed * max(1.0, num_frames / max(_MOST_FRAMES, max_frames))


def _spell(
    letters: Sequence[tuple[Float32[np.ndarray, "_time 540"], float]], speed: float
) -> Float32[np.ndarray, "time 540"]:
    """Joins recordings of letters, given with their frame rates, into one at `FPS`."""
    pieces: list[np.ndarray] = []
    for place, (frames, fps) in enumerate(letters):
        start = 0 if place == 0 else min(_RAISING, len(frames) // 3)
        stop = len(frames) - (0 if place == len(letters) - 1 else min(_RAISING, len(frames) // 3))
        piece = resample_signs(frames[start:stop], source_fps=fps * speed, target_fps=FPS)
        if pieces:
            ends = np.stack([pieces[-1][-1], piece[0]])
            between = resample_signs(ends, source_fps=1.0, target_fps=_BLEND + 1.0)[1 : _BLEND + 1]
            pieces.append(between)
        pieces.append(piece)
    return np.concatenate(pieces)


def _frames(archive: Archive, letter: Letter) -> Float32[np.ndarray, "time 540"]:
    where = f"{archive.filename}[{letter.key}]"
    if not holds(archive, letter.key):
        raise DataError(f"{where}: no such array, though {LETTERS} names it; add it or remove the line")
    frames = read_member(archive, letter.key)
    if frames.ndim != 2 or frames.shape[1] != HOLISTIC.dim or frames.dtype.kind != "f" or not len(frames):
        raise DataError(f"{where}: is {frames.dtype} {frames.shape}; expected floats (time, {HOLISTIC.dim})")
    with np.errstate(over="ignore"):  # what is too large for the smaller type is named below
        frames = frames.astype(np.float32)
    if not np.isfinite(frames).all():
        raise DataError(f"{where}: holds a value that is not finite; repair or drop it")
    return frames


def _letters(path: Path) -> tuple[Mapping[str, Mapping[str, Letter]], list[Problem]]:
    """Returns the recording of each letter by language, of several the first, and what is wrong with the list."""
    found: dict[str, dict[str, Letter]] = {}
    problems: list[Problem] = []
    try:
        for number, line in enumerate(read_lines(path), 1):
            if not line.strip():
                continue
            try:
                letter = _letter(f"{path}:{number}", line)
                found.setdefault(letter.language, {}).setdefault(letter.gloss, letter)
            except DataError as error:
                problems.append(_problem(str(error)))
    except DataError as error:
        problems.append(_problem(str(error)))
    return found, problems


def _problem(message: str) -> Problem:
    return Problem(kind="letters", message=message)


def _letter(where: str, line: str) -> Letter:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({reason(error)}); write one object a line") from error
    fields = {"key": "key", "gloss": "sentence_gloss", "language": "signed_language"}
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) and row[name] for name in fields.values()):
        raise DataError(f"{where}: {', '.join(fields.values())} are needed, each a text")
    fps = row.get("fps", FPS)
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 1 <= fps <= 1000:
        raise DataError(f"{where}: fps is {brief(fps)}; give a number from 1 to 1000")
    return Letter(fps=float(fps), **{name: row[column] for name, column in fields.items()})
