"""The networks of seed 003 as torch saves them: Siamese, triplet and attention, with running statistics."""

import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxmm.encoders.similarity.attention import AttentionEncoder
from jaxmm.encoders.similarity.pairs import PairHead, SiameseNetwork
from jaxmm.encoders.similarity.trunk import EmbeddingTrunk, PooledTrunk
from jaxmm.errors import ConfigError, WeightsError, reason
from jaxmm.hub import find_file
from jaxmm.typing import Params
from jaxmm.weights.files import read_state
from jaxmm.weights.rules import Rule, WeightTable, dense_rules, import_tree, norm_rules

_PARTS = ("query", "key", "value")  # what torch's attention keeps as one matrix, in its order


def load_similarity(
    reference: str, module: SiameseNetwork | PooledTrunk | AttentionEncoder, *, feature_dim: int = 2048
) -> dict[str, Params]:
    """Returns the parameters and the running statistics of a module with the values of a state_dict.

    Args:
        reference: A `.pth` file, or `package:NAME` for an installed package that holds one.
        module: A network, or, for a triplet network, which has no head, its encoder.
        feature_dim: Width of the frames' features.

    Returns:
        `params`, and `batch_stats` where the module normalises.

    Raises:
        ConfigError: If the module is not of a kind that the seed has.
        WeightsError: If there is no such file, or a tensor is missing, unmapped, or of a wrong shape.

    Example:
        >>> load_similarity("no/such/siamese.pth", PooledTrunk())
        Traceback (most recent call last):
        jaxmm.errors.WeightsError: no/such/siamese.pth: no such file; give a .pth file, or 'package:NAME' ...
    """
    path = find_file(reference, ending=".pth")
    table, shapes = similarity_table(module), _shapes(module, feature_dim)
    try:
        return dict(import_tree(split_attention(read_state(path)), table, shapes))
    except WeightsError as error:
        raise WeightsError(f"{path}: {reason(error, 600).removeprefix(f'{path}: ')}") from error


def similarity_table(module: SiameseNetwork | PooledTrunk | AttentionEncoder) -> WeightTable:
    """Returns the rules of a module's parameters and statistics; those of attention as `split_attention` names them.

    Raises:
        ConfigError: If the module is not of a kind that the seed has.

    Example:
        >>> similarity_table(PooledTrunk()).rules[0]
        Rule(foreign='embedding.0.weight', ours='params/trunk/hidden_0/kernel', axes=(1, 0))
    """
    network = module if isinstance(module, SiameseNetwork) else None
    encoder, own = (network.encoder, "encoder/") if network else (module, "")
    if isinstance(encoder, AttentionEncoder) and not encoder.positions:
        parts = [dense_rules(f"attention.{part}", f"params/{own}attention/{part}") for part in _PARTS]
        before = (*itertools.chain(*parts), *dense_rules("attention.out_proj", f"params/{own}attention/out"))
    elif isinstance(encoder, PooledTrunk) and encoder.pooling != "attention":
        before = ()
    else:
        raise ConfigError(
            "the networks of seed 003 pool frames by 'mean' or 'max', or attend with positions=False; "
            "other encoders have no weights to read"
        )
    rules = (*before, *_trunk_rules(encoder.trunk, f"{own}trunk"))
    ignored = ("*.num_batches_tracked", "feature_extractor.*")
    if network is None:
        return WeightTable(rules, (*ignored, "similarity_layer.*"))
    if network.head.kind in ("cosine", "euclidean"):
        raise ConfigError(f"the networks of seed 003 have heads of layers, not '{network.head.kind}'")
    return WeightTable((*rules, *_head_rules(network.head, "head")), ignored)


def split_attention(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Names the three parts of an attention's input projection, which torch keeps as one tensor.

    Raises:
        WeightsError: If the tensor does not part into three.

    Example:
        >>> sorted(split_attention({"attention.in_proj_bias": np.zeros(6)}))
        ['attention.key.bias', 'attention.query.bias', 'attention.value.bias']
    """
    named = dict(found)
    for kind in ("weight", "bias"):
        whole = named.pop(f"attention.in_proj_{kind}", None)
        if whole is None:
            continue
        if not whole.ndim or len(whole) % len(_PARTS):
            raise WeightsError(
                f"tensor 'attention.in_proj_{kind}' has the shape {whole.shape}, whose rows are not three times a "
                "width; give the state_dict of a network of seed 003"
            )
        parts = np.split(whole, len(_PARTS))
        named |= {f"attention.{part}.{kind}": own for part, own in zip(_PARTS, parts, strict=True)}
    return named


def _trunk_rules(trunk: EmbeddingTrunk, ours: str) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    place = 0
    for layer in range(len(trunk.hidden_dims)):
        rules += dense_rules(f"embedding.{place}", f"params/{ours}/hidden_{layer}")
        if trunk.batch_norm:
            norm = f"embedding.{place + 1}"
            rules += norm_rules(norm, f"params/{ours}/norm_{layer}")
            rules += (
                Rule(f"{norm}.running_mean", f"batch_stats/{ours}/norm_{layer}/mean"),
                Rule(f"{norm}.running_var", f"batch_stats/{ours}/norm_{layer}/var"),
            )
        place += 4 if trunk.batch_norm else 3  # ReLU and dropout follow
    return (*rules, *dense_rules(f"embedding.{place}", f"params/{ours}/out"))


def _head_rules(head: PairHead, ours: str) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    place = 0
    for layer in range(len(head.hidden_dims)):
        rules += dense_rules(f"similarity_layer.{place}", f"params/{ours}/hidden_{layer}")
        # A ReLU follows, and a dropout after the first of the Siamese network's two; attention's head of one has none.
        place += 3 if layer == 0 and len(head.hidden_dims) > 1 else 2
    return (*rules, *dense_rules(f"similarity_layer.{place}", f"params/{ours}/out"))


def _shapes(module: SiameseNetwork | PooledTrunk | AttentionEncoder, feature_dim: int) -> Params:
    frames, mask = jnp.zeros((1, 1, feature_dim)), jnp.ones((1, 1), bool)
    arguments = (frames, mask) * (2 if isinstance(module, SiameseNetwork) else 1)
    return jax.eval_shape(lambda: module.init(jax.random.key(0), *arguments, deterministic=True))
