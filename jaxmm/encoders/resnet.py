"""ResNet: a convolutional encoder of images, the backbone that most features of frames are published with."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmm.errors import ConfigError

_REDUCTION = 4
_EPSILON = 1e-5
_FAN_OUT_NORMAL = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class ResNet(nn.Module):
    """Bottleneck blocks with the stride in their 3 x 3 convolution, and statistics that stay as they are.

    The defaults are ResNet-50's; depths of (3, 4, 23, 3) and (3, 8, 36, 3) are ResNet-101 and ResNet-152. The running
    means and variances of a checkpoint, in the collection `batch_stats`, are constants in training too; what scales and
    shifts after them is learnt like the kernels.

    Attributes:
        stem_dim: Channels of the first convolution.
        dims: Channels of the stages' outputs, each a multiple of 4; every stage but the first halves the resolution.
        depths: Blocks of each stage, >= 1.

    Raises:
        ConfigError: If the numbers do not fit together.

    Example:
        >>> net = ResNet(stem_dim=4, dims=(8, 16), depths=(1, 2))
        >>> features, variables = net.init_with_output(jax.random.key(0), jnp.zeros((2, 32, 32, 3)))
        >>> features.shape, sorted(variables["params"])
        ((2, 16), ['block_0', 'block_1', 'block_2', 'stem'])

    Reference: arXiv:1512.03385, with the stride where torchvision's v1.5 has it.
    """

    stem_dim: int = 64
    dims: tuple[int, ...] = (256, 512, 1024, 2048)
    depths: tuple[int, ...] = (3, 4, 6, 3)

    @property
    def feature_dim(self) -> int:
        """Width of the features."""
        return self.dims[-1]

    def setup(self) -> None:
        """Builds stem and blocks."""
        if not self.dims or len(self.dims) != len(self.depths):
            raise ConfigError(f"ResNet: dims are {self.dims} and depths {self.depths}; give one of each for a stage")
        if min(self.depths) < 1 or any(dim < 1 or dim % _REDUCTION for dim in self.dims):
            raise ConfigError(
                f"ResNet: dims are {self.dims} and depths {self.depths}; give multiples of {_REDUCTION}, and 1 or more"
            )
        self.stem = _ConvNorm(self.stem_dim, kernel_size=7, stride=2)
        self.block = [
            _Block(dim, stride=2 if stage > 0 and number == 0 else 1)
            for stage, (dim, depth) in enumerate(zip(self.dims, self.depths, strict=True))
            for number in range(depth)
        ]

    def __call__(self, images: Float[Array, "batch height width 3"]) -> Float[Array, "batch dim"]:
        """Encodes images.

        Args:
            images: Normalised as the weights need it; of any size.

        Returns:
            The mean over the places of an image of its last activations, each of at least 0.
        """
        hidden = jnp.pad(jax.nn.relu(self.stem(images)), ((0, 0), (1, 1), (1, 1), (0, 0)))  # nothing is below zero
        hidden = nn.max_pool(hidden, (3, 3), (2, 2))
        for block in self.block:
            hidden = block(hidden)
        return hidden.mean((1, 2))


class _Block(nn.Module):
    """Narrows, convolves and widens again; with a convolution in the shortcut where the shape changes."""

    dim: int
    stride: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        inner = self.dim // _REDUCTION
        hidden = jax.nn.relu(_ConvNorm(inner, name="narrow")(x))
        hidden = jax.nn.relu(_ConvNorm(inner, kernel_size=3, stride=self.stride, name="spatial")(hidden))
        hidden = _ConvNorm(self.dim, name="widen")(hidden)
        if self.stride != 1 or x.shape[-1] != self.dim:
            x = _ConvNorm(self.dim, stride=self.stride, name="shortcut")(x)
        return jax.nn.relu(x + hidden)


class _ConvNorm(nn.Module):
    """A convolution without bias, and normalisation by fixed statistics.

    Attributes:
        dim: Output channels.
        kernel_size: Odd number of taps along each side, both of which are padded alike.
        stride: Pixels from one output to the next.
    """

    dim: int
    kernel_size: int = 1
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        taps, margin = self.kernel_size, self.kernel_size // 2
        kernel = self.param("kernel", _FAN_OUT_NORMAL, (taps, taps, x.shape[-1], self.dim))
        factor, shift = _FixedNorm(self.dim, name="norm")()
        # Folded into the kernel: the images are passed over once, and other runtimes have plain convolutions to fuse.
        kernel = kernel * jnp.expand_dims(factor, (0, 1, 2)).astype(kernel.dtype)
        made = jax.lax.conv_general_dilated(
            x,
            kernel,
            (self.stride, self.stride),
            ((margin, margin), (margin, margin)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return made + jnp.expand_dims(shift, (0, 1, 2)).astype(made.dtype)


class _FixedNorm(nn.Module):
    """Batch normalisation by statistics that nothing changes, as a factor and a shift of each channel."""

    dim: int

    @nn.compact
    def __call__(self) -> tuple[Array, Array]:
        scale = self.param("scale", nn.initializers.ones, (self.dim,))
        bias = self.param("bias", nn.initializers.zeros, (self.dim,))
        mean = self.variable("batch_stats", "mean", jnp.zeros, (self.dim,)).value
        variance = self.variable("batch_stats", "var", jnp.ones, (self.dim,)).value
        factor = scale * jax.lax.rsqrt(variance + _EPSILON)
        return factor, bias - mean * factor
