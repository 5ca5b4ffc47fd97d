"""CLIP: a vision transformer and a causal text transformer that share a space, and their scaled similarity."""

import dataclasses
import math
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmm.encoders.layers import l2_normalize, layer_norm
from jaxmm.encoders.transformer import Activation, TransformerBlock
from jaxmm.errors import ConfigError, DataError

MAX_LOGIT_SCALE = math.log(100)
"""Above it, a `logit_scale` acts as if it were this."""

OLD_END_TOKEN = 2
"""What early checkpoints state as the end of text, whatever it is; theirs is the largest id of a text."""

_FIRST_LOGIT_SCALE = math.log(1 / 0.07)
_NORMAL = nn.initializers.normal(0.02)


class _Tower(nn.Module):
    """What both towers are made of."""

    dim: int = 512
    num_layers: int = 12
    num_heads: int = 8
    feedforward_dim: int = 2048
    embedding_dim: int = 512
    activation: Activation = "quick_gelu"
    layer_norm_epsilon: float = 1e-5
    dropout_rate: float = 0.0
    lora_rank: int = 0
    lora_alpha: float = 16.0

    def _blocks(
        self,
        hidden: Float[Array, "batch tokens dim"],
        token_mask: Bool[Array, "batch tokens"],
        position_bias: Float[Array, "1 tokens tokens"] | None,
        *,
        deterministic: bool,
    ) -> Float[Array, "batch tokens dim"]:
        for layer in range(self.num_layers):
            block = TransformerBlock(
                num_heads=self.num_heads,
                feedforward_dim=self.feedforward_dim,
                dropout_rate=self.dropout_rate,
                activation=self.activation,
                layer_norm_epsilon=self.layer_norm_epsilon,
                lora_rank=self.lora_rank,
                lora_alpha=self.lora_alpha,
                name=f"layer_{layer}",
            )
            hidden = block(hidden, token_mask, position_bias, deterministic=deterministic)
        return hidden

    def _project(self, pooled: Float[Array, "batch dim"]) -> Float[Array, "batch embedding_dim"]:
        return nn.Dense(self.embedding_dim, use_bias=False, kernel_init=_NORMAL, name="projection")(pooled)


class ClipVision(_Tower):
    """CLIP's vision transformer: one feature vector an image, not normalised. The defaults are ViT-B/32.

    Attributes:
        dim: Width of the tokens; a multiple of `num_heads`.
        num_layers: Transformer blocks, whose parameters are under `layer_0` and so on.
        num_heads: Attention heads.
        feedforward_dim: Width inside the feed-forward networks.
        embedding_dim: Width of the features.
        activation: What stands inside the feed-forward networks.
        layer_norm_epsilon: Added to the variance in every LayerNorm.
        dropout_rate: Dropout of attention weights and residual branches, in [0, 1); CLIP has none.
        lora_rank: Rank of the changes of all projections of the attention; 0 has none.
        lora_alpha: See `jaxmm.encoders.adapters.Lora`.
        image_size: Height and width of an image, in pixels.
        patch_size: Height and width of a patch, from 1 to `image_size`; what is left over at the right and the bottom
            is not seen.
        pooling: What becomes an image's features: the state of the `class` token, or the mean of those of the
            `patches`.

    Raises:
        ConfigError: If `dim` is not a multiple of `num_heads`, a rank is negative, or no patch fits into an image.
        DataError: If images are not of `image_size`.

    Example:
        >>> import functools, jax
        >>> run = functools.partial(ClipVision().init_with_output, deterministic=True)
        >>> features, variables = jax.eval_shape(run, jax.random.key(0), jnp.zeros((2, 224, 224, 3)))
        >>> features.shape, variables["params"]["layer_11"]["attention"]["query"]["kernel"].shape
        ((2, 512), (768, 768))

    Reference: CLIP, arXiv:2103.00020; ViT, arXiv:2010.11929.
    """

    dim: int = 768
    num_heads: int = 12
    feedforward_dim: int = 3072
    image_size: int = 224
    patch_size: int = 32
    pooling: Literal["class", "patches"] = "class"

    @nn.compact
    def __call__(
        self, images: Float[Array, "batch height width 3"], *, deterministic: bool
    ) -> Float[Array, "batch embedding_dim"]:
        """Returns the features of images that were prepared as the checkpoint asks for.

        Args:
            images: Rescaled and normalised pixels, red, green and blue.
            deterministic: Switches dropout off; otherwise a `dropout` key is needed.
        """
        if images.shape[1:3] != (self.image_size, self.image_size):
            raise DataError(
                f"images of {images.shape[1]} x {images.shape[2]} pixels, but image_size is {self.image_size}; "
                "prepare them with the checkpoint's preprocessor_config.json"
            )
        if not 1 <= self.patch_size <= self.image_size:
            raise ConfigError(f"patch_size is {self.patch_size}; give 1 to image_size, which is {self.image_size}")
        patch = (self.patch_size, self.patch_size)
        embed = nn.Conv(self.dim, patch, patch, "VALID", use_bias=False, kernel_init=_NORMAL, name="patches")
        patches = embed(images).reshape(images.shape[0], -1, self.dim)
        class_token = self.param("class_token", _NORMAL, (self.dim,))
        tokens = jnp.concatenate([jnp.broadcast_to(class_token, (images.shape[0], 1, self.dim)), patches], axis=1)
        position = self.param("position", _NORMAL, tokens.shape[1:])
        hidden = layer_norm(self.layer_norm_epsilon, name="pre_norm")(tokens + position[None])
        hidden = self._blocks(hidden, jnp.ones(hidden.shape[:2], bool), None, deterministic=deterministic)
        pooled = hidden[:, 0] if self.pooling == "class" else hidden[:, 1:].mean(axis=1)
        return self._project(layer_norm(self.layer_norm_epsilon, name="post_norm")(pooled))


class ClipText(_Tower):
    """CLIP's text transformer: one feature vector a text, not normalised, read where the text ends.

    A token sees itself and those before it. The defaults are those of ViT-B/32.

    Attributes:
        vocab_size: Rows of the token table.
        max_tokens: Longest text, in tokens, special ones included.
        end_token: Id of the token that ends a text, of which the first counts; 2, which early checkpoints state,
            takes the largest id of a text instead.

    The other attributes are those that `ClipVision` has too.

    Raises:
        ConfigError: If `dim` is not a multiple of `num_heads`, or a rank is negative.
        DataError: If a text has more tokens than `max_tokens`.

    Example:
        >>> import functools, jax
        >>> token_ids, token_mask = jnp.array([[49406, 3, 49407, 0]]), jnp.array([[True, True, True, False]])
        >>> run = functools.partial(ClipText().init_with_output, deterministic=True)
        >>> features, _ = jax.eval_shape(run, jax.random.key(0), token_ids, token_mask)
        >>> features.shape
        (1, 512)

    Reference: CLIP, arXiv:2103.00020.
    """

    vocab_size: int = 49408
    max_tokens: int = 77
    end_token: int = 49407

    @nn.compact
    def __call__(
        self, token_ids: Int[Array, "batch tokens"], token_mask: Bool[Array, "batch tokens"], *, deterministic: bool
    ) -> Float[Array, "batch embedding_dim"]:
        """Returns the features of texts; padding changes none.

        Args:
            token_ids: Vocabulary indices, including the special tokens; a text without an end is read at its start.
            token_mask: True where a token is valid.
            deterministic: Switches dropout off; otherwise a `dropout` key is needed.
        """
        num_tokens = token_ids.shape[1]
        if num_tokens > self.max_tokens:
            raise DataError(
                f"texts of {num_tokens} tokens, but max_tokens is {self.max_tokens}; tokenize with truncation to that"
            )
        hidden = nn.Embed(self.vocab_size, self.dim, embedding_init=_NORMAL, name="token")(token_ids)
        position = self.param("position", _NORMAL, (self.max_tokens, self.dim))
        hidden = hidden + position[None, :num_tokens]
        seen = jnp.tril(jnp.ones((1, num_tokens, num_tokens), bool))
        causal = jnp.where(seen, 0, jnp.finfo(hidden.dtype).min).astype(hidden.dtype)
        hidden = self._blocks(hidden, token_mask, causal, deterministic=deterministic)
        pooled = jnp.take_along_axis(hidden, self._end(token_ids, token_mask)[:, None, None], axis=1)[:, 0]
        return self._project(layer_norm(self.layer_norm_epsilon, name="final_norm")(pooled))

    def _end(
        self, token_ids: Int[Array, "batch tokens"], token_mask: Bool[Array, "batch tokens"]
    ) -> Int[Array, "batch"]:
        score = token_ids if self.end_token == OLD_END_TOKEN else token_ids == self.end_token
        return jnp.where(token_mask, score, -1).argmax(axis=1)


class Clip(nn.Module):
    """Both towers, and the scale of their similarities. The defaults are ViT-B/32.

    Attributes:
        vision: Tower of images, with parameters under `vision`.
        text: Tower of texts, with parameters under `text`.

    Raises:
        ConfigError: If the towers' features have different widths.

    Example:
        >>> import functools, jax
        >>> small = {"dim": 8, "num_layers": 1, "num_heads": 2, "feedforward_dim": 8, "embedding_dim": 4}
        >>> clip = Clip(vision=ClipVision(image_size=8, patch_size=4, **small), text=ClipText(vocab_size=10, **small))
        >>> images, token_ids = jnp.zeros((2, 8, 8, 3)), jnp.array([[8, 3, 9], [8, 4, 9], [8, 5, 9]])
        >>> run = functools.partial(clip.init_with_output, deterministic=True)
        >>> similarity, variables = jax.eval_shape(run, jax.random.key(0), images, token_ids, jnp.ones((3, 3), bool))
        >>> similarity.shape, sorted(variables["params"])
        ((2, 3), ['logit_scale', 'text', 'vision'])

    Reference: CLIP, arXiv:2103.00020.
    """

    # Without a parent: a module that is made inside another one would otherwise become its child, not this one's.
    vision: ClipVision = dataclasses.field(default_factory=lambda: ClipVision(parent=None))
    text: ClipText = dataclasses.field(default_factory=lambda: ClipText(parent=None))

    def setup(self) -> None:
        """Makes the scale of similarities."""
        if self.vision.embedding_dim != self.text.embedding_dim:
            raise ConfigError(
                f"vision.embedding_dim is {self.vision.embedding_dim} and text.embedding_dim "
                f"{self.text.embedding_dim}; set both to one width"
            )
        self.logit_scale = self.param("logit_scale", nn.initializers.constant(_FIRST_LOGIT_SCALE), ())

    def __call__(
        self,
        images: Float[Array, "batch height width 3"],
        token_ids: Int[Array, "classes tokens"],
        token_mask: Bool[Array, "classes tokens"],
        *,
        deterministic: bool,
    ) -> Float[Array, "batch classes"]:
        """Returns the scaled similarity of each image with each text.

        Args:
            images: As `ClipVision` takes them.
            token_ids: As `ClipText` takes them.
            token_mask: True where a token is valid.
            deterministic: Switches dropout off; otherwise a `dropout` key is needed.
        """
        features = self.vision(images, deterministic=deterministic)
        classes = self.text(token_ids, token_mask, deterministic=deterministic)
        return scaled_similarity(features, classes, self.logit_scale)


def scaled_similarity(
    features: Float[Array, "batch dim"], classes: Float[Array, "classes dim"], logit_scale: Float[Array, ""]
) -> Float[Array, "batch classes"]:
    """Returns the cosine of each feature vector with each class, times the exponential of a scale.

    Args:
        features: One vector an image or a video, of any length.
        classes: One vector a class, of any length.
        logit_scale: Natural logarithm of the scale; what exceeds that of 100 is cut off. No gradient reaches it there:
            where it is trained, `jaxmm.optim.keep_within` keeps it from going astray.

    Example:
        >>> scaled_similarity(2 * jnp.eye(2), jnp.array([[1.0, 0.0], [0.0, 3.0], [0.6, -0.8]]), jnp.log(10.0)).tolist()
        [[10.0, 0.0, 6.0], [0.0, 10.0, -8.0]]

    Reference: CLIP, arXiv:2103.00020, section 2.5.
    """
    scale = jnp.exp(jnp.minimum(logit_scale, MAX_LOGIT_SCALE))
    return scale * (l2_normalize(features) @ l2_normalize(classes).T)
