"""Temporal convolutional networks over features of frames: the alignment encoder and MS-TCN's segmentation head."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import MaskedBatchNorm, layer_norm, uniform_bias, uniform_dense
from jaxmm.errors import ConfigError

_TAPS = 3
STREAM = "stream"
"""Collection that holds, of every convolution of a streamed network, the frames that its next ones still look at."""


class TemporalConv(nn.Module):
    """A dilated convolution of three taps over time that keeps the length.

    Attributes:
        width: Number of output channels.
        dilation: Frames from one tap to the next.
        causal: Whether a frame sees only those before it, or as many on both sides.

    Raises:
        ConfigError: If it is streamed and not causal.

    Example:
        >>> conv = TemporalConv(width=4, dilation=2)
        >>> conv.init_with_output(jax.random.key(0), jnp.ones((1, 9, 3)), jnp.ones((1, 9), bool))[0].shape
        (1, 9, 4)
    """

    width: int
    dilation: int = 1
    causal: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, streaming: bool = False
    ) -> Float[Array, "batch time width"]:
        """Convolves the valid frames, as if zeros were all around them.

        Args:
            x: Frames.
            mask: True where a frame is valid.
            streaming: Whether `x` goes on where the frames before it ended, which the collection `stream` remembers;
                without that collection it is the beginning. All its frames must be valid.
        """
        reach, dim = (_TAPS - 1) * self.dilation, x.shape[-1]
        if streaming and not self.causal:
            raise ConfigError("a network that sees frames to come cannot be streamed; train one with causal=True")
        x = jnp.where(mask[..., None], x, 0)
        padding = (reach, 0) if self.causal else (reach // 2, reach // 2)
        if streaming:
            past = self.variable(STREAM, "past", jnp.zeros, (x.shape[0], reach, dim), x.dtype)
            x, padding = jnp.concatenate([past.value, x], axis=1), (0, 0)
            past.value = x[:, x.shape[1] - reach :]
        fan_in = dim * _TAPS
        return nn.Conv(
            self.width,
            kernel_size=(_TAPS,),
            kernel_dilation=(self.dilation,),
            padding=(padding,),
            kernel_init=nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
            bias_init=uniform_bias(fan_in),
            name="conv",
        )(x)


class TemporalConvNet(nn.Module):
    """Levels of two dilated convolutions each, with masked batch normalisation and a residual (D2).

    Level i has dilation 2 ** i. Padding changes no frame and no statistic (D5), and comes out as zero.

    Attributes:
        dims: Width of each level.
        dropout_rate: Dropout after each convolution, in [0, 1).
        causal: Whether a frame sees only those before it (the network can then be streamed), or as many on both sides.

    Example:
        >>> net = TemporalConvNet(dims=(8, 4), causal=True)
        >>> x, mask = jax.random.normal(jax.random.key(0), (1, 9, 6)), jnp.ones((1, 9), bool)
        >>> whole, variables = net.init_with_output(jax.random.key(1), x, mask, deterministic=True)
        >>> parts, stream = [], {}
        >>> for frame in range(9):
        ...     part, stream = net.apply({**variables, **stream}, x[:, frame : frame + 1], mask[:, frame : frame + 1],
        ...                              deterministic=True, streaming=True, mutable=["stream"])
        ...     parts.append(part)
        >>> bool(jnp.allclose(jnp.concatenate(parts, axis=1), whole, atol=1e-6))
        True

    Reference: seed 002; arXiv:1803.01271, with batch instead of weight normalisation.
    """

    dims: tuple[int, ...] = (512, 128, 64)
    dropout_rate: float = 0.3
    causal: bool = False

    @property
    def context(self) -> tuple[int, int]:
        """Frames before and after one that its features depend on.

        Example:
            >>> TemporalConvNet().context, TemporalConvNet(causal=True).context
            ((14, 14), (28, 0))
        """
        return _sides(2 * (2 ** len(self.dims) - 1), causal=self.causal)

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch time dim"],
        mask: Bool[Array, "batch time"],
        *,
        deterministic: bool,
        streaming: bool = False,
    ) -> Float[Array, "batch time hidden"]:
        """Transforms frames; `streaming` goes on where earlier frames ended, as `TemporalConv` does."""
        x = jnp.where(mask[..., None], x, 0)
        for level, width in enumerate(self.dims):
            hidden = x
            for number in range(2):
                conv = TemporalConv(width, dilation=2**level, causal=self.causal, name=f"level_{level}_conv_{number}")
                hidden = conv(hidden, mask, streaming=streaming)
                norm = MaskedBatchNorm(name=f"level_{level}_norm_{number}")
                hidden = nn.relu(norm(hidden, mask, deterministic=deterministic))
                hidden = Dropout(self.dropout_rate)(hidden, deterministic=deterministic)
            if x.shape[-1] != width:
                x = uniform_dense(width, fan_in=x.shape[-1], name=f"level_{level}_residual")(x)
            x = jnp.where(mask[..., None], nn.relu(hidden + x), 0)
        return x


class FrameProjector(nn.Module):
    """From a frame's hidden state to the space of the semantic embeddings (D1).

    Attributes:
        hidden_dim: Width between the two products.
        embedding_dim: Width of the embeddings.
        dropout_rate: Dropout after each normalisation, in [0, 1).

    Example:
        >>> projector = FrameProjector(hidden_dim=8, embedding_dim=4)
        >>> projector.init_with_output(jax.random.key(0), jnp.ones((1, 9, 6)), deterministic=True)[0].shape
        (1, 9, 4)

    Reference: seed 002, `Visual Projector`.
    """

    hidden_dim: int = 512
    embedding_dim: int = 384
    dropout_rate: float = 0.3

    @nn.compact
    def __call__(
        self, hidden: Float[Array, "batch time hidden"], *, deterministic: bool
    ) -> Float[Array, "batch time dim"]:
        """Projects every frame by itself."""
        drop = Dropout(self.dropout_rate)
        wide = uniform_dense(self.hidden_dim, fan_in=hidden.shape[-1], name="hidden")(hidden)
        wide = drop(nn.relu(layer_norm(1e-5, name="hidden_norm")(wide)), deterministic=deterministic)
        projected = uniform_dense(self.embedding_dim, fan_in=self.hidden_dim, name="out")(wide)
        return drop(layer_norm(1e-5, name="out_norm")(projected), deterministic=deterministic)


class MultiStageTcn(nn.Module):
    """Stages of dilated residual layers; each refines the label probabilities of the one before.

    Attributes:
        num_labels: Labels to choose from.
        num_stages: Stages, >= 1.
        num_layers: Layers of a stage; layer i has dilation 2 ** i.
        dim: Width of all layers.
        dropout_rate: Dropout within layers, in [0, 1).
        input_dropout_rate: Share of the features' channels that training hides from the first stage, in [0, 1).
        causal: Whether a frame sees only those before it, or as many on both sides.

    Example:
        >>> head = MultiStageTcn(num_labels=5, num_stages=2, num_layers=3, dim=8)
        >>> x, mask = jnp.ones((1, 9, 6)), jnp.ones((1, 9), bool)
        >>> head.init_with_output(jax.random.key(0), x, mask, deterministic=True)[0].shape
        (2, 1, 9, 5)

    Reference: arXiv:1903.01945.
    """

    num_labels: int
    num_stages: int = 4
    num_layers: int = 10
    dim: int = 64
    dropout_rate: float = 0.5
    input_dropout_rate: float = 0.0
    causal: bool = False

    @property
    def context(self) -> tuple[int, int]:
        """Frames before and after one that its labels depend on."""
        return _sides(self.num_stages * (2**self.num_layers - 1), causal=self.causal)

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch time dim"],
        mask: Bool[Array, "batch time"],
        *,
        deterministic: bool,
        streaming: bool = False,
    ) -> Float[Array, "stages batch time labels"]:
        """Returns logits of every stage, the last of which is the answer."""
        if self.num_stages < 1:
            raise ConfigError(f"num_stages is {self.num_stages}; give 1 or more")
        x = jnp.where(mask[..., None], x, 0)
        if self.input_dropout_rate and not deterministic:
            channels = jnp.ones((x.shape[0], 1, x.shape[-1]), x.dtype)
            x = x * Dropout(self.input_dropout_rate)(channels, deterministic=False)
        logits = []
        for stage in range(self.num_stages):
            refine = _Stage(
                self.num_labels, self.num_layers, self.dim, self.dropout_rate, self.causal, name=f"stage_{stage}"
            )
            logits.append(refine(x, mask, deterministic=deterministic, streaming=streaming))
            x = jax.nn.softmax(logits[-1], axis=-1)
        return jnp.stack(logits)


class _Stage(nn.Module):
    """Dilated residual layers between two products of each frame by itself."""

    num_labels: int
    num_layers: int
    dim: int
    dropout_rate: float
    causal: bool

    @nn.compact
    def __call__(self, x: Array, mask: Array, *, deterministic: bool, streaming: bool) -> Array:
        hidden = uniform_dense(self.dim, fan_in=x.shape[-1], name="in")(x)
        for layer in range(self.num_layers):
            conv = TemporalConv(self.dim, dilation=2**layer, causal=self.causal, name=f"layer_{layer}_conv")
            change = nn.relu(conv(hidden, mask, streaming=streaming))
            change = uniform_dense(self.dim, fan_in=self.dim, name=f"layer_{layer}_out")(change)
            hidden = hidden + Dropout(self.dropout_rate)(change, deterministic=deterministic)
        return uniform_dense(self.num_labels, fan_in=self.dim, name="out")(hidden)


def _sides(reach: int, *, causal: bool) -> tuple[int, int]:
    return (2 * reach, 0) if causal else (reach, reach)
