"""Webcams: what one shows now, at a rate that is asked for, and never what has become old while nobody looked."""

import dataclasses
import importlib.util
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxmm.data.video.scaling import Scaler
from jaxmm.errors import DataError, MissingExtraError, reason

_ROUNDING = 0.002  # seconds
_LONGEST_WAIT = 10.0  # seconds; some cameras take long to start


@dataclasses.dataclass(frozen=True, kw_only=True)
class Webcam:
    """A webcam, or anything else that FFmpeg reads as a device.

    Attributes:
        device: Its name, as FFmpeg has it.
        kind: FFmpeg's format for such devices.
        options: Further options of that format.

    Example:
        >>> bars = Webcam(device="testsrc=size=64x48:rate=20:duration=1", kind="lavfi")
        >>> seconds, picture = next(bars.shots(fps=5.0))
        >>> picture.shape
        (48, 64, 3)
    """

    device: str
    kind: str
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, number: int) -> "Webcam":
        """Returns a webcam of this machine by its number, 0 for the first.

        Raises:
            DataError: If there are no cameras on such systems, or none of this number.
            MissingExtraError: If the extra `video` is not installed.
        """
        match sys.platform:
            case "linux":
                return cls(device=f"/dev/video{number}", kind="v4l2")
            case "darwin":  # it refuses the rate that FFmpeg asks for by default
                return cls(device=f"{number}", kind="avfoundation", options=(("framerate", "30"),))
            case "win32":
                return cls(device=f"video={_named(number)}", kind="dshow")
        raise DataError(f"webcam {number}: those of {sys.platform} are not known; give a video file instead")

    def shots(
        self, *, fps: float | None = None
    ) -> Generator[tuple[float, UInt8[np.ndarray, "height width 3"]], None, None]:
        """Yields what the camera shows, as it shows it, with the time since the first picture in seconds.

        Pictures that come while the one before is in use are passed over but for the last of them, so that none is old.

        Args:
            fps: Most pictures a second, > 0; None takes all.

        Raises:
            DataError: If the camera cannot be opened, or breaks off.
            MissingExtraError: If the extra `video` is not installed.
        """
        _check_extra()
        newest = _Newest(self, fps)
        try:
            while (shot := newest.take()) is not None:
                yield shot
        finally:
            newest.stop()

    def _decode(self, fps: float | None) -> Iterator[tuple[float, UInt8[np.ndarray, "height width 3"]]]:
        import av

        due, first = 0.0, None
        frames: Iterator[Any]
        with av.open(self.device, format=self.kind, options=dict(self.options)) as container:
            stream = container.streams.video[0]
            scaler = Scaler(size=None, square=False)
            frames = container.decode(stream)
            for frame in frames:
                first = frame.time if first is None else first
                seconds = frame.time - first
                if seconds < due - _ROUNDING:
                    continue
                if fps is not None:  # a camera that is slower gives what it has
                    due = max(due + 1 / fps, seconds)
                yield seconds, scaler(frame)


class _Newest:
    """The newest picture of a camera, which a thread decodes."""

    def __init__(self, camera: Webcam, fps: float | None) -> None:
        self._camera, self._fps = camera, fps
        self._shots: deque[Any] = deque(maxlen=1)
        self._changed = threading.Condition()
        self._ended = self._stopped = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._fill, name="webcam", daemon=True)
        self._thread.start()

    def _fill(self) -> None:
        try:
            for shot in self._camera._decode(self._fps):
                with self._changed:
                    if self._stopped:
                        return
                    self._shots.append(shot)
                    self._changed.notify()
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def take(self) -> tuple[float, UInt8[np.ndarray, "height width 3"]] | None:
        """Waits for a picture that was not taken before; returns None where there will be none."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._shots or self._ended, timeout=_LONGEST_WAIT):
                raise self._broken(f"no picture for {_LONGEST_WAIT:g} s")
            if self._shots:
                return self._shots.popleft()
        if self._error is not None:
            raise self._broken(reason(self._error)) from self._error
        return None

    def stop(self) -> None:
        """Ends the thread with its next picture."""
        with self._changed:
            self._stopped = True
        self._thread.join(timeout=1.0)

    def _broken(self, why: str) -> DataError:
        return DataError(
            f"webcam {self._camera.device}: cannot be read ({why}); connect one, allow its use, or name another"
        )


def _named(number: int) -> str:
    """Returns the name of a camera of Windows, which has no numbers."""
    _check_extra()
    import av

    names = [own.name for own in av.enumerate_input_devices("dshow") if "video" in own.media_types]
    if not 0 <= number < len(names):
        raise DataError(f"webcam {number}: there are {len(names)}; connect one, or name another")
    return names[number]


def _check_extra() -> None:
    if importlib.util.find_spec("av") is None:
        raise MissingExtraError.of("av", extra="video")
