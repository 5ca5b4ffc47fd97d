"""CLIP checkpoints: config.json and tensors to and from `Clip` and its towers."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from flax import traverse_util

from jaxmm.encoders.adapters import ADAPTER_PATTERN, merge_lora
from jaxmm.encoders.clip import MAX_LOGIT_SCALE, Clip, ClipText, ClipVision
from jaxmm.errors import WeightsError, brief, reason
from jaxmm.hub import CONFIG
from jaxmm.typing import Params
from jaxmm.weights.files import config_number, read_config, read_tensors, write_checkpoint
from jaxmm.weights.hf_flax import flatten_names
from jaxmm.weights.rules import (
    IMAGE_KERNEL,
    LINEAR,
    Rule,
    WeightTable,
    dense_rules,
    export_tree,
    import_tree,
    norm_rules,
    repeat,
)

Tower: TypeAlias = ClipVision | ClipText

_SHARED_FIELDS = {
    "dim": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "feedforward_dim": "intermediate_size",
    "layer_norm_epsilon": "layer_norm_eps",
}
_FIELDS = {
    ClipVision: {**_SHARED_FIELDS, "image_size": "image_size", "patch_size": "patch_size"},
    ClipText: {**_SHARED_FIELDS, "vocab_size": "vocab_size", "max_tokens": "max_position_embeddings"},
}
"""Numbers of a module and the keys of config.json that hold them."""

_OWN_FIELDS = ("pooling", "dropout_rate", "lora_rank", "lora_alpha", "parent", "name")
"""Fields that no checkpoint states."""

_FIXED = {"pooling": "class"}
"""Fields of which transformers knows no other value."""


def read_clip(folder: str | Path) -> Clip:
    """Builds the module that a checkpoint's config.json describes; dropout and adapters are the module's own choice.

    Args:
        folder: Folder of the checkpoint, as `find_checkpoint` returns it.

    Raises:
        WeightsError: If config.json is absent, unreadable, or asks for something that is not supported.

    Example:
        >>> import tempfile
        >>> small = {"dim": 8, "num_layers": 1, "num_heads": 2, "feedforward_dim": 8, "embedding_dim": 4}
        >>> clip = Clip(vision=ClipVision(image_size=8, patch_size=4, **small), text=ClipText(vocab_size=10, **small))
        >>> params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), clip_shapes(clip))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_clip(params, clip, folder)
        ...     read_clip(folder) == clip
        True
    """
    config, where = read_config(folder), f"{Path(folder) / CONFIG}"
    if config.get("model_type") != "clip":
        raise WeightsError(f"{where}: model_type {brief(config.get('model_type'))} is not supported; supported is clip")
    width = _numbers(config, {"embedding_dim": "projection_dim"}, ClipVision, where)
    vision, vision_where = _described(config, "vision_config", where)
    if (channels := vision.get("num_channels", 3)) != 3:
        raise WeightsError(f"{vision_where}: num_channels {brief(channels)} is not supported; supported is 3")
    text, text_where = _described(config, "text_config", where)
    end_token = text.get("eos_token_id", ClipText.end_token)
    if isinstance(end_token, bool) or not isinstance(end_token, int) or end_token < 0:
        raise WeightsError(f"{text_where}: 'eos_token_id' is {brief(end_token)}; it must be a whole number from 0 on")
    return Clip(
        vision=ClipVision(**width, **_settings(ClipVision, vision, vision_where)),
        text=ClipText(**width, end_token=end_token, **_settings(ClipText, text, text_where)),
    )


def load_clip(folder: str | Path, module: Clip | Tower, params: Params) -> Params:
    """Returns parameters with the values of a checkpoint; adapters, which no checkpoint has, stay as they are.

    Args:
        folder: Folder with config.json and tensors.
        module: All of a checkpoint, or one of its towers alone. How it pools, drops out and is adapted is its own
            choice, every other field must be the checkpoint's.
        params: The module's parameters, or their shapes where it has no adapters.

    Raises:
        WeightsError: If a field differs from config.json, or a tensor is missing, unmapped, or of a wrong shape.

    Example:
        >>> import tempfile
        >>> small = {"dim": 8, "num_layers": 1, "num_heads": 2, "feedforward_dim": 8, "embedding_dim": 4}
        >>> clip = Clip(vision=ClipVision(image_size=8, patch_size=4, **small), text=ClipText(vocab_size=10, **small))
        >>> params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), clip_shapes(clip))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_clip(params, clip, folder)
        ...     load_clip(folder, clip.vision, params["vision"])["patches"]["kernel"].shape
        (4, 4, 3, 8)
    """
    described = read_clip(folder)
    if different := _differences(module, described):
        settings = ", ".join(f"{name}={theirs!r}" for name, (_, theirs) in different.items())
        given = ", ".join(f"{name}={ours!r}" for name, (ours, _) in different.items())
        raise WeightsError(f"{Path(folder) / CONFIG}: the module has {given}; to load this checkpoint, set {settings}")
    leaves = flatten_names(params)
    plain = {path: leaf for path, leaf in leaves.items() if not re.search(ADAPTER_PATTERN, path)}
    try:
        found = import_tree(read_tensors(folder), clip_table(module), traverse_util.unflatten_dict(plain, sep="/"))
    except WeightsError as error:
        raise WeightsError(f"{folder}: {reason(error)}") from error
    return traverse_util.unflatten_dict({**leaves, **flatten_names(found)}, sep="/")


def save_clip(params: Params, module: Clip, folder: str | Path) -> None:
    """Writes a checkpoint that transformers' `CLIPModel` loads and that computes the same similarities.

    What a `Lora` adds becomes part of the kernel beside it.

    Args:
        params: The parameters of `module`.
        module: Both towers.
        folder: Created if absent; config.json and model.safetensors in it are replaced.

    Raises:
        WeightsError: If transformers cannot express one of the module's fields, or the parameters are not its own.

    Example:
        >>> import tempfile
        >>> small = {"dim": 8, "num_layers": 1, "num_heads": 2, "feedforward_dim": 8, "embedding_dim": 4}
        >>> clip = Clip(vision=ClipVision(image_size=8, patch_size=4, **small), text=ClipText(vocab_size=10, **small))
        >>> params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), clip_shapes(clip))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_clip(params, clip, folder)
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['config.json', 'model.safetensors']
    """
    for tower, part in _towers(module).items():
        if wrong := [name for name, value in _FIXED.items() if getattr(part, name, value) != value]:
            settings = ", ".join(f"{tower}.{name}={_FIXED[name]!r} (not {getattr(part, name)!r})" for name in wrong)
            raise WeightsError(f"a CLIP checkpoint cannot express this module; it needs {settings}")
    merged = {
        "vision": merge_lora(params["vision"], alpha=module.vision.lora_alpha),
        "text": merge_lora(params["text"], alpha=module.text.lora_alpha),
        # transformers does not cut it off.
        "logit_scale": jnp.minimum(params["logit_scale"], MAX_LOGIT_SCALE),
    }
    config = {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "dtype": "float32",
        "projection_dim": module.vision.embedding_dim,
        "vision_config": _description(module.vision, "clip_vision_model"),
        "text_config": {**_description(module.text, "clip_text_model"), "eos_token_id": module.text.end_token},
    }
    write_checkpoint(folder, export_tree(merged, clip_table(module)), config)


def clip_table(module: Clip | Tower) -> WeightTable:
    """Returns the rules of the parameters of a module; of a tower alone, the tensors of the other are left out.

    Example:
        >>> clip_table(ClipVision(num_layers=1, parent=None)).rules[0]
        Rule(foreign='vision_model.embeddings.class_embedding', ours='class_token', axes=())
        >>> len(clip_table(Clip()).rules)
        398
    """
    unused = ("*.position_ids",)
    if isinstance(module, ClipVision):
        return WeightTable(_vision_rules(module), ignored=(*unused, "text_*", "logit_scale"))
    if isinstance(module, ClipText):
        return WeightTable(_text_rules(module), ignored=(*unused, "vision_*", "visual_projection.*", "logit_scale"))
    towers = {"vision": _vision_rules(module.vision), "text": _text_rules(module.text)}
    rules = (dataclasses.replace(rule, ours=f"{tower}/{rule.ours}") for tower in towers for rule in towers[tower])
    return WeightTable((Rule("logit_scale", "logit_scale"), *rules), ignored=unused)


def clip_shapes(module: Clip) -> Params:
    """Returns the module's parameter tree with shapes in place of arrays, without computing anything.

    Example:
        >>> clip_shapes(Clip())["vision"]["projection"]["kernel"].shape
        (768, 512)
    """
    images = jax.ShapeDtypeStruct((1, module.vision.image_size, module.vision.image_size, 3), jnp.float32)
    ids, mask = jax.ShapeDtypeStruct((1, 1), jnp.int32), jax.ShapeDtypeStruct((1, 1), jnp.bool_)

    def initialise(key: jax.Array, *inputs: jax.Array) -> Params:
        return module.init(key, *inputs, deterministic=True)["params"]

    return jax.eval_shape(initialise, jax.random.key(0), images, ids, mask)


def _vision_rules(tower: ClipVision) -> tuple[Rule, ...]:
    return (
        Rule("vision_model.embeddings.class_embedding", "class_token"),
        Rule("vision_model.embeddings.patch_embedding.weight", "patches/kernel", IMAGE_KERNEL),
        Rule("vision_model.embeddings.position_embedding.weight", "position"),
        *norm_rules("vision_model.pre_layrnorm", "pre_norm"),
        *repeat(_layer_rules("vision_model"), tower.num_layers),
        *norm_rules("vision_model.post_layernorm", "post_norm"),
        Rule("visual_projection.weight", "projection/kernel", LINEAR),
    )


def _text_rules(tower: ClipText) -> tuple[Rule, ...]:
    return (
        Rule("text_model.embeddings.token_embedding.weight", "token/embedding"),
        Rule("text_model.embeddings.position_embedding.weight", "position"),
        *repeat(_layer_rules("text_model"), tower.num_layers),
        *norm_rules("text_model.final_layer_norm", "final_norm"),
        Rule("text_projection.weight", "projection/kernel", LINEAR),
    )


def _layer_rules(model: str) -> tuple[Rule, ...]:
    foreign = f"{model}.encoder.layers.{{layer}}"
    return (
        *dense_rules(f"{foreign}.self_attn.k_proj", "layer_{layer}/attention/key"),
        *dense_rules(f"{foreign}.self_attn.v_proj", "layer_{layer}/attention/value"),
        *dense_rules(f"{foreign}.self_attn.q_proj", "layer_{layer}/attention/query"),
        *dense_rules(f"{foreign}.self_attn.out_proj", "layer_{layer}/attention/out"),
        *norm_rules(f"{foreign}.layer_norm1", "layer_{layer}/attention_norm"),
        *dense_rules(f"{foreign}.mlp.fc1", "layer_{layer}/feedforward_in"),
        *dense_rules(f"{foreign}.mlp.fc2", "layer_{layer}/feedforward_out"),
        *norm_rules(f"{foreign}.layer_norm2", "layer_{layer}/feedforward_norm"),
    )


def _described(config: Mapping[str, Any], key: str, where: str) -> tuple[Mapping[str, Any], str]:
    """Returns what config.json says of a tower, and where."""
    # Early checkpoints say it twice; transformers then takes what the second key holds.
    name = next((name for name in (f"{key}_dict", key) if config.get(name) is not None), key)
    settings = {} if config.get(name) is None else config[name]
    if not isinstance(settings, dict):
        raise WeightsError(f"{where}: '{name}' is {brief(settings)}, not an object; fetch the checkpoint again")
    return settings, f"{where}, {name}"


def _settings(kind: type[Tower], config: Mapping[str, Any], where: str) -> dict[str, Any]:
    activation = config.get("hidden_act", kind.activation)
    if activation not in ("gelu", "quick_gelu"):
        raise WeightsError(f"{where}: hidden_act {brief(activation)} is not supported; supported are gelu, quick_gelu")
    numbers = _numbers(config, _FIELDS[kind], kind, where)
    if numbers["dim"] % numbers["num_heads"]:
        raise WeightsError(
            f"{where}: hidden_size {numbers['dim']} is no multiple of num_attention_heads {numbers['num_heads']}; "
            "fetch the checkpoint again"
        )
    if numbers.get("patch_size", 0) > numbers.get("image_size", 0):
        raise WeightsError(
            f"{where}: patch_size {numbers['patch_size']} is more than image_size {numbers['image_size']}; "
            "fetch the checkpoint again"
        )
    return {"activation": activation, **numbers}


def _numbers(config: Mapping[str, Any], fields: Mapping[str, str], kind: type[Tower], where: str) -> dict[str, Any]:
    """Returns the numbers of a module's fields; an absent one is the module's default, which is transformers'."""
    defaults = {name: getattr(kind, name) for name in fields}
    stated = {key: config.get(key, defaults[name]) for name, key in fields.items()}
    return {
        name: config_number(stated, key, field=name, like=defaults[name], where=where) for name, key in fields.items()
    }


def _description(tower: Tower, model_type: str) -> dict[str, Any]:
    sizes = {key: getattr(tower, name) for name, key in _FIELDS[type(tower)].items()}
    return {"model_type": model_type, "hidden_act": tower.activation, "projection_dim": tower.embedding_dim, **sizes}


def _towers(module: Clip) -> dict[str, Tower]:
    return {"vision": module.vision, "text": module.text}


def _differences(module: Clip | Tower, described: Clip) -> dict[str, tuple[Any, Any]]:
    """Returns the fields that are not those of a checkpoint, as (given, described)."""
    if isinstance(module, Clip):
        pairs = {f"{name}.": (tower, _towers(described)[name]) for name, tower in _towers(module).items()}
    else:
        pairs = {"": (module, described.vision if isinstance(module, ClipVision) else described.text)}
    values = {
        f"{prefix}{field.name}": (getattr(ours, field.name), getattr(theirs, field.name))
        for prefix, (ours, theirs) in pairs.items()
        for field in dataclasses.fields(ours)
        if field.init and field.name not in _OWN_FIELDS
    }
    return {name: (given, stated) for name, (given, stated) in values.items() if given != stated}
