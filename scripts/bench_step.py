"""Times our steps against plain PyTorch at the seed's default sizes, and prints ratios with their spread.

Each variant runs in a process of its own, and the variants of a case take turns round after round, so that what else
the machine does meets all of them. A process reports its fastest step; a ratio is that of one round, and the table
gives the median over rounds with the smallest and the largest. Below one, ours is faster.

"unlocked" is the same PyTorch with MKL's check for an Intel processor answered yes: on AMD its float32 products run at
less than half of the machine's peak otherwise. That column needs a C compiler, and is left out without one.

Usage: python scripts/bench_step.py [--rounds 5] [--only encoder_train encoder_infer ...]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BATCH, FRAMES, JOINTS, TOKENS, GALLERY = 32, 30, 25, 64, 100_000
SIGN_BATCH, SIGN_FRAMES, SIGN_DIM, STATES_DIM, NOISE_DIM = 16, 128, 540, 768, 64
GOALS = {
    "text_train": "0.75",
    "text_train_cached": "0.08",
    "encoder_train": "0.9",
    "encoder_infer": "0.6",
    "query": "5e-06",
    "gan_step": "0.9",
    "gan_generate": "-",
}
SECONDS = 6.0


def fastest(step: Callable[[], object]) -> float:
    """Returns the milliseconds of the fastest call, after three to warm up."""
    for _ in range(3):
        step()
    times, until = [], time.perf_counter() + SECONDS
    while len(times) < 3 or time.perf_counter() < until:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def arrays():
    """The batch of motions and captions that both sides work on."""
    import numpy as np

    rng = np.random.default_rng(0)
    return {
        "motion": rng.normal(size=(BATCH, FRAMES, JOINTS, 3)).astype(np.float32),
        "token_ids": rng.integers(1000, 30000, size=(BATCH, TOKENS)).astype(np.int32),
    }


def sign_arrays():
    """The batch of signing that both sides work on, with the states that a frozen text backbone gave."""
    import numpy as np

    rng = np.random.default_rng(0)
    return {
        "frames": rng.normal(size=(SIGN_BATCH, SIGN_FRAMES, SIGN_DIM)).astype(np.float32),
        "states": rng.normal(size=(SIGN_BATCH, TOKENS, STATES_DIM)).astype(np.float32),
        "noise": rng.normal(size=(SIGN_BATCH, SIGN_FRAMES, NOISE_DIM)).astype(np.float32),
    }


def ours(case: str) -> float:
    if case.startswith("gan"):
        return our_gan(case)

    import jax
    import numpy as np

    from jaxmm import DanceTextTask, Freeze
    from jaxmm.optim import Horizon
    from jaxmm.search import make_search
    from jaxmm.tasks.text_features import FROZEN_STATES
    from jaxmm.train.step import compile_eval, make_mesh, place_whole

    if case == "query":
        gallery = np.random.default_rng(0).normal(size=(GALLERY, 256)).astype(np.float32)
        gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
        search = make_search("exact", gallery)
        return fastest(lambda: search(gallery[:1], 10))

    mesh, batch = make_mesh(), arrays()
    batch |= {
        "motion_mask": np.ones((BATCH, FRAMES), bool),
        "token_mask": np.ones((BATCH, TOKENS), bool),
        "example_mask": np.ones(BATCH, bool),
    }
    task = DanceTextTask(freeze=Freeze.last_tensors(4))
    if case.startswith("encoder"):
        task = motion_only(task)
    state = jax.jit(task.init, static_argnums=2)(jax.random.key(0), place_whole(batch, mesh), Horizon(epochs=50))
    if case == "encoder_infer":
        embed = compile_eval(task.embed_motion, mesh)
        return fastest(lambda: jax.block_until_ready(embed(state.params, state.collections, place_whole(batch, mesh))))
    if case == "text_train_cached":
        frozen = jax.jit(task.frozen_text_states)(state.params, {}, batch)
        batch[FROZEN_STATES] = np.asarray(frozen)
    return fastest(training(task, state, batch, mesh))


def training(task, state, batch, mesh) -> Callable[[], None]:
    """Returns a function that trains a step."""
    import jax

    from jaxmm.train.step import compile_train_step

    step, held = compile_train_step(task, state, mesh), [state]

    def train() -> None:
        held[0], metrics, _ = step(held[0], batch, 0)
        jax.block_until_ready((held[0], metrics))

    return train


def our_gan(case: str) -> float:
    import jax
    import numpy as np

    from jaxmm import SignGenerator, SignText, Text2SignTask, TransformerText
    from jaxmm.data.sign.statistics import Statistics
    from jaxmm.optim import Horizon
    from jaxmm.tasks.text_features import FROZEN_STATES
    from jaxmm.train.step import compile_eval, make_mesh, place_whole

    given, mesh = sign_arrays(), make_mesh()
    settings = SignText(batch_size=SIGN_BATCH, max_frames=SIGN_FRAMES)
    batch = settings.stack(list(given["frames"]), Statistics.neutral(), num_rows=SIGN_BATCH) | {
        FROZEN_STATES: given["states"],
        "token_ids": np.zeros((SIGN_BATCH, TOKENS), np.int32),
        "token_mask": np.ones((SIGN_BATCH, TOKENS), bool),
        "signer": np.zeros(SIGN_BATCH, np.int32),
    }
    # The backbone is there in name: its states are given.
    backbone = TransformerText(vocab_size=8, dim=STATES_DIM, num_layers=1, num_heads=1, feedforward_dim=8)
    task = Text2SignTask(text=backbone, generator=SignGenerator.seed_compatible(), ema_decay=0.0)
    state = jax.jit(task.init, static_argnums=2)(jax.random.key(0), place_whole(batch, mesh), Horizon(epochs=50))
    if case == "gan_step":
        return fastest(training(task, state, batch, mesh))
    generate = compile_eval(task.generate, mesh)
    asked = batch | {"noise": given["noise"], "length": np.full(SIGN_BATCH, SIGN_FRAMES, np.int32)}
    return fastest(lambda: jax.block_until_ready(generate(state.params, {}, place_whole(asked, mesh))))


def motion_only(task):
    """The motion tower as a task of its own, with the loss against fixed targets."""
    import dataclasses

    import jax.numpy as jnp

    from jaxmm.optim import AdamW
    from jaxmm.tasks.base import Task

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Tower(Task):
        def init_variables(self, key, batch):
            variables = task.motion.init(key, batch["motion"], batch["motion_mask"], deterministic=True)
            return variables["params"], {"batch_stats": variables["batch_stats"]}

        def embed_motion(self, params, collections, batch):
            variables = {"params": params, **collections}
            return task.motion.apply(variables, batch["motion"], batch["motion_mask"], deterministic=True)

        def loss(self, params, collections, batch, key, *, train):
            embedded, changed = task.motion.apply(
                {"params": params, **collections},
                batch["motion"],
                batch["motion_mask"],
                deterministic=False,
                mutable=["batch_stats"],
                rngs={"dropout": key},
            )
            return jnp.square(embedded - 0.1).sum(axis=-1), (changed, {})

    return Tower(optimizer=AdamW())


def theirs(case: str) -> float:
    sys.path.insert(0, str(ROOT / "tests" / "parity"))
    if case.startswith("gan"):
        return their_gan(case)

    import torch
    import torch_reference as reference

    torch.manual_seed(0)
    batch = arrays()
    motion = torch.from_numpy(batch["motion"]).permute(0, 2, 1, 3)
    encoder = reference.DanceEncoder(mixed_axes=False).train()
    if case == "query":
        encoder.eval()
        text = torch.nn.functional.normalize(torch.randn(1, 256), dim=1)

        def search() -> None:  # the seed's loop, which embeds each motion of the gallery anew; BATCH of them are timed
            with torch.no_grad():
                similarities = [
                    torch.nn.functional.cosine_similarity(text, encoder(motion[place : place + 1])).item()
                    for place in range(BATCH)
                ]
            torch.tensor(similarities).topk(10)

        return GALLERY / BATCH * fastest(search)

    if case == "encoder_infer":
        encoder.eval()
        with torch.inference_mode():
            return fastest(lambda: encoder(motion))
    if case == "encoder_train":
        optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-4, weight_decay=1e-5)

        def train() -> None:
            optimizer.zero_grad()
            (encoder(motion) - 0.1).square().sum(1).mean().backward()
            optimizer.step()

        return fastest(train)

    import transformers

    backbone = transformers.DistilBertModel(transformers.DistilBertConfig()).train()
    for parameter in list(backbone.parameters())[:-4]:
        parameter.requires_grad = False
    model = reference.TwoTowers(encoder, reference.ProjectionHead())
    optimizer, _ = reference.optimizer_and_scheduler(model)
    optimizer.add_param_group({"params": list(backbone.parameters())[-4:], "lr": 3e-5})
    token_ids = torch.from_numpy(batch["token_ids"]).long()
    mask = torch.ones_like(token_ids)

    def train() -> None:
        optimizer.zero_grad()
        text = model.text_encoder(backbone(input_ids=token_ids, attention_mask=mask).last_hidden_state[:, 0])
        reference.compute_loss(encoder(motion), text).backward()
        optimizer.step()

    return fastest(train)


def their_gan(case: str) -> float:
    import torch
    import torch_text2sign as reference

    torch.manual_seed(0)
    frames, states, noise = (torch.from_numpy(values) for values in sign_arrays().values())
    text_mask, frame_mask = torch.ones(SIGN_BATCH, TOKENS).bool(), torch.ones(SIGN_BATCH, SIGN_FRAMES).bool()
    model = reference.Text2Sign()
    if case == "gan_generate":
        model.eval()
        with torch.inference_mode():
            return fastest(lambda: model.generate(states, text_mask, noise))
    optimizers = reference.make_optimizers(model)
    statistics = reference.Statistics(torch.zeros(SIGN_DIM), torch.ones(SIGN_DIM))

    def train() -> None:
        z = torch.randn(SIGN_BATCH, SIGN_FRAMES, NOISE_DIM)
        reference.alternating_step(model, optimizers, states, text_mask, frames, frame_mask, statistics, z)

    return fastest(train)


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
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    if variant == "unlocked":
        environment["LD_PRELOAD"] = str(library)
    command = [sys.executable, __file__, "--worker", case, variant]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def table(cases: list[str], rounds: int) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table("case", "torch ms", "unlocked ms", "jaxmm ms", "to stock", "to unlocked", "goal", box=None)
    with tempfile.TemporaryDirectory() as folder:
        library = unlock(Path(folder))
        variants = ["torch", "unlocked", "jaxmm"] if library else ["torch", "jaxmm"]
        for case in cases:
            taken: dict[str, list[float]] = {variant: [] for variant in variants}
            for _ in range(rounds):
                for variant in variants:
                    taken[variant].append(measure(case, variant, library))
            shown.add_row(
                case,
                *(f"{min(taken[name]):.4g}" if name in taken else "-" for name in ("torch", "unlocked")),
                f"{min(taken['jaxmm']):.4g}",
                ratio(taken, "torch"),
                ratio(taken, "unlocked"),
                GOALS[case],
            )
            if case == "gan_generate":
                speeds = (f"{name} {1e3 * SIGN_BATCH * SIGN_FRAMES / min(taken[name]):,.0f}" for name in variants)
                shown.caption = f"gan_generate, frames a second: {', '.join(speeds)}"
    Console(width=120).print(shown)


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
        print(json.dumps(ours(case) if variant == "jaxmm" else theirs(case)))
    else:
        table(options.only, options.rounds)


if __name__ == "__main__":
    main()
