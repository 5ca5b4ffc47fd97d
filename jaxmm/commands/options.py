"""Flags that several commands share."""

from typing import Annotated, Literal

from tyro.conf import arg

Root = Annotated[str | None, arg(name="data.root", help="Folder of the data; the run's own by default.")]
Json = Annotated[bool, arg(help="Print one JSON object of names and values on stdout, and nothing else.")]
Checkpoint = Annotated[str, arg(help="Which checkpoint to use: last, best, or a step.")]
Split = Literal["train", "val", "test"]
OnBad = Annotated[
    Literal["fail", "skip"],
    arg(help="What a file that cannot be read does to the status; it is named in any case."),
]
