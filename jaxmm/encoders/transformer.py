"""Attention that ignores padding, and the transformer block of the motion encoders."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import layer_norm
from jaxmm.errors import ConfigError

_XAVIER = nn.initializers.xavier_uniform()


class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward network, each after a normalisation and added to its input (pre-norm).

    Kernels start Xavier-uniform, biases at zero.

    Attributes:
        num_heads: Attention heads; divides the width of the input.
        feedforward_dim: Width between the two feed-forward products.
        dropout_rate: Dropout of attention weights and of both branches, in [0, 1).

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

    @nn.compact
    def __call__(
        self, hidden: Float[Array, "batch tokens dim"], token_mask: Bool[Array, "batch tokens"], *, deterministic: bool
    ) -> Float[Array, "batch tokens dim"]:
        """Transforms token states; tokens outside `token_mask` are not attended to."""
        attention = Attention(num_heads=self.num_heads, dropout_rate=self.dropout_rate, name="attention")
        normed = layer_norm(1e-5, name="attention_norm")(hidden)
        attended = attention(normed, normed, token_mask, deterministic=deterministic)
        hidden = hidden + Dropout(self.dropout_rate)(attended, deterministic=deterministic)
        normed = layer_norm(1e-5, name="feedforward_norm")(hidden)
        widened = nn.Dense(self.feedforward_dim, kernel_init=_XAVIER, name="feedforward_in")(normed)
        change = nn.Dense(hidden.shape[-1], kernel_init=_XAVIER, name="feedforward_out")(
            nn.gelu(widened, approximate=False)
        )
        return hidden + Dropout(self.dropout_rate)(change, deterministic=deterministic)


class Attention(nn.Module):
    """Multi-head attention to the valid ones of some states, which may be those that ask.

    Attributes:
        num_heads: Attention heads; divides the width of the states that ask.
        dropout_rate: Dropout of attention weights, in [0, 1).
        kernel_init: Initialiser of the four kernels.

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
            position_bias: Added to the scores of each head, for each pair (asking, asked); more rows than states that
                ask are left out.
            deterministic: Switches dropout off; otherwise a `dropout` key is needed.
        """
        (batch, queries, dim), keys = asking.shape, context.shape[1]
        if dim % self.num_heads:
            raise ConfigError(f"dim is {dim} and num_heads {self.num_heads}; set dim to a multiple of num_heads")
        heads = (self.num_heads, dim // self.num_heads)
        query = self._dense(dim, "query")(asking).reshape(batch, queries, *heads)
        key = self._dense(dim, "key")(context).reshape(batch, keys, *heads)
        value = self._dense(dim, "value")(context).reshape(batch, keys, *heads)
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) * heads[1] ** -0.5
        if position_bias is not None:
            scores = scores + position_bias[None, :, :queries]
        # A bias that broadcasts, not a selection between full-size arrays: exporters keep batch and tokens dynamic.
        bias = jnp.where(context_mask, 0.0, jnp.finfo(scores.dtype).min)
        weights = jax.nn.softmax(scores + bias[:, None, None, :], axis=-1)
        weights = Dropout(self.dropout_rate)(weights, deterministic=deterministic)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(asking.shape)
        return self._dense(dim, "out")(mixed)

    def _dense(self, features: int, name: str) -> nn.Dense:
        return nn.Dense(features, kernel_init=self.kernel_init, name=name)
