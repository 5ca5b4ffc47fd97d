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
        attention = SelfAttention(num_heads=self.num_heads, dropout_rate=self.dropout_rate, name="attention")
        normed = layer_norm(1e-5, name="attention_norm")(hidden)
        attended = attention(normed, token_mask, deterministic=deterministic)
        hidden = hidden + Dropout(self.dropout_rate)(attended, deterministic=deterministic)
        normed = layer_norm(1e-5, name="feedforward_norm")(hidden)
        widened = nn.Dense(self.feedforward_dim, kernel_init=_XAVIER, name="feedforward_in")(normed)
        change = nn.Dense(hidden.shape[-1], kernel_init=_XAVIER, name="feedforward_out")(
            nn.gelu(widened, approximate=False)
        )
        return hidden + Dropout(self.dropout_rate)(change, deterministic=deterministic)


class SelfAttention(nn.Module):
    """Multi-head self-attention over the valid tokens.

    Attributes:
        num_heads: Attention heads; divides the width of the input.
        dropout_rate: Dropout of attention weights, in [0, 1).
        kernel_init: Initialiser of the four kernels.

    Raises:
        ConfigError: If the width of the input is not a multiple of `num_heads`.

    Example:
        >>> attention = SelfAttention(num_heads=2, dropout_rate=0.1)
        >>> hidden, token_mask = jnp.ones((1, 3, 8)), jnp.array([[True, True, False]])
        >>> variables = attention.init(jax.random.key(0), hidden, token_mask, deterministic=True)
        >>> attention.apply(variables, hidden, token_mask, deterministic=True).shape
        (1, 3, 8)

    Reference: arXiv:1706.03762.
    """

    num_heads: int
    dropout_rate: float
    kernel_init: nn.initializers.Initializer = _XAVIER

    @nn.compact
    def __call__(
        self,
        hidden: Float[Array, "batch tokens dim"],
        token_mask: Bool[Array, "batch tokens"],
        position_bias: Float[Array, "heads tokens tokens"] | None = None,
        *,
        only_first: bool = False,
        deterministic: bool,
    ) -> Float[Array, "batch some_tokens dim"]:
        """Mixes token states by scaled dot-product attention; a row without a valid token attends to all.

        Args:
            hidden: Token states.
            token_mask: True where a token may be attended to.
            position_bias: Added to the scores of each head, for each pair of tokens (query, key).
            only_first: Whether the first token alone asks, and only its new state is returned.
            deterministic: Switches dropout off; otherwise a `dropout` key is needed.
        """
        batch, tokens, dim = hidden.shape
        if dim % self.num_heads:
            raise ConfigError(f"dim is {dim} and num_heads {self.num_heads}; set dim to a multiple of num_heads")
        heads = (self.num_heads, dim // self.num_heads)
        asking = hidden[:, :1] if only_first else hidden
        query = self._dense(dim, "query")(asking).reshape(*asking.shape[:2], *heads)
        key = self._dense(dim, "key")(hidden).reshape(batch, tokens, *heads)
        value = self._dense(dim, "value")(hidden).reshape(batch, tokens, *heads)
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) * heads[1] ** -0.5
        if position_bias is not None:
            scores = scores + position_bias[None, :, : asking.shape[1]]
        # A bias that broadcasts, not a selection between full-size arrays: exporters keep batch and tokens dynamic.
        bias = jnp.where(token_mask, 0.0, jnp.finfo(scores.dtype).min)
        weights = jax.nn.softmax(scores + bias[:, None, None, :], axis=-1)
        weights = Dropout(self.dropout_rate)(weights, deterministic=deterministic)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(asking.shape)
        return self._dense(dim, "out")(mixed)

    def _dense(self, features: int, name: str) -> nn.Dense:
        return nn.Dense(features, kernel_init=self.kernel_init, name=name)
