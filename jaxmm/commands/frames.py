"""Commands on runs that answer frames of videos: label."""

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
