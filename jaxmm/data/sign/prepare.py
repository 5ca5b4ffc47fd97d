"""From `.pose` files and a table of what they say to the layout that training reads."""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxmm.data.kinematics import check_size
from jaxmm.data.motion import FASTEST_FPS, SLOWEST_FPS
from jaxmm.data.sign.clip import SignClip
from jaxmm.data.sign.folder import read_sign_folder, write_sign_folder
from jaxmm.data.sign.layout import HOLISTIC, SignLayout
from jaxmm.data.sign.pose_file import read_pose
from jaxmm.data.sign.statistics import STATISTICS, Statistics
from jaxmm.data.sign.table import SignRow, list_rows
from jaxmm.errors import DataError, brief
from jaxmm.files import files_below

_FILE_COLUMN = "pose_path"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreparedSigns:
    """What was prepared.

    Attributes:
        num_clips: Recordings.
        num_frames: Frames of all of them, after resampling.
        seconds: Duration of all of them.
        num_unlisted: `.pose` files that the table does not name; they were left out.
        detected_rate: Share of the frames in which any landmark of a part was detected, by part.

    Example:
        >>> rates = {"body": 1.0, "face": 0.5}
        >>> prepared = PreparedSigns(num_clips=1, num_frames=50, seconds=2.0, num_unlisted=0, detected_rate=rates)
        >>> prepared.values()
        {'clips': 1, 'frames': 50, 'seconds': 2.0, 'unlisted_files': 0, 'body_detected': 1.0, 'face_detected': 0.5}
    """

    num_clips: int
    num_frames: int
    seconds: float
    num_unlisted: int
    detected_rate: Mapping[str, float]

    def values(self) -> dict[str, float]:
        """Returns the counts and rates by name."""
        rates = {f"{part}_detected": rate for part, rate in self.detected_rate.items()}
        counts = {"clips": self.num_clips, "frames": self.num_frames, "seconds": self.seconds}
        return {**counts, "unlisted_files": self.num_unlisted, **rates}


def prepare_signs(poses: Path, table: Path, out: Path, *, fps: float = 25.0) -> PreparedSigns:
    """Writes the recordings that a table names as a folder for training, with their statistics.

    The table has columns `pose_path`, a `.pose` file below `poses`; `sentence_text` or `sentence`; and
    `sentence_gloss` or `gloss`. It may have `signer` and `split`, and others, which are kept. Statistics are those of
    the recordings whose split is `train`, or of all where no row has a split.

    Args:
        poses: Folder of `.pose` files.
        table: CSV table.
        out: Folder to write, which must not hold recordings yet.
        fps: Frames per second of what is written.

    Raises:
        DataError: If a row or a file is wrong, a file is missing, or no recording with a split is one of training.
        MissingExtraError: If the extra `sign` is not installed.

    Example:
        >>> prepare_signs(Path("poses"), Path("signs.csv"), Path("out"), fps=0.0)
        Traceback (most recent call last):
        jaxmm.errors.DataError: fps is 0.0; give a frame rate from 0.1 to 10000
    """
    if not SLOWEST_FPS <= fps <= FASTEST_FPS:
        raise DataError(f"fps is {fps}; give a frame rate from {SLOWEST_FPS} to {FASTEST_FPS}")
    if not poses.is_dir():
        raise DataError(f"{poses}: no such folder; give the one that holds the .pose files")
    rows = _rows(poses, table)
    num_clips = write_sign_folder((_clip(poses, row, fps) for row in rows), out)
    Statistics.of(clip for clip in read_sign_folder(out) if clip.tags.get("split", "train") == "train").write(
        out / STATISTICS
    )
    listed = {row.file for row in rows}
    present = (path.relative_to(poses).as_posix() for path in files_below(poses, ".pose"))
    num_frames, detected_rate = _detected(read_sign_folder(out))
    return PreparedSigns(
        num_clips=num_clips,
        num_frames=num_frames,
        seconds=num_frames / fps,
        num_unlisted=sum(file not in listed for file in present),
        detected_rate=detected_rate,
    )


def resample_signs(
    frames: Float32[np.ndarray, "time dim"], *, source_fps: float, target_fps: float, layout: SignLayout = HOLISTIC
) -> Float32[np.ndarray, "new_time dim"]:
    """Interpolates a recording linearly to another frame rate, keeping its first frame and duration.

    Where a landmark was detected in only one of two neighbouring frames, the nearer one says whether and where it is.

    Args:
        frames: Frames at `source_fps`.
        source_fps: Rate of the recording, > 0.
        target_fps: Rate to return, > 0.
        layout: What the numbers mean.

    Returns:
        `round(time * target_fps / source_fps)` frames, at least one.

    Raises:
        DataError: If these are more than any recording has, as where `source_fps` is mistaken.

    Example:
        >>> frames = np.ones((3, 540), np.float32) * np.float32([[1], [2], [0]])
        >>> resample_signs(frames, source_fps=25.0, target_fps=50.0)[:, 0].tolist()
        [1.0, 1.5, 2.0, 0.0, 0.0, 0.0]
    """
    if source_fps == target_fps:
        return frames
    num_frames = max(1, round(len(frames) * target_fps / source_fps))
    check_size(num_frames, len(layout.landmarks), f"from {source_fps:g} to {target_fps:g} frames a second")
    times = np.minimum(np.arange(num_frames) * (source_fps / target_fps), len(frames) - 1)
    before = np.floor(times).astype(np.int64)
    after = np.minimum(before + 1, len(frames) - 1)
    weight = (times - before).astype(np.float32)[:, None]
    detected = layout.detected(frames)[:, layout.landmark_of_feature]
    nearest = np.where(weight < 0.5, frames[before], frames[after])
    blended = frames[before] * (1 - weight) + frames[after] * weight
    return np.where(detected[before] & detected[after], blended, nearest)


def _rows(poses: Path, table: Path) -> Sequence[SignRow]:
    """Returns the rows, of which each has its file: what is missing shows before hours of work."""
    rows, problems = list_rows(table, file_column=_FILE_COLUMN, ending=".pose")
    messages = [problem.message for problem in problems] + [
        f"{row.where}: no file {brief(row.file)} in {poses}; add the file or remove the row"
        for row in rows
        if not os.path.isfile(poses / row.file)
    ]
    if messages:
        more = f" ({len(messages) - 1} more like this)" if len(messages) > 1 else ""
        raise DataError(f"{messages[0]}{more}")
    if all(row.tags.get("split", "train") != "train" for row in rows):
        raise DataError(f"{table}: no row has the split 'train', of which statistics are made; name some so")
    return rows


def _clip(poses: Path, row: SignRow, fps: float) -> SignClip:
    frames, source_fps = read_pose(poses / row.file)
    return SignClip(
        key=row.key,
        frames=resample_signs(frames, source_fps=source_fps, target_fps=fps),
        fps=fps,
        gloss=row.gloss,
        sentence=row.sentence,
        signer=row.signer,
        tags=row.tags,
    )


def _detected(clips: Iterator[SignClip]) -> tuple[int, dict[str, float]]:
    """Returns the number of frames, and the share of them in which each part was detected."""
    num_frames, counts = 0, dict.fromkeys((part.name for part in HOLISTIC.parts), 0)
    for clip in clips:
        num_frames += clip.num_frames
        detected = HOLISTIC.detected(clip.frames)
        for name in counts:
            counts[name] += int(detected[:, HOLISTIC.part_landmarks(name)].any(axis=1).sum())
    return num_frames, {name: count / num_frames for name, count in counts.items()}
