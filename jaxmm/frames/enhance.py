"""Writing what a run answers to frames of videos as features; those of training also by runs that left them out."""

import dataclasses
import json
import shutil
from pathlib import Path

from jaxmm.data.segmentation.features import write_features
from jaxmm.data.segmented import SegmentedVideos
from jaxmm.errors import ConfigError
from jaxmm.files import check_free, write_text
from jaxmm.model import Model, load
from jaxmm.run import Report, train

FACTS = "features.json"
"""Says where the features of a folder come from; it is written last."""


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
    that never saw it.

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
    of_parts = checkpoint if checkpoint in ("last", "best") else "last"
    # All trained before the first is written: what is interrupted leaves no folder behind.
    parts = [_part(model, (part, cross_fit), root, of_parts, report) for part in range(cross_fit)]
    out.mkdir(parents=True, exist_ok=True)
    try:
        unseen = [_write(answering, ("test",), root, out) for answering in (model, *parts)]
        fitted = [] if cross_fit else _write(model, ("train", "val"), root, out)
        facts = {"run": str(run), "digest": model.digest, "step": model.step, "cross_fit": cross_fit, "fitted": fitted}
        write_text(out / FACTS, json.dumps(facts, indent=1) + "\n")
    except BaseException:
        shutil.rmtree(out.resolve(), ignore_errors=True)  # it held nothing before
        raise
    num_unseen = sum(map(len, unseen))
    return {"videos": float(num_unseen + len(fitted)), "unseen": float(num_unseen), "fitted": float(len(fitted))}


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


def _write(model: Model, splits: tuple[str, ...], root: str | None, out: Path) -> list[str]:
    """Writes the answer to every video of some splits, and returns their keys."""
    data = model.open_segmented(root=root)
    videos = [video for split in splits if data.has_split(split) for video in data.videos(split)]
    answers = model.frames(model.params, model.collections, (video.features for video in videos))
    for video, answer in zip(videos, answers, strict=True):
        write_features(out / f"{video.key}.npy", answer)
    return [video.key for video in videos]


def _part(model: Model, fold: tuple[int, int], root: str | None, checkpoint: str, report: Report) -> Model:
    """Trains a run as another was, but without one part of its videos."""
    data = model.experiment.data
    if not isinstance(data, SegmentedVideos) or data.fold is not None:
        raise ConfigError(f"{model.run}: leaves out a part of its videos already; cross-fit a run without data.fold")
    data = dataclasses.replace(data, fold=fold, root=data.root if root is None else root)
    folder = model.run / "folds" / f"{fold[0]}-of-{fold[1]}"
    train(dataclasses.replace(model.experiment, data=data), folder, report=report)
    return load(folder, checkpoint=checkpoint)
