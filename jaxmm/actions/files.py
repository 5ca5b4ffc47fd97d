"""Which actions video files show, with probabilities."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxmm.actions.annotation import annotate_file, films_of
from jaxmm.actions.answers import ActionAnswers, By
from jaxmm.actions.told import Told, likeliest
from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.video.named import read_named
from jaxmm.errors import ConfigError, DataError
from jaxmm.model import ASSETS_FOLDER, Model


def classify_files(
    model: Model,
    paths: Sequence[Path],
    *,
    top: int = 5,
    by: By = "head",
    classes: Sequence[str] = (),
    annotate: Path | None = None,
) -> Iterator[Told | DataError]:
    """Yields what a run says of each file; of one that cannot be read, why.

    A file that hangs, or makes its decoder die, costs no more than the time limit of the run's settings.

    Args:
        model: A run that classifies videos.
        paths: Videos or pictures, and folders of them.
        top: Most classes to tell, >= 1.
        by: Who answers, the head or the prompts.
        classes: Classes to tell instead of those of training, in words, by prompts.
        annotate: Folder to write, new or empty: each video with what is told drawn on its frames.

    Raises:
        ConfigError: If the run is of another system, has no prompts to answer by, or `top` is below 1.
        DataError: If a path is neither a file nor a folder, a folder holds no file, or the folder to write holds any.
        MissingExtraError: If the extra `video` is not installed.

    Example:
        >>> import jaxmm
        >>> list(classify_files(jaxmm.load("no/such/run"), [Path("clip.mp4")]))
        Traceback (most recent call last):
        jaxmm.errors.CheckpointError: no/such/run: is not a run; give the folder that jaxmm train wrote
    """
    answers = answers_by(model, top=top, by=by, classes=classes)
    data: ActionVideos = answers.data
    films = films_of(paths, annotate)
    for path, frames in read_named(list(films), data):
        if isinstance(frames, DataError):
            yield frames
            continue
        try:
            (logits,) = answers(model.params, model.collections, [frames.pixels])
            told = Told(path, *likeliest(logits, answers.vocabulary.labels, top=top))
            if (film := films[path]) is not None:
                annotate_file(film, path, [told], time_limit_s=data.time_limit_s)
            yield told
        except DataError as error:
            yield error


def answers_by(model: Model, *, top: int, by: By, classes: Sequence[str]) -> ActionAnswers:
    """Returns what answers for a run; arguments and errors are those of `classify_files`."""
    if top < 1:
        raise ConfigError(f"top is {top}; give 1 or more")
    settings = model.experiment
    return ActionAnswers(settings.task, settings.data, model.run / ASSETS_FOLDER, by=by, classes=classes)
