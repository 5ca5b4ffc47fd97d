"""The command line: which commands there are, and how mistakes are answered."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import arg, subcommand

import jaxmm
from jaxmm import console
from jaxmm.commands.actions import Classify
from jaxmm.commands.data import Data
from jaxmm.commands.export import Export, RunArtefact
from jaxmm.commands.frames import Compare, Label
from jaxmm.commands.runs import Evaluate, Inspect, Train, Verify
from jaxmm.commands.search import Embed, MakeIndex, Retrieve
from jaxmm.commands.signs import Generate
from jaxmm.commands.similarity import Search, Similar
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
    | Annotated[Export, subcommand("export")]
    | Annotated[RunArtefact, subcommand("run")]
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
