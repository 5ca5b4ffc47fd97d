"""The ONNX artefact: a model whose properties hold the metadata, run by ONNX Runtime without JAX."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxmm.artefact.metadata import Metadata
from jaxmm.errors import ArtefactError, MissingExtraError, reason

PROPERTY = "jaxmm"
"""Name of the property that holds the metadata."""

_MOST_BYTES = 2**31 - 1  # of any protocol buffer


def read(path: Path) -> tuple[Metadata, bytes]:
    """Returns what a file says of itself, and the model, which is known to lie in this file alone.

    Raises:
        ArtefactError: If it is damaged, no artefact, or names other files or operators than ONNX's own.
        MissingExtraError: If the extra `onnx` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError.of("onnx", extra="onnx") from error
    if path.stat().st_size > _MOST_BYTES:
        raise ArtefactError("is larger than an ONNX file can be; it is no artefact")
    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # the parser's own kind
        raise ArtefactError(f"cannot be read ({reason(error)}); it is damaged or no artefact") from error
    properties = {own.key: own.value for own in model.metadata_props}
    if PROPERTY not in properties:
        raise ArtefactError("has no metadata of jaxmm; export the run with jaxmm export")
    if any(own.external_data or own.data_location for own in _tensors(model)):
        raise ArtefactError("keeps parameters in other files, which are not read; export the run anew")
    if any(own.domain not in ("", "ai.onnx") for own in model.opset_import) or model.functions:
        raise ArtefactError("has operators that are not ONNX's own, which are not run; export the run anew")
    return Metadata.of_json(properties[PROPERTY]), content


def _tensors(message: Any) -> Iterator[Any]:
    """Yields every tensor of a model, wherever it may be: not a list of places, of which ONNX gets ever more."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in [value] if hasattr(value, "ListFields") else value:
            if field.message_type.name == "TensorProto":
                yield part
            yield from _tensors(part)


def make_program(content: bytes, metadata: Metadata) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    """Returns a model as a function of its inputs by name.

    Raises:
        ArtefactError: If ONNX Runtime cannot read it, or it has other inputs or outputs than its metadata say.
        MissingExtraError: If the extra `onnx` is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError.of("onnxruntime", extra="onnx") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone: warnings of constants that are folded say nothing to a user
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # a class for each of its codes, without a common one
        raise ArtefactError(f"ONNX Runtime cannot read it ({reason(error)}); export the run anew") from error
    names = [tensor.name for tensor in metadata.outputs]
    for ours, theirs in ((metadata.inputs, session.get_inputs()), (metadata.outputs, session.get_outputs())):
        if [tensor.name for tensor in ours] != [tensor.name for tensor in theirs]:
            raise ArtefactError("its inputs and outputs are not what its metadata say; export the run anew")

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            made = session.run(names, dict(inputs))
            return {name: np.asarray(values) for name, values in zip(names, made, strict=True)}
        except Exception as error:
            raise ArtefactError(f"ONNX Runtime cannot run it ({reason(error)})") from error

    return run
