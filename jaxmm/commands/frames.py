"""Commands on runs that answer frames of videos: label, compare."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from jaxmm import console
from jaxmm.commands.options import Checkpoint, Json, Root, Split


@dataclasses.dataclass(frozen=True, kw_only=True)
class Label:
    """Write the label that RUN gives to every frame of the videos of a split."""

    run: Positional[Path]
    out: Annotated[Path, arg(help="Folder to write, new or empty: a .txt file of labels for each video.")]
    descriptions: Annotated[
        Path | None,
        arg(help='Of an alignment: label by these descriptions instead, lines such as cut_tomato "cut the tomato".'),
    ] = None
    root: Root = None
    split: Split = "test"
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Writes the labels; prints the number of videos, and how many frames each label was given."""
        from jaxmm.frames.labelling import write_labels
        from jaxmm.model import load

        model = load(self.run, checkpoint=self.checkpoint)
        counts = write_labels(model, self.out, split=self.split, root=self.root, descriptions=self.descriptions)
        console.show(counts, title=f"{self.out}", as_json=self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare:
    """Segment videos by their features, by those that ALIGNMENT makes of them, and by both; print one table."""

    alignment: Annotated[Positional[Path], arg(metavar="ALIGNMENT", help="Config of a semantic alignment.")]
    segmentation: Annotated[Positional[Path], arg(metavar="SEGMENTATION", help="Config of a segmentation.")]
    workdir: Annotated[Path, arg(help="Folder of all runs; the same command goes on where it was interrupted.")]
    root: Annotated[str | None, arg(name="data.root", help="Folder of the videos; ALIGNMENT's own by default.")] = None
    splits: Annotated[tuple[int, ...], arg(help="Numbers of the splits; all of the folder by default.")] = ()
    cross_fit: Annotated[
        int,
        arg(
            help="Parts of the training videos; the features of each are made by an alignment that never saw it. "
            "0: made by one that was fitted to their labels."
        ),
    ] = 5
    bootstrap: Annotated[int, arg(help="Draws for 95% intervals over videos; 0 prints none.")] = 1000
    timelines: Annotated[bool, arg(help="Also draw a timeline of every test video (needs the extra 'plots').")] = False
    json: Json = False

    def __call__(self) -> None:
        """Trains what is not trained yet and prints scores and gains, means over the splits."""
        from jaxmm.experiment import read_config
        from jaxmm.frames.compare import compare_features

        alignment = read_config(self.alignment)
        if self.root is not None:
            alignment = dataclasses.replace(alignment, data=dataclasses.replace(alignment.data, root=self.root))
        with console.training_progress() as report:
            scores = compare_features(
                alignment,
                read_config(self.segmentation),
                self.workdir,
                splits=self.splits,
                cross_fit=self.cross_fit,
                num_resamples=self.bootstrap,
                pictures=self.timelines,
                report=report,
            )
        how = f"cross-fitted in {self.cross_fit} parts" if self.cross_fit else "fitted to the labels of training"
        title = f"{self.workdir}, enhanced features {how}, intervals over videos"
        console.show_scores(scores, title=title, as_json=self.json)
