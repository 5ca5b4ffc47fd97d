"""What the scripts of this folder share: a command line, and telling what was found and what to run next."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tyro

from jaxmm import console
from jaxmm.data.inventory import Problem
from jaxmm.errors import DataError, JaxmmError


def run(command: Any, description: str) -> None:
    """Runs the command that the words of the command line make; a mistake of the user ends with status 2."""
    try:
        tyro.cli(command, description=description, use_underscores=True)()
    except JaxmmError as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        sys.exit(2)


def show(found: Mapping[str, Any], title: Path, *steps: Sequence[object]) -> None:
    """Prints what was found, and the commands that follow, by their words."""
    console.show(found, title=f"{title}", as_json=False)
    print("next:")
    for words in steps:
        print(f"    {shlex.join(map(str, words))}")


def present(path: Path, remedy: str) -> Path:
    """Returns a file or folder that must be there."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; {remedy}")
    return path


def free(path: Path) -> Path:
    """Returns the place of a file to write, which must not be there yet."""
    if path.exists():
        raise DataError(f"{path}: is there already; name another to write")
    return path


def sound(problems: Sequence[Problem]) -> None:
    """Refuses lists that are not in order."""
    if problems:
        more = f" ({len(problems) - 1} more like this)" if len(problems) > 1 else ""
        raise DataError(f"{problems[0].message}{more}")
