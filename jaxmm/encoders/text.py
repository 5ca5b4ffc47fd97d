"""BERT-family text encoders: one post-LayerNorm transformer that serves BERT, MiniLM, DistilBERT and MPNet."""

from typing import Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from jaxmm.encoders.layers import mean_over_valid
from jaxmm.encoders.text_layers import (
    LAYER_STEPS,
    NORMAL,
    NUM_DISTANCE_BUCKETS,
    TokenEmbeddings,
    TransformerTextLayer,
    distance_buckets,
)
from jaxmm.errors import ConfigError


class TransformerText(nn.Module):
    """Contextual token states of a BERT-like encoder, without pooler or prediction heads.

    Fields that the families set differently default to DistilBERT's values. The computation is a row of steps, first
    the embeddings and then three a layer, and can be cut between any two: `prefix` takes those before the cut and
    `suffix` the others, so that what comes before the first trainable parameter need not be computed twice.

    Attributes:
        vocab_size: Rows of the token table.
        dim: Width of the token states; a multiple of `num_heads`.
        num_layers: Transformer layers.
        num_heads: Attention heads.
        feedforward_dim: Width between the two feed-forward products.
        max_positions: Rows of the position table.
        first_position: Row of that table which the first token takes; MPNet's is 2.
        num_token_types: Rows of the token-type table; 0 has no table, BERT has 2.
        relative_positions: Whether attention is biased by the distance between tokens, as MPNet's is.
        layer_norm_epsilon: Added to the variance in every LayerNorm.
        dropout_rate: Dropout of embeddings and residual branches.
        attention_dropout_rate: Dropout of attention weights.
        dropout_after_attention: Whether the attention branch is dropped too; only DistilBERT's is not.

    Raises:
        ConfigError: If `dim` is not a multiple of `num_heads`.
        DataError: If a text has more tokens than `max_tokens`.

    Example:
        >>> import jax
        >>> encoder = TransformerText(vocab_size=50, dim=8, num_layers=1, num_heads=2, feedforward_dim=16)
        >>> token_ids, token_mask = jnp.array([[2, 7, 0]]), jnp.array([[True, True, False]])
        >>> variables = encoder.init(jax.random.key(0), token_ids, token_mask, deterministic=True)
        >>> encoder.apply(variables, token_ids, token_mask, deterministic=True).shape
        (1, 3, 8)

    Reference: BERT, arXiv:1810.04805; DistilBERT, arXiv:1910.01108; MPNet, arXiv:2004.09297; seed 000.
    """

    vocab_size: int = 30522
    dim: int = 768
    num_layers: int = 6
    num_heads: int = 12
    feedforward_dim: int = 3072
    max_positions: int = 512
    first_position: int = 0
    num_token_types: int = 0
    relative_positions: bool = False
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

    @classmethod
    def mpnet(cls) -> "TransformerText":
        """Returns the architecture of sentence-transformers/all-mpnet-base-v2, an MPNet of 12 layers of width 768.

        Example:
            >>> TransformerText.mpnet().max_tokens
            512
        """
        return cls(
            vocab_size=30527,
            num_layers=12,
            max_positions=514,
            first_position=2,
            relative_positions=True,
            layer_norm_epsilon=1e-5,
            dropout_after_attention=True,
        )

    @property
    def max_tokens(self) -> int:
        """Longest text, in tokens, special ones included."""
        return self.max_positions - self.first_position

    @property
    def num_steps(self) -> int:
        """Steps of the whole computation."""
        return 1 + len(LAYER_STEPS) * self.num_layers

    def step_of(self, path: str) -> int:
        """Returns the first step, counted from 0, that uses a parameter.

        Args:
            path: Path of the parameter, such as `layer_5/feedforward_out/kernel`.

        Example:
            >>> TransformerText(num_layers=6).step_of("layer_5/feedforward_out/kernel")
            18
        """
        module, part = path.split("/")[:2]
        if module == "embeddings":
            return 0
        if module == "position_bias":
            return 1
        place = next(place for place, parts in enumerate(LAYER_STEPS) if part in parts)
        return 1 + len(LAYER_STEPS) * int(module.removeprefix("layer_")) + place

    def setup(self) -> None:
        """Builds the embeddings and the layers."""
        if self.num_heads < 1 or self.dim % self.num_heads:
            raise ConfigError(
                f"TransformerText: dim is {self.dim} and num_heads {self.num_heads}; set dim to a multiple of num_heads"
            )
        self.embeddings = TokenEmbeddings(
            vocab_size=self.vocab_size,
            dim=self.dim,
            max_positions=self.max_positions,
            first_position=self.first_position,
            num_token_types=self.num_token_types,
            layer_norm_epsilon=self.layer_norm_epsilon,
            dropout_rate=self.dropout_rate,
        )
        if self.relative_positions:
            self.position_bias = nn.Embed(NUM_DISTANCE_BUCKETS, self.num_heads, embedding_init=NORMAL)
        self.layer = [
            TransformerTextLayer(
                dim=self.dim,
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
        self,
        token_ids: Int[Array, "batch tokens"],
        token_mask: Bool[Array, "batch tokens"],
        *,
        only_first: bool = False,
        deterministic: bool,
    ) -> Float[Array, "batch kept_tokens dim"]:
        """Encodes texts; padding changes no state of a valid token.

        Args:
            token_ids: Vocabulary indices, including the special tokens.
            token_mask: True where a token is valid; a row without one gives finite, meaningless states.
            only_first: Whether only the first token's state is wanted; the last layer then works for it alone.
            deterministic: Switches dropout off; otherwise a `dropout` key is needed.

        Returns:
            States of the last layer, of one token with `only_first`; those at padding mean nothing.
        """
        embedded = self.embeddings(token_ids, deterministic=deterministic)
        return self.suffix(embedded, token_mask, num_steps=1, only_first=only_first, deterministic=deterministic)

    def prefix(
        self,
        token_ids: Int[Array, "batch tokens"],
        token_mask: Bool[Array, "batch tokens"],
        *,
        num_steps: int,
        only_first: bool = False,
    ) -> Float[Array, "batch kept_tokens features"]:
        """Takes the first steps, without dropout.

        Args:
            token_ids: Vocabulary indices, including the special tokens.
            token_mask: True where a token is valid.
            num_steps: Steps to take, from 1 to all.
            only_first: As in `__call__`; `suffix` must be told the same.

        Returns:
            What the other steps read of each token: its state, followed before the last step of a layer by the
            widened state.
        """
        embedded = self.embeddings(token_ids, deterministic=True)
        return self._take(embedded, token_mask, range(1, num_steps), only_first=only_first, deterministic=True)

    def suffix(
        self,
        features: Float[Array, "batch some_tokens features"],
        token_mask: Bool[Array, "batch tokens"],
        *,
        num_steps: int,
        only_first: bool = False,
        deterministic: bool,
    ) -> Float[Array, "batch kept_tokens dim"]:
        """Takes the steps that `prefix` left.

        Args:
            features: What `prefix` returned.
            token_mask: True where a token is valid.
            num_steps: Steps that `prefix` took.
            only_first: What `prefix` was told.
            deterministic: Switches dropout off; otherwise a `dropout` key is needed.

        Returns:
            States of the last layer.
        """
        left = range(num_steps, self.num_steps)
        return self._take(features, token_mask, left, only_first=only_first, deterministic=deterministic)

    def _take(
        self,
        features: Float[Array, "batch some_tokens features"],
        token_mask: Bool[Array, "batch tokens"],
        steps: range,
        *,
        only_first: bool,
        deterministic: bool,
    ) -> Float[Array, "batch kept_tokens kept_features"]:
        position_bias = None
        if self.relative_positions:
            position_bias = self.position_bias(distance_buckets(token_mask.shape[1])).transpose(2, 0, 1)
        hidden, widened = features[..., : self.dim], features[..., self.dim :]
        for step in steps:
            layer, place = divmod(step - 1, len(LAYER_STEPS))
            if place == 0:
                narrows = only_first and layer == self.num_layers - 1
                hidden = self.layer[layer].attend(
                    hidden, token_mask, position_bias, only_first=narrows, deterministic=deterministic
                )
                widened = widened[:, : hidden.shape[1]]
            elif place == 1:
                widened = self.layer[layer].widen(hidden)
            else:
                hidden = self.layer[layer].narrow(hidden, widened, deterministic=deterministic)
                widened = widened[..., :0]
        return jnp.concatenate([hidden, widened], axis=-1) if widened.shape[-1] else hidden


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
