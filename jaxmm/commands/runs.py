"""Commands that make and examine runs: train, evaluate, inspect, verify."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from jaxmm import console
from jaxmm.commands.options import Checkpoint, Json, Root, Split
from jaxmm.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxmm.experiment import Experiment


@dataclasses.dataclass(frozen=True)
class Train:
    """Train CONFIG, or continue the run that the folder holds; any field of the config can be a flag."""

    config: Positional[Path]
    workdir: Annotated[Path | None, arg(help="Folder of the run; runs/<system>/<config> by default.")] = None
    distributed: Annotated[
        bool, arg(help="Join the other processes of the run first; start one on each host, see docs/clusters.md.")
    ] = False
    json: Json = False

    def __call__(self, experiment: "Experiment | None" = None) -> None:
        """Trains, with a progress bar, and prints the last scores."""
        from jaxmm import run
        from jaxmm.experiment import read_config
        from jaxmm.train.cluster import join_cluster

        if self.distributed:
            join_cluster()
        workdir = self.workdir or Path("runs") / self.config.resolve().parent.name / self.config.stem
        with console.training_progress() as report:
            scores = run.train(experiment or read_config(self.config), workdir, report=report)
        if run.leads():
            console.show(scores, title=f"{workdir}", as_json=self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Evaluate RUN on a split of its data."""

    run: Positional[Path]
    root: Root = None
    split: Split = "test"
    bootstrap: Annotated[int, arg(help="Draws for 95% intervals over what is scored; 0 prints none.")] = 0
    protocol: Annotated[
        Literal["all", "similar_captions", "dissimilar", "small_batches"] | None,
        arg(
            help="Of retrieval: search the whole split (all, the default); the whole split, where near-equal captions "
            "answer for each other; the 100 motions of least similar captions; or batches of 32 motions."
        ),
    ] = None
    ndcg: Annotated[bool, arg(help="Of retrieval: also print nDCG by the similarity of captions.")] = False
    sentences: Annotated[
        str | None,
        arg(help="Checkpoint that compares captions; by default the one the run's text backbone started from."),
    ] = None
    back_translation: Annotated[
        Path | None, arg(help="Of text-to-sign: retrieval run that tells what generated clips sign.")
    ] = None
    autoencoder: Annotated[
        Path | None, arg(help="Of text-to-sign: autoencoder run by whose codes generated clips are compared with real.")
    ] = None
    by: Annotated[
        Literal["head", "prompts"] | None, arg(help="Of classified videos: who answers; by default the head.")
    ] = None
    ensemble: Annotated[
        UseAppendAction[tuple[Path, ...]],
        arg(help="Of classified or compared videos: a further run, with which probabilities are averaged; repeatable."),
    ] = ()
    pictures: Annotated[
        Path | None,
        arg(
            help="Of videos: folder to write timelines to, and how near features are to their descriptions; of "
            "classified videos, which classes are taken for which, as a picture and as CSV; of compared videos, "
            "curves, scores and a table of pairs (needs the extra 'plots')."
        ),
    ] = None
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Evaluates and prints the scores."""
        from jaxmm.evaluation import evaluate

        scores = evaluate(
            self.run,
            root=self.root,
            split=self.split,
            checkpoint=self.checkpoint,
            bootstrap=self.bootstrap,
            protocol=self.protocol,
            graded=self.ndcg,
            sentences=self.sentences,
            back_translation=self.back_translation,
            autoencoder=self.autoencoder,
            by=self.by,
            ensemble=self.ensemble,
            pictures=self.pictures,
        )
        how = _measured(self.run, scores, protocol=self.protocol or "all")
        judges = {"back-translation": self.back_translation, "autoencoder": self.autoencoder}
        how |= {name: judge for name, judge in judges.items() if judge is not None}
        told = "; ".join(f"{name} {value}" for name, value in how.items())
        console.show_scores(scores, title=f"{self.run}, {told}", as_json=self.json)


def _measured(run: Path, scores: "Mapping[str, float]", *, protocol: str) -> dict[str, object]:
    """Returns how what was scored is measured."""
    from jaxmm.evaluate.signs import SignDistance
    from jaxmm.experiment import read_experiment
    from jaxmm.model import CONFIG_FILE
    from jaxmm.similarity.evaluation import THRESHOLD
    from jaxmm.tasks.semantic_alignment import SemanticAlignmentTask

    if f"protocol/{protocol}" in scores:
        return {"protocol": protocol}
    if any(name.endswith("/top1") for name in scores):
        return {"macro": "the mean over classes"}
    if any(name.endswith("/roc_auc") for name in scores):
        return {"told alike": f"from a probability of {THRESHOLD} on"}
    if any("/segments/" in name for name in scores):
        task = read_experiment(run / CONFIG_FILE).task
        how: dict[str, object] = {"F1": "over the segments of all videos"}
        return how | (task.semantics.settings() if isinstance(task, SemanticAlignmentTask) else {})
    return dict(SignDistance().settings())


@dataclasses.dataclass(frozen=True)
class Inspect:
    """Show parameters, shapes and operations of CONFIG or RUN; with CONFIG, any field can be a flag."""

    target: Annotated[Positional[Path], arg(metavar="CONFIG|RUN")]
    num_joints: Annotated[
        int | None, arg(help="Joints of the skeleton of CONFIG, 25 by default; a run knows its own.")
    ] = None
    depth: Annotated[int, arg(help="Path elements after which parameters are summed up.")] = 3
    json: Json = False

    def __call__(self, experiment: "Experiment | None" = None) -> None:
        """Prints the table of modules."""
        from jaxmm import inspect
        from jaxmm.data.motion_text import MotionText
        from jaxmm.experiment import read_config

        num_joints = self.num_joints
        if experiment is None and self.target.is_dir():
            from jaxmm.model import load

            if self.num_joints is not None:
                raise ConfigError(f"{self.target} is a run, which knows its skeleton; leave --num_joints out")
            model = load(self.target)
            experiment = model.experiment
            num_joints = model.skeleton.num_joints if isinstance(experiment.data, MotionText) else None
        experiment = experiment or read_config(self.target)
        totals = inspect.totals(experiment, num_joints=num_joints)
        if not self.json:
            console.show_parts(
                inspect.parts(experiment, num_joints=num_joints, depth=self.depth), title=str(self.target)
            )
        console.show(totals, title="in all; operations are those of one example", as_json=self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verify:
    """Check every checkpoint of RUN, file by file; print JSON and exit with 1 when something is wrong."""

    run: Positional[Path]
    json: Annotated[bool, arg(help="Changes nothing: the answer is JSON in any case.")] = False

    def __call__(self) -> None:
        """Prints `step` and `state_sha256` of the last checkpoint, `ok`, and a line for each damaged file."""
        from jaxmm import run

        found = run.verify(self.run)
        console.show(found, title="", as_json=True)
        if not found["ok"]:
            raise SystemExit(1)
