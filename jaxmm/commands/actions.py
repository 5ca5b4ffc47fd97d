"""Commands that use what a run on videos of actions has learnt: classify."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from jaxmm import console
from jaxmm.commands.options import Checkpoint, Json


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classify:
    """Tell which action each VIDEO shows, by RUN; a folder stands for all files in it (needs the extra 'video')."""

    run: Positional[Path]
    videos: Annotated[Positional[tuple[Path, ...]], arg(metavar="VIDEO...")]
    top: Annotated[int, arg(help="How many classes to tell of each.")] = 5
    by: Annotated[
        Literal["head", "prompts"], arg(help="Who answers: the classifier, or the similarity to prompts.")
    ] = "head"
    on_bad: Annotated[
        Literal["fail", "skip"],
        arg(help="What a file that cannot be read does to the status; it is named in any case."),
    ] = "fail"
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Prints classes with probabilities; exits with status 1 where a file could not be read."""
        from jaxmm.actions.files import classify_files
        from jaxmm.errors import ConfigError, DataError
        from jaxmm.model import load

        if not self.videos:
            raise ConfigError("classify: no video is given; name one or more files or folders")
        found, bad = [], 0
        for told in classify_files(load(self.run, checkpoint=self.checkpoint), self.videos, top=self.top, by=self.by):
            if isinstance(told, DataError):
                console.note(f"jaxmm: {told}")
                bad += 1
            else:
                found.append(told)
        console.show_classes(found, as_json=self.json)
        if bad and self.on_bad == "fail":
            raise SystemExit(1)
