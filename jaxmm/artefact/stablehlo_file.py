"""The StableHLO artefact: a zip of metadata, a portable program of `jax.export`, and the parameters it takes."""

import dataclasses
import hashlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxmm.artefact.metadata import MAX_BYTES, Metadata
from jaxmm.errors import ArtefactError, reason

METADATA, MODULE, PARAMETERS = "metadata.json", "module.bin", "parameters.safetensors"
_MEMBERS = (METADATA, MODULE, PARAMETERS)
_MOST_BYTES = 16 * 2**30
_SAFE_CALLS = frozenset({"shape_assertion"})
"""Targets of custom calls that a program may have; any other name runs whatever the process has of that name."""


def write(file: IO[bytes], metadata: Metadata, module: bytes, parameters: Mapping[str, np.ndarray]) -> None:
    """Writes the three members, not compressed, so that none can be larger than the file says.

    Args:
        file: Opened for writing.
        metadata: What the program says of itself; the hashes of the others are put in.
        module: What `jax.export.Exported.serialize` returned.
        parameters: Arrays that the program takes, by path.
    """
    from safetensors.numpy import save

    contents = {MODULE: module, PARAMETERS: save(dict(parameters))}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(METADATA, dataclasses.replace(metadata, sha256=hashes).as_json())
        for name, content in contents.items():
            archive.writestr(name, content)


def read_metadata(path: Path) -> Metadata:
    """Returns what a file says of itself.

    Raises:
        ArtefactError: If it is damaged or no artefact.
    """
    with _opened(path) as archive:
        return Metadata.of_json(_member(archive, METADATA, MAX_BYTES))


def read_program(path: Path, metadata: Metadata) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    """Returns the program of a file as a function of its inputs by name, compiled once for each size.

    Raises:
        ArtefactError: If the file is damaged, or its program calls what is not part of StableHLO.
    """
    import jax
    from safetensors.numpy import load as load_tensors

    with _opened(path) as archive:
        module, tensors = (_whole(archive, name, metadata) for name in (MODULE, PARAMETERS))
    try:
        exported = jax.export.deserialize(bytearray(module))
        calls = _called(exported.mlir_module_serialized)
    except Exception as error:  # the formats inside raise many kinds
        raise ArtefactError(f"its program cannot be read ({reason(error)}); export the run anew") from error
    if odd := calls - _SAFE_CALLS:
        raise ArtefactError(f"its program calls {', '.join(sorted(odd)[:5])}, which is not run; export the run anew")
    try:
        parameters = load_tensors(tensors)
        device = jax.default_backend()
        platforms = [{"gpu": "cuda"}.get(device, device), device]
        if not any(platform in exported.platforms for platform in platforms):
            raise ArtefactError(f"was exported for {', '.join(exported.platforms)}, not for {device}")
        placed = jax.device_put(parameters)
    except ArtefactError:
        raise
    except Exception as error:
        raise ArtefactError(f"its parameters cannot be read ({reason(error)}); export the run anew") from error
    call = jax.jit(exported.call)
    names = [tensor.name for tensor in metadata.outputs]

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            made = jax.device_get(call(placed, dict(inputs)))
        except Exception as error:  # of shapes and types that are not its own, of memory, of the device
            raise ArtefactError(f"its program cannot be run ({reason(error)})") from error
        if jax.tree.structure(made) != jax.tree.structure(dict.fromkeys(names, 0)):
            raise ArtefactError("what its program gives is not what its metadata say; export the run anew")
        return {name: np.asarray(made[name]) for name in names}

    return run


def _called(module: bytes) -> set[str]:
    """Returns the targets of all custom calls of a program."""
    from jax.extend import mlir
    from jax.extend.mlir import ir
    from jax.interpreters.mlir import make_ir_context

    targets = set()

    def visit(operation: Any) -> ir.WalkResult:
        if operation.name == "stablehlo.custom_call":
            targets.add(operation.attributes["call_target_name"].value)
        return ir.WalkResult.ADVANCE

    with make_ir_context():
        mlir.deserialize_portable_artifact(module).operation.walk(visit)
    return targets


def _opened(path: Path) -> zipfile.ZipFile:
    """Opens a file that has the three members and nothing else; none is ever written to the disk."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise ArtefactError(f"cannot be read ({reason(error)}); it is damaged or no artefact") from error
    members = archive.infolist()
    if sorted(own.filename for own in members) != sorted(_MEMBERS):
        archive.close()
        raise ArtefactError(f"holds other members than {', '.join(_MEMBERS)}; it is no artefact")
    if any(own.compress_type != zipfile.ZIP_STORED or own.file_size != own.compress_size for own in members):
        archive.close()
        raise ArtefactError("holds compressed members; it is no artefact")
    return archive


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    size = archive.getinfo(name).file_size
    if size > most:
        raise ArtefactError(f"its {name} states {size} bytes, of at most {most}; it is damaged or no artefact")
    try:
        return archive.read(name)
    except (OSError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile, MemoryError) as error:
        raise ArtefactError(f"its {name} cannot be read ({reason(error)}); export the run anew") from error


def _whole(archive: zipfile.ZipFile, name: str, metadata: Metadata) -> bytes:
    content = _member(archive, name, _MOST_BYTES)
    if hashlib.sha256(content).hexdigest() != metadata.sha256.get(name):
        raise ArtefactError(f"its {name} is not what was written; export the run anew")
    return content
