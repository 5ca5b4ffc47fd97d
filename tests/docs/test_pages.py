"""Every page of the documentation is run: its Python, and its commands, on runs of a few steps.

Where a page trains, configs of the same names stand in for the shipped ones, with less to learn; the shipped ones are
trained by the tests of `tests/e2e`. Blocks that need other machines, downloads or hours are marked `bash not-run`;
their commands must still be such as the command line takes.
"""

import functools
import logging
import re
import runpy
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
import tyro

from jaxmm import cli
from jaxmm.data.video.sources import ProceduralVideos
from jaxmm.rendering.film import write_mp4

from .pages import KINDS, NOT_RUN, PAGES, REPOSITORY, Block, blocks, commands

# Pages that only tell, or whose every block needs another machine.
NOTHING_TO_RUN = {f"docs/{name}.md" for name in ("README", "clusters", "data", "features", "performance", "rendering")}
BASH = [block for page in PAGES for block in blocks(page) if block.kind.startswith("bash")]
# What is changed in the configs that pages train, so that each takes a few steps of one device.
EVERYWHERE = {"loop.epochs": 1, "loop.evaluate_every": 1, "loop.save_every": 1, "devices.num_devices": 1}
SIGNS = {"data.source.num_sentences": 20, "data.fps": 3.0, "data.max_frames": 16}
VIDEOS = {"data.source.num_train": 4, "data.source.num_val": 0, "data.source.num_test": 2, "data.frames_per_clip": 4}
SHORTER = {
    "dance_text/tiny": {"data.source.takes": 1, "data.num_frames": 8},
    # Both shoulders are in sight, which a generator that has learnt nothing does not know.
    "text2sign/tiny": {
        **SIGNS,
        "task.generator.max_frames": 16,
        "task.generator.num_layers": 1,
        "task.generator.num_landmarks": 0,
    },
    "text2sign/tiny_reader": {
        "data.source.signs.num_sentences": 20,
        "data.fps": 3.0,
        "data.num_frames": 16,
        "data.batch_size": 8,
    },
    "text2sign/tiny_autoencoder": {**SIGNS, "data.batch_size": 8},
    "semantic_alignment/tiny": {"data.source.num_train": 8, "data.source.num_test": 2},
    "segmentation/tiny": {"data.source.num_train": 8, "data.source.num_test": 2},
    "clip_har/tiny": VIDEOS,
    "video_similarity/tiny": {**VIDEOS, "task.frames.backbone.num_layers": 1},
}
CONFIG = """
import dataclasses
from pathlib import Path

from jaxmm.experiment import read_config


def changed(settings, path, value):
    name, *rest = path
    value = changed(getattr(settings, name), rest, value) if rest else value
    replace = type(settings).clone if hasattr(settings, "clone") else dataclasses.replace
    return replace(settings, **{{name: value}})


def get_config():
    experiment = read_config(Path({shipped!r}))
    for path, value in {changes!r}.items():
        experiment = changed(experiment, path.split("."), value)
    return experiment
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """The runs that pages have trained so far, which the others go on with."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def configs(tmp_path_factory) -> Path:
    """Configs of the same names as the shipped ones, of a few steps."""
    folder = tmp_path_factory.mktemp("configs")
    for name, changes in SHORTER.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        shipped = str(REPOSITORY / "configs" / f"{name}.py")
        path.write_text(CONFIG.format(shipped=shipped, changes={**EVERYWHERE, **changes}))
    return folder


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """Two films of shapes, for videos that a reader would bring."""
    pytest.importorskip("av", reason="needs av, the extra 'video'")
    folder = tmp_path_factory.mktemp("films")
    source = ProceduralVideos(looks=("green_square",), moves=("left", "right"), num_train=0, num_val=0, num_test=1)
    for video in source.inventory(None).items():
        write_mp4(folder / f"{video.label}.mp4", np.asarray(video.make(64)), fps=8.0)
    return folder


@pytest.fixture
def folder(runs, configs, films, tmp_path, monkeypatch) -> Path:
    """Where a page is run: beside runs, configs, scripts and a reader's own videos."""
    for name, target in {"runs": runs, "configs": configs, "scripts": REPOSITORY / "scripts"}.items():
        (tmp_path / name).symlink_to(target)
    shutil.copytree(films, tmp_path / "my_videos")
    shutil.copy(next(films.iterdir()), tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Commands send log lines to their own handler; after a page they go where they went before."""
    logger = logging.getLogger("jaxmm")
    before = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])


@pytest.mark.parametrize("page", sorted(PAGES))
def test_page_runs(page, folder, monkeypatch, capsys):
    names, ran = {"__name__": "page"}, 0
    for block in blocks(page):
        assert block.kind in KINDS, f"{block}: write one of {sorted(KINDS)} behind the fence, not {block.kind!r}"
        if block.kind == "python":
            # As many lines above it as on the page, so that tracebacks name those of the page.
            code = compile("\n" * (block.line - 1) + block.code, PAGES[page], "exec")
            exec(code, names)
        elif block.kind == "bash":
            for words in commands(block, folder):
                call(block, words, monkeypatch)
                capsys.readouterr()
        ran += block.kind in ("python", "bash")
    assert bool(ran) != (page in NOTHING_TO_RUN), f"{page}: name pages without a block that runs in NOTHING_TO_RUN"


def call(block: Block, words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls a command in this process; one that fails does so with the place of its block."""
    try:
        if words[0] == "jaxmm":
            cli.main(words[1:])
        elif words[0] == "python":
            monkeypatch.setattr(sys, "argv", list(words[1:]))
            runpy.run_path(words[1], run_name="__main__")
        else:
            assert words[0] == "cat", f"{block}: {words[0]} is not run in tests; mark the block {NOT_RUN}"
            assert all(Path(path).is_file() for path in words[1:]), f"{block}: {words}"
    except SystemExit as error:
        assert not error.code, f"{block}: {' '.join(words)} ended with status {error.code}"


class Taken(Exception):
    """The words of a command were taken."""


@pytest.mark.parametrize("block", [block for block in BASH if NOT_RUN in block.kind], ids=str)
def test_commands_that_are_not_run_are_taken(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    parse = tyro.cli

    def only_parse(*arguments, **settings):
        parse(*arguments, **settings)
        raise Taken

    monkeypatch.setattr(tyro, "cli", only_parse)
    found = commands(block, tmp_path)
    assert found, f"{block}: holds no command"
    for words in found:
        name, *rest = words[1:] if words[0] == "srun" else words
        if name == "jaxmm":
            check = functools.partial(cli.main, rest)
        elif name == "python" and rest[0].startswith("scripts/"):
            monkeypatch.setattr(sys, "argv", rest)
            monkeypatch.syspath_prepend((REPOSITORY / rest[0]).parent)
            check = functools.partial(runpy.run_path, rest[0], run_name="__main__")
        else:
            assert all(Path(word).exists() for word in rest if word.startswith("scripts/")), f"{block}: {words}"
            continue
        try:
            check()
        except Taken:
            continue
        except SystemExit as error:
            if not error.code:  # --help
                continue
        output = capsys.readouterr()
        pytest.fail(f"{block}: {' '.join(words)}\n{output.out}{output.err}")


@pytest.mark.parametrize("page", sorted(PAGES))
def test_links_lead_somewhere(page):
    for target in re.findall(r"(?:\]\(|src=\")([^)\s\"]+)[)\"]", PAGES[page].read_text()):
        if urlparse(target).scheme:
            continue
        path, _, anchor = target.partition("#")
        linked = PAGES[page].parent / path if path else PAGES[page]
        assert linked.exists(), f"{page}: links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            names = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in names, f"{page}: links to {target}"
