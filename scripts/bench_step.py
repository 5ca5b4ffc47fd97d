"""Times our steps against plain PyTorch at the default sizes of the sources, and prints ratios with their spread.

Each variant runs in a process of its own, and the variants of a case take turns round after round, so that what else
the machine does meets all of them. A process reports its fastest step; a ratio is that of one round, and the table
gives the median over rounds with the smallest and the largest. Below one, ours is faster. Each measurement is told on
the standard error stream as it ends, and the table comes last.

"unlocked" is the same PyTorch with MKL's check for an Intel processor answered yes: on AMD its float32 products run at
less than half of the machine's peak otherwise. That column needs a C compiler, and is left out without one.

`resnet_frames_onnx` is ours by ONNX Runtime, which needs the extra `onnx`.

Usage: python scripts/bench_step.py [--rounds 5] [--only encoder_train encoder_infer ...]
"""

import argparse
import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.sizes import BATCH, GALLERY, IMAGES, SEEN_FRAMES, SIGN_BATCH, SIGN_FRAMES, VIDEO_FRAMES, VIDEOS, fastest

SCRIPTS = Path(__file__).resolve().parent
GOALS = {
    "text_train": "0.75",
    "text_train_cached": "0.08",
    "encoder_train": "0.9",
    "encoder_infer": "0.6",
    "query": "5e-06",
    "tcn_step": "0.75",
    "tcn_embed": "-",
    "tcn_stream": "-",
    "gan_step": "0.9",
    "gan_generate_1": "-",
    "gan_generate_16": "-",
    "resnet_frames": "1.05",
    "resnet_frames_onnx": "0.56",
    "clip_image": "0.98",
    "clip_temporal": "-",
    "clip_head": "-",
    "siamese_head": "0.35",
    "triplet_head": "0.35",
    "attention_siamese": "0.6",
}
FRAMES_MADE = {
    "tcn_embed": VIDEOS * VIDEO_FRAMES,
    "tcn_stream": 1,
    "gan_generate_1": SIGN_FRAMES,
    "gan_generate_16": SIGN_BATCH * SIGN_FRAMES,
    "resnet_frames": SEEN_FRAMES,
    "resnet_frames_onnx": SEEN_FRAMES,
    "clip_image": IMAGES,
}
"""Frames that a call sees, answers or generates."""


def unlock(folder: Path) -> Path | None:
    """Builds the library that answers MKL's question; None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    source, library = folder / "unlock.c", folder / "unlock.so"
    source.write_text("int mkl_serv_intel_cpu_true(void) { return 1; }\n")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


def measure(case: str, variant: str, library: Path | None) -> float:
    found = (SCRIPTS, SCRIPTS.parent, SCRIPTS.parent / "tests" / "parity")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, found)), "HF_HUB_OFFLINE": "1"}
    if variant == "unlocked":
        environment["LD_PRELOAD"] = str(library)
    command = [sys.executable, __file__, "--worker", case, variant]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def work(case: str, variant: str) -> float:
    """Returns the milliseconds of a case, in this process."""
    side = importlib.import_module("bench.ours" if variant == "jaxmm" else "bench.theirs")
    milliseconds = fastest(side.make(case))
    # The source's loop over the gallery is timed over a batch of it.
    return milliseconds * GALLERY / BATCH if case == "query" and variant != "jaxmm" else milliseconds


def table(cases: list[str], rounds: int) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table("case", "torch ms", "unlocked ms", "jaxmm ms", "to stock", "to unlocked", "goal", box=None)
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        library = unlock(Path(folder))
        variants = ["torch", "unlocked", "jaxmm"] if library else ["torch", "jaxmm"]
        for case in cases:
            taken: dict[str, list[float]] = {variant: [] for variant in variants}
            for _ in range(rounds):
                for variant in variants:
                    taken[variant].append(measure(case, variant, library))
                    print(f"{case} {variant}: {taken[variant][-1]:.4g} ms", file=sys.stderr, flush=True)
            shown.add_row(
                case,
                *(f"{min(taken[name]):.4g}" if name in taken else "-" for name in ("torch", "unlocked")),
                f"{min(taken['jaxmm']):.4g}",
                ratio(taken, "torch"),
                ratio(taken, "unlocked"),
                GOALS[case],
            )
            if case in FRAMES_MADE:
                speeds = (f"{name} {1e3 * FRAMES_MADE[case] / min(taken[name]):,.0f}" for name in variants)
                notes.append(f"{case}, frames a second: {', '.join(speeds)}")
    Console(width=120).print(shown, *notes, sep="\n")


def ratio(taken: dict[str, list[float]], other: str) -> str:
    if other not in taken:
        return "-"
    ratios = [mine / yours for mine, yours in zip(taken["jaxmm"], taken[other], strict=True)]
    return f"{statistics.median(ratios):.3g} ({min(ratios):.3g}-{max(ratios):.3g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(GOALS), default=list(GOALS))
    parser.add_argument("--worker", nargs=2, metavar=("CASE", "VARIANT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        case, variant = options.worker
        print(json.dumps(work(case, variant)))
    else:
        table(options.only, options.rounds)


if __name__ == "__main__":
    main()
