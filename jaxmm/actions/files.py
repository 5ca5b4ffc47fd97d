"""Which actions video files show, with probabilities."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxmm.actions.answers import ActionAnswers, By
from jaxmm.data.action_videos import ActionVideos
from jaxmm.data.video.listing import is_video
from jaxmm.errors import ConfigError, DataError
from jaxmm.model import ASSETS_FOLDER, Model


@dataclasses.dataclass(frozen=True)
class Told:
    """What a run says of one file.

    Attributes:
        path: The file.
        classes: The most likely classes, the likeliest first.
        probabilities: How likely each is.

    Example:
        >>> Told(Path("a.mp4"), ("walk", "run"), (0.9, 0.1)).classes[0]
        'walk'
    """

    path: Path
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


def classify_files(model: Model, paths: Sequence[Path], *, top: int = 5, by: By = "head") -> Iterator[Told | DataError]:
    """Yields what a run says of each file; of one that cannot be read, why.

    A file that hangs, or makes its decoder die, costs no more than the time limit of the run's settings.

    Args:
        model: A run that classifies videos.
        paths: Videos or pictures, and folders of them.
        top: Most classes to tell, >= 1.
        by: Who answers, the head or the prompts.

    Raises:
        ConfigError: If the run is of another system, or `top` is below 1.
        DataError: If a path is neither a file nor a folder, or a folder holds no file.
        MissingExtraError: If the extra `video` is not installed.
    """
    if top < 1:
        raise ConfigError(f"top is {top}; give 1 or more")
    answers = ActionAnswers(model.experiment.task, model.experiment.data, model.run / ASSETS_FOLDER, by=by)
    data: ActionVideos = answers.data
    files = [file for path in paths for file in _files(path)]
    labels = answers.vocabulary.labels
    with data.reader(time_limit_s=data.time_limit_s) as reader:
        for path in files:
            try:
                frames = reader.read_clip(path, fps=data.fps, max_frames=data.max_frames)
                (logits,) = answers(model.params, model.collections, [frames.pixels])
            except DataError as error:
                yield error
                continue
            probabilities = _softmax(logits)
            best = np.argsort(-probabilities, kind="stable")[:top]
            yield Told(path, tuple(labels[place] for place in best), tuple(float(probabilities[own]) for own in best))


def _files(path: Path) -> list[Path]:
    """Returns a file, or all videos and pictures below a folder, in order."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder; check the path")
    found = [file for file in sorted(path.rglob("*")) if is_video(file)]
    if not found:
        raise DataError(f"{path}: holds no video; give a folder of videos")
    return found


def _softmax(logits: Float[np.ndarray, "classes"]) -> Float[np.ndarray, "classes"]:
    powers: Any = np.exp(logits.astype(np.float64) - logits.max())
    return powers / powers.sum()
