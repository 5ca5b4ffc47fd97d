"""The command line: which commands there are, and how mistakes are answered."""

import dataclasses
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import tyro
from tyro.conf import arg, subcommand

import jaxmm
from jaxmm import console
from jaxmm.commands.actions import Classify
from jaxmm.commands.compare import Compare, CompareArchitectures
from jaxmm.commands.data import Data
from jaxmm.commands.export import Export, RunArtefact
from jaxmm.commands.frames import Label
from jaxmm.commands.runs import Evaluate, Inspect, Train, Verify
from jaxmm.commands.search import Embed, MakeIndex, Retrieve
from jaxmm.commands.signs import Generate
from jaxmm.commands.similarity import Search, Similar
from jaxmm.commands.studies import Margin, Study
from jaxmm.errors import ConfigError, JaxmmError

if TYPE_CHECKING:
    from jaxmm.experiment import Experiment


Command = (
    Annotated[Train, subcommand("train")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[MakeIndex, subcommand("index")]
    | Annotated[Retrieve, subcommand("retrieve")]
    | Annotated[Embed, subcommand("embed")]
    | Annotated[Generate, subcommand("generate")]
    | Annotated[Label, subcommand("label")]
    | Annotated[Classify, subcommand("classify")]
    | Annotated[Similar, subcommand("similar")]
    | Annotated[Search, subcommand("search")]
    | Annotated[Compare, subcommand("compare")]
    | Annotated[Study, subcommand("study")]
    | Annotated[Export, subcommand("export")]
    | Annotated[RunArtefact, subcommand("run")]
    | Annotated[Inspect, subcommand("inspect")]
    | Annotated[Verify, subcommand("verify")]
    | Annotated[Data, subcommand("data")]
)

_TakesFields: TypeAlias = Train | Inspect | CompareArchitectures | Margin
_TAKE_FIELDS: dict[tuple[str, ...], type[_TakesFields]] = {
    ("train",): Train,
    ("inspect",): Inspect,
    ("compare",): CompareArchitectures,
    ("study", "margin"): Margin,
}


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
    if (found := _config_with_fields(words)) is not None:
        name, config = found
        words.remove(config)
        command, experiment = _with_fields(name, config, words[len(name) :])
        console.set_up()
        console.keep_programs()
        command(experiment)
        return
    command = tyro.cli(
        Command, args=words, prog="jaxmm", description=(jaxmm.__doc__ or "").split("\n")[0], use_underscores=True
    )
    console.set_up()
    if not isinstance(command, RunArtefact):  # which needs no JAX for an ONNX file
        console.keep_programs()
    command()


def _config_with_fields(words: Sequence[str]) -> tuple[tuple[str, ...], str] | None:
    """Returns the words of a command whose flags are also fields of a config, and the config."""
    name = next((name for name in _TAKE_FIELDS if tuple(words[: len(name)]) == name), None)
    if name is None:
        return None
    rest = words[len(name) :]
    configs = [word for word in rest if word.endswith(".py")]
    first = list(itertools.takewhile(lambda word: not word.startswith("-"), rest))
    compared = [word for word in rest if word.endswith(".py") or Path(word, "config.json").is_file()]
    several = name == ("compare",) and max(len(compared), len(first)) > 1  # have no fields in common
    return None if several or not configs else (name, configs[0])


def _with_fields(name: tuple[str, ...], config: str, words: Sequence[str]) -> "tuple[_TakesFields, Experiment]":
    """Parses the flags of a command together with the fields of the config it names."""
    from jaxmm.experiment import Experiment, read_config

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Flags:
        command: Annotated[_TakesFields, arg(name="")]
        experiment: Annotated[Experiment, arg(name="")]

    kind = _TAKE_FIELDS[name]
    flags = tyro.cli(
        tyro.conf.AvoidSubcommands[Flags],
        default=Flags(command=kind(Path(config)), experiment=read_config(Path(config))),
        args=words,
        prog=f"jaxmm {' '.join(name)} {config}",
        description=kind.__doc__,
        use_underscores=True,
    )
    own = flags.command.target if isinstance(flags.command, Inspect) else flags.command.config
    if own != Path(config):
        raise ConfigError(f"{own}: a second config; give one")
    return flags.command, flags.experiment
