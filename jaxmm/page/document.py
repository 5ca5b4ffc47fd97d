"""What the pages share: an offline document of one file, and positions as 16-bit numbers inside it."""

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from jaxmm.errors import DataError

_STEPS = np.iinfo(np.int16).max
_ABSENT = np.iinfo(np.int16).min


def encode_positions(
    positions: Float[np.ndarray, "time points 3"], seen: Bool[np.ndarray, "time points"] | None = None
) -> dict[str, object]:
    """Rounds positions to 16-bit steps around the middle of the space they cover, along each axis.

    Args:
        positions: Finite positions.
        seen: Which of them are known; all by default. The others are written as the lowest 16-bit number.

    Example:
        >>> encode_positions(np.array([[[0.0, 1.0, 2.0], [2.0, 1.0, 2.0]]]))["middle"]
        [1.0, 1.0, 2.0]
    """
    positions = positions.astype(np.float64)
    known = positions.reshape(-1, 3) if seen is None else positions[seen]
    if not len(known):
        known = np.zeros((1, 3))
    low, high = known.min(axis=0), known.max(axis=0)
    middle, step = (low + high) / 2, np.where(high > low, (high - low) / 2 / _STEPS, 1.0)
    steps = np.rint((positions - middle) / step)
    if seen is not None:
        steps = np.where(seen[..., None], steps, _ABSENT)
    return {
        "middle": middle.tolist(),
        "step": step.tolist(),
        "data": base64.b64encode(steps.astype("<i2").tobytes()).decode("ascii"),
    }


def write_document(
    path: str | os.PathLike[str],
    *,
    title: str,
    content: str,
    styles: Sequence[str],
    scripts: Sequence[str],
    data: Mapping[str, object],
) -> None:
    """Writes one HTML file that needs no network and runs nothing but the package's own scripts.

    Args:
        path: File to write; its folder is created.
        title: Heading of the page.
        content: File of this package between masthead and player, HTML.
        styles: Files of this package, CSS.
        scripts: Files of this package, JavaScript, in the order in which they run.
        data: What the scripts read, as JSON.

    Raises:
        DataError: If the file cannot be written.
    """
    style, script = "".join(map(_source, styles)), "".join(map(_source, scripts))
    # Inside a script element only these characters could end it or open a comment.
    payload = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        payload = payload.replace(character, f"\\u{ord(character):04x}")
    parts = {
        "title": html.escape(title),
        "content": _source(content),
        "style": style,
        "style_hash": _source_hash(style),
        "script": script,
        "script_hash": _source_hash(script),
        "data": payload,
    }
    _write_page(path, "page.html", parts)


def write_still_document(
    path: str | os.PathLike[str], *, title: str, facts: str, content: str, styles: Sequence[str]
) -> None:
    """Writes one HTML file that needs no network and runs nothing.

    Args:
        path: File to write; its folder is created.
        title: Heading of the page.
        facts: What stands beside the heading, HTML.
        content: What the page holds, HTML.
        styles: Files of this package, CSS.

    Raises:
        DataError: If the file cannot be written.
    """
    style = "".join(map(_source, styles))
    parts = {
        "title": html.escape(title),
        "facts": facts,
        "content": content,
        "style": style,
        "style_hash": _source_hash(style),
    }
    _write_page(path, "report.html", parts)


def _write_page(path: str | os.PathLike[str], template: str, parts: Mapping[str, str]) -> None:
    # Filled once, so that nothing in the data is taken for a placeholder or for markup.
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _source(template))
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(page.encode())
    except OSError as error:
        raise DataError(f"{path}: the page cannot be written ({error.strerror}); choose another place") from error


def _source(name: str) -> str:
    return resources.files("jaxmm.page").joinpath(name).read_text(encoding="utf-8")


def _source_hash(source: str) -> str:
    """Names inline source as a content security policy does; a browser then runs this and nothing else."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode('ascii')}"
