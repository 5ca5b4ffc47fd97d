"""Running the scripts, and what they tell to run next."""

import runpy
import shlex
import sys
from pathlib import Path

import pytest

from jaxmm import cli

ROOT = Path(__file__).parents[4]
SCRIPTS = ROOT / "scripts" / "prepare"


@pytest.fixture
def run(monkeypatch):
    """Runs a script by its name with the words of a command line."""
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.chdir(ROOT)

    def run_script(name, *words):
        path = SCRIPTS / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, words)])
        runpy.run_path(str(path), run_name="__main__")

    return run_script


@pytest.fixture
def prepare(run, capsys):
    """Runs a script and returns what it found, and the words of the commands that follow."""

    def prepared(name, *words):
        run(name, *words)
        found, _, steps = capsys.readouterr().out.partition("next:\n")
        _, *rows = found.splitlines()
        told = (row.strip().rsplit("  ", 1) for row in rows)
        return {name.strip(): value.strip() for name, value in told}, [shlex.split(line) for line in steps.splitlines()]

    return prepared


@pytest.fixture
def refused(run, capsys):
    """Runs a script that refuses, and returns what it says."""

    def message(name, *words):
        with pytest.raises(SystemExit) as caught:
            run(name, *words)
        assert caught.value.code == 2
        return capsys.readouterr().err

    return message


@pytest.fixture
def sound(capsys):
    """Runs a command that follows, of which nothing may be wrong, and returns what it prints."""

    def printed(words):
        assert words[0] == "jaxmm"
        cli.main([*words[1:], "--json"])
        return capsys.readouterr().out

    return printed


@pytest.fixture
def experiment():
    """Returns what a command that follows would train."""

    def parsed(words):
        program, command, config, *flags = words
        assert (program, command) == ("jaxmm", "train")
        return cli._with_fields(("train",), config, flags)[1]

    return parsed
