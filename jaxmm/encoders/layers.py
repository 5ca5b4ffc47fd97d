"""Small layers that several encoders share, with torch's conventions where the seeds rely on them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm import parallel
from jaxmm.errors import ConfigError

_FAN_IN_UNIFORM = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def uniform_dense(width: int, *, fan_in: int, name: str) -> nn.Dense:
    """Returns a dense layer whose kernel and bias start as U(-1/sqrt(fan_in), 1/sqrt(fan_in)), torch's default.

    Args:
        width: Number of output features.
        fan_in: Number of input features; Flax infers it for the kernel, the bias needs to be told.
        name: Name of the layer in the parameter tree.

    Example:
        >>> layer = uniform_dense(4, fan_in=9, name="out")
        >>> variables = nn.Dense(4, bias_init=layer.bias_init).init(jax.random.key(0), jnp.ones((1, 9)))
        >>> bool(jnp.abs(variables["params"]["bias"]).max() <= 1 / 3)
        True
    """
    return nn.Dense(width, kernel_init=_FAN_IN_UNIFORM, bias_init=uniform_bias(fan_in), name=name)


def uniform_conv(width: int, *, kernel_size: int, fan_in: int, stride: int = 1, name: str) -> nn.Conv:
    """Returns a 1-D convolution over time with torch's default initialisation, centred on every `stride`-th frame.

    Args:
        width: Number of output channels.
        kernel_size: Odd number of taps; both ends are padded with (kernel_size - 1) / 2 zeros.
        fan_in: Number of input channels.
        stride: Frames from one output to the next, the first on frame 0; 1 preserves the length.
        name: Name of the layer in the parameter tree.

    Raises:
        ConfigError: If `kernel_size` is even or negative.

    Example:
        >>> uniform_conv(8, kernel_size=3, fan_in=4, name="conv").padding
        ((1, 1),)
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ConfigError(f"kernel_size is {kernel_size}; give an odd number, so that both ends are padded alike")
    margin = (kernel_size - 1) // 2
    return nn.Conv(
        width,
        kernel_size=(kernel_size,),
        strides=(stride,),
        padding=((margin, margin),),
        kernel_init=_FAN_IN_UNIFORM,
        bias_init=uniform_bias(fan_in * kernel_size),
        name=name,
    )


def uniform_bias(fan_in: int) -> nn.initializers.Initializer:
    """Returns an initialiser that draws from U(-1/sqrt(fan_in), 1/sqrt(fan_in)).

    Raises:
        ConfigError: If `fan_in` is below 1.

    Example:
        >>> bool((jnp.abs(uniform_bias(16)(jax.random.key(0), (100,))) <= 0.25).all())
        True
    """
    if fan_in < 1:
        raise ConfigError(f"a layer has {fan_in} inputs; give widths of 1 or more")
    bound = fan_in**-0.5
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -bound, bound)


def layer_norm(epsilon: float, *, name: str | None = None) -> nn.LayerNorm:
    """Returns a layer normalisation that computes the variance as torch does.

    The fast variance, mean(x^2) - mean(x)^2, cancels where the mean is large and misses torch by more than 1e-5.

    Args:
        epsilon: Added to the variance.
        name: Name of the layer in the parameter tree; None inside a `setup`, where attributes give the names.

    Example:
        >>> layer_norm(1e-5, name="norm").use_fast_variance
        False
    """
    return nn.LayerNorm(epsilon=epsilon, use_fast_variance=False, name=name)


def quick_gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Approximates GELU by x * sigmoid(1.702 x), which CLIP was trained with.

    Example:
        >>> quick_gelu(jnp.array([0.0, 1.0])).round(3).tolist()
        [0.0, 0.8460000157356262]

    Reference: arXiv:1606.08415, section 2.
    """
    return x * jax.nn.sigmoid(1.702 * x)


def mean_over_valid(
    hidden: Float[Array, "batch tokens dim"], token_mask: Bool[Array, "batch tokens"]
) -> Float[Array, "batch dim"]:
    """Averages the states of the valid tokens; zeros where there is none.

    Example:
        >>> mean_over_valid(jnp.array([[[1.0], [3.0], [50.0]]]), jnp.array([[True, True, False]])).tolist()
        [[2.0]]
    """
    total = jnp.where(token_mask[:, :, None], hidden, 0.0).sum(axis=1)
    return total / jnp.maximum(token_mask.sum(axis=1, keepdims=True), 1)


def l2_normalize(x: Float[Array, "*batch dim"], *, epsilon: float = 1e-12) -> Float[Array, "*batch dim"]:
    """Scales vectors to unit length, in float32; a zero vector stays zero and has a finite gradient.

    Example:
        >>> l2_normalize(jnp.array([[3.0, 4.0]])).round(1).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, epsilon**2))


class MaskedBatchNorm(nn.Module):
    """Batch normalisation over the valid frames only, as if the padding were not there.

    Attributes:
        momentum: Share of the running statistics kept at a step, in [0, 1); torch's 0.1 is 0.9 here.
        epsilon: Added to the variance.

    Example:
        >>> x, mask = jnp.ones((2, 3, 4)), jnp.ones((2, 3), bool)
        >>> variables = MaskedBatchNorm().init(jax.random.key(0), x, mask, deterministic=True)
        >>> sorted(variables["batch_stats"])
        ['mean', 'var']

    Reference: arXiv:1502.03167; the running variance is unbiased, as torch has it.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"], *, deterministic: bool
    ) -> Float[Array, "batch time dim"]:
        """Normalises by the statistics of the batch, or by the running ones when `deterministic`."""
        dim, dtype = x.shape[-1], x.dtype
        x = x.astype(jnp.float32)  # sums over a batch need more than bfloat16
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (dim,))
        running_var = self.variable("batch_stats", "var", jnp.ones, (dim,))
        scale = self.param("scale", nn.initializers.ones, (dim,))
        bias = self.param("bias", nn.initializers.zeros, (dim,))
        if deterministic:
            mean, var = running_mean.value, running_var.value
        else:
            weight = mask[..., None].astype(x.dtype)
            count = jnp.maximum(parallel.total(weight.sum()), 1.0)
            mean = parallel.total((x * weight).sum((0, 1))) / count
            var = parallel.total((jnp.square(x - jnp.expand_dims(mean, (0, 1))) * weight).sum((0, 1))) / count
            if not self.is_initializing():
                unbiased = var * count / jnp.maximum(count - 1, 1.0)
                running_mean.value = self.momentum * running_mean.value + (1 - self.momentum) * mean
                running_var.value = self.momentum * running_var.value + (1 - self.momentum) * unbiased
        factor = jax.lax.rsqrt(var + self.epsilon) * scale
        mean, factor, bias = (jnp.expand_dims(channel, (0, 1)) for channel in (mean, factor, bias))
        return ((x - mean) * factor + bias).astype(dtype)
