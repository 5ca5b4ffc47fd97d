"""Decoding of one file with PyAV and Pillow: what the processes of `jaxmm.data.video.reader.VideoReader` run."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from jaxmm.data.video.info import STILL_ENDINGS, VideoInfo
from jaxmm.data.video.scaling import DecodeError, Scaler, read_still

# Not those of playlists and scripts, which name further files, nor those that take any text for a picture.
_FORMATS = "asf,avi,flv,gif,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,ogg"
_STATE_LENGTH = {"asf", "avi", "flv", "matroska", "mov"}  # of others it is guessed
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
_SLOWEST, _FASTEST = 0.1, 1000.0
_USUAL_RATE = 25.0  # what FFmpeg takes where a stream states none
_ROUNDING = 0.002  # containers round times to milliseconds
_LONGEST_FRAME = 60.0
_MICROSECOND = Fraction(1, 1_000_000)
# How much less than its container states a sound file may hold: times are rounded, and empty frames counted.
_LEAST_LACKING, _LACKING_SHARE, _LACKING_FRAMES_SHARE = 0.25, 0.05, 0.1


class Decoder:
    """The frames of one file in the order in which they are shown; a picture is a video of one frame.

    Args:
        path: The file.
        size: Pixels of the shorter side of a frame; None leaves frames as they are.
        square: Whether the centre of a frame is cut out, as wide as high.

    Raises:
        DecodeError: If the file holds no video.
    """

    def __init__(self, path: str, *, size: int | None, square: bool) -> None:
        self._path = path
        self.pixels = Scaler(size=size, square=square)
        self._still = read_still(path) if path.lower().endswith(STILL_ENDINGS) else None
        if self._still is None:
            self._open()

    def _open(self) -> None:
        """Opens the file at its beginning."""
        import av
        import av.error
        from av.stream import Disposition

        # The metadata of damaged files are no text, which PyAV from 19 on does not mind.
        lenient: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
        try:  # `file:` keeps names such as `concat:a` from being more than names
            self._container = av.open(f"file:{self._path}", container_options=_OPTIONS, **lenient)
        except av.error.ArgumentError as error:
            raise DecodeError("is no video, or of a kind that is not read") from error
        videos = self._container.streams.video
        stream = next((own for own in videos if not own.disposition & Disposition.attached_pic), None)
        if stream is None:
            raise DecodeError("holds no video")
        stream.thread_count = 1  # one process a video is faster, and decodes the same every time
        stream.codec_context.options = {"err_detect": "explode"}  # otherwise damaged parts are made up from others
        self._stream, self._rate = stream, _rate_of(stream)
        self._num_empty, self._ends_at, self._file_ends_at = 0, 0.0, 0.0
        self._first = _seconds(stream.start_time, stream.time_base)
        self.pixels.aspect = stream.sample_aspect_ratio

    def close(self) -> None:
        """Closes the file."""
        if self._still is None:
            self._container.close()

    @property
    def rate(self) -> float:
        """Frames per second, on average."""
        return 1.0 if self._still is not None else self._rate

    def info(self) -> VideoInfo:
        """Returns what the file holds; decodes no more than one frame where the container tells the truth.

        Raises:
            DecodeError: If a frame cannot be decoded, or there is none.
        """
        if self._still is not None:
            return self.scan()
        num_packets, first = 0, None
        for packet in self._packets():
            num_packets += bool(packet.size) and not packet.is_discard
            if first is None:
                first = next(iter(packet.decode()), None)
        if first is None or num_packets != self._stream.frames:
            self.close()
            self._open()
            return self.scan()
        height, width = self.pixels.shown(first)
        return self._info(num_packets, self._ends_at, width, height, counted=False)

    def scan(self) -> VideoInfo:
        """Decodes the whole file and returns what it holds.

        Raises:
            DecodeError: If a frame cannot be decoded, or there is none.
        """
        count, shape = 0, (0, 0)
        for _, frame in self.frames():
            shape = shape if count else self.pixels.shown(frame)
            count += 1
        return self._info(count, 1.0 if self._still is not None else self._ends_at, shape[1], shape[0], counted=True)

    def _info(self, count: int, seconds: float, width: int, height: int, *, counted: bool) -> VideoInfo:
        seconds = seconds if seconds > 0 else count / self.rate
        return VideoInfo(num_frames=count, fps=self.rate, seconds=seconds, width=width, height=height, counted=counted)

    def frames(self, start: float = 0.0) -> Iterator[tuple[float, Any]]:
        """Yields every frame with its time, in seconds from the beginning; `pixels` makes a picture of it.

        Args:
            start: Time, in seconds, that the first frame may be the one shown at; later ones follow.

        Raises:
            DecodeError: If a frame cannot be decoded, there is none, or the file was cut.
        """
        if self._still is not None:
            yield 0.0, self._still
            return
        import av.error

        last = None
        if start > 0 and self._enter(start):
            try:
                for last, frame in self._decoded(start):
                    yield last, frame
                return
            except (DecodeError, av.error.FFmpegError):  # in its middle it may say less than from its beginning on
                self.close()
                self._open()
        for time, frame in self._decoded(None):
            if last is None or time > last:
                yield time, frame

    def _enter(self, start: float) -> bool:
        """Goes to the last frame before a time from which decoding can begin; tells whether the file allows it."""
        import av.error

        try:
            self._container.seek(int((start + self._first) * 1_000_000))
        except av.error.FFmpegError:
            return False
        return True

    def _decoded(self, entered: float | None) -> Iterator[tuple[float, Any]]:
        """Yields the frames from where the file stands, with their times.

        Args:
            entered: Time at which the first frame is still shown; None at the beginning.
        """
        before, count = None, 0
        for packet in self._packets():
            for frame in packet.decode():
                time = self._time(frame, before)
                if entered is not None and before is None and (frame.pts is None or time > entered):
                    raise DecodeError(f"cannot be entered at {entered:g} s")
                if before is not None and time - before > _LONGEST_FRAME:
                    raise DecodeError(f"frame {count} is stamped {time - before:.0f} s later than the one before it")
                yield time, frame
                before, count = time, count + 1
        if before is None:
            raise DecodeError("holds no frame")
        self._check_end(count if entered is None else None)

    def _packets(self) -> Iterator[Any]:
        """Yields the packets of the video; those of other streams tell only how far the file goes."""
        for packet in self._container.demux():
            if packet.is_corrupt:
                raise DecodeError("ends within a frame: it was cut, or damaged")
            own = packet.stream_index == self._stream.index
            if packet.size:
                end = _seconds(packet.pts if packet.pts is not None else packet.dts, packet.time_base)
                end += _seconds(packet.duration, packet.time_base)
                self._file_ends_at = max(self._file_ends_at, end)
                self._ends_at = max(self._ends_at, end - self._first) if own else self._ends_at
            if own and not packet.size and packet.dts is not None:  # the frame before is shown on
                self._num_empty += 1
            elif own:
                yield packet

    def _check_end(self, count: int | None) -> None:
        """Raises a DecodeError where the container states that there is much more.

        Args:
            count: Frames that were decoded; None where they were not from the beginning.
        """
        if not _STATE_LENGTH & set(self._container.format.name.split(",")):
            return
        stated = _seconds(self._container.duration, _MICROSECOND)
        ends = self._file_ends_at - _seconds(self._container.start_time, _MICROSECOND)
        if stated - ends > max(_LEAST_LACKING, _LACKING_SHARE * stated):
            raise DecodeError(f"ends after {ends:.2f} of the {stated:.2f} s that it states: it was cut")
        if count is not None and count + self._num_empty < (1 - _LACKING_FRAMES_SHARE) * self._stream.frames:
            raise DecodeError(f"holds {count} of the {self._stream.frames} frames that it states: it is damaged")

    def _time(self, frame: Any, before: float | None) -> float:
        """Returns when a frame is shown: never before the one before it, whatever a damaged file says."""
        after = 0.0 if before is None else before + 1 / self._rate
        if frame.pts is None:
            return after
        time = float(frame.time) - self._first
        return time if before is None or time > before else after

    def at_indices(self, indices: Sequence[int]) -> Iterator[Any]:
        """Yields some frames by their numbers, which ascend.

        Raises:
            DecodeError: If the file ends before, or cannot be decoded so far.
        """
        wanted, count = iter(indices), 0
        next_wanted = next(wanted, None)
        if next_wanted is None:
            return
        for index, (_, frame) in enumerate(self.frames()):
            count = index + 1
            if index == next_wanted:
                yield frame
                next_wanted = next(wanted, None)
                if next_wanted is None:
                    return
        raise DecodeError(f"has no frame {next_wanted}: it holds {count}")

    def at_times(self, times: Iterable[float], *, to_end: bool = False) -> Iterator[Any]:
        """Yields what is shown at some times, in seconds, which ascend.

        Args:
            times: The times.
            to_end: Whether times beyond the end are left out, not refused.

        Raises:
            DecodeError: If the file ends before, or cannot be decoded so far.
        """
        wanted = iter(times)
        next_wanted = next(wanted, None)
        held, at, length = None, 0.0, 1 / self.rate
        for time, frame in self.frames(next_wanted or 0.0):
            while held is not None and next_wanted is not None and next_wanted < time - _ROUNDING:
                yield held
                next_wanted = next(wanted, None)
            if next_wanted is None:
                return
            held, at, length = frame, time, (time - at) if held is not None else length
        end = at + max(length, 1 / self.rate)
        while next_wanted is not None and next_wanted < end - _ROUNDING:
            yield held
            next_wanted = next(wanted, None)
        if next_wanted is not None and not to_end:
            raise DecodeError(f"shows nothing at {next_wanted:g} s: it ends at {end:g} s")

    def at_rate(self, fps: float | None, *, start: float, end: float | None) -> Iterator[Any]:
        """Yields the frames of a stretch of the file at a rate.

        Args:
            fps: Frames per second: others are left out, or shown again; None takes every frame as it is, and of a
                picture there is one at any rate.
            start: Time, in seconds, at which the stretch begins.
            end: Time at which it ends; None goes to the end of the file.

        Raises:
            DecodeError: If the file cannot be decoded so far, or ends before the stretch begins.
        """
        count = 0
        if fps is None or self._still is not None:
            for time, frame in self.frames(start):
                if end is not None and time >= end - _ROUNDING:
                    break
                if time >= start - _ROUNDING:
                    count += 1
                    yield frame
        else:
            grid = (start + step / fps for step in itertools.count())
            times = grid if end is None else itertools.takewhile(lambda time: time < end - _ROUNDING, grid)
            for frame in self.at_times(times, to_end=True):
                count += 1
                yield frame
        if not count:
            raise DecodeError(f"shows nothing from {start:g} s on")


def reason_of(error: BaseException) -> str:
    """Returns why decoding failed, in words.

    Example:
        >>> reason_of(DecodeError("holds no frame"))
        'holds no frame'
    """
    import av.error

    if isinstance(error, DecodeError):
        return str(error)
    if isinstance(error, av.error.InvalidDataError):
        return "is damaged, or no video"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"cannot be decoded ({said[:200]})"


def _rate_of(stream: Any) -> float:
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((float(rate) for rate in rates if rate and _SLOWEST <= rate <= _FASTEST), _USUAL_RATE)


def _seconds(ticks: int | None, tick: Fraction | None) -> float:
    return float(ticks * tick) if ticks is not None and tick is not None else 0.0
