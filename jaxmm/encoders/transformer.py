"""Attention that ignores padding, and the pre-norm transformer block of the encoders of motion and of CLIP."""

from typing import Literal, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.adapters import LORA_SUFFIX, Lora
from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import layer_norm, quick_gelu
from jaxmm.errors import ConfigError

Activation: TypeAlias = Literal["gelu", "quick_gelu"]
"""What stands between the two feed-forward products: GELU itself, or CLIP's approximation of it."""

_XAVIER = nn.initializers.xavier_uniform()


class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward network, each after a normalisation and added to its input (pre-norm).

    Kernels start Xavier-uniform, biases at zero.

    Attributes:
        num_heads: Attention heads; divides the width of the input.
        feedforward_dim: Width between the two feed-forward products.
        dropout_rate: Dropout of attention weights and of both branches, in [0, 1).
        activation: What stands between the two feed-forward products.
        layer_norm_epsilon: Added to the variance in both normalisations.
        lora_rank: Rank of the changes of the attention's projections; 0 has none.
        lora_alpha: See `jaxmm.encoders.adapters.Lora`.

    Example:
        >>> block = TransformerBlock(num_heads=2, feedforward_dim=16, dropout_rate=0.1)
        >>> hidden, token_mask = jnp.ones((1, 3, 8)), jnp.ones((1, 3), bool)
        >>> block.init_with_output(jax.random.key(0), hidden, token_mask, deterministic=True)[0].shape
        (1, 3, 8)

    Reference: arXiv:1706.03762, with the normalisation first as in arXiv:2002.04745; torch's
    `TransformerEncoderLayer(norm_first=True, activation="gelu")`.
    """

    num_heads: int
    feedforward_dim: int
    dropout_rate: float
    activation: Activation = "gelu"
    layer_norm_epsilon: float = 1e-5
    lora_rank: int = 0
    lora_alpha: float = 16.0

    @nn.compact
    def __call__(
        self,
        hidden: Float[Array, "batch tokens dim"],
        token_mask: Bool[Array, "batch tokens"],
        position_bias: Float[Array, "heads tokens tokens"] | None = None,
        *,
        deterministic: bool,
    ) -> Float[Array, "batch tokens dim"]:
        """Transforms token states; tokens outside `token_mask` are not attended to.

        Args:
            hidden: States of tokens.
            token_mask: True where a token is valid.
            position_bias: As `Attention` takes it.
            deterministic: Switches dropout off; otherwise a `dropout` key is needed.
        """
        attention = Attention(
            num_heads=self.num_heads,
            dropout_rate=self.dropout_rate,
            lora_rank=self.lora_rank,
            lora_alpha=self.lora_alpha,
            name="attention",
        )
        normed = layer_norm(self.layer_norm_epsilon, name="attention_norm")(hidden)
        attended = attention(normed, normed, token_mask, position_bias, deterministic=deterministic)
        hidden = hidden + Dropout(self.dropout_rate)(attended, deterministic=deterministic)
        normed = layer_norm(self.layer_norm_epsilon, name="feedforward_norm")(hidden)
        widened = nn.Dense(self.feedforward_dim, kernel_init=_XAVIER, name="feedforward_in")(normed)
        activated = quick_gelu(widened) if self.activation == "quick_gelu" else nn.gelu(widened, approximate=False)
        change = nn.Dense(hidden.shape[-1], kernel_init=_XAVIER, name="feedforward_out")(activated)
        return hidden + Dropout(self.dropout_rate)(change, deterministic=deterministic)


class Attention(nn.Module):
    """Multi-head attention to the valid ones of some states, which may be those that ask.

    Attributes:
        num_heads: Attention heads; divides the width of the states that ask.
        dropout_rate: Dropout of attention weights, in [0, 1).
        kernel_init: Initialiser of the four kernels.
        lora_rank: Rank of the change of each of the four; 0 has none.
        lora_alpha: See `jaxmm.encoders.adapters.Lora`.

    Raises:
        ConfigError: If the width of the states that ask is not a multiple of `num_heads`.

    Example:
        >>> attention = Attention(num_heads=2, dropout_rate=0.1)
        >>> hidden, token_mask = jnp.ones((1, 3, 8)), jnp.array([[True, True, False]])
        >>> variables = attention.init(jax.random.key(0), hidden, hidden, token_mask, deterministic=True)
        >>> attention.apply(variables, hidden[:, :1], hidden, token_mask, deterministic=True).shape
        (1, 1, 8)

    Reference: arXiv:1706.03762.
    """

    num_heads: int
    dropout_rate: float = 0.0
    kernel_init: nn.initializers.Initializer = _XAVIER
    lora_rank: int = 0
    lora_alpha: float = 16.0

    @nn.compact
    def __call__(
        self,
        asking: Float[Array, "batch queries dim"],
        context: Float[Array, "batch keys context_dim"],
        context_mask: Bool[Array, "batch keys"],
        position_bias: Float[Array, "heads _queries keys"] | None = None,
        *,
        deterministic: bool,
    ) -> Float[Array, "batch queries dim"]:
        """Mixes the context by scaled dot-product attention; a row without a valid state attends to all.

        Args:
            asking: States that ask.
            context: States that are asked.
            context_mask: True where a state of the context may be attended to.
            position_bias: Added to the scores of each head, or of all where there is one, for each pair (asking,
                asked); more rows than states that ask are left out.
            deterministic: Switches dropout off; otherwise a `dropout` key is needed.
        """
        (batch, queries, dim), keys = asking.shape, context.shape[1]
        if self.num_heads < 1 or dim % self.num_heads:
            raise ConfigError(f"dim is {dim} and num_heads {self.num_heads}; set dim to a multiple of num_heads")
        heads = (self.num_heads, dim // self.num_heads)
        query = self._project(asking, dim, "query").reshape(batch, queries, *heads)
        key = self._project(context, dim, "key").reshape(batch, keys, *heads)
        value = self._project(context, dim, "value").reshape(batch, keys, *heads)
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) * heads[1] ** -0.5
        if position_bias is not None:
            scores = scores + position_bias[None, :, :queries]
        # A bias that broadcasts, not a selection between full-size arrays: exporters keep batch and tokens dynamic.
        bias = jnp.where(context_mask, 0.0, jnp.finfo(scores.dtype).min)
        weights = jax.nn.softmax(scores + bias[:, None, None, :], axis=-1)
        weights = Dropout(self.dropout_rate)(weights, deterministic=deterministic)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(asking.shape)
        return self._project(mixed, dim, "out")

    def _project(
        self, states: Float[Array, "batch some in_dim"], features: int, name: str
    ) -> Float[Array, "batch some out_dim"]:
        projected = nn.Dense(features, kernel_init=self.kernel_init, name=name)(states)
        if self.lora_rank:
            projected = projected + Lora(features, self.lora_rank, self.lora_alpha, name=name + LORA_SUFFIX)(states)
        return projected
