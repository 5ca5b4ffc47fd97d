"""Writing a part of a run as one file, whole or not at all."""

import dataclasses
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np

from jaxmm.artefact import Metadata, stablehlo_file
from jaxmm.artefact.running import SAFETENSORS_KEY, Kind
from jaxmm.config import encode
from jaxmm.errors import ArtefactError, ConfigError
from jaxmm.export.parts import Part, parts_of
from jaxmm.export.program import Program, trace
from jaxmm.files import whole_file
from jaxmm.model import Model
from jaxmm.optim import path_name

PLATFORMS = ("cpu", "cuda", "tpu")
"""Where a StableHLO file runs, wherever it is written."""

_FOLDER = "export"
_ALL = "model"


def export(model: Model, kind: Kind, *, part: str | None = None, out: Path | None = None) -> Path:
    """Writes a part of a run as a file that runs without the run.

    Args:
        model: The run.
        kind: `stablehlo` for JAX on any platform, `onnx` for ONNX Runtime, `safetensors` for parameters alone.
        part: Which part, where the run offers several; of parameters all by default.
        out: File to write, with the kind as its ending; `export/<part>.<kind>` in the run's folder by default.

    Returns:
        The file.

    Raises:
        ConfigError: If the run offers no such part, or the file is to have another ending.
        ArtefactError: If an ONNX file cannot be made, or would give other numbers than the run; then none is written.
        MissingExtraError: If the extra `onnx` is needed and not installed.
    """
    offered = parts_of(model)
    if part is None and len(offered) > 1 and kind != "safetensors":
        raise ConfigError(f"{model.run} offers {' and '.join(offered)}; name one with --part")
    if part is not None and part not in offered:
        raise ConfigError(f"{model.run} offers no part {part!r}; choose among {', '.join(offered)}")
    chosen = offered[part or next(iter(offered))] if part is not None or kind != "safetensors" else None
    path = out or model.run / _FOLDER / f"{chosen.name if chosen else _ALL}.{kind}"
    if path.suffix != f".{kind}":
        raise ConfigError(f"{path}: a file of the format {kind} ends in .{kind}; name it so")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole_file(path) as building:
            _write(building, model, kind, chosen)
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from error
    return path


def _write(path: Path, model: Model, kind: Kind, part: Part | None) -> None:
    if part is None:
        write_parameters(path, _metadata(model, None, None), _arrays(model))
        return
    program = trace(part, model.params, model.collections, precision=model.experiment.task.numerics.matmul_precision)
    metadata = _metadata(model, part, program)
    if kind == "safetensors":
        nothing = dataclasses.replace(metadata, inputs=(), outputs=(), sizes={})
        write_parameters(path, nothing, program.parameters)
    elif kind == "stablehlo":
        shapes = {name: jax.ShapeDtypeStruct(own.shape, own.dtype) for name, own in program.parameters.items()}
        module = jax.export.export(jax.jit(program.function), platforms=PLATFORMS)(shapes, program.inputs).serialize()
        with path.open("wb") as file:
            stablehlo_file.write(file, metadata, bytes(module), program.parameters)
    else:
        from jaxmm.export.onnx_model import convert, verify

        path.write_bytes(convert(program, metadata))
        verify(path, program, metadata)


def _metadata(model: Model, part: Part | None, program: Program | None) -> Metadata:
    experiment = model.experiment
    # Where the data lay on this machine is nobody else's concern.
    settings = encode(dataclasses.replace(experiment, data=dataclasses.replace(experiment.data, root=None)))
    origin = {
        "task": type(experiment.task).__name__,
        "settings": settings,
        "digest": model.digest,
        "step": model.step,
        "version": importlib.metadata.version("jaxmm"),
    }
    if part is None or program is None:
        return Metadata(part=_ALL, **origin)
    return Metadata(
        part=part.name,
        inputs=part.inputs,
        outputs=program.outputs,
        sizes=part.sizes,
        preprocessing=part.preprocessing,
        labels=part.labels,
        tokenizer=part.tokenizer,
        max_tokens=part.max_tokens,
        **origin,
    )


def _arrays(model: Model) -> dict[str, np.ndarray]:
    leaves = jax.tree_util.tree_leaves_with_path({"params": model.params, "collections": model.collections})
    return {path_name(path): np.asarray(leaf) for path, leaf in leaves}


def write_parameters(path: Path, metadata: Metadata, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by their names, with the metadata, as safetensors."""
    from safetensors.numpy import save

    tensors = {name: np.asarray(own, order="C") for name, own in arrays.items()}  # ascontiguousarray widens scalars
    path.write_bytes(save(tensors, {SAFETENSORS_KEY: metadata.as_json()}))
