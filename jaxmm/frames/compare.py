"""Whether aligned features help: segmentation from features as they came, from enhanced ones, and from both."""

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from jaxmm.config import differences, encode
from jaxmm.data.inventory import existing_folder
from jaxmm.data.segmentation.folder import bundle_path, split_numbers
from jaxmm.data.segmentation.sources import (
    MAPPING,
    SegmentationFolder,
    SegmentationSource,
    write_segmentation_folder,
)
from jaxmm.data.segmented import SegmentedVideos
from jaxmm.errors import ConfigError, DataError
from jaxmm.evaluate.figures import check_figures
from jaxmm.evaluate.frame_plots import plot_timeline
from jaxmm.evaluate.segments import Ratios, gains_of, scores_of
from jaxmm.experiment import Experiment
from jaxmm.files import read_json, write_text
from jaxmm.frames.enhance import FACTS, check_cross_fit, write_answers
from jaxmm.frames.evaluation import labels_of, segment_ratios_of
from jaxmm.model import Model, load
from jaxmm.run import Report, train
from jaxmm.tasks.abilities import Aligns, AnswersFrames

RAW, ENHANCED, BOTH = "raw", "enhanced", "both"
_SETTINGS = "settings.json"  # of made-up videos
_LOG = logging.getLogger(__name__)


def compare_features(
    alignment: Experiment,
    segmentation: Experiment,
    workdir: Path,
    *,
    splits: Sequence[int] = (),
    cross_fit: int = 5,
    num_resamples: int = 1000,
    pictures: bool = False,
    report: Report = lambda *_: None,
) -> dict[str, float]:
    """Trains an alignment on every split, writes its features, and segments by three kinds of features.

    Everything is a run in the working folder, so the same call goes on where another ended.

    Args:
        alignment: The alignment; its data are those of all runs.
        segmentation: The segmentation; of its data, all but where they come from counts.
        workdir: Folder of all runs: `split<K>/alignment`, `/raw`, `/enhanced` and `/both`.
        splits: Numbers of the splits; by default all of the folder.
        cross_fit: As in `write_answers`; 0 lets segmentation learn from features that were fitted to its labels.
        num_resamples: Bootstrap draws over the test videos of each split, for intervals; 0 has none.
        pictures: Whether to draw a timeline of every test video, in `timelines`.
        report: Called with scalars as runs are trained.

    Returns:
        `test/<features>/<metric>`, the means over the splits, and `test/<features> - raw/<metric>`, their gains, of
        the same videos.

    Raises:
        ConfigError: If the data do not fit, or the folder holds runs of other experiments.
        DataError: If the data cannot be read.
        MissingExtraError: If pictures are asked for, and matplotlib is not installed.
    """
    check_cross_fit(cross_fit)
    if num_resamples < 0:
        raise ConfigError(f"bootstrap is {num_resamples}; give a number of draws, or 0 for no intervals")
    _check_systems(alignment, segmentation)
    if pictures:
        check_figures()
    settings, source, root = _folder_of(cast(SegmentedVideos, alignment.data), workdir)
    numbers = tuple(dict.fromkeys(splits)) or tuple(split_numbers(root))
    if not numbers:
        raise DataError(f"{bundle_path(root, 'train', 1)}: no such file, nor one of another split; write one or more")
    found: dict[str, list[Ratios]] = {RAW: [], ENHANCED: [], BOTH: []}
    for split in numbers:
        own = workdir / f"split{split}"
        data = dataclasses.replace(settings, source=dataclasses.replace(source, split=split))
        width = _align(dataclasses.replace(alignment, data=data), own, cross_fit, report)
        enhanced, dim = (str((own / "features").resolve()),), (width,)
        kinds = {RAW: (source.features, source.dim), ENHANCED: (enhanced, dim)}
        kinds[BOTH] = source.features + enhanced, source.dim + dim
        models = {}
        for name, (features, dims) in kinds.items():
            learnt = dataclasses.replace(source, split=split, features=features, dim=dims)
            _LOG.info("split %d: segmentation from %s features", split, name)
            models[name] = _segment(segmentation, dataclasses.replace(settings, source=learnt), own / name, report)
        for name, ratios in _compared(models, workdir / "timelines" if pictures else None).items():
            found[name].append(ratios)
    scores = {name: scores_of(*parts, num_resamples=num_resamples) for name, parts in found.items()}
    for name in (ENHANCED, BOTH):
        scores[f"{name} - {RAW}"] = gains_of(found[RAW], found[name], num_resamples=num_resamples)
    return {f"test/{name}/{metric}": value for name, own in scores.items() for metric, value in own.items()}


def _check_systems(alignment: Experiment, segmentation: Experiment) -> None:
    """Refuses what would be found out only after hours of training."""
    if not isinstance(alignment.task, Aligns):
        raise ConfigError(f"{type(alignment.task).__name__} aligns no features; give the config of an alignment first")
    if not isinstance(segmentation.task, AnswersFrames) or isinstance(segmentation.task, Aligns):
        raise ConfigError(f"{type(segmentation.task).__name__} is no segmentation; give the config of one second")
    for settings in (alignment.data, segmentation.data):
        if not isinstance(settings, SegmentedVideos):
            raise ConfigError(f"data are {type(settings).__name__}; compare on SegmentedVideos")
        if settings.fold is not None:
            raise ConfigError(f"data.fold is {settings.fold}; leave it out, --cross_fit makes parts of its own")


def _folder_of(settings: SegmentedVideos, workdir: Path) -> tuple[SegmentedVideos, SegmentationFolder, Path]:
    """Returns settings of data in a folder, its source and the folder, to which made-up ones are written first."""
    source, root = settings.source, settings.folder
    if not isinstance(source, SegmentationFolder):
        root = _written(source, root, workdir / "data")
        source = SegmentationFolder(dim=(source.dim,), fps=source.fps)
        settings = dataclasses.replace(settings, source=source, root=str(root))
    if not source.dim:
        raise ConfigError("data.source.dim is empty; name the number of features of each folder to compare")
    if source.orientation == "time_dim":
        raise ConfigError(
            "data.source.orientation is 'time_dim', but enhanced features are (dim, time); leave it out, as "
            "data.source.dim tells which axis is which"
        )
    return settings, source, existing_folder(root, source.mapping)


def _written(source: SegmentationSource, root: Path | None, folder: Path) -> Path:
    """Writes made-up videos into a folder, unless it holds those of the same settings."""
    videos, settings, told = source.inventory(root).items(), encode(source), folder / _SETTINGS
    if not (folder / MAPPING).is_file():  # which is written last
        folder.mkdir(parents=True, exist_ok=True)
        write_text(told, json.dumps(settings))
        write_segmentation_folder(videos, source.vocabulary(None), folder)
    elif changed := differences(read_json(told), settings):
        raise ConfigError(
            f"{folder}: holds videos of other settings ({'; '.join(changed)}); choose another working folder"
        )
    return folder


def _align(experiment: Experiment, folder: Path, cross_fit: int, report: Report) -> int:
    """Trains an alignment, writes its features unless they are there, and returns their width."""
    run, features = folder / "alignment", folder / "features"
    train(experiment, run, report=report)
    checkpoint = _checkpoint(experiment)
    if not (features / FACTS).is_file():
        write_answers(run, features, cross_fit=cross_fit, checkpoint=checkpoint, report=report)
    model, told = load(run, checkpoint=checkpoint), read_json(features / FACTS)
    if (told["digest"], told["cross_fit"]) != (model.digest, cross_fit):
        raise ConfigError(f"{features}: was written with cross_fit {told['cross_fit']} or by another run; remove it")
    return cast(Aligns, experiment.task).embeddings(model.collections).shape[1]


def _segment(experiment: Experiment, data: SegmentedVideos, run: Path, report: Report) -> Model:
    learnt = dataclasses.replace(cast(SegmentedVideos, experiment.data), source=data.source, root=data.root)
    experiment = dataclasses.replace(experiment, data=learnt)
    train(experiment, run, report=report)
    return load(run, checkpoint=_checkpoint(experiment))


def _checkpoint(experiment: Experiment) -> str:
    return "last" if experiment.loop.best_metric is None else "best"


def _compared(models: Mapping[str, Model], timelines: Path | None) -> dict[str, Ratios]:
    """Compares what segmentations say of their test videos, and draws it."""
    videos, ratios, said = [], {}, {}
    for name, model in models.items():
        data = model.open_segmented()
        videos, vocabulary = data.videos("test"), data.vocabulary
        answers = list(model.frames(model.params, model.collections, [video.features for video in videos]))
        ratios[name] = segment_ratios_of(answers, [video.labels for video in videos], None)
        said[name] = [labels_of(answer, None) for answer in answers]
    if timelines is not None:
        timelines.mkdir(exist_ok=True)
        for place, video in enumerate(videos):
            rows = {"truth": video.labels, **{name: labels[place] for name, labels in said.items()}}
            plot_timeline(timelines / f"{video.key}.png", rows, vocabulary.labels, title=video.key, fps=video.fps)
    return ratios
