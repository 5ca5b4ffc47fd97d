"""Commands that use what a run has learnt to embed: index, retrieve, embed."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from jaxmm import console
from jaxmm.commands.options import Checkpoint, Json, Root, Split
from jaxmm.errors import ConfigError, DataError

if TYPE_CHECKING:
    from jaxmm.data.motion import Motion
    from jaxmm.model import Model


@dataclasses.dataclass(frozen=True, kw_only=True)
class MakeIndex:
    """Embed a split of RUN's data, or the videos of a folder, as a gallery to search."""

    run: Positional[Path]
    out: Annotated[Path, arg(help="File to write, .safetensors.")]
    root: Root = None
    split: Annotated[Split | None, arg(help="Of retrieval: which split, test by default.")] = None
    videos: Annotated[Path | None, arg(help="Of a run that compares videos: folder of videos to index.")] = None
    window: Annotated[
        float | None,
        arg(help="Of videos: seconds of a window; by default as long as what RUN learnt of."),
    ] = None
    hop: Annotated[
        float | None, arg(help="Of videos: seconds from one window to the next; half of a window by default.")
    ] = None
    on_bad: Annotated[
        Literal["fail", "skip"] | None,
        arg(help="Of videos: what one that cannot be read, which is named and left out, does to the status."),
    ] = None
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Writes the index and prints its size; exits with status 1 where a file could not be read."""
        from jaxmm import model
        from jaxmm.tasks.abilities import Compares

        run = model.load(self.run, checkpoint=self.checkpoint)
        if isinstance(run.experiment.task, Compares):
            self._index_videos(run)
            return
        given = {"videos": self.videos, "window": self.window, "hop": self.hop, "on_bad": self.on_bad}
        if useless := [f"--{name}" for name, value in given.items() if value is not None]:
            raise ConfigError(f"{self.run} compares no videos: leave {' and '.join(useless)} out")
        index = run.index(self.split or "test", root=self.root)
        index.write(self.out)
        sizes = {"motions": len(index.keys), "captions": len(index.captions)}
        console.show(sizes, title=f"{self.out}", as_json=self.json)

    def _index_videos(self, run: "Model") -> None:
        from jaxmm.similarity.files import index_files

        if self.videos is None:
            raise ConfigError(f"{self.run} compares videos; name the folder of those to index, --videos FOLDER")
        if self.split is not None or self.root is not None:
            raise ConfigError(f"{self.run} indexes the videos of a folder: leave --split and --data.root out")
        bad = list[DataError]()

        def report(error: DataError) -> None:
            console.note(f"jaxmm: {error}")
            bad.append(error)

        index = index_files(run, self.videos, seconds=self.window, hop=self.hop, report=report)
        index.write(self.out)
        sizes = {"videos": len(index.names), "windows": len(index.spans), "seconds": index.seconds, "bad": len(bad)}
        console.show(sizes, title=f"{self.out}", as_json=self.json)
        if bad and self.on_bad != "skip":
            raise SystemExit(1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retrieve:
    """Search with sentences or motions; --html writes a page of moving figures."""

    run: Positional[Path]
    text: Annotated[UseAppendAction[tuple[str, ...]], arg(help="Sentence to search with; may be repeated.")] = ()
    motion: Annotated[
        UseAppendAction[tuple[Path, ...]],
        arg(help="Motion file (.npy, .npz, .bvh, .amc, .c3d); may be repeated."),
    ] = ()
    index: Annotated[Path | None, arg(help="Gallery from jaxmm index; by default the test split, embedded now.")] = None
    root: Root = None
    k: Annotated[int, arg(aliases=["-k"], help="Answers a query.")] = 5
    search: Annotated[
        Literal["exact", "faiss"],
        arg(help="Compare every item, or search approximately (needs the extra 'faiss'; pays beyond 200,000 items)."),
    ] = "exact"
    html: Annotated[
        Path | None, arg(help="Page to write; without --text or --motion it has the gallery's captions.")
    ] = None
    fps: Annotated[
        float | None,
        arg(help="Frame rate of .npy, .npz and .amc motions; by default the run's, for .amc that of its source."),
    ] = None
    metres_per_unit: Annotated[
        float | None, arg(help="Length of one unit of .bvh, .amc and .c3d motions, in metres; the run's by default.")
    ] = None
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Searches, prints the answers, and writes the page."""
        from jaxmm.model import load
        from jaxmm.motions.files import write_page
        from jaxmm.motions.index import Index

        if not (self.text or self.motion or self.html):
            raise ConfigError("nothing to search with; give --text SENTENCE, --motion FILE, or --html PAGE")
        if self.k < 1:
            raise ConfigError(f"-k is {self.k}; ask for 1 answer or more")
        if self.index is not None and self.root is not None:
            raise ConfigError("--index is a gallery already, so --data.root has no use; give one of them")
        if not self.motion and (self.fps is not None or self.metres_per_unit is not None):
            raise ConfigError("--fps and --metres_per_unit describe a motion; give its file by --motion")
        model = load(self.run, checkpoint=self.checkpoint)
        motions = [self._read(path, model) for path in self.motion]
        index = Index.read(self.index) if self.index is not None else model.index(root=self.root)
        index = dataclasses.replace(index, search=self.search)
        answers = {query: model.retrieve(query, index, k=self.k) for query in self.text}
        for path, motion in zip(self.motion, motions, strict=True):
            answers[str(path)] = model.retrieve(motion, index, k=self.k)
        if self.html is not None:
            num_queries = write_page(self.html, model, index, texts=self.text, motions=motions, k=self.k)
            console.note(f"{self.html}: {num_queries} queries")
        if answers or self.json:
            console.show_answers(answers, as_json=self.json)

    def _read(self, path: Path, model: "Model") -> "Motion":
        from jaxmm.data.files import read_motion_file

        data = model.embedder.data
        return read_motion_file(
            path,
            source=data.source,
            skeleton=model.skeleton,
            fps=self.fps,
            default_fps=data.fps,
            metres_per_unit=self.metres_per_unit,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embed:
    """Write the embeddings of a split and optionally a picture of them, or the enhanced features of all videos."""

    run: Positional[Path]
    out: Annotated[
        Path,
        arg(
            help="Folder to write. Of retrieval: motion.npy, text.npy, motions.jsonl, captions.jsonl. Of videos: "
            "<video>.npy (dim, time) and features.json."
        ),
    ]
    root: Root = None
    split: Annotated[Split | None, arg(help="Of retrieval: which split, test by default.")] = None
    tsne: Annotated[bool, arg(help="Of retrieval: also draw tsne.png (needs the extra 'plots').")] = False
    umap: Annotated[bool, arg(help="Of retrieval: also draw umap.png (needs the extra 'umap').")] = False
    cross_fit: Annotated[
        int,
        arg(
            help="Of videos: cut those of training into so many parts, and write the features of each by a run that "
            "was trained without it; 0 writes all by RUN, which was fitted to the labels of its training videos."
        ),
    ] = 0
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Writes the embeddings or features, and prints how many."""
        from jaxmm.experiment import read_experiment
        from jaxmm.model import CONFIG_FILE
        from jaxmm.tasks.abilities import AnswersFrames

        config = self.run / CONFIG_FILE
        of_videos = config.is_file() and isinstance(read_experiment(config).task, AnswersFrames)
        self._features() if of_videos else self._embeddings()

    def _features(self) -> None:
        from jaxmm.frames.enhance import write_answers

        if self.split is not None or self.tsne or self.umap:
            raise ConfigError(f"{self.run} answers frames of videos: leave --split, --tsne and --umap out")
        with console.training_progress() as report:
            counts = write_answers(
                self.run,
                self.out,
                cross_fit=self.cross_fit,
                root=self.root,
                checkpoint=self.checkpoint,
                report=report,
            )
        how = "by runs that never saw them" if self.cross_fit else "fitted to their labels"
        console.show(counts, title=f"{self.out}: features of training videos {how}", as_json=self.json)

    def _embeddings(self) -> None:
        from jaxmm.model import load
        from jaxmm.motions.files import write_embeddings

        if self.cross_fit:
            raise ConfigError(f"{self.run} answers no frames of videos, so --cross_fit has no use; leave it out")
        index = load(self.run, checkpoint=self.checkpoint).index(self.split or "test", root=self.root)
        write_embeddings(self.out, index, tsne=self.tsne, umap=self.umap)
        sizes = {"motions": len(index.keys), "captions": len(index.captions), "dim": index.motion.shape[1]}
        console.show(sizes, title=f"{self.out}", as_json=self.json)
