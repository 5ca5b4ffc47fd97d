"""Times how fast video files are classified, stage by stage, and by the command as a whole.

Writes films of noise that moves, and a model of ClipVision's default size (ViT-B/32) with random weights: what numbers
it has changes no time. A stage is timed over all films at once; the least of several rounds counts.

Usage: python scripts/bench_actions.py [--films 12] [--seconds 10] [--rounds 3]
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import jax
import numpy as np

from jaxmm import ActionVideos, ClassifierHead, ClipHarTask, Experiment, ProceduralVideos, TemporalFusion
from jaxmm.actions.files import classify_files
from jaxmm.model import ASSETS_FOLDER, Model
from jaxmm.train.step import compile_eval, make_mesh, place_whole

WIDTH, HEIGHT, FPS, TOP = 320, 240, 25, 5
DATA = ActionVideos(source=ProceduralVideos(looks=("red_bar",), num_train=1, num_val=0, num_test=0))


def write_films(folder: Path, count: int, seconds: int) -> list[Path]:
    """Writes films as collections of actions hold them: H.264 of a quarter of a megapixel at most."""
    paths = [folder / f"{number}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        coarse = np.random.default_rng(number).integers(0, 255, (HEIGHT // 16, WIDTH // 8, 3), np.uint8)
        picture = np.kron(coarse, np.ones((16, 16, 1), np.uint8))
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for place in range(seconds * FPS):
                pixels = np.ascontiguousarray(np.roll(picture, 2 * place, axis=1)[:, :WIDTH])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
    return paths


def make_model(folder: Path) -> Model:
    task = ClipHarTask(temporal=TemporalFusion(), head=ClassifierHead(num_classes=6))
    DATA.open(folder / ASSETS_FOLDER)
    params, collections = jax.jit(task.init_variables)(jax.random.key(0), DATA.blank_batch())
    return Model(folder, Experiment(task=task, data=DATA), params, collections, step=0)


def milliseconds(call: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def stages(model: Model, paths: Sequence[Path], rounds: int) -> dict[str, float]:
    """Returns the milliseconds that all films take in each stage; each works on what the one before left."""
    mesh = make_mesh()
    answer = compile_eval(model.experiment.task.classify, mesh)

    def sampled(pixels):
        return pixels[DATA.sampling.pick(len(pixels), DATA.frames_per_clip)]

    def prepared(frames):
        return jax.block_until_ready(place_whole(DATA.stack([frames], num_rows=1), mesh))

    def answered(batch):
        return np.asarray(answer(model.params, model.collections, batch))[0]

    def told(logits):
        powers = np.exp(logits.astype(np.float64) - logits.max())
        best = np.argsort(-powers, kind="stable")[:TOP]
        return best, powers[best] / powers.sum()

    with DATA.reader(time_limit_s=DATA.time_limit_s) as reader:

        def decoded(path):
            return reader.read_clip(path, fps=DATA.fps, max_frames=DATA.max_frames).pixels

        steps = {"decode": decoded, "sample": sampled, "prepare": prepared, "model": answered, "top classes": told}
        given, taken = list(paths), {}
        for name, step in steps.items():
            made = [step(one) for one in given]  # compiles, and starts what decodes
            taken[name] = milliseconds(lambda step=step, given=given: [step(one) for one in given], rounds)
            given = made
    return taken


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=12)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    shown = Table("stage", "ms a clip", "clips a second", box=None)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_films(Path(folder), 1 + options.films, options.seconds)
        model = make_model(Path(folder) / "run")
        taken = stages(model, paths[1:], options.rounds)
        taken["all of them"] = sum(taken.values())

        told = classify_files(model, paths, top=TOP)
        next(told)  # compiles, and starts what decodes
        taken["classify_files"] = milliseconds(lambda: list(told), 1)
    for name, total in taken.items():
        shown.add_row(name, f"{total / options.films:.3g}", f"{1e3 * options.films / total:.3g}")
    read = f"read at {DATA.fps:g}; {DATA.frames_per_clip} frames are seen of each"
    films = f"{options.films} films of {options.seconds} s, {WIDTH} x {HEIGHT}, {FPS} frames a second"
    Console().print(f"{films}, {read}", shown, sep="\n")


if __name__ == "__main__":
    main()
