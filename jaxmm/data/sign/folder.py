"""The training layout of signing: `metadata.csv`, a `.npy` file of features a recording, and `statistics.npz`."""

import csv
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from jaxmm.arrays import read_array
from jaxmm.data.inventory import Inventory, Recording
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.data.sign.table import GLOSS, MISSING, SENTENCE, SignRow, list_rows
from jaxmm.errors import DataError, brief, reason
from jaxmm.files import write_text

METADATA = "metadata.csv"
_FILE_COLUMN = "feature_path"
_COLUMNS = (_FILE_COLUMN, SENTENCE[0], GLOSS[0], "signer", "fps")


def read_sign_folder(root: Path, *, fps: float = 25.0) -> Iterator[SignClip]:
    r"""Reads every recording that `metadata.csv` names, in its order.

    Columns are `feature_path`, a `.npy` file (time, 540) below the folder; `sentence_text` or `sentence`; and
    `sentence_gloss`. Missing texts stay missing (D10). `signer` and `fps` are read where there are such columns, and
    others, such as `split`, become tags.

    Args:
        root: The folder.
        fps: Frames per second of recordings whose row does not say.

    Raises:
        DataError: If anything is missing or malformed; the message names the file and the line.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> np.save(root / "hello.npy", np.zeros((25, 540), np.float32))
        >>> _ = (root / METADATA).write_text("feature_path,sentence_text,sentence_gloss\nhello.npy,Hello!,NaN\n")
        >>> [(clip.key, clip.sentence, clip.gloss) for clip in read_sign_folder(root)]
        [('hello', 'Hello!', None)]

    Reference: seed 004, cell 3.
    """
    return list_sign_folder(root, fps=fps).items()


def list_sign_folder(root: Path, *, fps: float = 25.0) -> Inventory[SignClip]:
    """Lists what `read_sign_folder` would read, and what is wrong with the list."""
    rows, problems = list_rows(root / METADATA, file_column=_FILE_COLUMN, ending=".npy")

    def recording(row: SignRow) -> Recording[SignClip]:
        return Recording(key=row.key, read=lambda: (_clip(root, row, fps),))

    unlisted = {path.relative_to(root).as_posix() for path in root.rglob("*.npy")} - {row.file for row in rows}
    return Inventory(
        recordings=tuple(map(recording, rows)), problems=tuple(problems), undescribed=tuple(sorted(unlisted))
    )


def _clip(root: Path, row: SignRow, fps: float) -> SignClip:
    path = root / row.file
    if not os.path.isfile(path):  # unlike Path.is_file, it takes a name of any length
        raise DataError(f"{row.where}: no file {brief(row.file)} in {root}; add the file or remove the row")
    frames = read_array(path)
    if frames.ndim != 2 or frames.dtype.kind != "f":
        raise DataError(f"{path}: holds {frames.dtype} of shape {frames.shape}; expected floats (time, {HOLISTIC.dim})")
    with np.errstate(over="ignore"):
        frames = frames.astype(np.float32, copy=False)
    try:
        return SignClip(
            key=row.key,
            frames=frames,
            fps=fps if row.fps is None else row.fps,
            gloss=row.gloss,
            sentence=row.sentence,
            signer=row.signer,
            tags=row.tags,
        )
    except DataError as error:
        raise DataError(f"{row.where}: {reason(error)}") from error


def write_sign_folder(clips: Iterable[SignClip], root: Path) -> int:
    """Writes recordings as `read_sign_folder` reads them; the table is written last.

    Args:
        clips: One or more, with distinct keys, which name their files.
        root: Folder to write, which must not hold recordings yet.

    Returns:
        Number of recordings.

    Raises:
        DataError: If the folder holds recordings already, there is none to write, or a key or label cannot be written.

    Example:
        >>> import tempfile
        >>> clip = SignClip(key="hello", frames=np.zeros((25, 540), np.float32), fps=25.0, gloss="HELLO")
        >>> write_sign_folder([clip], Path(tempfile.mkdtemp()) / "signs")
        1
    """
    if (root / METADATA).exists():
        raise DataError(f"{root}: holds recordings already; choose another folder")
    rows: dict[str, dict[str, object]] = {}
    for clip in clips:
        row = _written_row(clip)
        if clip.key in rows:
            raise DataError(f"{clip.key}: two recordings have this key; give each its own")
        path = root / str(row[_FILE_COLUMN])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, clip.frames)
        rows[clip.key] = row
    if not rows:
        raise DataError("there is no recording to write; give one or more")
    columns = dict.fromkeys([*_COLUMNS, *(name for row in rows.values() for name in row)])
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows.values())
    write_text(root / METADATA, table.getvalue())
    return len(rows)


def _written_row(clip: SignClip) -> dict[str, object]:
    """Returns the cells of a recording, all of which read as what was written."""
    file = PurePosixPath(f"{clip.key}.npy")
    if file.is_absolute() or ".." in file.parts or str(file) != f"{clip.key}.npy" or not file.suffix:
        raise DataError(f"{brief(clip.key)}: this key is no path below a folder; rename the recording")
    texts = {SENTENCE[0]: clip.sentence, GLOSS[0]: clip.gloss, "signer": clip.signer or None, **clip.tags}
    row = {name: text for name, text in texts.items() if text is not None}
    taken = sorted({*_COLUMNS, *SENTENCE, *GLOSS} & set(clip.tags))
    if taken or "" in clip.tags:
        raise DataError(f"{clip.key}: the tag {brief(taken[0] if taken else '')} cannot name a column; rename it")
    for name, text in row.items():
        if text.strip() in MISSING or "\r" in text or text != text.encode(errors="replace").decode():
            raise DataError(f"{clip.key}: {name} is {brief(text)}, which a table cannot hold; change or leave it out")
    return {_FILE_COLUMN: str(file), **row, "fps": repr(float(clip.fps))}
