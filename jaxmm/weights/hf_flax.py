"""Text backbones that transformers' own Flax classes compute, for families that `TransformerText` does not cover."""

import dataclasses
import functools
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import traverse_util
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxmm.errors import MissingExtraError, WeightsError, reason
from jaxmm.hub import CONFIG
from jaxmm.typing import Params
from jaxmm.weights.files import read_config

_NEEDED = ("vocab_size", "hidden_size", "max_position_embeddings")
# These begin their positions after the padding token's index.
_OFFSET_POSITIONS = ("roberta", "roberta-prelayernorm", "xlm-roberta")


@dataclasses.dataclass(frozen=True)
class HFFlaxBackbone:
    """An encoder or decoder of transformers' `FlaxAutoModel`, with the calls of a `TransformerText`.

    It needs transformers<5, the last to have Flax classes. It freezes as a whole or not at all.

    Attributes:
        config: The checkpoint's config.json, as text, so that a run can be rebuilt without the checkpoint.

    Raises:
        WeightsError: If the text is not a JSON object, or does not describe a text model with Flax classes.
        MissingExtraError: On first use, if the installed transformers has no Flax classes.

    Example:
        >>> HFFlaxBackbone('{"model_type": "roberta"}').num_steps
        1
    """

    config: str

    def __post_init__(self) -> None:
        try:
            described = json.loads(self.config)
        except ValueError as error:
            raise WeightsError(
                f"HFFlaxBackbone: config is not JSON ({reason(error)}); use HFFlaxBackbone.read"
            ) from error
        if not isinstance(described, dict) or not isinstance(described.get("model_type"), str):
            raise WeightsError("HFFlaxBackbone: config names no model_type; use HFFlaxBackbone.read(folder)")

    @classmethod
    def read(cls, folder: str | Path) -> "HFFlaxBackbone":
        """Returns the backbone that a checkpoint folder's config.json describes.

        Raises:
            WeightsError: If config.json is absent or not readable.
        """
        return cls(json.dumps(read_config(folder)))

    @property
    def dim(self) -> int:
        """Width of the token states."""
        return _model(self.config).config.hidden_size

    @property
    def vocab_size(self) -> int:
        """Rows of the token table."""
        return _model(self.config).config.vocab_size

    @property
    def max_tokens(self) -> int:
        """Longest text, in tokens, special ones included."""
        config = _model(self.config).config
        offset = config.pad_token_id + 1 if config.model_type in _OFFSET_POSITIONS else 0
        return config.max_position_embeddings - offset

    @property
    def num_steps(self) -> int:
        """One: the computation cannot be cut."""
        return 1

    def step_of(self, path: str) -> int:
        """Returns 0, the only step, for any parameter."""
        del path
        return 0

    def init(
        self,
        key: PRNGKeyArray,
        token_ids: Int[Array, "batch tokens"],
        token_mask: Bool[Array, "batch tokens"],
        *,
        deterministic: bool,
    ) -> dict[str, Params]:
        """Returns `{"params": ...}` with random parameters; only the key is read."""
        del token_ids, token_mask, deterministic
        return {"params": _model(self.config).init_weights(key, input_shape=(1, 1))}

    def apply(
        self,
        variables: Mapping[str, Params],
        token_ids: Int[Array, "batch tokens"],
        token_mask: Bool[Array, "batch tokens"],
        *,
        only_first: bool = False,
        deterministic: bool,
        rngs: Mapping[str, PRNGKeyArray] | None = None,
    ) -> Float[Array, "batch some_tokens dim"]:
        """Returns the states of the last layer, of all tokens or of the first; training needs a `dropout` key."""
        outputs = _model(self.config)(
            token_ids,
            attention_mask=token_mask.astype(jnp.int32),
            params=variables["params"],
            dropout_rng=rngs["dropout"] if rngs else None,
            train=not deterministic,
        )
        return outputs.last_hidden_state[:, : 1 if only_first else None]

    def load(self, folder: str | Path) -> Params:
        """Returns the parameters of a checkpoint that transformers' `from_pretrained` reads; never runs remote code.

        A pooler, whose output is not used, may be absent and is then zero.

        Raises:
            WeightsError: If config.json is another, the files are not readable, or tensors are missing.
        """
        if json.loads(self.config) != read_config(folder):
            path = Path(folder) / CONFIG
            raise WeightsError(
                f"{path}: is another than the module's; make that by HFFlaxBackbone.read({str(folder)!r})"
            )
        try:
            model = _marking_absent(type(_model(self.config))).from_pretrained(str(folder), local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise WeightsError(f"{folder}: transformers cannot load it ({reason}); fetch it again") from error
        found = flatten_names(model.params)
        absent = [path for path, leaf in found.items() if bool(jnp.isnan(leaf).all())]
        if missing := [path for path in absent if not path.startswith("pooler/")]:
            raise WeightsError(f"{folder}: the checkpoint lacks {', '.join(missing[:6])}; use a complete one")
        leaves = {path: jnp.zeros_like(leaf) if path in absent else jnp.array(leaf) for path, leaf in found.items()}
        return traverse_util.unflatten_dict(leaves, sep="/")

    def save(self, params: Params, folder: str | Path) -> None:
        """Writes config.json and the parameters as safetensors under Flax's names, which `load` reads."""
        _model(self.config).save_pretrained(str(folder), params=params, safe_serialization=True)
        (Path(folder) / CONFIG).write_text(self.config, encoding="utf-8")

    def shapes(self) -> Params:
        """Returns the parameter tree with shapes in place of arrays."""
        return _model(self.config).params_shape_tree


@functools.lru_cache(maxsize=8)
def _model(config: str) -> Any:
    try:
        make_config = importlib.import_module("transformers").AutoConfig.for_model
        make_model = importlib.import_module("transformers").FlaxAutoModel.from_config
    except (ImportError, AttributeError) as error:
        raise MissingExtraError(
            "HFFlaxBackbone needs the Flax classes of transformers, which transformers 5 no longer has; "
            "run: pip install 'transformers<5'"
        ) from error
    described = json.loads(config)
    try:
        settings = make_config(**described)
        lacking = [name for name in _NEEDED if not isinstance(getattr(settings, name, None), int)]
        if lacking or settings.is_encoder_decoder:
            what = f"lacks {', '.join(lacking)}" if lacking else "has a decoder"
            raise WeightsError(
                f"HFFlaxBackbone: {described['model_type']!r} is no plain text encoder (it {what}); use another"
            )
        # Made outside of any trace, since the model keeps arrays of its own.
        with jax.ensure_compile_time_eval():
            return make_model(settings, _do_init=False, trust_remote_code=False)
    except (ValueError, TypeError) as error:
        raise WeightsError(
            f"HFFlaxBackbone: transformers has no Flax class for {described['model_type']!r} as its config.json has it "
            f"({str(error).splitlines()[0]}); use TransformerText, or another checkpoint"
        ) from error


def _marking_absent(kind: Any) -> Any:
    """Returns a model class whose initial parameters are NaN, since loading fills in for what is absent silently."""

    def init_weights(self: Any, rng: Any, input_shape: tuple[int, ...], params: Any = None) -> Params:
        shapes = jax.eval_shape(lambda key: kind.init_weights(self, key, input_shape), rng)
        return jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), shapes)

    return type(kind.__name__, (kind,), {"init_weights": init_weights})


def flatten_names(tree: Params) -> dict[str, Any]:
    """Returns the leaves of a tree by path, names joined by `/`.

    Example:
        >>> flatten_names({"norm": {"bias": 0}})
        {'norm/bias': 0}
    """
    return dict(traverse_util.flatten_dict(dict(tree), sep="/"))
