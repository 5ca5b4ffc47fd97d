"""The command line: one dataclass a command, thin over the library."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg, subcommand

import jaxmm
from jaxmm import console
from jaxmm.errors import ConfigError, JaxmmError

if TYPE_CHECKING:
    from jaxmm.data.motion import Motion
    from jaxmm.experiment import Experiment
    from jaxmm.model import Model

Root = Annotated[str | None, arg(name="data.root", help="Folder of the data; the run's own by default.")]
Json = Annotated[bool, arg(help="Print one JSON object of names and values on stdout, and nothing else.")]
Checkpoint = Annotated[str, arg(help="Which checkpoint to use: last, best, or a step.")]
Split = Literal["train", "val", "test"]


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
    protocol: Annotated[
        Literal["all", "similar_captions", "dissimilar", "small_batches"],
        arg(
            help="Search the whole split; the whole split, where near-equal captions answer for each other; the 100 "
            "motions of least similar captions; or batches of 32 motions."
        ),
    ] = "all"
    ndcg: Annotated[bool, arg(help="Also print nDCG by the similarity of captions.")] = False
    sentences: Annotated[
        str | None,
        arg(help="Checkpoint that compares captions; by default the one the run's text backbone started from."),
    ] = None
    bootstrap: Annotated[int, arg(help="Draws for 95% intervals over the queries; 0 prints none.")] = 0
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Evaluates and prints the scores."""
        from jaxmm import run

        scores = run.evaluate(
            self.run,
            root=self.root,
            split=self.split,
            protocol=self.protocol,
            graded=self.ndcg,
            bootstrap=self.bootstrap,
            sentences=self.sentences,
            checkpoint=self.checkpoint,
        )
        console.show(scores, title=f"{self.run}, protocol {self.protocol}", as_json=self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MakeIndex:
    """Embed a split of RUN's data as a gallery to search."""

    run: Positional[Path]
    out: Annotated[Path, arg(help="File to write, .safetensors.")]
    root: Root = None
    split: Split = "test"
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Writes the index and prints its size."""
        from jaxmm import model

        index = model.load(self.run, checkpoint=self.checkpoint).index(self.split, root=self.root)
        index.write(self.out)
        sizes = {"motions": len(index.keys), "captions": len(index.captions)}
        console.show(sizes, title=f"{self.out}", as_json=self.json)


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
        from jaxmm.index import Index
        from jaxmm.model import load
        from jaxmm.retrieve import write_page

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

        data = model.experiment.data
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
    """Write the embeddings of a split, and optionally a t-SNE or UMAP picture of both modalities."""

    run: Positional[Path]
    out: Annotated[Path, arg(help="Folder to write: motion.npy, text.npy, motions.jsonl, captions.jsonl.")]
    root: Root = None
    split: Split = "test"
    tsne: Annotated[bool, arg(help="Also draw tsne.png (needs the extra 'plots').")] = False
    umap: Annotated[bool, arg(help="Also draw umap.png (needs the extra 'umap').")] = False
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Writes the embeddings and prints their sizes."""
        from jaxmm.model import load
        from jaxmm.retrieve import write_embeddings

        index = load(self.run, checkpoint=self.checkpoint).index(self.split, root=self.root)
        write_embeddings(self.out, index, tsne=self.tsne, umap=self.umap)
        sizes = {"motions": len(index.keys), "captions": len(index.captions), "dim": index.motion.shape[1]}
        console.show(sizes, title=f"{self.out}", as_json=self.json)


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
        from jaxmm.experiment import read_config

        num_joints = 25 if self.num_joints is None else self.num_joints
        if experiment is None and self.target.is_dir():
            from jaxmm.model import load

            if self.num_joints is not None:
                raise ConfigError(f"{self.target} is a run, which knows its skeleton; leave --num_joints out")
            model = load(self.target)
            experiment, num_joints = model.experiment, model.skeleton.num_joints
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckData:
    """Read all data of CONFIG, or of a folder, and list what is wrong, file by file; exits with 1 if anything is."""

    target: Annotated[Positional[Path], arg(metavar="CONFIG|FOLDER")]
    root: Annotated[str | None, arg(name="data.root", help="Folder of the data; the config's own by default.")] = None
    metres_per_unit: Annotated[
        float | None, arg(help="Length of one unit of the files of FOLDER; the format's own by default.")
    ] = None
    json: Json = False

    def __call__(self) -> None:
        """Prints counts of motions, captions, frames, joints and seconds, and every problem."""
        from jaxmm.data.check import check_source
        from jaxmm.data.files import source_of
        from jaxmm.experiment import read_config

        if self.target.suffix == ".py":
            if self.metres_per_unit is not None:
                raise ConfigError("--metres_per_unit goes with a folder; a config states the unit as its data.source")
            data = read_config(self.target).data
            source, split, root = data.source, data.split, data.root if self.root is None else self.root
        elif self.root is not None:
            raise ConfigError(f"{self.target} is no config, so --data.root has no use; name a config or one folder")
        else:
            root, split = self.target, None
            source = source_of(self.target, metres_per_unit=self.metres_per_unit)
        report = check_source(source, None if root is None else Path(root), split=split)
        if self.json:
            console.show(report.values(), title="", as_json=True)
        else:
            console.show_problems(report.problems)
            console.show(report.totals(), title=f"{self.target}", as_json=False)
        if report.problems:
            raise SystemExit(1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SynthesizeData:
    """Write synthetic motions of the built-in figure, with captions, as a motion folder."""

    out: Annotated[Path, arg(help="Folder to write.")]
    split: Split = "test"
    takes: Annotated[int, arg(help="Takes of each combination.")] = 1
    seed: Annotated[int, arg(help="Seed of styles and body proportions.")] = 0
    json: Json = False

    def __call__(self) -> None:
        """Writes the folder and prints the number of motions."""
        from jaxmm.data.folder import write_motion_folder
        from jaxmm.data.procedural import motions

        count = write_motion_folder(motions(self.split, seed=self.seed, takes=self.takes), self.out)
        console.show({"motions": count}, title=f"{self.out}", as_json=self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Check a data folder, or write synthetic data."""

    action: OmitArgPrefixes[
        Annotated[CheckData, subcommand("check")] | Annotated[SynthesizeData, subcommand("synthesize")]
    ]

    def __call__(self) -> None:
        """Runs the chosen action."""
        self.action()


Command = (
    Annotated[Train, subcommand("train")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[MakeIndex, subcommand("index")]
    | Annotated[Retrieve, subcommand("retrieve")]
    | Annotated[Embed, subcommand("embed")]
    | Annotated[Inspect, subcommand("inspect")]
    | Annotated[Verify, subcommand("verify")]
    | Annotated[Data, subcommand("data")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; a user's mistake ends with status 2 and one message.

    Args:
        arguments: Words after the program's name; those of this process by default.

    Raises:
        SystemExit: With status 2 after a mistake, 1 when something checked is wrong, 128 plus the number of the
            signal that interrupted it.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _run(words)
    except JaxmmError as error:
        print(f"jaxmm: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:  # the reader of stdout, such as head, has seen enough
        sys.stderr.close()
        raise SystemExit(0) from None
    except OSError as error:
        print(f"jaxmm: {error}; check the path, its permissions and the space left", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt as error:
        saved_step = getattr(error, "saved_step", None)
        known = "" if saved_step is None else f"; step {saved_step} is saved; the same command continues from there"
        print(f"jaxmm: interrupted{known}", file=sys.stderr)
        raise SystemExit(getattr(error, "status", 130)) from None


def _run(words: list[str]) -> None:
    takes_fields = {"train": Train, "inspect": Inspect}
    config = next((word for word in words[1:] if word.endswith(".py")), None)
    if config is not None and words[0] in takes_fields:
        words.remove(config)
        command, experiment = _with_fields(takes_fields[words[0]], config, words)
        console.set_up()
        command(experiment)
        return
    command = tyro.cli(
        Command, args=words, prog="jaxmm", description=(jaxmm.__doc__ or "").split("\n")[0], use_underscores=True
    )
    console.set_up()
    command()


def _with_fields(
    kind: "type[Train] | type[Inspect]", config: str, words: list[str]
) -> tuple["Train | Inspect", "Experiment"]:
    """Parses the flags of a command together with the fields of the config it names."""
    from jaxmm.experiment import Experiment, read_config

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Flags:
        command: Annotated[Train | Inspect, arg(name="")]
        experiment: Annotated[Experiment, arg(name="")]

    flags = tyro.cli(
        tyro.conf.AvoidSubcommands[Flags],
        default=Flags(command=kind(Path(config)), experiment=read_config(Path(config))),
        args=words[1:],
        prog=f"jaxmm {words[0]} {config}",
        description=kind.__doc__,
        use_underscores=True,
    )
    own = flags.command.config if isinstance(flags.command, Train) else flags.command.target
    if own != Path(config):
        raise ConfigError(f"{own}: a second config; give one")
    return flags.command, flags.experiment
