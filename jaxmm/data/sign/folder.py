"""The training layout of signing: `metadata.csv`, a `.npy` file of features a recording, and `statistics.npz`."""

import csv
import dataclasses
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Bool, Float, Float32

from jaxmm.data.arrays import holds, open_archive, read_array, read_member
from jaxmm.data.inventory import Inventory, Recording
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.layout import HOLISTIC, SignLayout
from jaxmm.data.sign.table import GLOSS, MISSING, SENTENCE, SignRow, list_rows
from jaxmm.errors import DataError, brief
from jaxmm.files import write_text

METADATA = "metadata.csv"
STATISTICS = "statistics.npz"
STD_FLOOR = 1e-3
"""Least standard deviation of a feature, in its units: what moves less is noise of the detector."""

_EPSILON = np.float32(1e-6)
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
        raise DataError(f"{row.where}: {error}") from error


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


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """Mean and standard deviation of each feature, by which frames are normalised.

    Attributes:
        mean: Mean of each feature.
        std: Standard deviation of each feature.
        layout: What the features are.

    Raises:
        DataError: If the shapes do not fit the layout, or a value is not finite or a deviation negative.

    Example:
        >>> statistics = Statistics(mean=np.full(540, 2, np.float32), std=np.full(540, 0.5, np.float32))
        >>> statistics.normalise(np.ones((1, 540), np.float32))[0, 0].round(3)
        np.float32(-2.0)
    """

    mean: Float32[np.ndarray, "dim"]
    std: Float32[np.ndarray, "dim"]
    layout: SignLayout = HOLISTIC

    def __post_init__(self) -> None:
        if np.shape(self.mean) != (self.layout.dim,) or np.shape(self.std) != (self.layout.dim,):
            shapes = f"{np.shape(self.mean)} and {np.shape(self.std)}"
            raise DataError(f"statistics: mean and std have shapes {shapes}; expected ({self.layout.dim},) each")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and (self.std >= 0).all()):
            raise DataError("statistics: a mean or deviation is not finite, or a deviation negative; compute them anew")

    @classmethod
    def of(cls, clips: Iterable[SignClip]) -> "Statistics":
        """Computes the statistics of all frames, where landmarks were detected.

        Deviations are `STD_FLOOR` at least. A feature that was never detected has mean 0 and deviation 1.

        Raises:
            DataError: If there is no recording, or they differ in layout.
        """
        layout: SignLayout | None = None
        count = mean = squares = np.zeros(0)
        for clip in clips:
            if layout is None:
                layout = clip.layout
                count, mean, squares = np.zeros((3, layout.dim))
            if clip.layout != layout:
                raise DataError(f"{clip.key}: has another layout than the recordings before it; keep one a folder")
            mask = layout.detected(clip.frames)[:, layout.landmark_of_feature]
            values = clip.frames.astype(np.float64)
            own_count = mask.sum(axis=0)
            own_mean = np.where(mask, values, 0).sum(axis=0) / np.maximum(own_count, 1)
            total = np.maximum(count + own_count, 1)
            squares = squares + np.where(mask, (values - own_mean) ** 2, 0).sum(axis=0)
            squares = squares + (own_mean - mean) ** 2 * count * own_count / total
            mean = mean + (own_mean - mean) * own_count / total
            count = count + own_count
        if layout is None:
            raise DataError("there is no recording to compute statistics of; give one or more")
        std = np.where(count > 0, np.maximum(np.sqrt(squares / np.maximum(count, 1)), STD_FLOOR), 1)
        return cls(mean=mean.astype(np.float32), std=std.astype(np.float32), layout=layout)

    @classmethod
    def read(cls, path: Path, *, layout: SignLayout = HOLISTIC) -> "Statistics":
        """Reads `statistics.npz`: arrays `feature_mean` and `feature_std`.

        Raises:
            DataError: If it is missing (D11), damaged, or does not fit the layout.

        Example:
            >>> Statistics.read(Path("signs/statistics.npz"))
            Traceback (most recent call last):
            jaxmm.errors.DataError: signs/statistics.npz: no such file; `jaxmm data prepare-sign` writes it, as does ...
        """
        if not path.is_file():
            raise DataError(
                f"{path}: no such file; `jaxmm data prepare-sign` writes it, as does "
                "Statistics.of(read_sign_folder(root)).write(path); or set normalize to False"
            )
        with open_archive(path) as archive:
            absent = [name for name in ("feature_mean", "feature_std") if not holds(archive, name)]
            if absent:
                raise DataError(f"{path}: no array {absent[0]}; save feature_mean and feature_std there")
            mean, std = (read_member(archive, name) for name in ("feature_mean", "feature_std"))
        if mean.dtype.kind != "f" or std.dtype.kind != "f" or mean.shape != (layout.dim,) or std.shape != mean.shape:
            raise DataError(
                f"{path}: feature_mean and feature_std are {mean.dtype} {mean.shape} and {std.dtype} {std.shape}; "
                f"expected floats ({layout.dim},)"
            )
        try:
            with np.errstate(over="ignore"):
                return cls(mean=mean.astype(np.float32), std=std.astype(np.float32), layout=layout)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

    def write(self, path: Path) -> None:
        """Writes `statistics.npz`."""
        np.savez(path, allow_pickle=False, feature_mean=self.mean, feature_std=self.std)

    def normalise(self, frames: Float32[np.ndarray, "*time dim"]) -> Float32[np.ndarray, "*time dim"]:
        """Returns `(frames - mean) / (std + 1e-6)`, and zeros where a landmark was not detected."""
        mask = self.layout.detected(frames)[..., self.layout.landmark_of_feature]
        return np.where(mask, (frames - self.mean) / (self.std + _EPSILON), np.float32(0))

    def restore(
        self,
        frames: Float[np.ndarray, "*time dim"],
        detected_mask: Bool[np.ndarray, "*time landmarks"] | None = None,
    ) -> Float32[np.ndarray, "*time dim"]:
        """Returns `frames * (std + 1e-6) + mean`, the inverse of `normalise`.

        Args:
            frames: Normalised frames.
            detected_mask: Landmarks to restore; the others become zeros. All by default.
        """
        restored = (frames * (self.std + _EPSILON) + self.mean).astype(np.float32)
        if detected_mask is None:
            return restored
        return np.where(detected_mask[..., self.layout.landmark_of_feature], restored, np.float32(0))
