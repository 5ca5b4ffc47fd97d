"""Which action a video shows while it goes on: from a file, a webcam, or any frames as they come."""

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxmm.actions.annotation import COMMENT, annotate_file, drawn, films_of
from jaxmm.actions.answers import By
from jaxmm.actions.files import answers_by
from jaxmm.actions.told import Glance, likeliest
from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.video.scaling import Scaler
from jaxmm.data.video.webcam import Webcam
from jaxmm.errors import DataError
from jaxmm.model import Model
from jaxmm.rendering.film import write_mp4

_USUAL_RATE = 30.0  # frames a second


class Watcher:
    """Tells again and again which action the last frames of a stream show; compiled once for all streams.

    Args:
        model: A run that classifies videos.
        window: Frames that are looked back at; by default as many as the run sees of a video. They are at the rate of
            the run, so `window / fps` should be about as long as its training videos.
        every: Frames from one answer to the next.
        top: Most classes to tell, >= 1.
        by: Who answers, the head or the prompts.
        classes: Classes to tell instead of those of training, in words, by prompts.

    Raises:
        ConfigError: If the run is of another system, has no prompts to answer by, or a number is below 1.

    Example:
        >>> import jaxmm
        >>> list(Watcher(jaxmm.load("no/such/run"), every=8).file(Path("clip.mp4")))
        Traceback (most recent call last):
        jaxmm.errors.CheckpointError: no/such/run: is not a run; give the folder that jaxmm train wrote
    """

    def __init__(
        self,
        model: Model,
        *,
        window: int | None = None,
        every: int = 1,
        top: int = 5,
        by: By = "head",
        classes: Sequence[str] = (),
    ) -> None:
        self._answers = answers_by(model, top=top, by=by, classes=classes)
        self._model, self._window, self._every, self._top = model, window, every, top

    @property
    def data(self) -> ActionVideos:
        """The run's settings of its data, by which frames have a rate and a size."""
        return self._answers.data

    def __call__(self, frames: Iterable[tuple[float, UInt8[np.ndarray, "size size 3"]]]) -> Iterator[Glance]:
        """Yields an answer after every so many frames.

        Args:
            frames: Each with the time when it is shown, in seconds, at the rate and size of the run.

        Raises:
            ConfigError: If `window` or `every` is below 1.
            DataError: If a frame has another size.
        """
        times = deque[float](maxlen=max(1, self._window or self.data.frames_per_clip))
        count, came_at = 0, 0.0

        def pixels() -> Iterator[UInt8[np.ndarray, "size size 3"]]:
            nonlocal count, came_at
            for seconds, frame in frames:
                count, came_at = count + 1, time.perf_counter()
                times.append(seconds)
                yield frame

        stream = self._answers.stream(
            self._model.params, self._model.collections, pixels(), window=self._window, every=self._every
        )
        for logits in stream:
            latency = time.perf_counter() - came_at
            classes, probabilities = likeliest(logits, self._answers.vocabulary.labels, top=self._top)
            yield Glance(
                frame=count,
                seconds=times[-1],
                window_s=times[-1] - times[0],
                latency_ms=1000 * latency,
                classes=classes,
                probabilities=probabilities,
            )

    def file(self, path: Path, *, seconds: float | None = None) -> Iterator[Glance]:
        """Yields answers to a video file as it is decoded.

        Args:
            path: The file.
            seconds: When to stop; None goes to the end.

        Raises:
            DataError: If the file cannot be read; some answers may come before.
            MissingExtraError: If the extra `video` is not installed.
        """
        with self.data.reader(time_limit_s=self.data.time_limit_s) as reader:
            fps = self.data.fps or reader.info(path).fps
            pixels = reader.stream(path, fps=self.data.fps, end=seconds)
            yield from self((count / fps, frame) for count, frame in enumerate(pixels))

    def webcam(self, camera: Webcam, *, seconds: float | None = None) -> Iterator[Glance]:
        """Yields answers to what a webcam shows; what it showed while the machine was at work is passed over.

        Args:
            camera: The webcam.
            seconds: When to stop; None goes on.

        Raises:
            DataError: If the webcam cannot be read.
            MissingExtraError: If the extra `video` is not installed.
        """
        return self(self.cut(shots_of(camera, fps=self.data.fps, seconds=seconds)))

    def cut(
        self, shots: Iterable[tuple[float, UInt8[np.ndarray, "height width 3"]]]
    ) -> Iterator[tuple[float, UInt8[np.ndarray, "size size 3"]]]:
        """Yields what the run sees of pictures of any size."""
        scaler = Scaler(size=self.data.frame_size, square=True)
        for seconds, picture in shots:
            yield seconds, scaler(picture)


def shots_of(
    camera: Webcam, *, fps: float | None, seconds: float | None
) -> Iterator[tuple[float, UInt8[np.ndarray, "height width 3"]]]:
    """Yields what a webcam shows until some seconds have gone, or it is interrupted from the keyboard."""
    shots = camera.shots(fps=fps)
    try:
        yield from itertools.takewhile(lambda shot: seconds is None or shot[0] < seconds, shots)
    except KeyboardInterrupt:  # how a camera is usually ended; what was told so far stands
        return
    finally:
        shots.close()


def watch_files(
    watcher: Watcher, paths: Sequence[Path], *, seconds: float | None = None, annotate: Path | None = None
) -> Iterator[tuple[Path, Glance | DataError]]:
    """Yields what is told of files while they go on, and of one that cannot be read, why.

    Args:
        watcher: Who tells.
        paths: Videos, and folders of them.
        seconds: When to stop with each; None goes to the end.
        annotate: Folder to write, new or empty: each video with what is told drawn on its frames.

    Raises:
        DataError: If a path is neither a file nor a folder, a folder holds no file, or the folder to write holds any.
        MissingExtraError: If the extra `video` is not installed.
    """
    for path, film in films_of(paths, annotate).items():
        told = list[Glance]()
        try:
            for glance in watcher.file(path, seconds=seconds):
                told.append(glance)
                yield path, glance
            if film is not None:
                annotate_file(film, path, told, seconds=seconds, time_limit_s=watcher.data.time_limit_s)
        except DataError as error:
            yield path, error


def film_webcam(
    out: Path,
    watcher: Watcher,
    camera: Webcam,
    *,
    seconds: float | None = None,
    report: Callable[[Glance], None] = lambda glance: None,
) -> int:
    """Films what a webcam shows, with what is told of it meanwhile.

    Args:
        out: MP4 file to write.
        watcher: Who tells.
        camera: The webcam.
        seconds: When to stop; None goes on until it is interrupted from the keyboard.
        report: Called with every answer as it is given.

    Returns:
        Number of frames.

    Raises:
        DataError: If the webcam cannot be read, or the file not be written.
        MissingExtraError: If the extra `video` is not installed.
    """
    fps = watcher.data.fps or _USUAL_RATE
    waiting = deque[tuple[float, UInt8[np.ndarray, "height width 3"]]]()

    def shots() -> Iterator[tuple[float, UInt8[np.ndarray, "height width 3"]]]:
        filmed = 0
        for at, picture in shots_of(camera, fps=fps, seconds=seconds):
            while filmed < at * fps + 0.5:  # also for those that were passed over, so that no time is lost
                waiting.append((at, picture))
                filmed += 1
            yield at, picture

    def film() -> Iterator[UInt8[np.ndarray, "height width 3"]]:
        told = list[Glance]()
        # Interrupted between two pictures, or, on a slow machine, while one is looked at: the film ends there.
        with contextlib.suppress(KeyboardInterrupt):
            for glance in watcher(watcher.cut(shots())):
                report(glance)
                told = [*told[-1:], glance]
                yield from drawn(waiting, told)
                waiting.clear()
        yield from drawn(waiting, told)

    return write_mp4(out, film(), fps=fps, comment=COMMENT)
