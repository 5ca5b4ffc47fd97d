"""One update of the example as a program: `OUT MODE NUM_DEVICES [--distributed]`; writes the loss and the gradients."""

import dataclasses
import sys
from pathlib import Path

import jax
import numpy as np

from jaxmm.optim import path_name
from jaxmm.train.cluster import join_cluster
from jaxmm.train.step import Devices, compile_train_step, make_mesh, state_shardings

from .example import BATCH, HORIZON, TASK, example_batch


def main(out: str, mode: str, num_devices: str, *words: str) -> None:
    jax.config.update("jax_num_cpu_devices", int(num_devices))
    if "--distributed" in words:
        join_cluster()
    # Without dropout: under pmap each device draws masks of its own for its rows.
    task = dataclasses.replace(
        TASK,
        motion=TASK.motion.clone(dropout_rate=0.0),
        text=TASK.text.clone(dropout_rate=0.0, attention_dropout_rate=0.0),
    )
    mesh, batch = make_mesh(Devices(mode=mode)), example_batch()

    def init():
        return task.init(jax.random.key(0), batch, HORIZON)

    shapes = jax.eval_shape(init)
    state = jax.jit(init, out_shardings=state_shardings(shapes, mesh))()
    own = BATCH // jax.process_count()
    first = jax.process_index() * own
    rows = {name: values[first : first + own] for name, values in batch.items()}
    after, scalars, _ = jax.block_until_ready(compile_train_step(task, shapes, mesh, mode=mode)(state, rows, 0))
    moments = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(after.opt_state)}
    # After one update from zero, Adam's first moment is a tenth of the gradient.
    gradients = {name: np.asarray(leaf) / 0.1 for name, leaf in moments.items() if "/mu/" in f"/{name}/"}
    if jax.process_index() == 0:
        print(jax.device_count(), "devices of", jax.process_count(), "processes,", mode)
        np.savez(Path(out), loss=np.asarray(scalars["loss"]), **gradients)


if __name__ == "__main__":
    main(*sys.argv[1:])
