"""Running exported files: named arrays in, named arrays out."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from jaxmm.artefact.metadata import MAX_BYTES, Metadata
from jaxmm.data.text import TOKENIZER_FILE, CaptionTokenizer
from jaxmm.errors import ArtefactError, DataError, reason
from jaxmm.files import check_safetensors

Kind: TypeAlias = Literal["stablehlo", "onnx", "safetensors"]
KINDS: tuple[Kind, ...] = ("stablehlo", "onnx", "safetensors")
"""Kinds of exported files; each is the ending of its files, too."""

SAFETENSORS_KEY = "jaxmm"
"""Key under which the header of a safetensors file holds the metadata."""

Program: TypeAlias = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]


class Artefact:
    """An exported function, made by `load`.

    Args:
        path: The file, for messages.
        kind: What kind of file it is.
        metadata: What it takes and gives, and where it comes from.
        program: What it computes of checked inputs.

    Example:
        >>> from jaxmm.artefact import Tensor
        >>> pairs = Tensor(name="x", dtype="float32", shape=("batch", 2), meaning="pairs")
        >>> sums = Tensor(name="y", dtype="float32", shape=("batch",), meaning="their sums")
        >>> about = Metadata(task="", part="sum", digest="", step=0, version="", inputs=(pairs,), outputs=(sums,),
        ...                  sizes={"batch": (1, None)})
        >>> artefact = Artefact(Path("sum.onnx"), "onnx", about, lambda inputs: {"y": inputs["x"].sum(axis=1)})
        >>> artefact(x=[[1.0, 2.0]])["y"].tolist()
        [3.0]
    """

    def __init__(self, path: Path, kind: Kind, metadata: Metadata, program: Program) -> None:
        self.path = path
        self.kind: Kind = kind
        self.metadata = metadata
        self._program = program

    def __call__(self, /, **inputs: Any) -> dict[str, np.ndarray]:
        """Computes the outputs by name of inputs by name.

        Raises:
            ArtefactError: If an input is missing, unknown, or of another type, shape or range than it takes, or the
                program is not what the file says of it.
            DataError: If one is no array, since its rows are of unequal lengths.
        """
        try:
            made = self._program(self.metadata.checked_inputs(inputs))
            for tensor in self.metadata.outputs:
                if (dtype := made[tensor.name].dtype) != tensor.dtype:
                    raise ArtefactError(f"output {tensor.name} is {dtype}, not {tensor.dtype}; export the run anew")
            return made
        except (ArtefactError, DataError) as error:
            raise type(error)(f"{self.path}: {error}") from error

    def tokens(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Returns `token_ids` and `token_mask` of texts, by the tokenizer that the file carries.

        Raises:
            ArtefactError: If it reads no texts.
            DataError: If a text is not valid Unicode.
        """
        tokenizer, max_tokens = self.metadata.tokenizer, self.metadata.max_tokens
        if tokenizer is None or max_tokens is None:
            raise ArtefactError(f"{self.path}: reads no texts; give its inputs by name")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / TOKENIZER_FILE).write_text(tokenizer, encoding="utf-8")
            try:
                made = CaptionTokenizer.read(Path(folder), max_tokens=max_tokens)
            except DataError as error:
                raise ArtefactError(f"{self.path}: its tokenizer cannot be read; export the run anew") from error
        token_ids, token_mask = made(texts)
        return {"token_ids": token_ids, "token_mask": token_mask}


def load(path: str | Path) -> Artefact:
    """Reads an exported file and makes it ready to run; the file is data, and nothing in it but its program is run.

    Args:
        path: A `.stablehlo` or `.onnx` file that `jaxmm export` wrote.

    Raises:
        ArtefactError: If it is absent, damaged, or holds parameters only.
        MissingExtraError: If it is an ONNX file, and the extra `onnx` is not installed.

    Example:
        >>> load("no/such.onnx")
        Traceback (most recent call last):
        jaxmm.errors.ArtefactError: no/such.onnx: no such file
    """
    path = Path(path)
    kind = _kind_of(path)
    try:
        if kind == "onnx":
            from jaxmm.artefact import onnx_file

            metadata, content = onnx_file.read(path)
            return Artefact(path, kind, metadata, onnx_file.make_program(content, metadata))
        if kind == "stablehlo":
            from jaxmm.artefact import stablehlo_file

            metadata = stablehlo_file.read_metadata(path)
            return Artefact(path, kind, metadata, stablehlo_file.read_program(path, metadata))
        metadata = _read_safetensors_metadata(path)
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from error
    raise ArtefactError(
        f"{path}: holds the parameters of {metadata.part} alone, to be read with safetensors; to have what can be run, "
        "export with --format stablehlo or --format onnx"
    )


def _kind_of(path: Path) -> Kind:
    kind: Kind | None = next((own for own in KINDS if path.suffix == f".{own}"), None)
    if kind is None:
        raise ArtefactError(f"{path}: is no artefact; one ends in {', '.join(f'.{kind}' for kind in KINDS)}")
    if not path.is_file():
        raise ArtefactError(f"{path}: no such file")
    return kind


def read_metadata(path: str | Path) -> Metadata:
    """Returns what an exported file of any kind says of itself.

    Raises:
        ArtefactError: If it is absent, damaged, or no artefact.

    Example:
        >>> read_metadata("model.bin")
        Traceback (most recent call last):
        jaxmm.errors.ArtefactError: model.bin: is no artefact; one ends in .stablehlo, .onnx, .safetensors
    """
    path = Path(path)
    kind = _kind_of(path)
    try:
        if kind == "onnx":
            from jaxmm.artefact import onnx_file

            return onnx_file.read(path)[0]
        if kind == "stablehlo":
            from jaxmm.artefact import stablehlo_file

            return stablehlo_file.read_metadata(path)
        return _read_safetensors_metadata(path)
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from error


def _read_safetensors_metadata(path: Path) -> Metadata:
    from safetensors import SafetensorError, safe_open

    try:
        check_safetensors(path, max_header=2 * MAX_BYTES)
        with safe_open(path, framework="numpy") as file:
            return Metadata.of_json((file.metadata() or {}).get(SAFETENSORS_KEY, "{}"))
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise ArtefactError(f"cannot be read ({reason(error)}); it is damaged or no artefact") from error
