"""A page of signing: texts and the clips that sign them, moving beside each other, in one offline HTML file."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np

from jaxmm.data.sign.clip import SignClip
from jaxmm.errors import DataError
from jaxmm.page.document import encode_positions, write_document
from jaxmm.page.signer import SIGNER, Space, placed

__all__ = ["ShownSign", "SignEntry", "write_signs_page"]

# Shoulder widths. What a broken model puts further away is out of sight anyway, and 16 bits tell fingers apart to here.
_FURTHEST = 50.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShownSign:
    """A clip on the page.

    Attributes:
        label: What it is, such as `generated` or `recorded`.
        clip: The clip.
        scores: Numbers that stand with it, by name.

    Raises:
        DataError: If a score is not finite.
    """

    label: str
    clip: SignClip
    scores: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, score in self.scores.items():
            if not np.isfinite(score):
                raise DataError(f"{self.clip.key}: {name} is {score}; give finite scores")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignEntry:
    """A text and the clips that sign it.

    Attributes:
        text: What is signed.
        clips: One or more, which start together.

    Raises:
        DataError: If there is no clip.

    Example:
        >>> clip = SignClip(key="hello", frames=np.zeros((2, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> SignEntry(text="HELLO", clips=(ShownSign(label="recorded", clip=clip),)).clips[0].label
        'recorded'
    """

    text: str
    clips: tuple[ShownSign, ...]

    def __post_init__(self) -> None:
        if not self.clips:
            raise DataError(f"{self.text!r}: there is no clip; give one or more")


def write_signs_page(
    path: str | os.PathLike[str], *, title: str, entries: Sequence[SignEntry], facts: Mapping[str, str]
) -> None:
    """Writes one HTML file in which the clips of each text move beside each other; it needs no network.

    A browser opens entry `n`, counted from 0, large and alone at `page.html#n=n`.

    Args:
        path: File to write; its folder is created.
        title: Heading of the page.
        entries: At least one.
        facts: What a reader must know about the clips, such as the run that made them, in order.

    Raises:
        DataError: If there is no entry, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> clip = SignClip(key="hello", frames=np.ones((2, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> entry = SignEntry(text="HELLO", clips=(ShownSign(label="recorded", clip=clip, scores={"error": 0.2}),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = Path(folder) / "index.html"
        ...     write_signs_page(page, title="Signs", entries=[entry], facts={"clips": "1"})
        ...     page.read_text().startswith("<!doctype html>")
        True
    """
    if not entries:
        raise DataError("page of signing: there are no entries; give at least one")
    write_document(
        path,
        title=title,
        content="signs.html",
        styles=("base.css", "signs.css"),
        scripts=("paint.js", "orbit.js", "player.js", "clip.js", "head.js", "signer.js", "signs.js"),
        data={
            "signer": dataclasses.asdict(SIGNER),
            "space": dataclasses.asdict(Space.of([shown.clip for entry in entries for shown in entry.clips])),
            "facts": list(facts.items()),
            "entries": [{"text": entry.text, "clips": [_encode(shown) for shown in entry.clips]} for entry in entries],
        },
    )


def _encode(shown: ShownSign) -> dict[str, object]:
    clip = shown.clip
    positions, seen = placed(clip)
    return {
        "label": shown.label,
        "key": clip.key,
        "signer": clip.signer,
        "fps": clip.fps,
        "frames": clip.num_frames,
        "scores": [[name, float(score)] for name, score in shown.scores.items()],
        **encode_positions(positions.clip(-_FURTHEST, _FURTHEST), seen),
    }
