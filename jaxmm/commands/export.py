"""Commands that take a run out of jaxmm and use what was taken out: export, run."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from jaxmm import console
from jaxmm.commands.options import Checkpoint, Json
from jaxmm.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Write a part of RUN as one file that runs without it: for JAX anywhere, for ONNX Runtime, or its parameters."""

    run: Positional[Path]
    format: Annotated[
        Literal["stablehlo", "onnx", "safetensors"],
        arg(
            help="stablehlo runs in JAX on CPU, GPU and TPU; onnx in ONNX Runtime, and is compared with JAX before it "
            "is kept (needs the extra 'onnx'); safetensors holds parameters alone."
        ),
    ]
    part: Annotated[
        str | None, arg(help="Which part, such as motion or text, where RUN offers several; of parameters all.")
    ] = None
    out: Annotated[Path | None, arg(help="File to write; RUN/export/<part>.<format> by default.")] = None
    triton: Annotated[
        Path | None, arg(help="Of onnx: also write a model repository of the Triton server into this folder.")
    ] = None
    checkpoint: Checkpoint = "last"
    json: Json = False

    def __call__(self) -> None:
        """Writes the file, and prints its size."""
        from jaxmm.export import export
        from jaxmm.model import load

        if self.triton is not None and self.format != "onnx":
            raise ConfigError("--triton is of ONNX files; add --format onnx, or leave it out")
        path = export(load(self.run, checkpoint=self.checkpoint), self.format, part=self.part, out=self.out)
        if self.triton is not None:
            from jaxmm.export.triton import write_repository

            write_repository(path, self.triton)
        console.show({"bytes": path.stat().st_size}, title=f"{path}", as_json=self.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunArtefact:
    """Run ARTEFACT, a file that jaxmm export wrote, on arrays or texts."""

    artefact: Annotated[Positional[Path], arg(metavar="ARTEFACT")]
    input: Annotated[Path | None, arg(help="Arrays by name, .npz.")] = None
    text: Annotated[
        UseAppendAction[tuple[str, ...]], arg(help="Text to read, where the file has a tokenizer; may be repeated.")
    ] = ()
    out: Annotated[Path | None, arg(help="File to write the outputs to, .npz.")] = None
    describe: Annotated[bool, arg(help="Only print what it takes and gives; with --json all it says.")] = False
    json: Json = False

    def __call__(self) -> None:
        """Runs the file, and prints or writes what it gives."""
        import numpy as np

        from jaxmm.arrays import read_archive
        from jaxmm.artefact import load, read_metadata

        if self.describe:
            about = read_metadata(self.artefact)
            print(about.as_json() if self.json else about.describe())
            return
        if self.input is None and not self.text:
            raise ConfigError(f"nothing to run {self.artefact} on; give --input FILE.npz, or --text TEXT of texts")
        if self.out is not None and self.out.suffix != ".npz":
            raise ConfigError(f"{self.out}: outputs are written as arrays by name; name a file that ends in .npz")
        if self.artefact.suffix == ".stablehlo":
            console.keep_programs()
        artefact = load(self.artefact)
        given = read_archive(self.input) if self.input is not None else {}
        tokens = artefact.tokens(self.text) if self.text else {}
        if twice := sorted(set(given) & set(tokens)):
            raise ConfigError(f"{self.input}: holds {' and '.join(twice)}, which --text gives too; leave one out")
        made = artefact(**given, **tokens)
        if self.out is not None:
            np.savez(self.out, allow_pickle=False, **made)
        shown = {name: f"{array.dtype} {array.shape}, mean {array.mean():.4f}" for name, array in made.items()}
        console.show(shown, title=f"{self.out or self.artefact}", as_json=self.json)
