"""Layers of BERT-family text encoders: embeddings, and a transformer layer in three steps."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import layer_norm
from jaxmm.encoders.transformer import Attention
from jaxmm.errors import DataError
from jaxmm.typing import Length

NORMAL = nn.initializers.normal(0.02)
"""How tables and kernels start."""

LAYER_STEPS = (("attention", "attention_norm"), ("feedforward_in",), ("feedforward_out", "feedforward_norm"))
"""The submodules that each step of a layer uses, in the order of `attend`, `widen` and `narrow`."""

NUM_DISTANCE_BUCKETS = 32
_FIRST_DISTANCES = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91)


class TokenEmbeddings(nn.Module):
    """Sum of token, position and (for BERT) token-type embeddings, normalised; every token is of type 0.

    Attributes:
        vocab_size: Rows of the token table.
        dim: Width of every table.
        max_positions: Rows of the position table.
        first_position: Row of that table which the first token takes.
        num_token_types: Rows of the token-type table; 0 has none.
        layer_norm_epsilon: Added to the variance.
        dropout_rate: Dropout of the normalised sum.

    Example:
        >>> import jax
        >>> embeddings = TokenEmbeddings(vocab_size=50, dim=8, max_positions=4, first_position=0,
        ...                              num_token_types=2, layer_norm_epsilon=1e-12, dropout_rate=0.1)
        >>> variables = embeddings.init(jax.random.key(0), jnp.zeros((1, 3), int), deterministic=True)
        >>> sorted(variables["params"])
        ['norm', 'position', 'token', 'token_type']
    """

    vocab_size: int
    dim: int
    max_positions: int
    first_position: int
    num_token_types: int
    layer_norm_epsilon: float
    dropout_rate: float

    @nn.compact
    def __call__(
        self, token_ids: Int[Array, "batch tokens"], *, deterministic: bool
    ) -> Float[Array, "batch tokens dim"]:
        """Embeds token ids.

        Raises:
            DataError: If there are more tokens than positions from `first_position` on.
        """
        num_tokens, max_tokens = token_ids.shape[1], self.max_positions - self.first_position
        # An index beyond the table would give NaN silently.
        if num_tokens > max_tokens:
            raise DataError(
                f"texts of {num_tokens} tokens, but max_positions is {self.max_positions} and the first position "
                f"{self.first_position}; tokenize with truncation to at most {max_tokens} tokens"
            )
        total = nn.Embed(self.vocab_size, self.dim, embedding_init=NORMAL, name="token")(token_ids)
        if self.num_token_types:
            token_types = nn.Embed(self.num_token_types, self.dim, embedding_init=NORMAL, name="token_type")
            total = total + token_types(jnp.zeros((1, 1), jnp.int32))
        positions = nn.Embed(self.max_positions, self.dim, embedding_init=NORMAL, name="position")
        total = total + positions(self.first_position + jnp.arange(num_tokens)[None, :])
        normed = layer_norm(self.layer_norm_epsilon, name="norm")(total)
        return Dropout(self.dropout_rate)(normed, deterministic=deterministic)


class TransformerTextLayer(nn.Module):
    """Self-attention and a GELU feed-forward network, each added to its input and then normalised.

    Attributes:
        dim: Width of the token states; a multiple of `num_heads`.
        num_heads: Attention heads.
        feedforward_dim: Width between the two feed-forward products.
        layer_norm_epsilon: Added to the variance in both LayerNorms.
        dropout_rate: Dropout of the feed-forward branch, and of the attention branch where that is dropped.
        attention_dropout_rate: Dropout of attention weights.
        dropout_after_attention: Whether the attention branch is dropped.

    Example:
        >>> import jax
        >>> layer = TransformerTextLayer(dim=8, num_heads=2, feedforward_dim=16, layer_norm_epsilon=1e-12,
        ...                              dropout_rate=0.1, attention_dropout_rate=0.1, dropout_after_attention=True)
        >>> variables = layer.init(jax.random.key(0), jnp.ones((1, 3, 8)), jnp.ones((1, 3), bool), deterministic=True)
        >>> sorted(variables["params"])
        ['attention', 'attention_norm', 'feedforward_in', 'feedforward_norm', 'feedforward_out']
    """

    dim: int
    num_heads: int
    feedforward_dim: int
    layer_norm_epsilon: float
    dropout_rate: float
    attention_dropout_rate: float
    dropout_after_attention: bool

    def setup(self) -> None:
        """Builds the attention, the feed-forward network and their norms."""
        self.attention = Attention(self.num_heads, self.attention_dropout_rate, kernel_init=NORMAL)
        self.attention_norm = layer_norm(self.layer_norm_epsilon)
        self.feedforward_in = _dense(self.feedforward_dim)
        self.feedforward_out = _dense(self.dim)
        self.feedforward_norm = layer_norm(self.layer_norm_epsilon)
        self.dropout = Dropout(self.dropout_rate)

    def __call__(
        self,
        hidden: Float[Array, "batch tokens dim"],
        token_mask: Bool[Array, "batch tokens"],
        position_bias: Float[Array, "heads tokens tokens"] | None = None,
        *,
        deterministic: bool,
    ) -> Float[Array, "batch tokens dim"]:
        """Transforms token states; keys outside `token_mask` are not attended to."""
        hidden = self.attend(hidden, token_mask, position_bias, deterministic=deterministic)
        return self.narrow(hidden, self.widen(hidden), deterministic=deterministic)

    def attend(
        self,
        hidden: Float[Array, "batch tokens dim"],
        token_mask: Bool[Array, "batch tokens"],
        position_bias: Float[Array, "heads tokens tokens"] | None,
        *,
        only_first: bool = False,
        deterministic: bool,
    ) -> Float[Array, "batch some_tokens dim"]:
        """Takes the first step, the only one in which tokens meet: attention; with `only_first` for one token."""
        asking = hidden[:, :1] if only_first else hidden
        attended = self.attention(asking, hidden, token_mask, position_bias, deterministic=deterministic)
        if self.dropout_after_attention:
            attended = self.dropout(attended, deterministic=deterministic)
        return self.attention_norm(asking + attended)

    def widen(self, hidden: Float[Array, "batch tokens dim"]) -> Float[Array, "batch tokens feedforward_dim"]:
        """Takes the second step: the first feed-forward product and GELU."""
        return nn.gelu(self.feedforward_in(hidden), approximate=False)

    def narrow(
        self,
        hidden: Float[Array, "batch tokens dim"],
        widened: Float[Array, "batch tokens feedforward_dim"],
        *,
        deterministic: bool,
    ) -> Float[Array, "batch tokens dim"]:
        """Takes the last step: the second feed-forward product, added to `hidden` and normalised."""
        change = self.dropout(self.feedforward_out(widened), deterministic=deterministic)
        return self.feedforward_norm(hidden + change)


def distance_buckets(num_tokens: Length) -> Int[Array, "tokens tokens"]:
    """Returns the bucket of the distance from each token (row) to each other (column).

    Distances below 8 have buckets of their own, longer ones share 8 whose widths grow by the square root of two; the
    first 16 buckets are those of tokens that come before, the others those of tokens that follow.

    Args:
        num_tokens: Length of the text.

    Example:
        >>> distance_buckets(3).tolist()
        [[0, 17, 18], [1, 0, 17], [2, 1, 0]]

    Reference: T5, arXiv:1910.10683, as MPNet takes it, arXiv:2004.09297.
    """
    offset = jnp.arange(num_tokens)[None, :] - jnp.arange(num_tokens)[:, None]
    first = jnp.array(_FIRST_DISTANCES)[None, None]
    buckets = (jnp.abs(offset)[..., None] >= first).sum(axis=-1)  # a search would export as a loop
    return buckets + jnp.where(offset > 0, NUM_DISTANCE_BUCKETS // 2, 0)


def _dense(features: int) -> nn.Dense:
    return nn.Dense(features, kernel_init=NORMAL)
