"""What the command line prints: results on stdout, progress and notes on stderr."""

import ctypes
import json
import logging
import math
import os
import statistics
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxmm.actions.told import Glance, Told
    from jaxmm.data.inventory import Problem
    from jaxmm.inspect import Part
    from jaxmm.motions.index import Hit
    from jaxmm.similarity.index import VideoHit


_MOST_SHAPES = 6
_TELLING = (
    "recall@1",
    "signing/ndtw_mje",
    "reconstruction/ape",
    "val/loss",
    "segments/accuracy",
    "f1@50/exclusive",
    "val/top1",
    "val/roc_auc",
)
_WIDEST = 1000
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>


def set_up() -> None:
    """Shows our log lines on stderr and not the libraries' own."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("absl").setLevel(logging.ERROR)
    lines = logging.StreamHandler()
    lines.setFormatter(logging.Formatter("jaxmm: %(message)s"))
    own = logging.getLogger("jaxmm")
    own.handlers, own.propagate = [lines], False
    own.setLevel(logging.INFO)
    warnings.filterwarnings("ignore", module="orbax")
    _keep_freed_memory()


def keep_programs() -> None:
    """Turns the persistent compilation cache on; imports JAX."""
    import jax

    from jaxmm.data.cache import cache_dir

    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "compiled"))
        # Small programs too: a second start compiles nothing.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _keep_freed_memory() -> None:
    """Has glibc keep the memory that a step frees for the next; asking for it anew takes up to a fifth of a step."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            mallopt(option, 2**31 - 1)


def show(values: Mapping[str, Any], *, title: str, as_json: bool) -> None:
    """Prints named values, as a table or as one JSON object.

    Example:
        >>> show({"step": 3.0, "loss": 0.25}, title="", as_json=True)
        {"step": 3, "loss": 0.25}
    """
    if as_json:
        print(json.dumps({name: _plain(value) for name, value in values.items()}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for name, value in values.items():
        table.add_row(name, _shown(value))
    console = Console(soft_wrap=True, markup=False, emoji=False)
    console.print(title, style="bold", highlight=False)
    console.print(table)


def show_scores(scores: Mapping[str, float], *, title: str, as_json: bool) -> None:
    """Prints scores with their intervals, those named `<split>/<column>/<metric>` side by side; or one JSON object.

    Example:
        >>> show_scores({"step": 3.0, "test/signing/ape": 0.25}, title="", as_json=True)
        {"step": 3, "test/signing/ape": 0.25}
    """
    if as_json:
        show(scores, title=title, as_json=True)
        return
    from rich.console import Console
    from rich.table import Table

    named = [name for name in scores if not name.endswith(("/low", "/high"))]
    placed = [name.split("/", 2) for name in named if name.count("/") > 1]
    columns = {f"{split}/{column}": column for split, column, _ in placed}
    alone = {name: (_shown(scores[name]), _interval(scores, name)) for name in named if name.count("/") < 2}
    show({name: "  ".join(filter(None, told)) for name, told in alone.items()}, title=title, as_json=False)
    table = Table(box=None)
    for column in (", ".join(dict.fromkeys(split for split, *_ in placed)), *columns.values()):
        table.add_column(column)
    for metric in dict.fromkeys(metric for *_, metric in placed):
        cells = [f"{column}/{metric}" for column in columns]
        table.add_row(metric, *(_shown(scores[cell]) if cell in scores else "" for cell in cells))
        if any(f"{cell}/low" in scores for cell in cells):
            table.add_row("", *(_interval(scores, cell) for cell in cells))
    # Cut off, a table says less than one that a narrow terminal wraps.
    Console(width=_WIDEST, markup=False, emoji=False).print(table)


def _interval(scores: Mapping[str, float], name: str) -> str:
    ends = [_shown(scores[end]) for end in (f"{name}/low", f"{name}/high") if end in scores]
    return " to ".join(ends)


def show_answers(answers: "Mapping[str, Sequence[Hit]]", *, as_json: bool) -> None:
    """Prints what each query retrieved; as JSON, scores by `query/answer`, or by answer for a single query."""
    if as_json:
        single = len(answers) == 1
        scores = {
            hit.name if single else f"{query}/{hit.name}": hit.score for query, hits in answers.items() for hit in hits
        }
        show(scores, title="", as_json=True)
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, emoji=False)
    for query, hits in answers.items():
        table = Table(box=None, show_header=False)
        for rank, hit in enumerate(hits, 1):
            table.add_row(str(rank), f"{hit.score:.3f}", hit.name, *hit.captions[:1])
        console.print(query, style="bold", highlight=False)
        console.print(table)


def show_classes(answers: "Sequence[Told]", *, as_json: bool) -> None:
    """Prints the likeliest classes of each file; as JSON, probabilities by `file/class`."""
    if as_json:
        values = {
            f"{told.path}/{name}": value
            for told in answers
            for name, value in zip(told.classes, told.probabilities, strict=True)
        }
        show(values, title="", as_json=True)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column(overflow="fold")
    for told in answers:
        ranked = zip(told.classes, told.probabilities, strict=True)
        table.add_row(str(told.path), *(f"{name} {value:.3f}" for name, value in ranked))
    Console(markup=False, emoji=False).print(table)


def show_stretches(answers: "Mapping[str, Sequence[VideoHit]]", *, as_json: bool) -> None:
    """Prints where each video was found; as JSON by `video/found/<name>`, or by `found/<name>` for a single video."""
    if as_json:
        single = len(answers) == 1
        values = {
            f"{hit.name if single else f'{video}/{hit.name}'}/{name}": getattr(hit, name)
            for video, hits in answers.items()
            for hit in hits
            for name in ("probability", "start", "end")
        }
        show(values, title="", as_json=True)
        return
    for video, hits in answers.items():
        rows = {hit.name: f"{hit.probability:.3f}  {hit.start:.2f} s to {hit.end:.2f} s" for hit in hits}
        show(rows, title=video, as_json=False)


@contextmanager
def showing_glances(*, as_json: bool) -> Iterator["Callable[[str, Glance], None]"]:
    """Yields a function that prints what is told at a moment of a stream, a line each; sums up streams at the end.

    As JSON one object: probabilities by `stream/seconds/class`, and `stream/<name>` for what lines sum up.

    Example:
        >>> from jaxmm.actions.told import Glance
        >>> with showing_glances(as_json=False) as show:
        ...     show("a.mp4", Glance(frame=8, seconds=0.875, window_s=0.875, latency_ms=4.25, classes=("walk",),
        ...                          probabilities=(1.0,)))
          0.875 s  walk 1.000
        a.mp4: 8 frames at 0.5 ms each, 4.2 ms (longest 4.2 ms) to an answer that looks back 0.88 s
    """
    streams: dict[str, list[Glance]] = {}

    def show_one(name: str, glance: "Glance") -> None:
        streams.setdefault(name, []).append(glance)
        if not as_json:
            ranked = zip(glance.classes, glance.probabilities, strict=True)
            told = "  ".join(f"{label} {value:.3f}" for label, value in ranked)
            print(f"{glance.seconds:7.3f} s  {told}", flush=True)

    try:
        yield show_one
    finally:
        if as_json:
            show(
                {key: value for name, own in streams.items() for key, value in _glanced(name, own)},
                title="",
                as_json=True,
            )
        else:
            for name, own in streams.items():
                summed = _summed(own)
                print(
                    f"{name}: {summed['frames']} frames at {summed['ms_per_frame']:.1f} ms each, "
                    f"{summed['ms_to_answer']:.1f} ms (longest {summed['longest_ms_to_answer']:.1f} ms) to an answer "
                    f"that looks back {summed['window_s']:.2f} s"
                )


def _glanced(name: str, glances: "Sequence[Glance]") -> Iterator[tuple[str, Any]]:
    """Yields the values of a stream by their names."""
    for glance in glances:
        for label, value in zip(glance.classes, glance.probabilities, strict=True):
            yield f"{name}/{glance.seconds:.3f}/{label}", value
    for key, value in _summed(glances).items():
        yield f"{name}/{key}", value


def _summed(glances: "Sequence[Glance]") -> dict[str, Any]:
    """Returns how many frames were watched, how fast, and how far answers looked back in the end."""
    latencies = [glance.latency_ms for glance in glances]
    return {
        "frames": glances[-1].frame,
        "ms_per_frame": sum(latencies) / glances[-1].frame,
        "ms_to_answer": statistics.median(latencies),
        "longest_ms_to_answer": max(latencies),
        "window_s": glances[-1].window_s,
    }


def show_parts(parts: "Sequence[Part]", *, title: str) -> None:
    """Prints the modules of a model."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for column in ("module", "parameters", "trainable", "shapes"):
        table.add_column(column, justify="right" if column in ("parameters", "trainable") else "left")
    for part in parts:
        shapes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in part.shapes.items())
        few = len(part.shapes) <= _MOST_SHAPES
        summary = shapes if few else f"{len(part.shapes)} tensors; see them with --depth"
        table.add_row(part.name, f"{part.num_parameters:,}", f"{part.trainable:,}", summary)
    console = Console(markup=False, emoji=False)
    console.print(title, style="bold", highlight=False)
    console.print(table)


def show_problems(problems: "Sequence[Problem]") -> None:
    """Prints what is wrong, one line a problem, with its kind."""
    for problem in problems:
        print(f"{problem.kind}: {problem.message}")


def note(message: str) -> None:
    """Prints a line on stderr."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def training_progress() -> Iterator[Any]:
    """Yields a function that shows training's scalars: a bar on a terminal, plain lines otherwise."""
    if not sys.stderr.isatty():
        yield lambda step, num_steps, values: note(f"step {step}/{num_steps}  {_line(values)}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("compiling", total=None)

        def report(step: int, num_steps: int, values: Mapping[str, float]) -> None:
            if any(name.startswith("val/") for name in values):
                progress.console.print(f"step {step}  {_line(values)}")
            else:
                progress.update(bar, completed=step, total=num_steps, description=_line(values))

        yield report


def _line(values: Mapping[str, float]) -> str:
    """The scalars worth a line: of training all, of validation those that tell most."""
    chosen = {name: value for name, value in values.items() if not name.startswith("val/") or name.endswith(_TELLING)}
    return "  ".join(f"{name.removeprefix('train/')} {value:.3f}" for name, value in chosen.items())


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shown(value: Any) -> str:
    number = _plain(value)
    return f"{number:.4f}" if isinstance(number, float) else f"{number:,}" if isinstance(number, int) else str(number)
