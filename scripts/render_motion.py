"""Renders labelled videos from real motion: figures of many bodies and clothes, before many cameras and backdrops.

    python scripts/render_motion.py path/to/bandai rendered --actions bandai

FOLDER is any folder of motions that `jaxmm data check` reads. OUT gets a folder of MP4 files a label and `videos.csv`
with their splits: recordings are never divided, and those of some styles are kept for the test.
"""

import dataclasses
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import track
from tyro.conf import Positional, arg

from jaxmm import console
from jaxmm.data.files import source_of
from jaxmm.errors import JaxmmError
from jaxmm.rendering.collection import Rendering


@dataclasses.dataclass(frozen=True)
class RenderMotion:
    folder: Annotated[Positional[Path], arg(metavar="FOLDER", help="Recordings of motion.")]
    out: Annotated[Positional[Path], arg(metavar="OUT", help="Folder to write.")]
    rendering: Annotated[Rendering, arg(name="")] = dataclasses.field(default_factory=Rendering)

    def __call__(self) -> None:
        """Renders the videos, and prints how many there are of each label and split."""
        started, counts = time.perf_counter(), Counter()
        videos = self.rendering.render(source_of(self.folder).inventory(self.folder), self.out)
        for video in track(videos, description="rendering", disable=not sys.stderr.isatty()):
            counts[f"{video.label}, {video.split} {video.held_out}".strip()] += 1
        console.show(dict(sorted(counts.items())), title=f"{self.out}", as_json=False)
        print(f"{counts.total()} videos in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    try:
        tyro.cli(RenderMotion, description=__doc__, use_underscores=True)()
    except JaxmmError as error:
        print(f"render_motion: {error}", file=sys.stderr)
        sys.exit(2)
