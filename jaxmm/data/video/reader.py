"""Reading videos in processes that may die, hang or swell without taking the run with them."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxmm.data.video.info import VideoInfo
from jaxmm.data.video.process import DecoderProcess, DiedError, LateError, RefusedError
from jaxmm.errors import ConfigError, DataError

_REMEDY = "copy or encode it anew, or drop it"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """Frames of a stretch of a video.

    Attributes:
        pixels: RGB values.
        fps: Frames per second.
        cut: Whether the stretch goes on beyond the last of them.

    Example:
        >>> Frames(pixels=np.zeros((16, 224, 224, 3), np.uint8), fps=8.0).seconds
        2.0
    """

    pixels: UInt8[np.ndarray, "frames height width 3"]
    fps: float
    cut: bool = False

    @property
    def seconds(self) -> float:
        """How long they last."""
        return len(self.pixels) / self.fps


class VideoReader:
    """Reads frames of videos and pictures, each file in a process that is given up when the file is too much for it.

    A file that hangs is given up after its time, one that makes its process die after a second attempt in a new one;
    what is asked next is answered as ever. Several threads may ask at once, of which each has a process. Processes are
    started when they are needed, and end with `close`, with the reader, and with the program, however it ends; a
    reader that was closed, pickled or forked starts its own. Needs the extra `video`.

    Args:
        size: Pixels of the shorter side that frames are scaled to as they are decoded; None leaves them as they are.
        square: Whether the centre of each frame is cut out, as wide as high.
        time_limit_s: Longest time that a file may take, in seconds.
        memory_mib: Most memory that a process may allocate, in MiB, where the system can limit it.

    Raises:
        ConfigError: If a number is out of its range.

    Example:
        >>> with VideoReader(size=224, square=True) as reader:
        ...     reader.info(Path("no/such/video.mp4"))
        Traceback (most recent call last):
        jaxmm.errors.DataError: no/such/video.mp4: no such file; check the path
    """

    def __init__(
        self, *, size: int | None = None, square: bool = False, time_limit_s: float = 60.0, memory_mib: int = 2048
    ) -> None:
        if size is not None and not 1 <= size <= 4096:
            raise ConfigError(f"size of frames is {size}; give 1 to 4096 pixels, or None")
        for name, value in (("time_limit_s", time_limit_s), ("memory_mib", memory_mib)):
            if not value > 0:
                raise ConfigError(f"{name} is {value}; give a value above zero")
        self.size, self.square, self.time_limit_s, self.memory_mib = size, square, time_limit_s, memory_mib
        self._forget()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def close(self) -> None:
        """Ends the processes that wait; the reader can be used again."""
        if self._owner == os.getpid():
            idle, self._idle = self._idle, []
            for process in idle:
                process.end()

    def info(self, path: Path) -> VideoInfo:
        """Returns what a file holds; where its container states the number of frames that there are, none is decoded.

        Raises:
            DataError: If the file cannot be read.
            MissingExtraError: If the extra `video` is not installed.
        """
        return VideoInfo(**self._collect(path, {"kind": "info"})[1])

    def scan(self, path: Path) -> VideoInfo:
        """Decodes a whole file and returns what it holds.

        Raises:
            DataError: If any of it cannot be decoded, or it was cut.
            MissingExtraError: If the extra `video` is not installed.
        """
        return VideoInfo(**self._collect(path, {"kind": "scan"})[1])

    def read_frames(
        self, path: Path, indices: Sequence[int] | Int[np.ndarray, "_"]
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """Reads frames by their numbers.

        Args:
            path: The file.
            indices: One number or more, from 0 on, in any order; some may repeat.

        Raises:
            DataError: If the file cannot be read so far, or has no such frame.
            MissingExtraError: If the extra `video` is not installed.
        """
        if not len(indices) or min(indices) < 0:
            raise DataError(f"{path}: frames {list(indices)[:5]} were asked for; give one number or more, from 0 on")
        wanted, places = np.unique(np.asarray(indices, np.int64), return_inverse=True)
        return np.stack(self._collect(path, {"kind": "indices", "indices": wanted.tolist()})[0])[places]

    def read_times(
        self, path: Path, times: Sequence[float] | Float[np.ndarray, "_"]
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """Reads the frames that are shown at some times.

        Args:
            path: The file.
            times: One time or more, in seconds from the beginning, in any order.

        Raises:
            DataError: If the file cannot be read so far, or is over before.
            MissingExtraError: If the extra `video` is not installed.
        """
        if not len(times) or not min(times) >= 0:
            raise DataError(f"{path}: times {list(times)[:5]} were asked for; give one or more, from 0 s on")
        wanted, places = np.unique(np.asarray(times, np.float64), return_inverse=True)
        return np.stack(self._collect(path, {"kind": "times", "times": wanted.tolist()})[0])[places]

    def read_clip(
        self,
        path: Path,
        *,
        fps: float | None = None,
        start: float = 0.0,
        end: float | None = None,
        max_frames: int = 4096,
        square: bool | None = None,
    ) -> Frames:
        """Reads a stretch of a file at a frame rate.

        Args:
            path: The file.
            fps: Frames per second, > 0; where the file has more, some are left out, and where it has fewer, some are
                shown again. None takes every frame as it is; of a picture there is one at any rate.
            start: Time at which the stretch begins, in seconds, >= 0.
            end: Time at which it ends, after the start; None goes to the end of the file.
            max_frames: Most frames to read, >= 1; what comes after them is not decoded.
            square: Whether the centre of each frame is cut out; None does as with all that it reads.

        Raises:
            DataError: If a number is out of its range, or the file cannot be read so far, or is over before the
                stretch begins.
            MissingExtraError: If the extra `video` is not installed.
        """
        _check_stretch(path, fps, start, end)
        if max_frames < 1:
            raise DataError(f"{path}: {max_frames} frames at most were asked for; give one or more")
        request = {"kind": "stretch", "fps": fps, "start": start, "end": end, "max_frames": max_frames}
        request |= {} if square is None else {"square": square}
        pixels, known = self._collect(path, request)
        return Frames(pixels=np.stack(pixels), fps=known["fps"], cut=known["cut"])

    def stream(
        self, path: Path, *, fps: float | None = None, start: float = 0.0, end: float | None = None
    ) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
        """Yields the frames of a stretch of a file as they are decoded, holding one at a time.

        Arguments and errors are those of `read_clip`; an error may come after frames. The time limit is on what is
        waited for, not on what is done between two frames.
        """
        _check_stretch(path, fps, start, end)
        request = {"kind": "stretch", "fps": fps, "start": start, "end": end, "max_frames": None}
        try:
            for answer in self._ask(path, request):
                if isinstance(answer, np.ndarray):
                    yield answer
        except DiedError as error:
            raise _died(path, error) from error

    def _collect(
        self, path: Path, request: Mapping[str, Any]
    ) -> tuple[list[UInt8[np.ndarray, "_ _ 3"]], Mapping[str, Any]]:
        """Returns the frames that a request is answered with, and what else is known; tries twice."""
        try:
            return _parts(self._ask(path, request))
        except DiedError:  # be it of this file or of something else
            try:
                return _parts(self._ask(path, request))
            except DiedError as error:
                raise _died(path, error) from error

    def _ask(
        self, path: Path, request: Mapping[str, Any]
    ) -> Iterator[UInt8[np.ndarray, "height width 3"] | Mapping[str, Any]]:
        """Yields what a process answers; one that is in the middle of a file is no more of use."""
        if not os.path.isfile(path):  # pathlib raises an OSError where a name is too long to be one
            what = "is not a regular file; name a file" if os.path.exists(path) else "no such file; check the path"
            raise DataError(f"{path}: {what}")
        process = self._idle_process()
        try:
            settings = {"path": str(path), "size": self.size, "square": self.square}
            yield from process.ask({**settings, **request}, seconds=self.time_limit_s)
        except RefusedError as error:
            self._idle.append(process)
            raise DataError(f"{path}: {error}; {_REMEDY}") from error
        except LateError as error:
            process.end()
            raise DataError(
                f"{path}: takes longer than {self.time_limit_s:g} s to decode; allow more time, or {_REMEDY}"
            ) from error
        except BaseException:
            process.end()
            raise
        self._idle.append(process)

    def _idle_process(self) -> DecoderProcess:
        """Returns a process that waits, or a new one."""
        if self._owner != os.getpid():  # they are those of the process that this one was forked from
            self._forget()
        while self._idle:
            try:
                process = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if process.is_alive:
                return process
            process.end()
        return DecoderProcess(memory_mib=self.memory_mib)

    def _forget(self) -> None:
        """Begins without processes."""
        self._owner, self._idle = os.getpid(), list[DecoderProcess]()


def _parts(
    answers: Iterable[UInt8[np.ndarray, "_ _ 3"] | Mapping[str, Any]],
) -> tuple[list[UInt8[np.ndarray, "_ _ 3"]], Mapping[str, Any]]:
    """Tells frames from what else is known, which comes last."""
    frames, known = list[np.ndarray](), dict[str, Any]()
    for answer in answers:
        if isinstance(answer, np.ndarray):
            frames.append(answer)
        else:
            known |= answer
    return frames, known


def _check_stretch(path: Path, fps: float | None, start: float, end: float | None) -> None:
    """Raises a DataError where no frame can lie in a stretch, or at a rate."""
    if not start >= 0 or (end is not None and not end > start) or (fps is not None and not fps > 0):
        raise DataError(
            f"{path}: from {start} s to {end} s at {fps} frames a second was asked for; give a rate above zero, and a "
            "start from 0 s on, before the end"
        )


def _died(path: Path, error: DiedError) -> DataError:
    return DataError(f"{path}: the process that decoded it died ({error}), twice or in its middle; {_REMEDY}")
