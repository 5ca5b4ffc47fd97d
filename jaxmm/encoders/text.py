"""BERT-family text encoders: one post-LayerNorm transformer that serves BERT, MiniLM and DistilBERT."""

from typing import Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import layer_norm, mean_over_valid
from jaxmm.encoders.transformer import SelfAttention
from jaxmm.errors import ConfigError, DataError

_NORMAL = nn.initializers.normal(0.02)


class TransformerText(nn.Module):
    """Contextual token states of a BERT-like encoder, without pooler or prediction heads.

    Fields that BERT and DistilBERT set differently default to DistilBERT's values.

    Attributes:
        vocab_size: Rows of the token table.
        dim: Width of the token states; a multiple of `num_heads`.
        num_layers: Transformer layers.
        num_heads: Attention heads.
        feedforward_dim: Width between the two feed-forward products.
        max_positions: Longest text, in tokens.
        num_token_types: Rows of the token-type table; 0 has no table (DistilBERT), BERT has 2.
        layer_norm_epsilon: Added to the variance in every LayerNorm.
        dropout_rate: Dropout of embeddings and residual branches.
        attention_dropout_rate: Dropout of attention weights.
        dropout_after_attention: Whether the attention branch is dropped too: BERT does, DistilBERT does not.

    Raises:
        ConfigError: If `dim` is not a multiple of `num_heads`.
        DataError: If a text has more tokens than `max_positions`.

    Example:
        >>> import jax
        >>> encoder = TransformerText(vocab_size=50, dim=8, num_layers=1, num_heads=2, feedforward_dim=16)
        >>> token_ids, token_mask = jnp.array([[2, 7, 0]]), jnp.array([[True, True, False]])
        >>> variables = encoder.init(jax.random.key(0), token_ids, token_mask, deterministic=True)
        >>> encoder.apply(variables, token_ids, token_mask, deterministic=True).shape
        (1, 3, 8)

    Reference: BERT, arXiv:1810.04805; DistilBERT, arXiv:1910.01108; seed 000.
    """

    vocab_size: int = 30522
    dim: int = 768
    num_layers: int = 6
    num_heads: int = 12
    feedforward_dim: int = 3072
    max_positions: int = 512
    num_token_types: int = 0
    layer_norm_epsilon: float = 1e-12
    dropout_rate: float = 0.1
    attention_dropout_rate: float = 0.1
    dropout_after_attention: bool = False

    @classmethod
    def minilm(cls) -> "TransformerText":
        """Returns the architecture of sentence-transformers/all-MiniLM-L6-v2, a BERT of 6 layers of width 384.

        Example:
            >>> TransformerText.minilm().dim
            384
        """
        return cls(
            dim=384,
            num_layers=6,
            num_heads=12,
            feedforward_dim=1536,
            num_token_types=2,
            dropout_after_attention=True,
        )

    def setup(self) -> None:
        """Builds the embeddings and the layers."""
        if self.dim % self.num_heads:
            raise ConfigError(
                f"TransformerText: dim is {self.dim} and num_heads {self.num_heads}; set dim to a multiple of num_heads"
            )
        self.embeddings = TokenEmbeddings(
            vocab_size=self.vocab_size,
            dim=self.dim,
            max_positions=self.max_positions,
            num_token_types=self.num_token_types,
            layer_norm_epsilon=self.layer_norm_epsilon,
            dropout_rate=self.dropout_rate,
        )
        self.layer = [
            TransformerTextLayer(
                num_heads=self.num_heads,
                feedforward_dim=self.feedforward_dim,
                layer_norm_epsilon=self.layer_norm_epsilon,
                dropout_rate=self.dropout_rate,
                attention_dropout_rate=self.attention_dropout_rate,
                dropout_after_attention=self.dropout_after_attention,
            )
            for _ in range(self.num_layers)
        ]

    def __call__(
        self, token_ids: Int[Array, "batch tokens"], token_mask: Bool[Array, "batch tokens"], *, deterministic: bool
    ) -> Float[Array, "batch tokens dim"]:
        """Encodes texts; padding changes no state of a valid token.

        Args:
            token_ids: Vocabulary indices, including the special tokens.
            token_mask: True where a token is valid; a row without one gives finite, meaningless states.
            deterministic: Switches dropout off; otherwise a `dropout` key is needed.

        Returns:
            States of the last layer; those at padding mean nothing.
        """
        hidden = self.embeddings(token_ids, deterministic=deterministic)
        for layer in self.layer:
            hidden = layer(hidden, token_mask, deterministic=deterministic)
        return hidden


class TokenEmbeddings(nn.Module):
    """Sum of token, position and (for BERT) token-type embeddings, normalised; every token is of type 0.

    Attributes:
        vocab_size: Rows of the token table.
        dim: Width of every table.
        max_positions: Rows of the position table.
        num_token_types: Rows of the token-type table; 0 has none.
        layer_norm_epsilon: Added to the variance.
        dropout_rate: Dropout of the normalised sum.

    Example:
        >>> import jax
        >>> embeddings = TokenEmbeddings(vocab_size=50, dim=8, max_positions=4, num_token_types=2,
        ...                              layer_norm_epsilon=1e-12, dropout_rate=0.1)
        >>> variables = embeddings.init(jax.random.key(0), jnp.zeros((1, 3), int), deterministic=True)
        >>> sorted(variables["params"])
        ['norm', 'position', 'token', 'token_type']
    """

    vocab_size: int
    dim: int
    max_positions: int
    num_token_types: int
    layer_norm_epsilon: float
    dropout_rate: float

    @nn.compact
    def __call__(
        self, token_ids: Int[Array, "batch tokens"], *, deterministic: bool
    ) -> Float[Array, "batch tokens dim"]:
        """Embeds token ids.

        Raises:
            DataError: If there are more tokens than `max_positions`.
        """
        num_tokens = token_ids.shape[1]
        # An index beyond the table would give NaN silently.
        if num_tokens > self.max_positions:
            raise DataError(
                f"texts of {num_tokens} tokens, but max_positions is {self.max_positions}; "
                f"tokenize with truncation to at most {self.max_positions} tokens"
            )
        total = nn.Embed(self.vocab_size, self.dim, embedding_init=_NORMAL, name="token")(token_ids)
        if self.num_token_types:
            token_types = nn.Embed(self.num_token_types, self.dim, embedding_init=_NORMAL, name="token_type")
            total = total + token_types(jnp.zeros((1, 1), jnp.int32))
        positions = nn.Embed(self.max_positions, self.dim, embedding_init=_NORMAL, name="position")
        total = total + positions(jnp.arange(num_tokens)[None, :])
        return Dropout(self.dropout_rate)(
            layer_norm(self.layer_norm_epsilon, name="norm")(total), deterministic=deterministic
        )


class TransformerTextLayer(nn.Module):
    """Self-attention and a GELU feed-forward network, each added to its input and then normalised.

    Attributes:
        num_heads: Attention heads; divides the width of the input.
        feedforward_dim: Width between the two feed-forward products.
        layer_norm_epsilon: Added to the variance in both LayerNorms.
        dropout_rate: Dropout of the feed-forward branch, and of the attention branch where that is dropped.
        attention_dropout_rate: Dropout of attention weights.
        dropout_after_attention: Whether the attention branch is dropped.

    Example:
        >>> import jax
        >>> layer = TransformerTextLayer(num_heads=2, feedforward_dim=16, layer_norm_epsilon=1e-12, dropout_rate=0.1,
        ...                              attention_dropout_rate=0.1, dropout_after_attention=True)
        >>> variables = layer.init(jax.random.key(0), jnp.ones((1, 3, 8)), jnp.ones((1, 3), bool), deterministic=True)
        >>> sorted(variables["params"])
        ['attention', 'attention_norm', 'feedforward_in', 'feedforward_norm', 'feedforward_out']
    """

    num_heads: int
    feedforward_dim: int
    layer_norm_epsilon: float
    dropout_rate: float
    attention_dropout_rate: float
    dropout_after_attention: bool

    @nn.compact
    def __call__(
        self, hidden: Float[Array, "batch tokens dim"], token_mask: Bool[Array, "batch tokens"], *, deterministic: bool
    ) -> Float[Array, "batch tokens dim"]:
        """Transforms token states; keys outside `token_mask` are not attended to."""
        attention = SelfAttention(self.num_heads, self.attention_dropout_rate, kernel_init=_NORMAL, name="attention")
        attended = attention(hidden, token_mask, deterministic=deterministic)
        if self.dropout_after_attention:
            attended = Dropout(self.dropout_rate)(attended, deterministic=deterministic)
        hidden = layer_norm(self.layer_norm_epsilon, name="attention_norm")(hidden + attended)
        widened = nn.gelu(_dense(self.feedforward_dim, "feedforward_in")(hidden), approximate=False)
        change = _dense(hidden.shape[-1], "feedforward_out")(widened)
        change = Dropout(self.dropout_rate)(change, deterministic=deterministic)
        return layer_norm(self.layer_norm_epsilon, name="feedforward_norm")(hidden + change)


def pool(
    hidden: Float[Array, "batch tokens dim"], token_mask: Bool[Array, "batch tokens"], how: Literal["first", "mean"]
) -> Float[Array, "batch dim"]:
    """Reduces token states to one vector a text.

    Args:
        hidden: Token states.
        token_mask: True where a token is valid.
        how: `first` takes the first token, `mean` averages the valid ones (zeros where there is none).

    Returns:
        One unnormalised vector a text.

    Raises:
        ConfigError: If `how` is neither.

    Example:
        >>> hidden = jnp.array([[[1.0], [3.0], [50.0]]])
        >>> pool(hidden, jnp.array([[True, True, False]]), "mean").tolist()
        [[2.0]]
    """
    if how == "first":
        return hidden[:, 0]
    if how != "mean":
        raise ConfigError(f"pooling '{how}' is unknown; use 'first' or 'mean'")
    return mean_over_valid(hidden, token_mask)


def _dense(features: int, name: str) -> nn.Dense:
    return nn.Dense(features, kernel_init=_NORMAL, name=name)
