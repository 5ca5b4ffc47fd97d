"""Some updates of an example as a program: `SYSTEM OUT MODE NUM_DEVICES [--distributed]`; writes all they change."""

import sys
from pathlib import Path

import jax
import numpy as np

from jaxmm.optim import path_name
from jaxmm.train.cluster import join_cluster
from jaxmm.train.step import Devices, compile_train_step, make_mesh, state_shardings

from .example import BATCH, HORIZON, SYSTEMS

STEPS = 3


def named(tree, prefix):
    return {f"{prefix}/{path_name(path)}": leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def main(system: str, out: str, mode: str, num_devices: str, *words: str) -> None:
    jax.config.update("jax_num_cpu_devices", int(num_devices))
    if "--distributed" in words:
        join_cluster()
    task, make_batch = SYSTEMS[system]
    mesh = make_mesh(Devices(mode=mode))

    def init():
        return task.init(jax.random.key(0), make_batch(), HORIZON)

    shapes = jax.eval_shape(init)
    state, found = jax.jit(init, out_shardings=state_shardings(shapes, mesh))(), {}
    step = compile_train_step(task, shapes, mesh, mode=mode)
    own = BATCH // jax.process_count()
    rows = slice(jax.process_index() * own, (jax.process_index() + 1) * own)
    for number in range(STEPS):
        batch = {name: values[rows] for name, values in make_batch(seed=number).items()}
        state, scalars, _ = jax.block_until_ready(step(state, batch, 0))
        # The optimizer's state holds the gradients: after one update from zero, a share of them.
        found |= jax.device_get(named(scalars, f"scalars_{number}") | named(state.opt_state, f"optimizer_{number}"))
    found |= jax.device_get(named(state.params, "params") | named(state.collections, "collections"))
    if jax.process_index() == 0:
        print(jax.device_count(), "devices of", jax.process_count(), "processes,", mode)
        np.savez(Path(out), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
