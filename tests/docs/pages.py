"""The pages of the documentation: their blocks of code, and the commands of a block."""

import dataclasses
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = {
    path.relative_to(REPOSITORY).as_posix(): path for path in [REPOSITORY / "README.md", *REPOSITORY.glob("docs/*.md")]
}
NOT_RUN = "not-run"
KINDS = {"bash", f"bash {NOT_RUN}", "python", "json", "yaml", "text", ""}

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
# All that blocks may call beside what a shell has itself; a shell that finds nothing else tells of everything else.
_CALLED = ("jaxmm", "python", "python3.11", "bash", "pip", "cat", "srun", "scontrol", "tritonserver", "trtexec")
_CALLED += ("holistic/bin/pip", "holistic/bin/python")


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: Name of the page.
        line: Line of the page on which its code begins.
        kind: What stands behind the fence: the language, and the mark of blocks that cannot run in a test.
        code: What it holds.
    """

    page: str
    line: int
    kind: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """Returns the fenced blocks of a page in order."""
    text = PAGES[page].read_text()
    return [
        Block(page, text.count("\n", 0, found.start("code")) + 1, found["info"].strip(), found["code"])
        for found in _FENCE.finditer(text)
    ]


def commands(block: Block, folder: Path) -> list[list[str]]:
    """Returns the words of each command that a block calls, in order; a real shell reads it in a folder.

    What the shell does itself, such as loops, variables and files that `printf` writes, is done; every other command is
    noted and not called.
    """
    noted = folder / ".commands"
    noted.write_bytes(b"")
    note = "".join(f'{name}() {{ printf "%s\\0" $(($# + 1)) {name} "$@" >> "$noted"; }}\n' for name in _CALLED)
    script = f"noted={noted.resolve()}\n{note}{block.code}"
    bash = subprocess.run(
        ["/bin/bash", "-c", script], cwd=folder, env={"PATH": ""}, capture_output=True, text=True, timeout=60
    )
    assert not bash.stderr, f"{block}: {bash.stderr}"
    words, found = noted.read_text().split("\0")[:-1], list[list[str]]()
    noted.unlink()
    while words:
        count = int(words.pop(0))
        found.append(words[:count])
        del words[:count]
    return found
