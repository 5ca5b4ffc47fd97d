"""Pairs of videos: embedded in one batch, and compared."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import l2_normalize, uniform_dense
from jaxmm.encoders.similarity.trunk import PooledTrunk
from jaxmm.errors import ConfigError

PairKind: TypeAlias = Literal["difference_and_product", "difference", "product", "concatenation", "cosine", "euclidean"]
"""What is looked at of two embeddings; all but the concatenation do not tell which is first."""

_SEEN: dict[str, Callable[[Array, Array], tuple[Array, ...]]] = {
    "difference_and_product": lambda a, b: (jnp.abs(a - b), a * b),
    "difference": lambda a, b: (jnp.abs(a - b),),
    "product": lambda a, b: (a * b,),
    "concatenation": lambda a, b: (a, b),
}
_COSINE_SCALE = 10.0  # logits of an untrained head reach from one side of the sigmoid to the other
_DISTANCE_OFFSET = 1.0  # the margin of the contrastive loss, beyond which pairs are unlike
_DISTANCE_SHIFT = 1e-6


class PairHead(nn.Module):
    """Two embeddings to one logit: the higher, the more alike.

    The kinds of layers see |a - b|, a * b, both, or a and b one after another; then come dense layers with ReLU, with
    Dropout after the first. `cosine` and `euclidean` scale the cosine or the negated distance and shift it, by two
    learnt numbers, of which the scale stays positive, and leave the layers out.

    Attributes:
        kind: What is looked at.
        hidden_dims: Width of each layer before the logit.
        dropout_rate: Dropout after the first of these layers, in [0, 1).
        both_orders: Whether the logits of (a, b) and (b, a) are averaged, for `concatenation` only.

    Raises:
        ConfigError: If the kind is unknown, or does not tell orders apart but is asked for both.

    Example:
        >>> import jax
        >>> a, b = jax.random.normal(jax.random.key(1), (2, 5, 128))
        >>> logits, variables = PairHead().init_with_output(jax.random.key(0), a, b, deterministic=True)
        >>> bool((logits == PairHead().apply(variables, b, a, deterministic=True)).all())
        True
        >>> sum(leaf.size for leaf in jax.tree.leaves(variables))
        41217

    Reference: seed 003, `similarity_layer` and exercise 1.2; D3.
    """

    kind: PairKind = "difference_and_product"
    hidden_dims: tuple[int, ...] = (128, 64)
    dropout_rate: float = 0.3
    both_orders: bool = False

    @nn.compact
    def __call__(
        self, a: Float[Array, "batch embedding"], b: Float[Array, "batch embedding"], *, deterministic: bool
    ) -> Float[Array, "batch"]:
        """Compares embeddings row by row.

        Args:
            a: Embeddings.
            b: Those that they are compared with.
            deterministic: Switches dropout off; otherwise a `dropout` key is needed.

        Returns:
            Logits; their sigmoid is the probability that a pair is alike.
        """
        if self.both_orders and self.kind != "concatenation":
            raise ConfigError(f"head.both_orders is for 'concatenation'; '{self.kind}' has the same answer in both")
        if self.kind == "cosine":
            return self._scaled((l2_normalize(a) * l2_normalize(b)).sum(axis=-1), _COSINE_SCALE, 0.0)
        if self.kind == "euclidean":
            return self._scaled(-pair_distance(a, b), 1.0, _DISTANCE_OFFSET)
        if self.kind not in _SEEN:
            raise ConfigError(f"head.kind '{self.kind}' is unknown; use one of {', '.join(get_args(PairKind))}")
        if self.both_orders:
            a, b = jnp.concatenate([a, b]), jnp.concatenate([b, a])
        x = jnp.concatenate(_SEEN[self.kind](a, b), axis=-1)
        for layer, width in enumerate(self.hidden_dims):
            x = nn.relu(uniform_dense(width, fan_in=x.shape[-1], name=f"hidden_{layer}")(x))
            if layer == 0:
                x = Dropout(self.dropout_rate)(x, deterministic=deterministic)
        logits = uniform_dense(1, fan_in=x.shape[-1], name="out")(x)[:, 0]
        return logits.reshape(2, -1).mean(axis=0) if self.both_orders else logits

    def _scaled(self, alike: Array, scale: float, offset: float) -> Array:
        log_scale = self.param("log_scale", nn.initializers.constant(math.log(scale)), ())
        return jnp.exp(log_scale) * alike + self.param("offset", nn.initializers.constant(offset), ())


def pair_distance(a: Float[Array, "batch embedding"], b: Float[Array, "batch embedding"]) -> Float[Array, "batch"]:
    """Returns the Euclidean distance of each row from its partner, with 1e-6 added to every difference.

    So does torch, and equal rows have a finite gradient (D6); where the sum vanishes all the same, it is zero.

    Example:
        >>> pair_distance(jnp.array([[3.0, 4.0]]), jnp.zeros((1, 2))).round(3).tolist()
        [5.0]

    Reference: torch.nn.functional.pairwise_distance.
    """
    square = jnp.square(a - b + _DISTANCE_SHIFT).sum(axis=-1)
    apart = square > 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, square, 1)), 0)


def embed_together(
    embed: Callable[[Array, Array], Array], *roles: tuple[Float[Array, "batch _ dim"], Bool[Array, "batch _"]]
) -> tuple[Float[Array, "batch embedding"], ...]:
    """Embeds the videos of all roles, such as anchors, positives and negatives, as one batch.

    So batch statistics are those of all roles (D5), and every layer is one product. Row i of every role stays beside
    row i of the others, where a device that holds it has them all.

    Args:
        embed: From frames and mask to embeddings.
        roles: Features of frames and their mask, of each role as many videos; roles may differ in their frames.

    Returns:
        Embeddings of each role.

    Example:
        >>> frames, mask = jnp.ones((4, 7, 3)), jnp.ones((4, 7), bool)
        >>> mean = lambda frames, mask: frames.mean(axis=1, where=mask[..., None])
        >>> [own.shape for own in embed_together(mean, (frames, mask), (frames[:, :5], mask[:, :5]))]
        [(4, 3), (4, 3)]
    """
    longest = max(mask.shape[1] for _, mask in roles)
    missing = [longest - mask.shape[1] for _, mask in roles]
    frames = [jnp.pad(own, ((0, 0), (0, more), (0, 0))) for (own, _), more in zip(roles, missing, strict=True)]
    masks = [jnp.pad(own, ((0, 0), (0, more))) for (_, own), more in zip(roles, missing, strict=True)]
    together = jnp.stack(frames, axis=1), jnp.stack(masks, axis=1)
    embeddings = embed(*(part.reshape(-1, *part.shape[2:]) for part in together))
    embeddings = embeddings.reshape(-1, len(roles), embeddings.shape[-1])
    return tuple(embeddings[:, role] for role in range(len(roles)))


class SiameseNetwork(nn.Module):
    """Embeds both videos of each pair, in one batch, and compares them (D1).

    Attributes:
        encoder: An encoder of videos, with parameters under `encoder`.
        head: What compares, with parameters under `head`.

    Example:
        >>> import jax
        >>> network, frames, mask = SiameseNetwork(), jnp.ones((3, 4, 6)), jnp.ones((3, 4), bool)
        >>> arguments = (frames, mask, frames[:, :2], mask[:, :2])
        >>> found, _ = network.init_with_output(jax.random.key(0), *arguments, deterministic=True)
        >>> [part.shape for part in found]
        [(3, 128), (3, 128), (3,)]

    Reference: seed 003, `VideoSiameseNetwork`.
    """

    encoder: nn.Module = dataclasses.field(default_factory=lambda: PooledTrunk(parent=None))
    head: PairHead = dataclasses.field(default_factory=lambda: PairHead(parent=None))

    def __call__(
        self,
        frames_a: Float[Array, "batch time_a dim"],
        mask_a: Bool[Array, "batch time_a"],
        frames_b: Float[Array, "batch time_b dim"],
        mask_b: Bool[Array, "batch time_b"],
        *,
        deterministic: bool,
    ) -> tuple[Float[Array, "batch embedding"], Float[Array, "batch embedding"], Float[Array, "batch"]]:
        """Returns the embeddings of both sides, and the logits of the pairs."""
        embed = functools.partial(self.encoder, deterministic=deterministic)
        a, b = embed_together(embed, (frames_a, mask_a), (frames_b, mask_b))
        return a, b, self.head(a, b, deterministic=deterministic)
