"""Attacks as a program, `[NAME ...]`: each is read in a process of its own that measures what it costs."""

import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .attacks import (
    AMC,
    ARRAYS,
    ATTACKS,
    BVH,
    C3D,
    CONFIG,
    HUMAN,
    INDEX,
    LETTERS,
    PACKED,
    RUN,
    SEGMENTS,
    SIGNS,
    TOKENS,
    WEIGHTS,
)
from .hostile_files import MIB


def read(kind: int, folder: Path) -> object:
    from jaxmm.data import sources
    from jaxmm.data.packed import open_packed
    from jaxmm.data.segmentation.check import check_segments
    from jaxmm.data.segmentation.sources import SegmentationFolder
    from jaxmm.data.sign.check import check_signs
    from jaxmm.data.sign.sources import SignFolder, SpelledWords
    from jaxmm.data.text import CaptionTokenizer
    from jaxmm.experiment import read_experiment
    from jaxmm.motions.index import Index
    from jaxmm.weights.files import read_config, read_tensors

    readers: dict[int, Callable[[], object]] = {
        ARRAYS: lambda: sum(motion.num_frames for motion in sources.MotionFolder().inventory(folder).items()),
        BVH: lambda: sum(motion.num_frames for motion in sources.BvhFolder().inventory(folder).items()),
        AMC: lambda: sum(motion.num_frames for motion in sources.AmcFolder().inventory(folder).items()),
        C3D: lambda: sum(motion.num_frames for motion in sources.C3dFolder().inventory(folder).items()),
        HUMAN: lambda: sum(motion.num_frames for motion in sources.HumanMl3dFolder().inventory(folder).items()),
        SIGNS: lambda: len(check_signs(SignFolder(), folder).problems),
        LETTERS: lambda: len(check_signs(SpelledWords(num_words=1, speed=0.1), folder).problems),
        WEIGHTS: lambda: read_tensors(folder),
        CONFIG: lambda: read_config(folder),
        INDEX: lambda: Index.read(folder / "index.safetensors"),
        TOKENS: lambda: CaptionTokenizer.read(folder, max_tokens=8),
        RUN: lambda: read_experiment(folder / "config.json"),
        PACKED: lambda: open_packed(folder),
        SEGMENTS: lambda: len(check_segments(SegmentationFolder(), folder).problems),
    }
    return readers[kind]()


def attack(name: str) -> dict[str, object]:
    """Reads one hostile folder in a child process with bounded memory and time."""
    kind, build = ATTACKS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "inner"
        folder.mkdir()
        build(folder)
        results, writer = os.pipe()
        if (child := os.fork()) == 0:
            os.chdir(folder)
            os.write(writer, _outcome(kind, folder).encode(errors="backslashreplace")[:4000])
            os._exit(0)
        os.close(writer)
        _, status, used = os.wait4(child, 0)
        outcome = os.read(results, 4000).decode(errors="replace") or f"died with status {status}"
        os.close(results)
        executed = any((place / "PWNED").exists() for place in (folder, folder.parent))
    own = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return {
        "outcome": outcome,
        "executed": executed,
        "seconds": round(used.ru_utime + used.ru_stime, 2),
        "mib": max(0, round((used.ru_maxrss * 1024 - own) / MIB)),
    }


def _outcome(kind: int, folder: Path) -> str:
    signal.alarm(20)
    from jaxmm.errors import JaxmmError

    try:
        read(kind, folder)
    except JaxmmError as error:
        return f"refused: {error}"
    except BaseException as error:
        return f"raised {type(error).__name__}: {str(error)[:300]}"
    return "read"


def main() -> None:
    """Prints the result of every attack as one JSON object."""
    import warnings
    from importlib import import_module

    # Imported before the processes part, so that each measures its reader alone.
    for module in ("c3d", "safetensors.numpy", "jaxmm.experiment", "jaxmm.motions.index", "jaxmm.weights.files"):
        import_module(module)
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    chosen = sys.argv[1:] or list(ATTACKS)
    results = {}
    for name in chosen:
        results[name] = attack(name)
        print(f"{name}: {results[name]}", file=sys.stderr, flush=True)
    print(json.dumps(results))
    print(f"{len(results)} attacks in {time.perf_counter() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
