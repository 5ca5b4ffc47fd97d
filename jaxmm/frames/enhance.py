"""Writing what a run answers to frames of videos as features; those of training also by runs that left them out."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxmm.data.segmentation.features import write_features
from jaxmm.data.segmentation.video import LabelledVideo
from jaxmm.data.segmented import SegmentedVideos
from jaxmm.errors import ConfigError
from jaxmm.files import check_free, whole_folder, write_text
from jaxmm.model import Model, load
from jaxmm.run import Report, train

FACTS = "features.json"
"""Says where the features of a folder come from."""


def write_answers(
    run: str | Path,
    out: Path,
    *,
    cross_fit: int = 0,
    root: str | None = None,
    checkpoint: str = "last",
    report: Report = lambda *_: None,
) -> dict[str, float]:
    """Writes what a run answers to every frame of all its videos: of an alignment, the enhanced features (D8).

    A run has seen the labels of the videos it was trained on, and its answers to them are better than to others: what
    is learnt from them later would not hold. With `cross_fit`, each training or validation video is answered by a run
    that never saw it, and each test video by the mean of those runs, which answer in one space.

    Args:
        run: A run of semantic alignment or segmentation.
        out: Folder to write, new or empty: `<video>.npy` (dim, time) at each video's length, and `features.json`.
        cross_fit: Number of parts that the training and validation videos are cut into, for each of which a further
            run is trained in `<run>/folds` on the others, or continued; 0 answers all videos by the run itself.
        root: Folder of the data; the run's own by default.
        checkpoint: `last`, `best`, or a step of the run; of the further runs, the `last` one for a step.
        report: Called with scalars as the further runs are trained.

    Returns:
        Numbers of videos: in all, `unseen` by their run in training, and `fitted` to their own labels.

    Raises:
        ConfigError: If the run is of another system, or a number is out of its range.
        DataError: If the data cannot be read, or `out` holds something.
    """
    check_cross_fit(cross_fit)
    check_free(out)
    model = load(run, checkpoint=checkpoint)
    _ = model.frames  # refuses a run of another system before more of them are trained
    splits = ("train", "val", "test")
    if cross_fit:
        of_parts = checkpoint if checkpoint in ("last", "best") else "last"
        parts = [_part(model, (part, cross_fit), root, of_parts, report) for part in range(cross_fit)]
        answers = _out_of_fold(model, parts, root)
    else:
        answers = _answers([model], _videos(model, root, splits))
    fitted = [] if cross_fit else [video.key for video in _videos(model, root, splits[:2])]
    facts = {"run": str(run), "digest": model.digest, "step": model.step, "cross_fit": cross_fit, "fitted": fitted}
    num_videos, num_fitted = 0, len(fitted)
    with whole_folder(out) as building:
        for key, answer in answers:
            write_features(building / f"{key}.npy", answer)
            num_videos += 1
        write_text(building / FACTS, json.dumps(facts, indent=1) + "\n")
    return {"videos": float(num_videos), "unseen": float(num_videos - num_fitted), "fitted": float(num_fitted)}


def check_cross_fit(num_parts: int) -> None:
    """Refuses a number of parts that videos cannot be cut into.

    Raises:
        ConfigError: If it is 1 or negative.

    Example:
        >>> check_cross_fit(1)
        Traceback (most recent call last):
        jaxmm.errors.ConfigError: cross_fit is 1; give 2 parts or more, or 0 for none
    """
    if num_parts < 0 or num_parts == 1:
        raise ConfigError(f"cross_fit is {num_parts}; give 2 parts or more, or 0 for none")


def _out_of_fold(
    model: Model, parts: Sequence[Model], root: str | None
) -> Iterator[tuple[str, Float32[np.ndarray, "time out"]]]:
    """Yields the key and the answer of every video, by those runs that never saw it."""
    for part in parts:
        yield from _answers([part], _videos(part, root, ("test",)))
    yield from _answers(parts, _videos(model, root, ("test",)))


def _answers(
    models: Sequence[Model], videos: Sequence[LabelledVideo]
) -> Iterator[tuple[str, Float32[np.ndarray, "time out"]]]:
    """Yields the key of every video and the mean of what runs answer to it."""
    features = [video.features for video in videos]
    answers = [model.frames(model.params, model.collections, features) for model in models]
    for video, *own in zip(videos, *answers, strict=True):
        yield video.key, np.mean(own, axis=0)


def _videos(model: Model, root: str | None, splits: tuple[str, ...]) -> list[LabelledVideo]:
    """Returns the videos of those splits that a run's data have."""
    data = model.open_segmented(root=root)
    return [video for split in splits if data.has_split(split) for video in data.videos(split)]


def _part(model: Model, fold: tuple[int, int], root: str | None, checkpoint: str, report: Report) -> Model:
    """Trains a run as another was, but without one part of its videos."""
    data = model.experiment.data
    if not isinstance(data, SegmentedVideos) or data.fold is not None:
        raise ConfigError(f"{model.run}: leaves out a part of its videos already; cross-fit a run without data.fold")
    data = dataclasses.replace(data, fold=fold, root=data.root if root is None else root)
    folder = model.run / "folds" / f"{fold[0]}-of-{fold[1]}"
    train(dataclasses.replace(model.experiment, data=data), folder, report=report)
    return load(folder, checkpoint=checkpoint)
