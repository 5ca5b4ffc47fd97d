"""Small trainable changes of a pretrained network, each of which changes nothing before it is trained."""

import re
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util
from jaxtyping import Array, Float

from jaxmm.encoders.layers import uniform_dense
from jaxmm.errors import ConfigError
from jaxmm.typing import Params

LORA_SUFFIX = "_lora"
"""What the name of a `Lora` adds to that of the linear map that it changes and beside which it stands."""

ADAPTER_PATTERN = rf"(^|/)(adapter|\w+{LORA_SUFFIX})/"
"""Found in the paths of the parameters of a `Lora` or an `Adapter`, as `jaxmm.Group` looks for patterns."""

_DOWN = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Lora(nn.Module):
    """A change of low rank of a linear map: two products without bias, of which the second starts at zero.

    Attributes:
        features: Width of the output of the map that is changed.
        rank: Width between the two products, >= 1.
        alpha: The change is scaled by `alpha / rank`, so that rates suit any rank.

    Raises:
        ConfigError: If the rank is below one.

    Example:
        >>> lora, x = Lora(features=6, rank=2), jnp.ones((3, 8))
        >>> variables = lora.init(jax.random.key(0), x)
        >>> lora.apply(variables, x).tolist() == jnp.zeros((3, 6)).tolist()
        True

    Reference: LoRA, arXiv:2106.09685.
    """

    features: int
    rank: int
    alpha: float = 16.0

    @nn.compact
    def __call__(self, x: Float[Array, "*batch dim"]) -> Float[Array, "*batch features"]:
        """Returns what is to be added to the output of the map."""
        if self.rank < 1:
            raise ConfigError(f"lora_rank is {self.rank}; give 1 or more, or 0 to have none")
        narrow = nn.Dense(self.rank, use_bias=False, kernel_init=_DOWN, name="down")(x)
        change = nn.Dense(self.features, use_bias=False, kernel_init=nn.initializers.zeros, name="up")(narrow)
        return change * (self.alpha / self.rank)


class Adapter(nn.Module):
    """A narrow network added to its input: Dense, ReLU, Dense, of which the last starts at zero.

    Attributes:
        bottleneck_dim: Width inside, >= 1.

    Raises:
        ConfigError: If the width is below one.

    Example:
        >>> adapter, x = Adapter(bottleneck_dim=2), jnp.arange(8.0)[None]
        >>> variables = adapter.init(jax.random.key(0), x)
        >>> adapter.apply(variables, x).tolist() == x.tolist()
        True

    Reference: arXiv:1902.00751; on CLIP's features, arXiv:2110.04544; seed 001.
    """

    bottleneck_dim: int

    @nn.compact
    def __call__(self, x: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        """Returns the changed input."""
        if self.bottleneck_dim < 1:
            raise ConfigError(f"adapter_dim is {self.bottleneck_dim}; give 1 or more, or 0 to have none")
        narrow = uniform_dense(self.bottleneck_dim, fan_in=x.shape[-1], name="down")(x)
        return x + nn.Dense(x.shape[-1], kernel_init=nn.initializers.zeros, name="up")(jax.nn.relu(narrow))


def merge_lora(params: Params, *, alpha: float) -> Params:
    """Returns a tree in which the kernels hold what each `Lora` beside them adds; it has none of these any more.

    Args:
        params: Parameters of a module, all of whose `Lora` have the same `alpha`.
        alpha: That of the module.

    Example:
        >>> change = {"down": {"kernel": jnp.ones((2, 1))}, "up": {"kernel": jnp.ones((1, 2))}}
        >>> merge_lora({"query": {"kernel": jnp.eye(2)}, "query_lora": change}, alpha=0.5)["query"]["kernel"].tolist()
        [[1.5, 0.5], [0.5, 1.5]]
    """
    leaves: dict[str, Any] = dict(traverse_util.flatten_dict(dict(params), sep="/"))
    merged = {path: leaf for path, leaf in leaves.items() if f"{LORA_SUFFIX}/" not in path}
    for path, down in leaves.items():
        if found := re.fullmatch(rf"(.*){LORA_SUFFIX}/down/kernel", path):
            up, kernel = leaves[f"{found[1]}{LORA_SUFFIX}/up/kernel"], f"{found[1]}/kernel"
            merged[kernel] = merged[kernel] + jnp.matmul(down, up, precision="highest") * (alpha / down.shape[1])
    return traverse_util.unflatten_dict(merged, sep="/")
