"""Commands that use what a run on videos of actions has learnt: classify."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from jaxmm import console
from jaxmm.commands.options import Checkpoint, Json, OnBad
from jaxmm.errors import ConfigError, DataError

if TYPE_CHECKING:
    from jaxmm.actions.answers import By
    from jaxmm.model import Model


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classify:
    """Tell which action each VIDEO shows, by RUN; a folder stands for all files in it (needs the extra 'video')."""

    run: Positional[Path]
    videos: Annotated[Positional[tuple[Path, ...]], arg(metavar="VIDEO...")] = ()
    top: Annotated[int, arg(help="How many classes to tell of each.")] = 5
    by: Annotated[
        Literal["head", "prompts"] | None,
        arg(help="Who answers: the classifier (the default), or the similarity to prompts."),
    ] = None
    classes: Annotated[
        tuple[str, ...],
        arg(help="Tell these classes, in words, by prompts instead of those of training."),
    ] = ()
    stream: Annotated[bool, arg(help="Answer while a video goes on, not for the whole of it.")] = False
    webcam: Annotated[int | None, arg(help="Stream from a webcam instead of videos: its number, 0 for the first.")] = (
        None
    )
    every: Annotated[int | None, arg(help="Of a stream: frames from one answer to the next; 1 by default.")] = None
    window: Annotated[
        int | None,
        arg(help="Of a stream: frames to look back at; by default as many as the run sees of a video."),
    ] = None
    seconds: Annotated[float | None, arg(help="Of a stream: when to stop; a webcam goes on until Ctrl-C.")] = None
    annotate: Annotated[
        Path | None, arg(help="Folder to write, new or empty: each video with the answers drawn on its frames.")
    ] = None
    on_bad: OnBad = "fail"
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Prints classes with probabilities; exits with status 1 where a file could not be read."""
        from jaxmm.files import check_free

        self._check()
        if self.annotate is not None:
            check_free(self.annotate)
        from jaxmm.model import load

        model = load(self.run, checkpoint=self.checkpoint)
        bad = self._watch(model) if self.stream or self.webcam is not None else self._tell(model)
        if bad and self.on_bad == "fail":
            raise SystemExit(1)

    def _check(self) -> None:
        """Refuses flags that have no use, and words without a video."""
        if self.webcam is None and not self.videos:
            raise ConfigError("classify: no video is given; name one or more files or folders, or --webcam 0")
        if self.webcam is not None and self.videos:
            raise ConfigError("classify: --webcam takes the place of videos; leave one of them out")
        of_streams = {"every": self.every, "window": self.window, "seconds": self.seconds}
        useless = [f"--{name}" for name, value in of_streams.items() if value is not None]
        if useless and not self.stream and self.webcam is None:
            raise ConfigError(f"classify: {' and '.join(useless)} are of streams; add --stream, or leave them out")
        if self.seconds is not None and not self.seconds > 0:
            raise ConfigError(f"classify: --seconds is {self.seconds:g}; give a time above zero, or leave it out")
        if self.by == "head" and self.classes:
            raise ConfigError("classify: the head tells the classes of training alone; leave --by or --classes out")

    @property
    def _by(self) -> "By":
        return self.by or ("prompts" if self.classes else "head")

    def _tell(self, model: "Model") -> int:
        """Tells the class of each file and returns how many could not be read."""
        from jaxmm.actions.files import classify_files

        found, bad = [], 0
        for told in classify_files(
            model, self.videos, top=self.top, by=self._by, classes=self.classes, annotate=self.annotate
        ):
            if isinstance(told, DataError):
                console.note(f"jaxmm: {told}")
                bad += 1
            else:
                found.append(told)
        console.show_classes(found, as_json=self.json)
        return bad

    def _watch(self, model: "Model") -> int:
        """Tells classes while videos, or what a webcam shows, go on, and returns how many could not be read."""
        from jaxmm.actions.streams import Watcher, film_webcam, watch_files
        from jaxmm.data.video.webcam import Webcam

        watcher = Watcher(
            model, window=self.window, every=self.every or 1, top=self.top, by=self._by, classes=self.classes
        )
        bad = 0
        with console.showing_glances(as_json=self.json) as show:
            if self.webcam is None:
                for path, told in watch_files(watcher, self.videos, seconds=self.seconds, annotate=self.annotate):
                    if isinstance(told, DataError):
                        console.note(f"jaxmm: {told}")
                        bad += 1
                    else:
                        show(f"{path}", told)
                return bad
            camera, name = Webcam.of(self.webcam), f"webcam {self.webcam}"
            if self.annotate is not None:
                film = self.annotate / f"webcam_{self.webcam}.mp4"
                film_webcam(film, watcher, camera, seconds=self.seconds, report=lambda told: show(name, told))
            else:
                for told in watcher.webcam(camera, seconds=self.seconds):
                    show(name, told)
        return bad
