"""Commands that study runs on videos that are compared: study landscape, study margin."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg, subcommand

from jaxmm import console
from jaxmm.commands.compare import usual_workdir
from jaxmm.commands.options import Checkpoint, Json, Root

if TYPE_CHECKING:
    from jaxmm.experiment import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True)
class Landscape:
    """Draw the training loss around what RUN has learnt, over a plane of two random directions, or along one."""

    run: Positional[Path]
    out: Annotated[Path, arg(help="Folder to write landscape.png and landscape.csv to.")]
    line: Annotated[bool, arg(help="Cut along one direction.")] = False
    points: Annotated[int, arg(help="Points along a direction; an odd number has the run itself in the middle.")] = 25
    reach: Annotated[
        float, arg(help="How far to go both ways; at 1 each filter has been changed by as much as its own norm.")
    ] = 1.0
    batches: Annotated[int, arg(help="Training batches whose mean loss is drawn.")] = 4
    seed: Annotated[int, arg(help="Seed of directions and batches.")] = 0
    root: Root = None
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Draws the landscape; prints the loss of the run, and the lowest and highest around it."""
        from jaxmm.evaluate.figures import check_figures
        from jaxmm.model import load
        from jaxmm.similarity.landscape import loss_landscape

        check_figures()
        landscape = loss_landscape(
            load(self.run, checkpoint=self.checkpoint),
            num_directions=1 if self.line else 2,
            num_points=self.points,
            reach=self.reach,
            num_batches=self.batches,
            seed=self.seed,
            root=self.root,
        )
        landscape.draw(self.out, title=self.run.resolve().name)
        console.show(landscape.values(), title=f"{self.out}", as_json=self.json)


@dataclasses.dataclass(frozen=True)
class Margin:
    """Train CONFIG of video similarity once for each margin of its objective, and draw what each reaches.

    Any field of the config can be a flag.
    """

    config: Positional[Path]
    margins: Annotated[tuple[float, ...], arg(help="The margins.")] = (0.1, 0.3, 1.0)
    architecture: Annotated[
        str | None,
        arg(help="Train by this architecture, such as siamese or triplet, and not as the config says."),
    ] = None
    workdir: Annotated[
        Path | None,
        arg(
            help="Folder of all runs, margins.png and margins.csv, runs/<system>/<config>_margins by default; the same "
            "command goes on where it was interrupted."
        ),
    ] = None
    bootstrap: Annotated[int, arg(help="Draws for 95% intervals over what videos were cut from.")] = 1000
    json: Json = False

    def __call__(self, experiment: "Experiment") -> None:
        """Trains what is not trained yet; prints the area under the ROC curve and the equal error rate."""
        from jaxmm.similarity.margins import study_margins

        workdir = self.workdir or usual_workdir(self.config, "margins")
        with console.training_progress() as report:
            scores = study_margins(
                experiment,
                workdir,
                margins=self.margins,
                architecture=self.architecture,
                num_resamples=self.bootstrap,
                report=report,
            )
        console.show_scores(scores, title=f"{workdir}", as_json=self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """Draw the loss around a run of video similarity, or what each margin of its objective reaches."""

    action: OmitArgPrefixes[Annotated[Landscape, subcommand("landscape")] | Annotated[Margin, subcommand("margin")]]

    def __call__(self) -> None:
        """Runs the chosen action."""
        if isinstance(self.action, Margin):
            from jaxmm.experiment import read_config

            self.action(read_config(self.action.config))
        else:
            self.action()
