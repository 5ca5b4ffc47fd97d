"""Runs `jaxmm` commands in processes of their own, each a copy of one that has imported what commands import.

Importing takes more than a second, which a hundred commands would spend each. `python tests/e2e/commands.py` reads a
command a line, as JSON, and answers with its exit status; `Commands` is the other end.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

MOST_SECONDS = 900
# A copy does not see what the others did, and computes nothing before it is one.
IMPORTED = ("jaxmm.cli", "jaxmm.run", "jaxmm.model", "jaxmm.inspect", "sklearn.metrics", "rich.console")


class Commands:
    """A process that is copied for each command.

    Args:
        environment: The environment of all commands.
        folder: The folder in which they run.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], cwd=folder, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, words: Sequence[str], output: Path) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end and returns its status and what it printed, which files in a folder hold."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        files = [output / "stdout", output / "stderr"]
        process.stdin.write(json.dumps([list(words), *map(str, files)]).encode() + b"\n")
        process.stdin.flush()
        status = int(process.stdout.readline())
        return subprocess.CompletedProcess(words, status, *(file.read_text() for file in files))

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def serve() -> None:
    """Answers commands until there are no more; returns in the copies too, each with one command to run."""
    import jaxmm

    for name in IMPORTED:
        importlib.import_module(name)
    for name in jaxmm.__all__:
        getattr(jaxmm, name)
    # JAX warns of forks, as its threads are not copied; there are none before the first computation.
    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
    for line in sys.stdin.buffer:
        words, *files = json.loads(line)
        if (child := os.fork()) == 0:
            _become(words, files)
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)


def _become(words: list[str], files: list[str]) -> None:
    """Makes this process the one of a command, which writes into files and is ended when it takes too long."""
    signal.alarm(MOST_SECONDS)
    for number, path in ((0, os.devnull), (1, files[0]), (2, files[1])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["jaxmm", *words]


if __name__ == "__main__":
    serve()
    from jaxmm.cli import main

    main()
