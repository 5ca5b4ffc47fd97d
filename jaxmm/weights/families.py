"""The families of text checkpoints as plain data: names of tensors, and keys of config.json."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxmm.encoders.text import TransformerText
from jaxmm.encoders.text_layers import NUM_DISTANCE_BUCKETS
from jaxmm.weights.rules import Rule, WeightTable, dense_rules, norm_rules, repeat


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextFamily:
    """What tells one family of text checkpoints from another; plain data, one instance a family.

    Attributes:
        model_type: The family's name in config.json.
        architecture: The class that config.json names for a checkpoint without heads.
        fields: Fields of `TransformerText` and the keys of config.json that hold them.
        fixed: Fields that the family does not let vary.
        required: Keys of config.json for which one value is supported; an absent key means that value.
        embeddings: Rules of what no layer owns, in torch's parameter order.
        layer: Rules of one layer, in torch's parameter order.
        prefix: What task models put before the backbone's names.
        ignored: Shell patterns of tensors that are not the backbone's.
        old_endings: Pairs (old, new) of name endings that early checkpoints have.

    Example:
        >>> len(DISTILBERT.table(num_layers=6).rules), len(BERT.table(num_layers=12).rules)
        (100, 197)
    """

    model_type: str
    architecture: str
    fields: Mapping[str, str]
    fixed: Mapping[str, Any]
    required: Mapping[str, str | int]
    embeddings: tuple[Rule, ...]
    layer: tuple[Rule, ...]
    prefix: str
    ignored: tuple[str, ...]
    old_endings: tuple[tuple[str, str], ...] = ()

    def table(self, num_layers: int) -> WeightTable:
        """Returns the names of a backbone of `num_layers` layers."""
        rules = self.embeddings + repeat(self.layer, num_layers)
        return WeightTable(rules, self.ignored, self.prefix, self.old_endings)


BERT = TextFamily(
    model_type="bert",
    architecture="BertModel",
    fields={
        "vocab_size": "vocab_size",
        "dim": "hidden_size",
        "num_layers": "num_hidden_layers",
        "num_heads": "num_attention_heads",
        "feedforward_dim": "intermediate_size",
        "max_positions": "max_position_embeddings",
        "num_token_types": "type_vocab_size",
        "layer_norm_epsilon": "layer_norm_eps",
        "dropout_rate": "hidden_dropout_prob",
        "attention_dropout_rate": "attention_probs_dropout_prob",
    },
    fixed={"first_position": 0, "relative_positions": False, "dropout_after_attention": True},
    required={
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "add_cross_attention": False,
    },
    embeddings=(
        Rule("embeddings.word_embeddings.weight", "embeddings/token/embedding"),
        Rule("embeddings.position_embeddings.weight", "embeddings/position/embedding"),
        Rule("embeddings.token_type_embeddings.weight", "embeddings/token_type/embedding"),
        *norm_rules("embeddings.LayerNorm", "embeddings/norm"),
    ),
    layer=(
        *dense_rules("encoder.layer.{layer}.attention.self.query", "layer_{layer}/attention/query"),
        *dense_rules("encoder.layer.{layer}.attention.self.key", "layer_{layer}/attention/key"),
        *dense_rules("encoder.layer.{layer}.attention.self.value", "layer_{layer}/attention/value"),
        *dense_rules("encoder.layer.{layer}.attention.output.dense", "layer_{layer}/attention/out"),
        *norm_rules("encoder.layer.{layer}.attention.output.LayerNorm", "layer_{layer}/attention_norm"),
        *dense_rules("encoder.layer.{layer}.intermediate.dense", "layer_{layer}/feedforward_in"),
        *dense_rules("encoder.layer.{layer}.output.dense", "layer_{layer}/feedforward_out"),
        *norm_rules("encoder.layer.{layer}.output.LayerNorm", "layer_{layer}/feedforward_norm"),
    ),
    prefix="bert.",
    ignored=("embeddings.position_ids", "pooler.*", "cls.*", "classifier.*", "qa_outputs.*"),
    old_endings=((".gamma", ".weight"), (".beta", ".bias")),
)
"""BERT and the checkpoints that share its format, such as MiniLM. Reference: arXiv:1810.04805, arXiv:2002.10957."""

DISTILBERT = TextFamily(
    model_type="distilbert",
    architecture="DistilBertModel",
    fields={
        "vocab_size": "vocab_size",
        "dim": "dim",
        "num_layers": "n_layers",
        "num_heads": "n_heads",
        "feedforward_dim": "hidden_dim",
        "max_positions": "max_position_embeddings",
        "dropout_rate": "dropout",
        "attention_dropout_rate": "attention_dropout",
    },
    fixed={
        "first_position": 0,
        "num_token_types": 0,
        "relative_positions": False,
        "layer_norm_epsilon": 1e-12,
        "dropout_after_attention": False,
    },
    required={"activation": "gelu"},
    embeddings=(
        Rule("embeddings.word_embeddings.weight", "embeddings/token/embedding"),
        Rule("embeddings.position_embeddings.weight", "embeddings/position/embedding"),
        *norm_rules("embeddings.LayerNorm", "embeddings/norm"),
    ),
    layer=(
        *dense_rules("transformer.layer.{layer}.attention.q_lin", "layer_{layer}/attention/query"),
        *dense_rules("transformer.layer.{layer}.attention.k_lin", "layer_{layer}/attention/key"),
        *dense_rules("transformer.layer.{layer}.attention.v_lin", "layer_{layer}/attention/value"),
        *dense_rules("transformer.layer.{layer}.attention.out_lin", "layer_{layer}/attention/out"),
        *norm_rules("transformer.layer.{layer}.sa_layer_norm", "layer_{layer}/attention_norm"),
        *dense_rules("transformer.layer.{layer}.ffn.lin1", "layer_{layer}/feedforward_in"),
        *dense_rules("transformer.layer.{layer}.ffn.lin2", "layer_{layer}/feedforward_out"),
        *norm_rules("transformer.layer.{layer}.output_layer_norm", "layer_{layer}/feedforward_norm"),
    ),
    prefix="distilbert.",
    ignored=("embeddings.position_ids", "vocab_*", "pre_classifier.*", "classifier.*", "qa_outputs.*"),
)
"""DistilBERT. Reference: arXiv:1910.01108."""

MPNET = TextFamily(
    model_type="mpnet",
    architecture="MPNetModel",
    fields={
        "vocab_size": "vocab_size",
        "dim": "hidden_size",
        "num_layers": "num_hidden_layers",
        "num_heads": "num_attention_heads",
        "feedforward_dim": "intermediate_size",
        "max_positions": "max_position_embeddings",
        "layer_norm_epsilon": "layer_norm_eps",
        "dropout_rate": "hidden_dropout_prob",
        "attention_dropout_rate": "attention_probs_dropout_prob",
    },
    # torch's MPNet has the index of its padding token, after which positions begin, and the number of buckets written
    # into its code: settings of other values have no meaning there.
    fixed={"first_position": 2, "num_token_types": 0, "relative_positions": True, "dropout_after_attention": True},
    required={"hidden_act": "gelu", "pad_token_id": 1, "relative_attention_num_buckets": NUM_DISTANCE_BUCKETS},
    embeddings=(
        Rule("embeddings.word_embeddings.weight", "embeddings/token/embedding"),
        Rule("embeddings.position_embeddings.weight", "embeddings/position/embedding"),
        *norm_rules("embeddings.LayerNorm", "embeddings/norm"),
        # torch lists it after the layers; it acts in the first one already, and freezes with what comes before that.
        Rule("encoder.relative_attention_bias.weight", "position_bias/embedding"),
    ),
    layer=(
        *dense_rules("encoder.layer.{layer}.attention.attn.q", "layer_{layer}/attention/query"),
        *dense_rules("encoder.layer.{layer}.attention.attn.k", "layer_{layer}/attention/key"),
        *dense_rules("encoder.layer.{layer}.attention.attn.v", "layer_{layer}/attention/value"),
        *dense_rules("encoder.layer.{layer}.attention.attn.o", "layer_{layer}/attention/out"),
        *norm_rules("encoder.layer.{layer}.attention.LayerNorm", "layer_{layer}/attention_norm"),
        *dense_rules("encoder.layer.{layer}.intermediate.dense", "layer_{layer}/feedforward_in"),
        *dense_rules("encoder.layer.{layer}.output.dense", "layer_{layer}/feedforward_out"),
        *norm_rules("encoder.layer.{layer}.output.LayerNorm", "layer_{layer}/feedforward_norm"),
    ),
    prefix="mpnet.",
    ignored=("embeddings.position_ids", "pooler.*", "lm_head.*", "classifier.*", "qa_outputs.*"),
)
"""MPNet and the sentence encoders made of it. Reference: arXiv:2004.09297."""

FAMILIES = (BERT, DISTILBERT, MPNET)
"""Every family that can be read and written."""


def family_of(module: TransformerText) -> TextFamily:
    """Returns the family whose names fit a module's parameters, told by the tables that it has.

    Example:
        >>> family_of(TransformerText(num_token_types=2)).model_type
        'bert'
    """
    if module.relative_positions:
        return MPNET
    return BERT if module.num_token_types else DISTILBERT


def backbone_table(module: TransformerText) -> WeightTable:
    """Returns the rules of a module's parameters, in torch's parameter order, those of embeddings first.

    Example:
        >>> backbone_table(TransformerText(num_layers=6)).rules[-1].ours
        'layer_5/feedforward_norm/bias'
    """
    return family_of(module).table(module.num_layers)
