"""The command that trains several runs on the same data and tells which is better: compare."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from jaxmm import console
from jaxmm.commands.options import Json
from jaxmm.errors import ConfigError

if TYPE_CHECKING:
    from jaxmm.experiment import Experiment


@dataclasses.dataclass(frozen=True)
class CompareArchitectures:
    """Train CONFIG of video similarity by each of its architectures, and write a report of what they reach and cost.

    Any field of the config can be a flag.
    """

    config: Positional[Path]
    workdir: Annotated[
        Path | None,
        arg(
            help="Folder of all runs and of report.html, runs/<system>/<config>_compared by default; the same command "
            "goes on where it was interrupted."
        ),
    ] = None
    architectures: Annotated[tuple[str, ...], arg(help="Which to train; all by default.")] = ()
    bootstrap: Annotated[int, arg(help="Draws for 95% intervals over what videos were cut from, 1 or more.")] = 1000
    json: Json = False

    def __call__(self, experiment: "Experiment") -> None:
        """Trains what is not trained yet, writes the report and prints scores and costs."""
        from jaxmm.similarity.compare import architectures_of

        workdir = self.workdir or usual_workdir(self.config, "compared")
        _report(architectures_of(experiment, self.architectures), workdir, None, self.bootstrap, self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare:
    """Tell what is better, on the same videos.

    With configs and runs of video similarity: these, in a report of what they reach and cost; with one CONFIG alone its
    architectures, see its --help. With configs of a semantic alignment and a segmentation: features as they came, those
    that the alignment makes of them, and both.
    """

    targets: Annotated[Positional[tuple[Path, ...]], arg(metavar="CONFIG|RUN...")]
    workdir: Annotated[Path, arg(help="Folder of all runs; the same command goes on where it was interrupted.")]
    root: Annotated[str | None, arg(name="data.root", help="Folder of the videos; their own by default.")] = None
    splits: Annotated[
        tuple[int, ...], arg(help="Of a segmentation: numbers of the splits; all of the folder by default.")
    ] = ()
    cross_fit: Annotated[
        int | None,
        arg(
            help="Of a segmentation: parts of the training videos, 5 by default; the features of each are made by an "
            "alignment that never saw it. 0: made by one that was fitted to their labels."
        ),
    ] = None
    bootstrap: Annotated[
        int, arg(help="Draws for 95% intervals over videos, or what they were cut from; of features 0 prints none.")
    ] = 1000
    timelines: Annotated[
        bool, arg(help="Of a segmentation: also draw a timeline of every test video (needs the extra 'plots').")
    ] = False
    json: Json = False

    def __call__(self) -> None:
        """Trains what is not trained yet and prints scores, of features also gains, means over the splits."""
        from jaxmm.experiment import read_config
        from jaxmm.tasks.abilities import Compares

        candidates = {path: path if path.is_dir() else read_config(path) for path in self.targets}
        experiments = [own for own in candidates.values() if not isinstance(own, Path)]
        if len(self.targets) == len(experiments) == 2 and not isinstance(experiments[0].task, Compares):
            self._features(*experiments)
            return
        useless = {"--splits": self.splits, "--cross_fit": self.cross_fit is not None, "--timelines": self.timelines}
        if given := [name for name, value in useless.items() if value]:
            raise ConfigError(f"compare: {' and '.join(given)} go with an alignment and a segmentation; leave them out")
        named = {_name(path): own for path, own in candidates.items()}
        if len(named) < len(self.targets):
            raise ConfigError("compare: two of what is compared have the same name; rename one of them")
        placed = {name: own if isinstance(own, Path) else self._at_root(own) for name, own in named.items()}
        _report(placed, self.workdir, self.root, self.bootstrap, self.json)

    def _at_root(self, experiment: "Experiment") -> "Experiment":
        if self.root is None:
            return experiment
        return dataclasses.replace(experiment, data=dataclasses.replace(experiment.data, root=self.root))

    def _features(self, alignment: "Experiment", segmentation: "Experiment") -> None:
        from jaxmm.frames.compare import compare_features

        cross_fit = 5 if self.cross_fit is None else self.cross_fit
        with console.training_progress() as report:
            scores = compare_features(
                self._at_root(alignment),
                segmentation,
                self.workdir,
                splits=self.splits,
                cross_fit=cross_fit,
                num_resamples=self.bootstrap,
                pictures=self.timelines,
                report=report,
            )
        how = f"cross-fitted in {cross_fit} parts" if cross_fit else "fitted to the labels of training"
        title = f"{self.workdir}, enhanced features {how}, intervals over videos"
        console.show_scores(scores, title=title, as_json=self.json)


def usual_workdir(config: Path, what: str) -> Path:
    """Returns the folder of several runs of a config, unless another is named.

    Example:
        >>> usual_workdir(Path("configs/video_similarity/tiny.py"), "compared").as_posix()
        'runs/video_similarity/tiny_compared'
    """
    return Path("runs") / config.resolve().parent.name / f"{config.stem}_{what}"


def _name(path: Path) -> str:
    return path.resolve().name if path.is_dir() else path.stem


def _report(
    candidates: "Mapping[str, Experiment | Path]", workdir: Path, root: str | None, bootstrap: int, json: bool
) -> None:
    from jaxmm.similarity.compare import compare_architectures

    with console.training_progress() as report:
        scores = compare_architectures(candidates, workdir, root=root, num_resamples=bootstrap, report=report)
    console.show_scores(scores, title=f"{workdir / 'report.html'}", as_json=json)
