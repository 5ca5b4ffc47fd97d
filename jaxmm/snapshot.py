"""One checkpoint: a folder of arrays, the position in the data, the data's fingerprint, and a manifest of hashes."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp
import tensorstore
from jax.experimental.multihost_utils import process_allgather

from jaxmm.config import differences
from jaxmm.errors import CheckpointError, DamagedError
from jaxmm.manifest import read_facts, seal
from jaxmm.optim import path_name
from jaxmm.state import TrainState
from jaxmm.typing import Collections, Params

_FINGERPRINT = "fingerprint.json"
_MOST_CHANGES = 8


def write(
    folder: Path,
    state: TrainState,
    data: grain.DatasetIterator,
    *,
    metrics: Mapping[str, float],
    fingerprint: Mapping[str, Any],
) -> None:
    """Writes a state into a new folder, and its manifest last; all processes of a run call it together.

    Args:
        folder: Where to write.
        state: What to write.
        data: Iterator whose position is written.
        metrics: Scores of the state.
        fingerprint: What the data are, as JSON values.
    """
    with _unread_metrics(), _checkpointer() as orbax:
        orbax.save(
            folder,
            ocp.args.Composite(
                model=ocp.args.StandardSave(_model_of(state)),
                training=ocp.args.StandardSave(_training_of(state)),
                data=grain.checkpoint.CheckpointSave(data),
            ),
        )
    facts = {"step": int(state.step), "state_sha256": state_sha256(state), "metrics": dict(metrics)}
    if jax.process_index() == 0:
        (folder / _FINGERPRINT).write_text(json.dumps(fingerprint, indent=1))
        seal(folder, facts)


def read(
    folder: Path, like: TrainState, data: grain.DatasetIterator | None, *, fingerprint: Mapping[str, Any]
) -> TrainState:
    """Returns the state of a folder, and puts `data` where it was.

    Args:
        folder: What `write` wrote.
        like: A state with the shapes, types and shardings to restore to; values are not read.
        data: Iterator over the same data; None leaves the data where they are.
        fingerprint: What the data are now.

    Raises:
        DamagedError: If the files are not those that were saved.
        CheckpointError: If they do not fit `like`, or were saved over other data.
    """
    _check_fingerprint(folder, fingerprint)
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    with _checkpointer() as orbax:
        try:
            saved = _saved_trees(orbax, folder)
            _check_structure(folder, saved["model"], _model_of(abstract))
            _check_structure(folder, saved["training"], _training_of(abstract))
            wanted: dict[str, Any] = {
                "model": ocp.args.StandardRestore(_model_of(abstract)),
                "training": ocp.args.StandardRestore(_training_of(abstract)),
            }
            if data is not None:
                wanted["data"] = grain.checkpoint.CheckpointRestore(data)
            found = orbax.restore(folder, ocp.args.Composite(**wanted))
        except CheckpointError:
            raise
        except Exception as error:  # Orbax, TensorStore and JSON each raise their own kinds
            raise _unreadable(folder, error) from error
    state = dataclasses.replace(like, **found["model"], **found["training"])
    _check_state(folder, state_sha256(state))
    return state


def read_model(folder: Path) -> tuple[Params, Collections]:
    """Returns the parameters and collections of a folder, as NumPy arrays.

    Raises:
        DamagedError: If the files are not those that were saved.
        CheckpointError: If they cannot be read.
    """
    model = _read_arrays(folder, "model")["model"]
    return model["params"], model["collections"]


def verify(folder: Path) -> str:
    """Returns the SHA-256 of the state in a folder, after reading all of it.

    Raises:
        DamagedError: If the files are not those that were saved.
        CheckpointError: If they cannot be read.
    """
    found = _read_arrays(folder, "model", "training")
    return _check_state(folder, tree_sha256({**found["model"], **found["training"]}))


def _checkpointer() -> ocp.Checkpointer:
    # Grain's handler has the methods of Orbax's base class, but not the class.
    handlers: dict[str, Any] = {
        "model": ocp.StandardCheckpointHandler(),
        "training": ocp.StandardCheckpointHandler(),
        "data": grain.checkpoint.CheckpointHandler(),
    }
    # Not asynchronous: a save takes seconds an hour, and so an error belongs to the save that met it.
    return ocp.Checkpointer(ocp.CompositeCheckpointHandler(**handlers))


@contextlib.contextmanager
def _unread_metrics() -> Iterator[None]:
    """Spares a long run 40 KiB a save: what TensorStore's metrics are returned in is never freed.

    Orbax reads them around each save, to log how fast the disk was.
    """
    name = "experimental_collect_matching_metrics"
    read = getattr(tensorstore, name, None)
    if read is None:  # a TensorStore without metrics has none to keep
        yield
        return
    setattr(tensorstore, name, lambda *_, **__: [])
    try:
        yield
    finally:
        setattr(tensorstore, name, read)


def _read_arrays(folder: Path, *items: str) -> dict[str, Any]:
    with _checkpointer() as orbax:
        try:
            saved = _saved_trees(orbax, folder)
            like = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), {item: saved[item] for item in items})
            wanted = {item: ocp.args.StandardRestore(tree) for item, tree in like.items()}
            return dict(orbax.restore(folder, ocp.args.Composite(**wanted)))
        except Exception as error:  # Orbax, TensorStore and JSON each raise their own kinds
            raise _unreadable(folder, error) from error


def _saved_trees(orbax: ocp.Checkpointer, folder: Path) -> dict[str, Any]:
    metadata: Any = orbax.metadata(folder).item_metadata  # reads all items at once, slowly
    return {item: metadata[item].tree for item in ("model", "training")}


def _check_fingerprint(folder: Path, fingerprint: Mapping[str, Any]) -> None:
    changed = differences(json.loads((folder / _FINGERPRINT).read_text()), json.loads(json.dumps(fingerprint)))
    if changed:
        more = [f"and {len(changed) - _MOST_CHANGES} more"] if len(changed) > _MOST_CHANGES else []
        raise CheckpointError(
            f"{folder}: was saved over other data; bring those back, or choose another --workdir:\n  "
            + "\n  ".join(changed[:_MOST_CHANGES] + more)
        )


def _check_structure(folder: Path, saved: Any, like: Any) -> None:
    """Orbax would cast a type silently and pad a shape by option; a checkpoint must fit as it is."""
    present, wanted = _shapes(saved), _shapes(like)
    for name in sorted(present.keys() | wanted.keys()):
        if present.get(name) != wanted.get(name):
            raise CheckpointError(
                f"{folder}: {name} is {present.get(name, 'absent')}, "
                f"but the config asks for {wanted.get(name, 'nothing')}; restore with the run's own config"
            )


def _check_state(folder: Path, sha256: str) -> str:
    if read_facts(folder)["state_sha256"] != sha256:
        raise DamagedError(f"{folder}: the arrays are not those that were saved, but the files are; check the memory")
    return sha256


def _unreadable(folder: Path, error: Exception) -> CheckpointError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return CheckpointError(f"{folder}: its files are sound, but this version cannot read them ({reason})")


def state_sha256(state: TrainState) -> str:
    """Returns the digest of all arrays of a state.

    Example:
        >>> from jaxmm.horizon import Horizon
        >>> state = TrainState(step=np.array(1), params={"w": np.ones(2)}, collections={}, opt_state=(),
        ...                    key=np.zeros(2, np.uint32), guards={}, horizon=Horizon())
        >>> state_sha256(state) == state_sha256(state.replace(params={"w": np.zeros(2)}))
        False
    """
    return tree_sha256({**_model_of(state), **_training_of(state)})


def tree_sha256(tree: Any) -> str:
    """Digests names, types, shapes and values of the arrays of a tree, whatever containers hold them.

    Where processes hold parts of an array, all of them call it together.

    Example:
        >>> tree_sha256({"b": np.ones(2), "a": np.zeros(1)}) == tree_sha256({"a": np.zeros(1), "b": np.ones(2)})
        True
    """
    digest = hashlib.sha256()
    leaves = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    for name in sorted(leaves):
        array = _whole(leaves[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _whole(leaf: Any) -> np.ndarray:
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        return np.asarray(process_allgather(leaf, tiled=True))
    return np.asarray(leaf)


def _model_of(state: TrainState) -> dict[str, Any]:
    return {"params": state.params, "collections": state.collections}


def _training_of(state: TrainState) -> dict[str, Any]:
    return {"step": state.step, "opt_state": state.opt_state, "key": state.key, "guards": state.guards}


def _shapes(tree: Any) -> dict[str, str]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {path_name(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}
