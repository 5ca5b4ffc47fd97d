"""EfficientNet-Lite: a convolutional encoder of images that is small enough for phones and quick on one core."""

import dataclasses
import math
from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmm.encoders.dropout import Dropout
from jaxmm.encoders.layers import MaskedBatchNorm
from jaxmm.errors import ConfigError

_STEM_DIM, _DIVISOR = 32, 8
_MOMENTUM, _EPSILON = 0.99, 1e-3
_FAN_OUT_NORMAL = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


@dataclasses.dataclass(frozen=True)
class Stage:
    """Blocks in a row that have one width.

    Attributes:
        num_blocks: Blocks.
        kernel_size: Taps of their depthwise convolutions along each side, odd.
        stride: Of the first block; the others have 1.
        expansion: How many times as wide a block is within; 1 leaves its first convolution out.
        dim: Output channels.

    Example:
        >>> STAGES[0].dim, sum(stage.num_blocks for stage in STAGES)
        (16, 16)
    """

    num_blocks: int
    kernel_size: int
    stride: int
    expansion: int
    dim: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
"""Lite0's. Reference: arXiv:1905.11946, table 1."""


class EfficientNetLite(nn.Module):
    """EfficientNet without squeeze-and-excitation and with ReLU6, so that it can be computed in 8 bits.

    The defaults are Lite0's; Lite1 to Lite4 have width and depth (1.0, 1.1), (1.1, 1.2), (1.2, 1.4) and (1.4, 1.8). The
    computation is a row of steps: the stem, the blocks, and the head.

    Attributes:
        width: Factor of the blocks' channels, which are rounded to multiples of 8; stem and head keep theirs.
        depth: Factor of the number of blocks in all stages but the first and the last.
        stages: What is scaled.
        dim: Width of the head's features.
        grid: Parts along each side of the picture of which each has features of its own, which tell where things are:
            the mean of the last block's activations there. 0 has those of the head, one mean over the picture.
        num_classes: Classes that `classify` tells apart; 0 has no classifier.
        dropout_rate: Dropout of the features before the classifier, in [0, 1).
        drop_path_rate: How often training leaves out a block that has a shortcut, in [0, 1), times the share of the
            blocks that come before it.

    Raises:
        ConfigError: If `classify` is called without a classifier or with a grid, or the grid is negative or finer than
            the last activations.

    Example:
        >>> net = EfficientNetLite(stages=(Stage(1, 3, 2, 2, 8),), dim=16)
        >>> images, mask = jnp.zeros((2, 32, 32, 3)), jnp.ones(2, bool)
        >>> start = lambda key: net.init_with_output(key, images, mask, deterministic=True)
        >>> features, variables = jax.eval_shape(start, jax.random.key(0))
        >>> features.shape, sorted(variables)
        ((2, 16), ['batch_stats', 'params'])

    Reference: EfficientNet, arXiv:1905.11946; stochastic depth, arXiv:1603.09382.
    """

    width: float = 1.0
    depth: float = 1.0
    stages: tuple[Stage, ...] = STAGES
    dim: int = 1280
    grid: int = 0
    num_classes: int = 0
    dropout_rate: float = 0.2
    drop_path_rate: float = 0.2

    @property
    def num_blocks(self) -> int:
        """Blocks of all stages.

        Example:
            >>> EfficientNetLite().num_blocks, EfficientNetLite(width=1.4, depth=1.8).num_blocks
            (16, 26)
        """
        return len(list(self.scaled_blocks()))

    @property
    def feature_dim(self) -> int:
        """Width of the features of an image.

        Example:
            >>> EfficientNetLite().feature_dim, EfficientNetLite(grid=3).feature_dim
            (1280, 2880)
        """
        return self.grid**2 * _rounded(self.stages[-1].dim * self.width) if self.grid else self.dim

    @property
    def num_steps(self) -> int:
        """Steps of the whole computation."""
        return self.num_blocks + 2

    def step_of(self, path: str) -> int:
        """Returns the step, counted from 0, that uses a parameter; the classifier's are of the last.

        Args:
            path: Path of the parameter, such as `block_3/depthwise/kernel`.

        Example:
            >>> EfficientNetLite().step_of("block_3/depthwise/kernel")
            4
        """
        name = path.split("/")[0]
        if name == "stem":
            return 0
        return 1 + int(name.removeprefix("block_")) if name.startswith("block_") else self.num_steps - 1

    def scaled_blocks(self) -> Iterator[Stage]:
        """Yields the blocks, each as a stage of one.

        Example:
            >>> [block.dim for block in EfficientNetLite(width=1.4).scaled_blocks()][:4]
            [24, 32, 32, 56]
        """
        for place, stage in enumerate(self.stages):
            at_end = place in (0, len(self.stages) - 1)
            for number in range(stage.num_blocks if at_end else math.ceil(stage.num_blocks * self.depth)):
                yield dataclasses.replace(
                    stage,
                    num_blocks=1,
                    dim=_rounded(stage.dim * self.width),
                    stride=stage.stride if number == 0 else 1,
                )

    def setup(self) -> None:
        """Builds stem, blocks and head."""
        self.stem = _ConvNorm(_STEM_DIM, kernel_size=3, stride=2)
        self.block = [_Block(stage) for stage in self.scaled_blocks()]
        self.head = _ConvNorm(self.dim)
        if self.num_classes:
            self.dropout = Dropout(self.dropout_rate)
            self.classifier = nn.Dense(self.num_classes)

    def __call__(
        self,
        images: Float[Array, "batch height width 3"],
        image_mask: Bool[Array, "batch"],
        *,
        deterministic: bool,
        frozen_steps: int = 0,
    ) -> Float[Array, "batch dim"]:
        """Encodes images; those that are not valid change nothing of the others.

        Args:
            images: Normalised as the weights need it; of any size.
            image_mask: True where an image is valid and counts for the statistics of the batch.
            deterministic: Normalises by the running statistics and switches stochastic depth off; otherwise a `dropout`
                key is needed, and the collection `batch_stats` changes.
            frozen_steps: So many steps, from the first, always compute as if deterministic: their statistics stay.

        Returns:
            The mean over the places of an image of its last activations, each from 0 to 6; with a grid, those of the
            last block, over the places of each part, row by row.
        """
        frozen = [deterministic or step < frozen_steps for step in range(self.num_steps)]
        hidden = self.stem(images, image_mask, deterministic=frozen[0])
        for place, block in enumerate(self.block):
            rate = self.drop_path_rate * place / self.num_blocks
            hidden = block(hidden, image_mask, drop_path_rate=rate, deterministic=frozen[place + 1])
        if self.grid:
            return mean_of_parts(hidden, self.grid)
        return self.head(hidden, image_mask, deterministic=frozen[-1]).mean((1, 2))

    def classify(
        self,
        images: Float[Array, "batch height width 3"],
        image_mask: Bool[Array, "batch"],
        *,
        deterministic: bool,
        frozen_steps: int = 0,
    ) -> Float[Array, "batch classes"]:
        """Returns the logits of the classes; arguments as in `__call__`."""
        if not self.num_classes or self.grid:
            raise ConfigError(
                "EfficientNetLite: it has no classifier; set num_classes, to 1000 for ImageNet's, and no grid"
            )
        features = self(images, image_mask, deterministic=deterministic, frozen_steps=frozen_steps)
        return self.classifier(self.dropout(features, deterministic=deterministic))


class _Block(nn.Module):
    """Widens, convolves every channel by itself, and narrows; with a shortcut where the shape stays."""

    stage: Stage

    @nn.compact
    def __call__(self, x: Array, mask: Array, *, drop_path_rate: float, deterministic: bool) -> Array:
        stage, dim, hidden = self.stage, x.shape[-1], x
        if stage.expansion != 1:
            hidden = _ConvNorm(dim * stage.expansion, name="expand")(hidden, mask, deterministic=deterministic)
        depthwise = _ConvNorm(None, kernel_size=stage.kernel_size, stride=stage.stride, name="depthwise")
        hidden = depthwise(hidden, mask, deterministic=deterministic)
        hidden = _ConvNorm(stage.dim, linear=True, name="project")(hidden, mask, deterministic=deterministic)
        if stage.stride != 1 or stage.dim != dim:
            return hidden
        path = jnp.ones((x.shape[0], 1, 1, 1), x.dtype)
        return x + hidden * Dropout(drop_path_rate)(path, deterministic=deterministic)


class _ConvNorm(nn.Module):
    """A convolution without bias, normalisation over the batch, and ReLU6 unless linear.

    Attributes:
        dim: Output channels; None convolves every channel by itself.
        kernel_size: Taps along each side.
        stride: Pixels from one output to the next.
        linear: Whether there is no ReLU6.
    """

    dim: int | None
    kernel_size: int = 1
    stride: int = 1
    linear: bool = False

    @nn.compact
    def __call__(self, x: Array, mask: Array, *, deterministic: bool) -> Array:
        size = (self.kernel_size, self.kernel_size)
        if self.dim is None:
            spread = nn.initializers.normal(math.sqrt(2) / self.kernel_size)
            kernel = self.param("kernel", spread, (*size, 1, x.shape[-1]))
            x = depthwise_conv(x, kernel, stride=self.stride)
        else:
            kernel = self.param("kernel", _FAN_OUT_NORMAL, (*size, x.shape[-1], self.dim))
            if self.kernel_size == 1:
                x = x @ kernel[0, 0]
            else:
                x = jax.lax.conv_general_dilated(
                    x, kernel, (self.stride, self.stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
        batch, height, width, dim = x.shape
        places = jnp.broadcast_to(mask[:, None], (batch, height * width))
        norm = MaskedBatchNorm(momentum=_MOMENTUM, epsilon=_EPSILON, name="norm")
        x = norm(x.reshape(batch, height * width, dim), places, deterministic=deterministic)
        x = x.reshape(batch, height, width, dim)
        return x if self.linear else nn.relu6(x)


def depthwise_conv(
    x: Float[Array, "batch height width dim"], kernel: Float[Array, "taps taps 1 dim"], *, stride: int
) -> Float[Array, "batch new_height new_width dim"]:
    """Convolves every channel by itself, as a sum of shifted images that XLA makes one loop of.

    Args:
        x: Images.
        kernel: One kernel a channel.
        stride: Pixels from one output to the next, >= 1.

    Returns:
        `ceil(length / stride)` pixels along each side. Zeros pad the images; where their number is odd, one more stands
        at the end, as TensorFlow's SAME has it.

    Example:
        >>> depthwise_conv(jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 1, 2)), stride=2)[0, :, :, 0].tolist()
        [[9.0, 6.0], [6.0, 4.0]]
    """
    taps, (batch, height, width, dim) = kernel.shape[0], x.shape
    lengths = [-(-length // stride) for length in (height, width)]
    reaches = [(length - 1) * stride + 1 for length in lengths]
    missing = [max(reach + taps - 1 - own, 0) for reach, own in zip(reaches, (height, width), strict=True)]
    x = jnp.pad(x, ((0, 0), *((less // 2, less - less // 2) for less in missing), (0, 0)))
    total = jnp.zeros((batch, *lengths, dim), x.dtype)
    for row in range(taps):
        for column in range(taps):
            end = (batch, row + reaches[0], column + reaches[1], dim)
            shifted = jax.lax.slice(x, (0, row, column, 0), end, (1, stride, stride, 1))
            total += shifted * jnp.expand_dims(kernel[row, column], (0, 1))
    return total


def mean_of_parts(x: Float[Array, "batch height width dim"], grid: int) -> Float[Array, "batch parts"]:
    """Returns the means over the parts of images, row by row; parts share the pixels that lie in two of them.

    Args:
        x: Images.
        grid: Parts along each side.

    Raises:
        ConfigError: If there is no part, or there are more than pixels.

    Example:
        >>> mean_of_parts(jnp.arange(9.0).reshape(1, 3, 3, 1), 2).tolist()
        [[2.0, 3.0, 5.0, 6.0]]
    """
    height, width = x.shape[1:3]
    if not 1 <= grid <= min(height, width):
        raise ConfigError(
            f"frames.backbone.grid is {grid}, but the last activations are {height} x {width}; give a grid of 1 to "
            f"{min(height, width)}, 0 to have none, or larger pictures"
        )
    rows, columns = (
        [slice(part * length // grid, -(-(part + 1) * length // grid)) for part in range(grid)]
        for length in (height, width)
    )
    return jnp.concatenate([x[:, row, column].mean((1, 2)) for row in rows for column in columns], axis=-1)


def _rounded(dim: float) -> int:
    """Rounds to a multiple of 8, up where the nearest would be less than nine tenths."""
    nearest = max(_DIVISOR, int(dim + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return nearest + _DIVISOR if nearest < 0.9 * dim else nearest
