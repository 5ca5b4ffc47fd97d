"""BERT-family checkpoints: config.json and model.safetensors to and from `TransformerText`."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxmm.encoders.text import TransformerText
from jaxmm.errors import WeightsError, reason
from jaxmm.hub import CONFIG
from jaxmm.typing import Params
from jaxmm.weights.families import FAMILIES, backbone_table, family_of
from jaxmm.weights.files import config_number, read_config, read_tensors, write_checkpoint
from jaxmm.weights.hf_flax import HFFlaxBackbone, flatten_names
from jaxmm.weights.rules import export_tree, import_tree


def read_backbone(folder: str | Path) -> TransformerText:
    """Builds the module that a checkpoint's config.json describes.

    Args:
        folder: Folder of the checkpoint, as `find_checkpoint` returns it.

    Raises:
        WeightsError: If config.json is absent, unreadable, or asks for something that is not supported.

    Example:
        >>> import tempfile
        >>> module = TransformerText(vocab_size=50, dim=8, num_layers=1, num_heads=2, feedforward_dim=16)
        >>> params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), parameter_shapes(module))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_backbone(params, module, folder)
        ...     read_backbone(folder) == module
        True
    """
    return _module_of(read_config(folder), where=f"{Path(folder) / CONFIG}")


def load_backbone(folder: str | Path, module: TransformerText | HFFlaxBackbone) -> Params:
    """Returns the parameters of `module` with the values of a checkpoint.

    Args:
        folder: Folder with config.json and model.safetensors.
        module: The backbone; dropout rates are its own choice, every other field must be the checkpoint's.

    Raises:
        WeightsError: If a field differs from config.json, or a tensor is missing, unmapped, or of a wrong shape.

    Example:
        >>> import tempfile
        >>> module = TransformerText(vocab_size=50, dim=8, num_layers=1, num_heads=2, feedforward_dim=16)
        >>> params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), parameter_shapes(module))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_backbone(params, module, folder)
        ...     load_backbone(folder, module)["layer_0"]["feedforward_out"]["kernel"].shape
        (16, 8)
    """
    if isinstance(module, HFFlaxBackbone):
        return module.load(folder)
    described = read_backbone(folder)
    if different := _different_fields(module, described):
        settings = ", ".join(f"{name}={getattr(described, name)!r}" for name in different)
        given = ", ".join(f"{name}={getattr(module, name)!r}" for name in different)
        raise WeightsError(f"{Path(folder) / CONFIG}: the module has {given}; to load this checkpoint, set {settings}")
    try:
        return import_tree(read_tensors(folder), backbone_table(module), parameter_shapes(module))
    except WeightsError as error:
        raise WeightsError(f"{folder}: {reason(error)}") from error


def save_backbone(params: Params, module: TransformerText | HFFlaxBackbone, folder: str | Path) -> None:
    """Writes a checkpoint that transformers' `AutoModel` (or `FlaxAutoModel`) loads and that computes the same states.

    Args:
        params: The parameters of `module`.
        module: The backbone.
        folder: Created if absent; config.json and model.safetensors in it are replaced.

    Raises:
        WeightsError: If the module's family cannot express one of its fields, or the parameters are not its own.

    Example:
        >>> import tempfile
        >>> module = TransformerText(vocab_size=50, dim=8, num_layers=1, num_heads=2, feedforward_dim=16)
        >>> params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), parameter_shapes(module))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_backbone(params, module, folder)
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['config.json', 'model.safetensors']
    """
    if isinstance(module, HFFlaxBackbone):
        return module.save(params, folder)
    family = family_of(module)
    if wrong := [name for name, value in family.fixed.items() if getattr(module, name) != value]:
        settings = ", ".join(f"{name}={family.fixed[name]!r} (not {getattr(module, name)!r})" for name in wrong)
        raise WeightsError(f"a {family.model_type} checkpoint cannot express this module; it needs {settings}")
    config = {"architectures": [family.architecture], "model_type": family.model_type, "dtype": "float32"}
    config |= {key: getattr(module, name) for name, key in family.fields.items()} | dict(family.required)
    write_checkpoint(folder, export_tree(params, backbone_table(module)), config)


def parameter_shapes(module: TransformerText) -> Params:
    """Returns the module's parameter tree with shapes in place of arrays, without computing anything.

    Example:
        >>> parameter_shapes(TransformerText())["layer_5"]["feedforward_out"]["kernel"].shape
        (3072, 768)
    """
    ids, mask = jax.ShapeDtypeStruct((1, 1), jnp.int32), jax.ShapeDtypeStruct((1, 1), jnp.bool_)
    initialise = functools.partial(module.init, deterministic=True)
    return jax.eval_shape(initialise, jax.random.key(0), ids, mask)["params"]


def parameter_paths(module: TransformerText | HFFlaxBackbone) -> list[str]:
    """Returns the paths of a backbone's parameters; those of a `TransformerText` in torch's order, embeddings first.

    Example:
        >>> parameter_paths(TransformerText(num_layers=6))[-1]
        'layer_5/feedforward_norm/bias'
    """
    if isinstance(module, HFFlaxBackbone):
        return sorted(flatten_names(module.shapes()))
    return [rule.ours for rule in backbone_table(module).rules]


def _module_of(config: Mapping[str, Any], where: str) -> TransformerText:
    families = {family.model_type: family for family in FAMILIES}
    family = families.get(str(config.get("model_type")))
    if family is None:
        raise WeightsError(
            f"{where}: model_type {config.get('model_type')!r} is not supported; supported are {', '.join(families)}"
        )
    for key, supported in family.required.items():
        if config.get(key, supported) != supported:
            raise WeightsError(f"{where}: {key} {config[key]!r} is not supported; supported is {supported!r}")
    fields: dict[str, Any] = {
        name: config_number(config, key, field=name, like=getattr(TransformerText, name), where=where)
        for name, key in family.fields.items()
    }
    return TransformerText(**fields, **family.fixed)


def _different_fields(module: TransformerText, described: TransformerText) -> list[str]:
    # Dropout rates change how a module trains, not what its weights mean.
    names = [field.name for field in dataclasses.fields(TransformerText) if field.init]
    compared = [name for name in names if name not in ("parent", "name") and not name.endswith("dropout_rate")]
    return [name for name in compared if getattr(module, name) != getattr(described, name)]
