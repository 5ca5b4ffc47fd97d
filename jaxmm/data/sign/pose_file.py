"""Files of the pose-format standard (`.pose`) with MediaPipe Holistic's landmarks, to frames and back."""

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float32, Float64

from jaxmm.data.motion import FASTEST_FPS, SLOWEST_FPS
from jaxmm.data.sign.layout import HOLISTIC
from jaxmm.errors import DataError, MissingExtraError, brief

MAX_BYTES = 512 * 2**20
"""Of one file: more than half an hour of MediaPipe Holistic at 25 frames a second."""

# As Python objects a header takes thirty times as much; MediaPipe's is 15 kB.
_MAX_HEADER = 2**20

Positions: TypeAlias = Float64[np.ndarray, "time landmarks 3"]

# Parts of the layout in the order in which MediaPipe lists them, with their names there and their colours in a drawing.
_COMPONENTS = {
    "body": ("POSE_LANDMARKS", (70, 70, 70)),
    "face": ("FACE_LANDMARKS", (150, 90, 60)),
    "left_hand": ("LEFT_HAND_LANDMARKS", (30, 100, 200)),
    "right_hand": ("RIGHT_HAND_LANDMARKS", (210, 60, 40)),
}
_BODY = HOLISTIC.part_landmarks("body")
_VISIBILITY = HOLISTIC.part_features("body").start + 3 + 4 * np.arange(len(HOLISTIC.part("body").landmarks))
_SHOULDERS = [HOLISTIC.landmark("body/LEFT_SHOULDER"), HOLISTIC.landmark("body/RIGHT_SHOULDER")]
_SHOULDER_PIXELS = 200.0
_MARGIN, _FURTHEST = 0.25, 5.0  # widths of the shoulders around what is drawn, and from their middle at most


def read_pose(path: Path) -> tuple[Float32[np.ndarray, "time 540"], float]:
    """Reads the one person of a `.pose` file in the units of the layout `HOLISTIC`.

    The origin and the unit are one for the whole recording: medians over its frames of the middle of the shoulders,
    and of their distance in the image. A landmark of confidence 0 was not detected and becomes zeros; the visibility
    of a body landmark is its confidence. Landmarks are found by name, so further ones are no obstacle.

    Args:
        path: A file with MediaPipe Holistic's components; that of world landmarks is not read.

    Returns:
        The frames, and how many there are in a second.

    Raises:
        DataError: If the file is damaged, shows not exactly one person, or lacks a landmark or the shoulders.
        MissingExtraError: If the extra `sign` is not installed.

    Example:
        >>> read_pose(Path("absent.pose"))
        Traceback (most recent call last):
        jaxmm.errors.DataError: absent.pose: no such file
    """
    content = _read_bytes(path)
    header, body = _parsed(content, path)
    fps = float(str(np.float32(body.fps)))  # the shortest number that is stored so: 29.97, not 29.969999
    if not SLOWEST_FPS <= fps <= FASTEST_FPS:
        raise DataError(f"{path}: states {fps} frames a second; write it anew with its frame rate")
    num_frames, num_people = np.shape(body.confidence)[:2]
    if num_people != 1 or num_frames == 0:
        raise DataError(f"{path}: holds {num_frames} frames of {num_people} people; write one file for each person")
    columns = _columns(header.components, path)
    confidence = body.confidence[:, 0, columns].astype(np.float32)
    with np.errstate(invalid="ignore"):  # of what is not finite, some kinds warn when they are copied
        positions = body.data.data[:, 0, columns, :3].astype(np.float64)
    detected_mask = confidence > 0
    if not (np.isfinite(confidence).all() and np.isfinite(positions[detected_mask]).all()):
        raise DataError(f"{path}: holds a value that is not finite; repair or drop the recording")
    frames = np.zeros((num_frames, HOLISTIC.dim), np.float32)
    frames[:, HOLISTIC.position_features] = _in_shoulder_widths(positions, detected_mask, path)
    frames[:, _VISIBILITY] = np.clip(confidence[:, _BODY], 0, 1)
    return frames, fps


def write_pose(path: Path, frames: Float32[np.ndarray, "time 540"], fps: float) -> None:
    """Writes frames of the layout `HOLISTIC` as a `.pose` file, in pixels of an image that shows the whole recording.

    Reading it gives the same frames, within 5e-6 widths of the shoulders, provided that this width is 1 and their
    middle 0 in the median, as `read_pose` makes them; other frames come back in those units.

    Args:
        path: The file to write.
        frames: What to write; a landmark at zero was not detected and gets confidence 0.
        fps: Frames per second.

    Raises:
        DataError: If a value is not finite, the frame rate is out of range, or no frame shows both shoulders.
        MissingExtraError: If the extra `sign` is not installed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "still.pose"
        >>> frames = np.zeros((2, 540), np.float32)
        >>> for side, x in ("LEFT", 0.5), ("RIGHT", -0.5):
        ...     frames[:, HOLISTIC.feature(f"body/{side}_SHOULDER", "x")] = x
        ...     frames[:, HOLISTIC.feature(f"body/{side}_SHOULDER", "visibility")] = 1
        >>> write_pose(path, frames, 25.0)
        >>> np.abs(read_pose(path)[0] - frames).max() < 1e-6
        np.True_
    """
    library = _library()
    if len(frames) == 0 or not np.isfinite(frames).all() or not SLOWEST_FPS <= fps <= FASTEST_FPS:
        raise DataError(
            f"{path}: {len(frames)} frames at {fps} a second cannot be written; give one or more of finite numbers, "
            f"and a frame rate from {SLOWEST_FPS} to {FASTEST_FPS}"
        )
    positions = frames[:, HOLISTIC.position_features].astype(np.float64)
    detected_mask = HOLISTIC.detected(frames)
    _in_shoulder_widths(positions, detected_mask, path)  # refuses what could not be read again
    confidence = detected_mask.astype(np.float32)
    # Confidence 0 would say that a landmark was not detected.
    visibility = np.clip(frames[:, _VISIBILITY], np.finfo(np.float32).tiny, 1)
    confidence[:, _BODY] *= visibility
    low, high = _extent(positions[..., :2], confidence)
    pixels = (positions - np.append(low, 0)) * _SHOULDER_PIXELS * detected_mask[..., None]
    width, height = np.ceil((high - low) * _SHOULDER_PIXELS).astype(int).tolist()
    order = np.concatenate([np.r_[HOLISTIC.part_landmarks(name)] for name in _COMPONENTS])
    header = library.pose_header.PoseHeader(
        0.2,
        library.pose_header.PoseHeaderDimensions(width, height, 0),
        [_component(library, name) for name in _COMPONENTS],
    )
    body = library.numpy.NumPyPoseBody(
        fps, pixels[:, None, order].astype(np.float32), np.ascontiguousarray(confidence[:, None, order])
    )
    buffer = io.BytesIO()
    library.Pose(header, body).write(buffer)
    path.write_bytes(buffer.getvalue())


def _library() -> Any:
    try:
        import pose_format
        import pose_format.numpy
        import pose_format.pose_header
        import pose_format.utils.reader
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("pose-format", extra="sign") from error
    return pose_format


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than {MAX_BYTES // 2**20} MiB; split the recording")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def _parsed(content: bytes, path: Path) -> tuple[Any, Any]:
    """Returns header and body as the library reads them, once the body is as long as its header says."""
    library = _library()
    version = round(struct.unpack("<f", content[:4])[0], 3) if len(content) >= 4 else None
    # The first version lists frames one by one, and a short file could announce terabytes of empty ones.
    if version not in (0.1, 0.2):
        raise DataError(f"{path}: not a .pose file of version 0.1 or 0.2; write it anew with the pose-format library")
    try:
        opening = library.utils.reader.BufferReader(content[:_MAX_HEADER])
        header = library.pose_header.PoseHeader.read(opening)
        reader = library.utils.reader.BufferReader(content)
        reader.read_offset = start = opening.read_offset
        body = library.numpy.NumPyPoseBody.read(header, reader)
        # Version 0.1 states its frames modulo 65,536, and the library infers them from the length of the file.
        stated = struct.unpack_from("<H", content, start + 2)[0] if version == 0.1 else None
    except Exception as error:  # the library trusts the file: what is wrong with it may show as any error
        raise DataError(
            f"{path}: cut off or damaged ({type(error).__name__}: {brief(str(error), 120)}); write it anew"
        ) from error
    if reader.read_offset != len(content) or stated not in (None, len(body.data) % 2**16):
        raise DataError(
            f"{path}: its {len(content)} bytes are not the frames that its header announces; it is cut off or damaged, "
            "write it anew"
        )
    return header, body


def _columns(components: Sequence[Any], path: Path) -> list[int]:
    """Returns where the file has each landmark of the layout."""
    places: dict[tuple[str, str], int] = {}
    formats: dict[str, str] = {}
    start = 0
    for component in components:
        places.update({(component.name, point): start + index for index, point in enumerate(component.points)})
        formats[component.name] = component.format
        start += len(component.points)
    columns = []
    for part in HOLISTIC.parts:
        name = _COMPONENTS[part.name][0]
        if name not in formats:
            raise DataError(
                f"{path}: has no component {name}, only {brief(', '.join(formats), 120)}; "
                "record it with MediaPipe Holistic"
            )
        if not formats[name].startswith("XYZ"):
            raise DataError(f"{path}: {name} has {brief(formats[name])} of each point; expected XYZC")
        absent = [landmark for landmark in part.landmarks if (name, landmark) not in places]
        if absent:
            raise DataError(
                f"{path}: {name} lacks the point {absent[0]!r} ({len(absent)} of {len(part.landmarks)} are missing); "
                "record it with MediaPipe Holistic and keep all points"
            )
        columns += [places[name, landmark] for landmark in part.landmarks]
    return columns


def _in_shoulder_widths(
    positions: Positions, detected_mask: Bool[np.ndarray, "time landmarks"], path: Path
) -> Float32[np.ndarray, "time landmarks 3"]:
    """Returns positions about the shoulders' middle in units of their width; zeros where not detected."""
    seen = positions[detected_mask[:, _SHOULDERS].all(axis=1)][:, _SHOULDERS]
    if len(seen) == 0:
        raise DataError(f"{path}: no frame shows both shoulders, which units are measured by; drop the recording")
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        middle = np.median(seen.mean(axis=1), axis=0)
        width = np.median(np.linalg.norm(seen[:, 0, :2] - seen[:, 1, :2], axis=-1))
        scaled = np.where(detected_mask[..., None], (positions - middle) / width, 0).astype(np.float32)
    if width == 0 or not np.isfinite(scaled).all():
        raise DataError(f"{path}: the shoulders are {width:g} apart in the image; repair or drop the recording")
    return scaled


def _extent(
    places: Float64[np.ndarray, "time landmarks 2"], confidence: Float32[np.ndarray, "time landmarks"]
) -> tuple[Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]]:
    """Returns the corners of an image that shows what is likely to be seen, but no stray landmark far away."""
    shown = np.concatenate([places[confidence >= 0.5], [[-1.0, -1.0], [1.0, 1.0]]])
    low, high = shown.min(axis=0) - _MARGIN, shown.max(axis=0) + _MARGIN
    return np.clip(low, -_FURTHEST, 0), np.clip(high, 0, _FURTHEST)


def _component(library: Any, name: str) -> Any:
    """Returns a part of the layout as the library's component."""
    part = HOLISTIC.part(name)
    place: Mapping[str, int] = {landmark: index for index, landmark in enumerate(part.landmarks)}
    title, colour = _COMPONENTS[name]
    limbs = [(place[start], place[end]) for start, end in part.bones]
    return library.pose_header.PoseHeaderComponent(title, list(part.landmarks), limbs, [colour], "XYZC")
