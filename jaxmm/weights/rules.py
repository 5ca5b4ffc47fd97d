"""Moves tensors between foreign checkpoints and parameter trees by an ordered table, strictly, both ways."""

import dataclasses
import fnmatch
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxmm.errors import WeightsError
from jaxmm.typing import Params

_Leaf: TypeAlias = jax.Array | np.ndarray | jax.ShapeDtypeStruct

LINEAR = (1, 0)
"""Axes of a torch Linear weight (out, in) in the order of a Flax Dense kernel (in, out)."""

IMAGE_KERNEL = (2, 3, 1, 0)
"""Axes of torch's convolution of images (out, in, height, width) in the order of Flax (height, width, in, out)."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """One foreign tensor and the parameter it becomes.

    Attributes:
        foreign: Name in the checkpoint, `{layer}` where a layer's number stands.
        ours: Path in the parameter tree, names joined by `/`, with the same `{layer}`.
        axes: Order in which the parameter takes the axes of the foreign tensor; empty keeps them.

    Example:
        >>> Rule("block.{layer}.lin.weight", "layer_{layer}/out/kernel", LINEAR).at(3).ours
        'layer_3/out/kernel'
    """

    foreign: str
    ours: str
    axes: tuple[int, ...] = ()

    def at(self, layer: int) -> "Rule":
        """Returns the rule with `{layer}` filled in."""
        return dataclasses.replace(self, foreign=self.foreign.format(layer=layer), ours=self.ours.format(layer=layer))


@dataclasses.dataclass(frozen=True)
class WeightTable:
    """All that is known about a checkpoint's names.

    Attributes:
        rules: One rule for each parameter, in the foreign model's parameter order.
        ignored: Shell patterns of foreign tensors that we knowingly do without, such as prediction heads.
        prefix: Put before the names by checkpoints of larger models, such as `bert.`; removed where present.
        old_endings: Pairs (old, new) of name endings that early checkpoints have.

    Example:
        >>> table = WeightTable((Rule("lin.weight", "out/kernel", LINEAR),), ignored=("pooler.*",), prefix="bert.")
        >>> table.canonical("bert.lin.weight"), table.ignores("pooler.dense.bias")
        ('lin.weight', True)
    """

    rules: tuple[Rule, ...]
    ignored: tuple[str, ...] = ()
    prefix: str = ""
    old_endings: tuple[tuple[str, str], ...] = ()

    def canonical(self, foreign_name: str) -> str:
        """Returns a checkpoint's name without the prefix and with today's ending."""
        name = foreign_name.removeprefix(self.prefix)
        for old, new in self.old_endings:
            if name.endswith(old):
                return name.removesuffix(old) + new
        return name

    def ignores(self, name: str) -> bool:
        """Tells whether a canonical name is among those we do without."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.ignored)


def dense_rules(foreign: str, ours: str) -> tuple[Rule, Rule]:
    """Returns the rules of a torch Linear that becomes a Flax Dense.

    Example:
        >>> [rule.ours for rule in dense_rules("encoder.lin", "out")]
        ['out/kernel', 'out/bias']
    """
    return Rule(f"{foreign}.weight", f"{ours}/kernel", LINEAR), Rule(f"{foreign}.bias", f"{ours}/bias")


def norm_rules(foreign: str, ours: str) -> tuple[Rule, Rule]:
    """Returns the rules of the scale and bias of a normalisation.

    Example:
        >>> [rule.ours for rule in norm_rules("encoder.LayerNorm", "norm")]
        ['norm/scale', 'norm/bias']
    """
    return Rule(f"{foreign}.weight", f"{ours}/scale"), Rule(f"{foreign}.bias", f"{ours}/bias")


def conv_norm_rules(conv: str, norm: str, ours: str) -> tuple[Rule, ...]:
    """Returns the rules of a convolution without bias and of the batch normalisation after it.

    Args:
        conv: Name of the convolution in the checkpoint.
        norm: Name of its normalisation.
        ours: Path of both below `params` and `batch_stats`.

    Example:
        >>> [rule.ours for rule in conv_norm_rules("conv1", "bn1", "stem")][-2:]
        ['batch_stats/stem/norm/mean', 'batch_stats/stem/norm/var']
    """
    return (
        Rule(f"{conv}.weight", f"params/{ours}/kernel", IMAGE_KERNEL),
        *norm_rules(norm, f"params/{ours}/norm"),
        Rule(f"{norm}.running_mean", f"batch_stats/{ours}/norm/mean"),
        Rule(f"{norm}.running_var", f"batch_stats/{ours}/norm/var"),
    )


def repeat(rules: Iterable[Rule], num_layers: int) -> tuple[Rule, ...]:
    """Fills `{layer}` in with 0 to `num_layers` - 1, all rules of a layer before those of the next.

    Example:
        >>> [rule.foreign for rule in repeat([Rule("h.{layer}.w", "w_{layer}"), Rule("h.{layer}.b", "b_{layer}")], 2)]
        ['h.0.w', 'h.0.b', 'h.1.w', 'h.1.b']
    """
    rules = tuple(rules)
    return tuple(rule.at(layer) for layer in range(num_layers) for rule in rules)


def import_tree(foreign: Mapping[str, np.ndarray], table: WeightTable, like: Params) -> Params:
    """Builds a parameter tree from a checkpoint in which every tensor and every parameter is accounted for.

    Args:
        foreign: The checkpoint's tensors by name.
        table: How its names map onto ours.
        like: A tree of arrays or shapes (from `jax.eval_shape`) with the parameters to fill.

    Returns:
        A tree like `like`, with copies of the checkpoint's values.

    Raises:
        WeightsError: If a tensor is unmapped, missing, given twice, or of another shape or a wider type, or if
            the rules and the parameters do not match one to one.

    Example:
        >>> table = WeightTable((Rule("lin.weight", "out/kernel", LINEAR),))
        >>> like = {"out": {"kernel": jax.ShapeDtypeStruct((3, 2), jnp.float32)}}
        >>> import_tree({"lin.weight": np.ones((2, 3), np.float32)}, table, like)["out"]["kernel"].shape
        (3, 2)
    """
    targets = _flatten(like)
    _check_rules(table, targets)
    tensors = _select(foreign, table)
    found = {rule.ours: _convert(rule, tensors[rule.foreign], targets[rule.ours]) for rule in table.rules}
    return traverse_util.unflatten_dict(found, sep="/")


def export_tree(params: Params, table: WeightTable) -> dict[str, np.ndarray]:
    """Returns the parameters under the checkpoint's names and axes, in the order of the rules.

    Args:
        params: A tree with exactly the parameters that the rules name.
        table: How its names map onto the checkpoint's.

    Returns:
        Contiguous arrays; names carry no prefix.

    Raises:
        WeightsError: If the rules and the parameters do not match one to one.

    Example:
        >>> table = WeightTable((Rule("lin.weight", "out/kernel", LINEAR),))
        >>> export_tree({"out": {"kernel": np.ones((3, 2))}}, table)["lin.weight"].shape
        (2, 3)
    """
    leaves = _flatten(params)
    _check_rules(table, leaves)
    exported = {}
    for rule in table.rules:
        value = np.asarray(leaves[rule.ours])
        # A checkpoint file takes a buffer as it lies in memory, so a transposed view would be saved untransposed.
        value = value.transpose(np.argsort(rule.axes)) if rule.axes else value
        exported[rule.foreign] = np.asarray(value, order="C")
    return exported


def _flatten(tree: Params) -> dict[str, _Leaf]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _check_rules(table: WeightTable, parameters: Mapping[str, _Leaf]) -> None:
    named = {rule.ours: rule for rule in table.rules}
    if unused := [path for path in named if path not in parameters]:
        raise WeightsError(
            f"rules name parameters the module does not have: {_listed(unused)}; "
            "use the table and the number of layers that belong to the module"
        )
    if uncovered := [path for path in parameters if path not in named]:
        raise WeightsError(f"no rule fills these parameters: {_listed(uncovered)}; add a rule for each to the table")


def _select(foreign: Mapping[str, np.ndarray], table: WeightTable) -> dict[str, np.ndarray]:
    wanted = {rule.foreign for rule in table.rules}
    tensors: dict[str, np.ndarray] = {}
    unmapped = []
    for foreign_name, tensor in foreign.items():
        name = table.canonical(foreign_name)
        if name in tensors:
            raise WeightsError(f"tensor '{name}' stands twice in the checkpoint, with and without prefix; remove one")
        if name in wanted:
            tensors[name] = tensor
        elif not table.ignores(name):
            unmapped.append(foreign_name)
    if unmapped:
        raise WeightsError(
            f"unmapped tensors in the checkpoint: {_listed(unmapped)}; "
            "it has more layers or another architecture than the module, whose fields must equal config.json"
        )
    if missing := [rule.foreign for rule in table.rules if rule.foreign not in tensors]:
        raise WeightsError(
            f"the checkpoint lacks tensors: {_listed(missing)}; "
            "use a complete checkpoint, or a module with as many layers as this one has"
        )
    return tensors


def _convert(rule: Rule, tensor: np.ndarray, target: _Leaf) -> jax.Array:
    expected = tuple(target.shape[axis] for axis in np.argsort(rule.axes)) if rule.axes else tuple(target.shape)
    if tensor.shape != expected:
        raise WeightsError(
            f"tensor '{rule.foreign}' has shape {tensor.shape}, but {rule.ours} needs {expected}; "
            "set the module's fields to the checkpoint's config.json"
        )
    if not np.can_cast(tensor.dtype, target.dtype, "safe"):
        raise WeightsError(
            f"tensor '{rule.foreign}' is {tensor.dtype}, but {rule.ours} is {target.dtype}; "
            f"convert the checkpoint to {target.dtype} first, since narrowing would lose digits"
        )
    # A copy, so that neither the caller's array nor a memory-mapped file is shared with a buffer that may be donated.
    return jnp.array(tensor.transpose(rule.axes) if rule.axes else tensor, dtype=target.dtype)


def _listed(names: list[str], limit: int = 6) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(f"'{name}'" for name in names[:limit]) + rest
