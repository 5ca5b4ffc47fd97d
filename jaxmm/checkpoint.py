"""Checkpoints: the state, the position in the data and a digest, saved and restored as one."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from jaxmm.errors import CheckpointError
from jaxmm.optim import path_name
from jaxmm.state import TrainState
from jaxmm.typing import Collections, Params

FOLDER = "checkpoints"


class Checkpoints:
    """The checkpoints of a run: the last ones, and the best by a metric.

    A checkpoint holds `model` (parameters and collections), `training` (the rest of the state), `data` (position of the
    Grain iterator) and `digest` (step, SHA-256 of model and state, position).

    Args:
        run: The run's folder.
        keep: Number of newest checkpoints to keep, >= 1.
        best_metric: Name of the metric whose largest value marks the checkpoint to keep besides; None keeps none.
        writable: Whether this process trains the run: it may save, and clears away what a killed save left.

    Example:
        >>> import tempfile
        >>> with Checkpoints(Path(tempfile.mkdtemp())) as checkpoints:
        ...     checkpoints.steps()
        []
    """

    def __init__(self, run: Path, *, keep: int = 1, best_metric: str | None = None, writable: bool = True) -> None:
        self._folder = (run / FOLDER).resolve()
        self._best_metric = best_metric
        kept: list[policies.PreservationPolicy] = [policies.LatestN(keep)]
        best_fn = None if best_metric is None else lambda metrics: metrics[best_metric]
        if best_fn is not None:
            kept.append(policies.BestN(get_metric_fn=best_fn, n=1, reverse=False))
        # Grain's handler has the methods of Orbax's base class, but not the class.
        handlers: dict[str, Any] = {
            "model": ocp.StandardCheckpointHandler(),
            "training": ocp.StandardCheckpointHandler(),
            "data": grain.checkpoint.CheckpointHandler(),
            "digest": ocp.JsonCheckpointHandler(),
        }
        self._manager = ocp.CheckpointManager(
            self._folder,
            item_handlers=handlers,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy(kept),
                best_fn=best_fn,  # without it no metric is written, and another process could not tell the best
                # Only the process that trains may clean up: to a reader, its unfinished checkpoint looks abandoned.
                cleanup_tmp_directories=writable,
                create=writable,
            ),
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

    def steps(self) -> list[int]:
        """Returns the steps that are saved, oldest first."""
        return sorted(self._manager.all_steps())

    def save(self, state: TrainState, data: grain.DatasetIterator, metrics: Mapping[str, float]) -> None:
        """Saves a state; writing goes on in the background."""
        step = int(state.step)
        self._manager.save(
            step,
            args=ocp.args.Composite(
                model=ocp.args.StandardSave(_model_of(state)),
                training=ocp.args.StandardSave(_training_of(state)),
                data=grain.checkpoint.CheckpointSave(data),
                digest=ocp.args.JsonSave(
                    {
                        "step": step,
                        "state_sha256": state_sha256(state),
                        "model_sha256": tree_sha256(_model_of(state)),
                        "data": data.get_state(),
                    }
                ),
            ),
            metrics=dict(metrics),
        )

    def restore(self, like: TrainState, data: grain.DatasetIterator, *, step: int) -> TrainState:
        """Returns the state saved at `step`, and puts `data` where it was.

        Args:
            like: A state with the shapes, types and shardings to restore to; values are not read.
            data: Iterator over the same data.
            step: One of `steps()`.

        Raises:
            CheckpointError: If the checkpoint does not fit `like`, or is not what was saved.
        """
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        self._check_structure(step, "model", _model_of(abstract))
        self._check_structure(step, "training", _training_of(abstract))
        try:
            found = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    model=ocp.args.StandardRestore(_model_of(abstract)),
                    training=ocp.args.StandardRestore(_training_of(abstract)),
                    data=grain.checkpoint.CheckpointRestore(data),
                ),
            )
        except Exception as error:  # Orbax, TensorStore and JSON each raise their own kinds
            raise self._unreadable(step, error) from error
        state = dataclasses.replace(like, **found["model"], **found["training"])
        self._check_digest(step, state_sha256=state_sha256(state), data=data.get_state())
        return state

    def restore_model(self, step: int) -> tuple[Params, Collections]:
        """Returns the parameters and collections saved at `step`, as NumPy arrays.

        Raises:
            CheckpointError: If they cannot be read.
        """
        model = self._restore_arrays(step, "model")["model"]
        self._check_digest(step, model_sha256=tree_sha256(model))
        return model["params"], model["collections"]

    def verify(self, step: int) -> str:
        """Returns the SHA-256 of the state saved at `step`, after comparing it with the one saved beside it.

        Raises:
            CheckpointError: If the checkpoint cannot be read, or is not what was saved.
        """
        found = self._restore_arrays(step, "model", "training")
        sha256 = tree_sha256({**found["model"], **found["training"]})
        for position in self._saved_positions(step):
            self._check_digest(step, state_sha256=sha256, data=position)
        return sha256

    def _restore_arrays(self, step: int, *items: str) -> dict[str, Any]:
        try:
            shapes = self._manager.item_metadata(step)
            wanted = {
                item: ocp.args.StandardRestore(
                    jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), shapes[item].tree)
                )
                for item in items
            }
            return dict(self._manager.restore(step, args=ocp.args.Composite(**wanted)))
        except Exception as error:  # Orbax, TensorStore and JSON each raise their own kinds
            raise self._unreadable(step, error) from error

    def _saved_positions(self, step: int) -> list[Any]:
        """Reads where each process stood in the data, as Grain's handler writes it."""
        try:
            files = sorted((self._folder / str(step) / "data").glob("process_*.json"))
            if not files:
                raise FileNotFoundError("the position in the data is absent")
            return [json.loads(file.read_text()) for file in files]
        except (OSError, ValueError) as error:
            raise self._unreadable(step, error) from error

    def _check_digest(self, step: int, **found: object) -> None:
        try:
            saved = self._manager.restore(step, args=ocp.args.Composite(digest=ocp.args.JsonRestore()))["digest"]
        except Exception as error:  # Orbax, TensorStore and JSON each raise their own kinds
            raise self._unreadable(step, error) from error
        if not isinstance(saved, dict) or found.keys() - saved.keys():
            raise CheckpointError(f"{self._folder / str(step)}: its digest is cut or of another version; delete it")
        if any(saved.get(name) != value for name, value in {"step": step, **found}.items()):
            raise CheckpointError(f"{self._folder / str(step)}: the arrays are not those that were saved; delete it")

    def choose(self, which: str) -> int:
        """Returns the step that `last`, `best` or a number names.

        Raises:
            CheckpointError: If there is no such checkpoint.
        """
        steps = self.steps()
        if not steps:
            raise CheckpointError(f"{self._folder}: holds no checkpoint yet; train the run first")
        if which == "last":
            return steps[-1]
        if which == "best":
            best = self._best_step(steps)
            if best is None:
                raise CheckpointError(
                    f"{self._folder}: the run keeps no best checkpoint; set loop.best_metric, or use last"
                )
            return best
        if which.isdecimal() and int(which) in steps:
            return int(which)
        raise CheckpointError(f"{self._folder}: no checkpoint {which!r}; choose last, best or one of {steps}")

    def _best_step(self, steps: list[int]) -> int | None:
        if self._best_metric is None:
            return None
        scored = [(self._manager.metrics(step) or {}).get(self._best_metric) for step in steps]
        ranked = [(score, step) for score, step in zip(scored, steps, strict=True) if score is not None]
        return max(ranked)[1] if ranked else None

    def _check_structure(self, step: int, item: str, like: Any) -> None:
        """Orbax would cast a type silently and pad a shape by option; a checkpoint must fit as it is."""
        try:
            saved = _shapes(self._manager.item_metadata(step)[item].tree)
        except Exception as error:  # Orbax, TensorStore and JSON each raise their own kinds
            raise self._unreadable(step, error) from error
        wanted = _shapes(like)
        for name in sorted(saved.keys() | wanted.keys()):
            if saved.get(name) != wanted.get(name):
                raise CheckpointError(
                    f"{self._folder / str(step)}: {name} is {saved.get(name, 'absent')}, "
                    f"but the config asks for {wanted.get(name, 'nothing')}; restore with the run's own config"
                )

    def _unreadable(self, step: int, error: Exception) -> CheckpointError:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return CheckpointError(f"{self._folder / str(step)}: cannot be read ({reason}); delete it to use an older one")


def state_sha256(state: TrainState) -> str:
    """Returns the digest of all arrays of a state.

    Example:
        >>> from jaxmm.optim import Horizon
        >>> state = TrainState(step=np.array(1), params={"w": np.ones(2)}, collections={}, opt_state=(),
        ...                    key=np.zeros(2, np.uint32), guards={}, horizon=Horizon())
        >>> state_sha256(state) == state_sha256(state.replace(params={"w": np.zeros(2)}))
        False
    """
    return tree_sha256({**_model_of(state), **_training_of(state)})


def tree_sha256(tree: Any) -> str:
    """Digests names, types, shapes and values of the arrays of a tree, whatever containers hold them.

    Example:
        >>> tree_sha256({"b": np.ones(2), "a": np.zeros(1)}) == tree_sha256({"a": np.zeros(1), "b": np.ones(2)})
        True
    """
    digest = hashlib.sha256()
    leaves = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    for name in sorted(leaves):
        array = np.asarray(leaves[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _model_of(state: TrainState) -> dict[str, Any]:
    return {"params": state.params, "collections": state.collections}


def _training_of(state: TrainState) -> dict[str, Any]:
    return {"step": state.step, "opt_state": state.opt_state, "key": state.key, "guards": state.guards}


def _shapes(tree: Any) -> dict[str, str]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {path_name(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}
