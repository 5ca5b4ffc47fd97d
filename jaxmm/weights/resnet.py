"""ResNet checkpoints, under the names of transformers or of timm, with the statistics of their normalisation."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jaxmm.encoders.resnet import ResNet
from jaxmm.errors import WeightsError, brief, reason
from jaxmm.hub import CONFIG
from jaxmm.typing import Params
from jaxmm.weights.files import LARGEST_WIDTH, MOST_LAYERS, config_number, read_config, read_tensors
from jaxmm.weights.rules import Rule, WeightTable, conv_norm_rules, import_tree

Names: TypeAlias = Callable[[int, int, str], tuple[str, str]]
"""Where a checkpoint has the convolution and the normalisation of a stage, a block of it, and a part of that."""

_REQUIRED: Mapping[str, Any] = {
    "model_type": "resnet",
    "num_channels": 3,
    "layer_type": "bottleneck",
    "hidden_act": "relu",
    "downsample_in_first_stage": False,
    "downsample_in_bottleneck": False,
}
"""Settings of transformers for which one value is supported; an absent key but the first means that value."""

_ARCHITECTURES: Mapping[str, tuple[int, ...]] = {
    "resnet26": (2, 2, 2, 2),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}
"""Blocks of the stages of timm's networks."""

_PARTS = ("narrow", "spatial", "widen")


def read_resnet(folder: str | Path) -> ResNet:
    """Builds the module that a checkpoint's config.json describes, as transformers writes it or timm does.

    Args:
        folder: Folder of the checkpoint, as `find_checkpoint` returns it.

    Raises:
        WeightsError: If config.json is absent, unreadable, or asks for something that is not supported.

    Example:
        >>> import json, tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "config.json").write_text(json.dumps({"architecture": "resnet101"}))
        >>> read_resnet(folder).depths
        (3, 4, 23, 3)
    """
    config, where = read_config(folder), f"{Path(folder) / CONFIG}"
    if "architecture" in config:
        name = config["architecture"]
        if not isinstance(name, str) or name not in _ARCHITECTURES or config.get("model_args"):
            known = ", ".join(_ARCHITECTURES)
            raise WeightsError(
                f"{where}: architecture {brief(name)} is not supported; supported are {known}, without model_args"
            )
        return ResNet(depths=_ARCHITECTURES[name])
    for name, wanted in _REQUIRED.items():
        if (value := config.get(name, None if name == "model_type" else wanted)) != wanted:
            raise WeightsError(f"{where}: {name} {brief(value)} is not supported; supported is {wanted}")
    stem_dim = config_number(config, "embedding_size", field="stem_dim", like=ResNet.stem_dim, where=where)
    return ResNet(
        stem_dim=int(stem_dim),
        dims=_numbers(config, "hidden_sizes", "dims", where),
        depths=_numbers(config, "depths", "depths", where),
    )


def load_resnet(folder: str | Path, module: ResNet) -> dict[str, Params]:
    """Returns the parameters and the statistics of a module with the values of a checkpoint.

    Args:
        folder: Folder with config.json and tensors.
        module: Its fields must be the checkpoint's, whose classifier is left out.

    Returns:
        `params` and `batch_stats`.

    Raises:
        WeightsError: If a field differs from config.json, or a tensor is missing, unmapped, or of a wrong shape.

    Example:
        >>> load_resnet("no/such/folder", ResNet())
        Traceback (most recent call last):
        jaxmm.errors.WeightsError: no/such/folder/config.json: no such file; give the folder of a checkpoint, ...
    """
    described = read_resnet(folder)
    theirs, ours = _fields(described), _fields(module)
    if different := [name for name in theirs if theirs[name] != ours[name]]:
        given, wanted = (", ".join(f"{name}={own[name]}" for name in different) for own in (ours, theirs))
        raise WeightsError(f"{Path(folder) / CONFIG}: the module has {given}; to load this checkpoint, set {wanted}")
    table = timm_table(module) if "architecture" in read_config(folder) else resnet_table(module)
    try:
        return dict(import_tree(read_tensors(folder), table, resnet_shapes(module)))
    except WeightsError as error:
        raise WeightsError(f"{folder}: {reason(error)}") from error


def timm_colours(folder: str | Path) -> dict[str, tuple[float, ...]] | None:
    """Returns `mean` and `std` of red, green and blue from 0 to 255 that a checkpoint of timm states; None of others.

    Raises:
        WeightsError: If config.json is absent or unreadable, or states colours that are none.

    Example:
        >>> import json, tempfile
        >>> folder, colours = Path(tempfile.mkdtemp()), {"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}
        >>> config = {"architecture": "resnet50", "pretrained_cfg": colours}
        >>> _ = (folder / "config.json").write_text(json.dumps(config))
        >>> timm_colours(folder)
        {'mean': (127.5, 127.5, 127.5), 'std': (51.0, 51.0, 51.0)}
    """
    config, where = read_config(folder), f"{Path(folder) / CONFIG}"
    settings = config.get("pretrained_cfg", config)  # which early files do not have
    if "architecture" not in config or not isinstance(settings, dict) or not {"mean", "std"} <= set(settings):
        return None
    for name in ("mean", "std"):
        values = settings[name]
        if not isinstance(values, list) or len(values) != 3 or any(type(own) not in (int, float) for own in values):
            raise WeightsError(f"{where}: '{name}' is {brief(values)}; it must hold 3 numbers")
    return {name: tuple(255.0 * own for own in settings[name]) for name in ("mean", "std")}


def resnet_table(module: ResNet) -> WeightTable:
    """Returns the rules of a module's parameters and statistics under the names of transformers.

    Example:
        >>> resnet_table(ResNet()).rules[0].foreign
        'embedder.embedder.convolution.weight'
    """

    def names(stage: int, number: int, part: str) -> tuple[str, str]:
        inside = "shortcut" if part == "shortcut" else f"layer.{_PARTS.index(part)}"
        own = f"encoder.stages.{stage}.layers.{number}.{inside}"
        return f"{own}.convolution", f"{own}.normalization"

    stem = "embedder.embedder"
    rules = _rules(module, (f"{stem}.convolution", f"{stem}.normalization"), names)
    return WeightTable(rules, ignored=("*.num_batches_tracked", "classifier.*"), prefix="resnet.")


def timm_table(module: ResNet) -> WeightTable:
    """Returns the rules of a module's parameters and statistics under the names of timm and torchvision.

    Example:
        >>> timm_table(ResNet()).rules[-1].foreign
        'layer4.2.bn3.running_var'
    """

    def names(stage: int, number: int, part: str) -> tuple[str, str]:
        own = f"layer{stage + 1}.{number}"
        if part == "shortcut":
            return f"{own}.downsample.0", f"{own}.downsample.1"
        place = _PARTS.index(part) + 1
        return f"{own}.conv{place}", f"{own}.bn{place}"

    return WeightTable(_rules(module, ("conv1", "bn1"), names), ignored=("*.num_batches_tracked", "fc.*"))


def resnet_shapes(module: ResNet) -> Params:
    """Returns the module's parameters and statistics with shapes in place of arrays, without computing anything.

    Example:
        >>> sum(leaf.size for leaf in jax.tree.leaves(resnet_shapes(ResNet())["params"]))
        23508032
    """
    return jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))


def _rules(module: ResNet, stem: tuple[str, str], names: Names) -> tuple[Rule, ...]:
    rules = [*conv_norm_rules(*stem, "stem")]
    for place, (stage, number, parts) in enumerate(_blocks(module)):
        for part in parts:
            rules += conv_norm_rules(*names(stage, number, part), f"block_{place}/{part}")
    return tuple(rules)


def _blocks(module: ResNet) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yields the stage of each block, its number in there, and its parts."""
    for stage, depth in enumerate(module.depths):
        before = module.stem_dim if stage == 0 else module.dims[stage - 1]
        for number in range(depth):
            changes = number == 0 and (stage > 0 or before != module.dims[stage])
            yield stage, number, (*_PARTS, "shortcut") if changes else _PARTS


def _fields(module: ResNet) -> dict[str, Any]:
    return {name: getattr(module, name) for name in ("stem_dim", "dims", "depths")}


def _numbers(config: Mapping[str, Any], key: str, field: str, where: str) -> tuple[int, ...]:
    values = config.get(key)
    most = MOST_LAYERS if field == "depths" else LARGEST_WIDTH
    if not isinstance(values, list) or any(type(value) is not int or not 1 <= value <= most for value in values):
        raise WeightsError(
            f"{where}: '{key}' is {brief(values)}, which sets {field}; it must be a list of whole numbers from 1 "
            f"to {most}"
        )
    return tuple(values)
