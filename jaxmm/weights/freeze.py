"""Which parameters of a pretrained backbone stay trainable."""

import dataclasses
from typing import Literal

from jaxmm.encoders.text import TransformerText
from jaxmm.errors import ConfigError
from jaxmm.weights.hf_flax import HFFlaxBackbone
from jaxmm.weights.text import parameter_paths


@dataclasses.dataclass(frozen=True)
class Freeze:
    """A policy that splits a backbone's parameters into frozen and trainable ones.

    Attributes:
        kind: `nothing` or `everything` is frozen; `first_layers` freezes the embeddings (MPNet's position bias
            with them) and the first `count` layers; `last_tensors` freezes all but the last `count` tensors, in
            torch's parameter order.
        count: Number of layers or tensors; 0 for the other two kinds.

    Raises:
        ConfigError: If the count does not fit the kind.

    Example:
        >>> sorted(Freeze.last_tensors(2).trainable(TransformerText(num_layers=6)))
        ['layer_5/feedforward_norm/bias', 'layer_5/feedforward_norm/scale']

    Reference: seed 000, whose slice `[:-4]` is `Freeze.last_tensors(4)`.
    """

    kind: Literal["nothing", "everything", "first_layers", "last_tensors"]
    count: int = 0

    def __post_init__(self) -> None:
        smallest = {"nothing": 0, "everything": 0, "first_layers": 0, "last_tensors": 1}
        if self.kind not in smallest:
            raise ConfigError(f"freeze: kind '{self.kind}' is unknown; use one of {', '.join(smallest)}")
        if self.kind in ("nothing", "everything") and self.count:
            raise ConfigError(f"freeze: '{self.kind}' takes no count, got {self.count}; leave count at 0")
        if self.count < smallest[self.kind]:
            raise ConfigError(
                f"freeze: '{self.kind}' needs a count of at least {smallest[self.kind]}, got {self.count}; "
                "use 'everything' to leave no tensor trainable, 'nothing' to freeze none"
            )

    @classmethod
    def first_layers(cls, count: int) -> "Freeze":
        """Freezes the embeddings and the first `count` layers.

        Example:
            >>> Freeze.first_layers(4)
            Freeze(kind='first_layers', count=4)
        """
        return cls("first_layers", count)

    @classmethod
    def last_tensors(cls, count: int) -> "Freeze":
        """Freezes all but the last `count` tensors, weights and biases counted one by one.

        Example:
            >>> Freeze.last_tensors(4)
            Freeze(kind='last_tensors', count=4)
        """
        return cls("last_tensors", count)

    def trainable(self, module: TransformerText | HFFlaxBackbone) -> frozenset[str]:
        """Returns the paths of the parameters that stay trainable, such as `layer_5/feedforward_out/kernel`.

        Args:
            module: The backbone.

        Raises:
            ConfigError: If the module has fewer layers or tensors than `count`, or no known order of them.

        Example:
            >>> len(Freeze("nothing").trainable(TransformerText(num_layers=6)))
            100
        """
        if self.kind == "everything":
            return frozenset()
        if self.kind == "nothing":
            return frozenset(parameter_paths(module))
        if isinstance(module, HFFlaxBackbone):
            raise ConfigError(
                f"freeze: '{self.kind}' needs a TransformerText, whose layers and tensors have a known order; "
                "with an HFFlaxBackbone use 'nothing' or 'everything'"
            )
        paths = parameter_paths(module)
        if self.kind == "last_tensors":
            self._check(len(paths), "tensors")
            return frozenset(paths[-self.count :])
        self._check(module.num_layers, "layers")
        frozen = {"embeddings", "position_bias", *(f"layer_{layer}" for layer in range(self.count))}
        return frozenset(path for path in paths if path.split("/")[0] not in frozen)

    def frozen_steps(self, module: TransformerText | HFFlaxBackbone) -> int:
        """Returns how many steps of the backbone come before the first one that has a trainable parameter.

        Args:
            module: The backbone.

        Raises:
            ConfigError: As `trainable` does.

        Example:
            >>> Freeze.first_layers(4).frozen_steps(TransformerText(num_layers=6))  # embeddings and 4 * 3
            13
            >>> Freeze.last_tensors(4).frozen_steps(TransformerText(num_layers=6))  # all but the last
            18
        """
        return min((module.step_of(path) for path in self.trainable(module)), default=module.num_steps)

    def _check(self, available: int, what: str) -> None:
        if self.count > available:
            raise ConfigError(
                f"freeze: '{self.kind}' has count {self.count}, but the backbone has {available} {what}; "
                f"use at most {available}"
            )
