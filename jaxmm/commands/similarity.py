"""Commands that use what a run on videos that are compared has learnt: similar, search."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from jaxmm import console
from jaxmm.commands.options import Checkpoint, Json, OnBad
from jaxmm.errors import ConfigError, DataError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Similar:
    """Tell how alike VIDEOs are, every pair of them, by RUN (needs the extra 'video')."""

    run: Positional[Path]
    videos: Annotated[Positional[tuple[Path, ...]], arg(metavar="VIDEO...")] = ()
    ensemble: Annotated[
        UseAppendAction[tuple[Path, ...]],
        arg(help="A further run whose probabilities are averaged with those of RUN; may be repeated."),
    ] = ()
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Prints the probability of each pair that its videos belong together."""
        from jaxmm.model import load
        from jaxmm.similarity.files import similar_files

        models = [load(run, checkpoint=self.checkpoint) for run in (self.run, *self.ensemble)]
        found = similar_files(models, self.videos)
        values = {f"{pair.a} {pair.b}": pair.probability for pair in found}
        console.show(values, title="how likely two videos belong together", as_json=self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """Find the videos of a gallery that show what each VIDEO shows, and where (needs the extra 'video')."""

    run: Positional[Path]
    index: Annotated[Path, arg(help="Gallery, from jaxmm index RUN --videos FOLDER.")]
    videos: Annotated[Positional[tuple[Path, ...]], arg(metavar="VIDEO...")] = ()
    k: Annotated[int, arg(aliases=["-k"], help="Answers a video.")] = 5
    on_bad: OnBad = "fail"
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Prints files, seconds and probabilities; exits with status 1 where a file could not be read."""
        from jaxmm.model import load
        from jaxmm.similarity.files import search_files
        from jaxmm.similarity.index import VideoIndex

        if not self.videos:
            raise ConfigError("search: no video is given; name one or more files or folders")
        index = VideoIndex.read(self.index)
        found, bad = {}, 0
        for path, hits in search_files(load(self.run, checkpoint=self.checkpoint), self.videos, index, k=self.k):
            if isinstance(hits, DataError):
                console.note(f"jaxmm: {hits}")
                bad += 1
            else:
                found[str(path)] = hits
        console.show_stretches(found, as_json=self.json)
        if bad and self.on_bad == "fail":
            raise SystemExit(1)
